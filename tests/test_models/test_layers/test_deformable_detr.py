"""Deformable DETR's encoder and decoder with padding: oracles in plain loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from rocovis_mm.models.layers.deformable_detr import (
    DeformableDetrEncoder,
    level_padding,
    padding_mask,
    valid_ratio,
)
from rocovis_mm.models.layers.deformable_detr_decoder import DeformableDetrDecoder, refine
from rocovis_mm.models.layers.seqformer_decoder import SeqFormerDecoder

PADDED, SIZE, OTHER = (64, 96), (52, 75), (64, 96)


@pytest.fixture(scope='module')
def encoder() -> DeformableDetrEncoder:
    torch.manual_seed(0)
    encoder = DeformableDetrEncoder(
        (8, 16, 24), 32, num_layers=2, num_heads=4, num_points=2, feedforward_channels=64
    )
    encoder.init_weights()
    for layer in encoder.encoder.layers:  # as trained: where to look depends on the query
        torch.nn.init.normal_(layer.self_attn.sampling_offsets.weight, std=0.3)
    return encoder.eval()


@pytest.fixture(scope='module')
def features() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(2, c, PADDED[0] // s, PADDED[1] // s, generator=generator)
        for c, s in ((8, 8), (16, 16), (24, 32))
    ]


def test_levels_know_which_cells_are_padding():
    mask = padding_mask([SIZE, OTHER], PADDED)
    small = level_padding(mask, (8, 12))
    assert small[0].tolist() == [
        [8 * row >= SIZE[0] or 8 * column >= SIZE[1] for column in range(12)] for row in range(8)
    ]
    assert not small[1].any()
    assert valid_ratio(small)[0].tolist() == pytest.approx([10 / 12, 7 / 8])


def test_positions_count_valid_cells(encoder):
    mask = torch.zeros(1, 4, 6, dtype=torch.bool)
    mask[:, 3:], mask[:, :, 5:] = True, True
    found = encoder.positions(mask)[0, :, 2, 1]  # row 2, column 1
    values = ((3 - 0.5) / (3 + 1e-6), (2 - 0.5) / (5 + 1e-6))  # y first
    expected = [
        (math.sin, math.cos)[i % 2](value * 2 * math.pi / 10000 ** (2 * (i // 2) / 16))
        for value in values
        for i in range(16)
    ]
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-5, rtol=0)


def sampled(value, sizes, ratios, padding, attention, queries, references):
    """Return one frame's attention of queries (N, C), sample by sample."""
    heads, levels, points = attention.num_heads, attention.num_levels, attention.num_points
    value = attention.value_proj(value).masked_fill(padding[:, None], 0)
    maps = value.split([h * w for h, w in sizes])
    offsets = attention.sampling_offsets(queries).view(-1, heads, levels, points, 2)
    weights = attention.attention_weights(queries).view(-1, heads, levels * points).softmax(-1)
    rows = []
    for n in range(len(queries)):
        row = []
        for head in range(heads):
            total = 0
            for level, (h, w) in enumerate(sizes):
                width = value.shape[1] // heads
                pixels = maps[level][:, head * width : (head + 1) * width].T.view(1, width, h, w)
                for point in range(points):
                    x, y = references[n] * ratios[level] + offsets[
                        n, head, level, point
                    ] / torch.tensor([w, h])
                    place = torch.stack([x, y]).view(1, 1, 1, 2) * 2 - 1
                    found = F.grid_sample(pixels, place, align_corners=False)[0, :, 0, 0]
                    total = total + found * weights[n, head, level * points + point]
            row.append(total)
        rows.append(torch.cat(row))
    return attention.output_proj(torch.stack(rows))


@torch.no_grad()
def test_a_padded_frame_is_encoded_as_by_plain_loops(encoder, features):
    """The second cell of each level and the last one, which is padding."""
    frames = encoder(features, padding_mask([SIZE, OTHER], PADDED))
    sizes, ratios = frames.sizes, frames.valid_ratios[0]
    assert sizes == ((8, 12), (4, 6), (2, 3), (1, 2))
    layer = encoder.encoder.layers[0]
    query = torch.cat([x[0].flatten(1).T for x in encoder.project(features)])
    positions, references = [], []
    for level, (h, w) in enumerate(sizes):
        mask = level_padding(padding_mask([SIZE], PADDED), (h, w))
        positions.append(encoder.positions(mask)[0].flatten(1).T + encoder.level_embed[level])
        x, y = ratios[level] * torch.tensor([w, h])
        references += [
            torch.tensor([(j + 0.5) / x, (i + 0.5) / y]) for i in range(h) for j in range(w)
        ]
    chosen = [1, 95, 97, 119, 121, 127]
    asking = query + torch.cat(positions)
    attended = sampled(
        query, sizes, ratios, frames.padding[0], layer.self_attn, asking[chosen],
        torch.stack(references)[chosen],
    )  # fmt: skip
    expected = layer.norms[1](layer.ffn(layer.norms[0](query[chosen] + attended)))
    captured = {}
    handle = layer.register_forward_hook(lambda *args: captured.update(out=args[-1]))
    encoder(features, padding_mask([SIZE, OTHER], PADDED))
    handle.remove()
    torch.testing.assert_close(captured['out'][0, chosen], expected, atol=2e-5, rtol=1e-4)


def test_frames_do_not_see_each_other_and_gradients_change_nothing(encoder, features):
    padding = padding_mask([SIZE, OTHER], PADDED)
    with torch.no_grad():
        alone = [encoder([x[b : b + 1] for x in features], padding[b : b + 1]) for b in range(2)]
    together = encoder(features, padding)  # differently padded, with a gradient
    for b, frame in enumerate(alone):
        torch.testing.assert_close(together.memory[b], frame.memory[0], atol=1e-4, rtol=1e-4)
    for stride_map, size in zip(together.maps(3), together.sizes):
        assert stride_map.shape == (2, 32, *size)


def test_boxes_are_refined_from_layer_to_layer(encoder, features):
    torch.manual_seed(2)
    decoder = DeformableDetrDecoder(
        3, 5, 32, num_layers=3, num_heads=4, num_points=2, feedforward_channels=64
    )
    decoder.init_weights()
    for mlp in decoder.bbox_embed:
        torch.nn.init.normal_(mlp.layers[-1].weight, std=0.3)
    decoder.eval()
    frames = encoder(features, padding_mask([SIZE, OTHER], PADDED))
    decoded = decoder(frames)
    assert [x.shape[-1] for x in decoded.references] == [2, 4, 4]
    for layer in (0, 1):
        torch.testing.assert_close(decoder.boxes(decoded, layer), decoded.references[layer + 1])
        assert not decoded.references[layer + 1].requires_grad
    assert decoder.class_logits(decoded).shape == (2, 5, 3)
    loss = sum(decoder.boxes(decoded, i).sum() + decoder.class_logits(decoded, i).sum()
               for i in range(3))  # fmt: skip
    loss.backward()
    missing = [name for name, x in decoder.named_parameters() if x.grad is None]
    assert not missing


@torch.no_grad()
@pytest.mark.parametrize('kind', [DeformableDetrDecoder, SeqFormerDecoder])
def test_places_are_not_in_half_precision(encoder, features, kind):
    """Under autocast the projections of the maps alone are rounded, to eight bits."""
    torch.manual_seed(3)
    decoder = kind(3, 5, 32, num_layers=3, num_heads=4, num_points=2, feedforward_channels=64)
    decoder.init_weights()
    for mlp in decoder.bbox_embed:
        torch.nn.init.normal_(mlp.layers[-1].weight, std=0.3)
    decoder.eval()
    boxes = []
    for enabled in (False, True):
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            frames = encoder(features, padding_mask([OTHER, OTHER], PADDED))
            if kind is SeqFormerDecoder:
                boxes.append(decoder(frames, 2).boxes[-1])
            else:
                boxes.append(decoder.boxes(decoder(frames)))
    assert boxes[1].dtype == frames.memory.dtype == torch.float32
    assert 0 < (boxes[0] - boxes[1]).abs().max() < 5e-4  # a bfloat16 below 1 is rounded by 2e-3


def test_a_point_has_no_size_to_refine():
    offsets = torch.tensor([[0.1, -0.2, 0.3, -0.4]])
    point, box = torch.tensor([[0.25, 0.5]]), torch.tensor([[0.25, 0.5, 0.5, 0.5]])
    expected = torch.tensor([[0.1 + math.log(1 / 3), -0.2, 0.3, -0.4]]).sigmoid()
    torch.testing.assert_close(refine(offsets, point), expected)
    torch.testing.assert_close(refine(offsets, box), expected)  # the inverse of 1/2 is 0
    assert refine(torch.zeros(1, 4), torch.zeros(1, 4))[0, 0] == pytest.approx(1e-5, rel=1e-3)


def test_fewer_levels_than_maps_are_refused():
    with pytest.raises(ValueError, match='num_levels=2: the backbone gives 3 maps'):
        DeformableDetrEncoder((8, 16, 24), 32, num_levels=2)


def test_more_levels_follow_each_other():
    encoder = DeformableDetrEncoder((8, 16), 64, num_levels=4, num_layers=1, num_heads=4)
    maps = encoder.project([torch.randn(1, 8, 8, 8), torch.randn(1, 16, 4, 4)])
    assert [tuple(x.shape[-2:]) for x in maps] == [(8, 8), (4, 4), (2, 2), (1, 1)]
