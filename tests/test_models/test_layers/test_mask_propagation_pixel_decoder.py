"""Eqs. 2-4 in the pixel decoder against plain loops, and against MMDetection's decoder."""

from __future__ import annotations

import numpy as np
import plain_reference as plain
import pytest
import torch
from mmdet.models.layers import MSDeformAttnPixelDecoder, SinePositionalEncoding
from tiny_model import (
    BACKBONE_CHANNELS,
    BACKBONE_WIDTH,
    WIDTH,
    shake,
    tiny_config,
)

from rocovis_mm.registry import MODELS

SUBSETS = [(), (8,), (16,), (32,), (8, 16), (8, 32), (16, 32), (8, 16, 32)]
SIZES = {8: (4, 6), 16: (2, 3), 32: (1, 2)}
MASK_SIZE = (8, 12)


def config(strides=(8, 16, 32), **options) -> dict:
    head = tiny_config(strides=strides, **options).track_head
    head.pixel_decoder.update(
        in_channels=list(BACKBONE_CHANNELS),
        strides=[4, 8, 16, 32],
        feat_channels=WIDTH,
        out_channels=WIDTH,
    )
    return head.pixel_decoder


def build(*, seed: int = 0, **options):
    torch.manual_seed(seed)
    decoder = MODELS.build(config(**options)).double().eval()
    shake(decoder, zero_kept='start' in options)
    return decoder


def backbone_maps(batch: int = 2, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = [MASK_SIZE, *SIZES.values()]
    return [
        torch.randn(batch, BACKBONE_WIDTH * factor, *size, generator=generator).double()
        for factor, size in zip((1, 2, 4, 8), sizes)
    ]


def past_of(decoder, frames: int, queries: int = 3):
    """Return the decoder's own memory of some frames and what plain loops make of them."""
    memory, reference = [], []
    for t in range(frames):
        generator = torch.Generator().manual_seed(50 + t)
        projected = decoder.project(backbone_maps(seed=100 + t))
        vectors = torch.randn(2, queries, WIDTH, generator=generator).double()
        logits = torch.randn(2, queries, *MASK_SIZE, generator=generator).double() * 3
        keep = torch.rand(2, queries, generator=generator).double()
        keep[:, 0] = 1 - t % 2  # a query that is kept, and one that never is
        memory.append(decoder.remember(projected, vectors, logits, keep))
        reference.append((projected, vectors, logits, keep))
    return memory, reference


def identity_by_hand(decoder, stride: int, projected, vectors, logits, keep) -> np.ndarray:
    size = tuple(projected[stride].shape[-2:])
    return plain.spatial_identity(
        vectors.numpy(),
        plain.propagated_masks(logits.numpy(), keep.numpy(), size, decoder.mask_pooling),
        decoder.propagation[str(stride)].background.detach().numpy(),
        decoder.soft_masks,
    )


@pytest.mark.parametrize('soft_masks', [False, True])
@pytest.mark.parametrize('mask_pooling', ['max', 'bilinear'])
@pytest.mark.parametrize('strides', SUBSETS)
def test_remember_is_eq_2_at_every_propagation_stride(strides, mask_pooling, soft_masks):
    decoder = build(strides=strides, mask_pooling=mask_pooling, soft_masks=soft_masks)
    for frame, made_from in zip(*past_of(decoder, 2)):
        assert set(frame.values) == set(frame.keys) == set(strides)
        for stride in strides:
            features = made_from[0][stride].detach().numpy()
            identity = identity_by_hand(decoder, stride, *made_from)
            weight, bias = (
                x.detach().numpy()
                for x in decoder.propagation[str(stride)].attention.parameters()
                if len(x) == 3 * WIDTH
            )
            for part, kept, written in (
                (1, frame.keys, features + position_of(features)),
                (2, frame.values, features + identity),
            ):
                rows = slice(part * WIDTH, (part + 1) * WIDTH)
                expected = np.einsum('oc,bchw->bhwo', weight[rows], written) + bias[rows]
                result = kept[stride].detach().numpy()
                np.testing.assert_allclose(result, expected.reshape(result.shape), atol=1e-9)


def position_of(maps: np.ndarray) -> np.ndarray:
    """MMDetection's position encoding (1, C, h, w) of a map's size."""
    encoding = SinePositionalEncoding(num_feats=WIDTH // 2, normalize=True)
    return encoding(torch.zeros(1, *maps.shape[-2:], dtype=torch.bool)).double().numpy()


@pytest.mark.parametrize('frames', [0, 1, 3])
@pytest.mark.parametrize('strides', SUBSETS)
def test_calibrate_is_eqs_3_and_4_at_the_chosen_strides_alone(strides, frames):
    decoder = build(strides=strides)
    memory, reference = past_of(decoder, frames)
    projected = decoder.project(backbone_maps())
    calibrated = decoder.calibrate(projected, memory)
    assert set(calibrated) == {8, 16, 32}
    for stride in (8, 16, 32):
        current = projected[stride].detach().numpy()
        result = calibrated[stride].detach().numpy()
        if stride not in strides:
            assert np.array_equal(result, current)
            continue
        np.testing.assert_allclose(
            result, current + correction(decoder, stride, current, reference), atol=1e-8
        )


def correction(decoder, stride, current, reference) -> np.ndarray:
    """Return F'_t by hand; the position encoding is MMDetection's."""
    module = decoder.propagation[str(stride)]
    identities = [identity_by_hand(decoder, stride, *frame) for frame in reference]
    return np.stack(
        [
            plain.calibration(
                current[b],
                [
                    (projected[stride][b].detach().numpy(), identity[b])
                    for (projected, *_), identity in zip(reference, identities)
                ],
                position_of(current)[0],
                **plain.calibration_options(module),
            )
            for b in range(len(current))
        ]
    )


def test_projection_is_a_1x1_convolution_and_group_norm_of_each_encoder_level():
    decoder = build()
    maps = backbone_maps()
    projected = decoder.project(maps)
    assert list(projected) == [32, 16, 8]  # from low to high resolution
    for i, (stride, feature) in enumerate(zip((32, 16, 8), maps[:0:-1])):
        block = decoder.input_convs[i]
        linear = torch.einsum('oc,bchw->bohw', block.conv.weight[:, :, 0, 0], feature)
        linear = linear + block.conv.bias[:, None, None]
        groups = linear.unflatten(1, (8, -1)).flatten(2)
        normed = (groups - groups.mean(-1, keepdim=True)) / (
            groups.var(-1, unbiased=False, keepdim=True) + block.gn.eps
        ).sqrt()
        expected = (
            normed.reshape(linear.shape) * block.gn.weight[:, None, None]
            + block.gn.bias[:, None, None]
        )
        torch.testing.assert_close(projected[stride], expected)


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('strides', [(), (8, 16, 32)])
def test_forward_is_mmdetections_pixel_decoder(strides, batch):
    ours = build(strides=strides)
    plain_config = config()
    own = ('type', 'propagation_strides', 'propagation', 'mask_pooling', 'soft_masks')
    for key in (*own, 'place_octaves'):
        plain_config.pop(key)
    theirs = MSDeformAttnPixelDecoder(**plain_config).double().eval()
    missing, unexpected = theirs.load_state_dict(ours.state_dict(), strict=False)
    assert not missing and all(key.startswith('propagation.') for key in unexpected)
    maps = backbone_maps(batch)
    masks, levels = ours(maps)
    their_masks, their_levels = theirs(maps)
    torch.testing.assert_close(masks, their_masks)
    assert len(levels) == len(their_levels) == 3
    for level, their_level in zip(levels, their_levels):
        torch.testing.assert_close(level, their_level)


def test_encode_reads_calibrated_features():
    decoder = build()
    maps = backbone_maps()
    projected = decoder.project(maps)
    memory, _ = past_of(decoder, 1)
    changed = decoder.mask_feature(decoder.encode(maps, decoder.calibrate(projected, memory))[-1])
    assert (changed - decoder(maps)[0]).abs().max() > 1e-3


def test_zero_initialised_propagation_changes_nothing():
    decoder = build(start='gate')
    projected = decoder.project(backbone_maps())
    for frames in (0, 2):
        calibrated = decoder.calibrate(projected, past_of(decoder, frames)[0])
        for stride in (8, 16, 32):
            assert torch.equal(calibrated[stride], projected[stride])


def test_init_weights_keeps_the_zero_start():
    decoder = build(start='gate')
    decoder.init_weights()
    for module in decoder.propagation.values():
        assert not module.gate.any()
        assert module.attention.out_proj.weight.any() and module.background.any()


def test_strides_have_weights_of_their_own():
    decoder = build()
    backgrounds = [m.background for m in decoder.propagation.values()]
    assert len(backgrounds) == 3
    assert not torch.equal(backgrounds[0], backgrounds[1])
    assert len({id(p) for m in decoder.propagation.values() for p in m.parameters()}) == 21


def test_sizes_may_change_from_call_to_call():
    decoder = build()
    small, large = backbone_maps(1), [x.repeat(1, 1, 2, 2) for x in backbone_maps(1)]
    first = decoder(small)[0]
    decoder(large)
    assert torch.equal(decoder(small)[0], first)


def test_what_inference_mode_computed_does_not_hinder_training():
    used, fresh = build(), build()
    fresh.load_state_dict(used.state_dict())
    with torch.inference_mode():
        used(backbone_maps())
    for decoder in (used, fresh):
        decoder(backbone_maps())[0].square().sum().backward()
    gradients = [[p.grad for p in decoder.encoder.parameters()] for decoder in (used, fresh)]
    assert all(torch.equal(one, other) and one.any() for one, other in zip(*gradients))


@pytest.mark.parametrize('strides', [(4,), (8, 64), (12, 16)])
def test_a_stride_that_the_encoder_does_not_see_is_refused(strides):
    with pytest.raises(ValueError, match='propagation_strides'):
        build(strides=strides)


FIRST_VERSION = dict(
    strides=(16, 32), prior=False, window=None, ages=False, start='zero', mask_pooling='bilinear'
)


def test_a_checkpoint_of_the_first_version_is_refused_with_the_settings_that_take_it():
    old = build(**FIRST_VERSION).state_dict()
    with pytest.raises(ValueError, match=r'first version.*propagation_strides=\(16, 32\)'):
        build(strides=(8, 16)).load_state_dict(old, strict=False)
    assert not any(build(**FIRST_VERSION).load_state_dict(old))


def test_a_start_without_any_calibration_is_not_refused():
    plain_weights = build(strides=()).state_dict()
    missing, unexpected = build().load_state_dict(plain_weights, strict=False)
    assert missing and not unexpected
