"""IDOL's head in training, and what it does with frames of other sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_model import BASES, box_tubes, clip_sample, images

from rocovis_mm.models.tracking_heads.idol_head import clip_boxes
from rocovis_mm.models.vis.base import clip_targets
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState

SIZE = (64, 96)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    config = Config.fromfile(BASES / 'idol_tiny.py').model
    config.data_preprocessor = None
    config.backbone.update(base_channels=8, stem_channels=8, norm_eval=True)
    config.track_head.update(num_classes=5, num_queries=14, feat_channels=32)
    for part in ('encoder', 'decoder'):
        config.track_head[part].update(feedforward_channels=48)
    model = MODELS.build(config)
    model.init_weights()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'backbone' not in name:
                parameter.add_(torch.randn_like(parameter) * 0.03)
        for layer in model.track_head.decoder.class_embed:
            layer.weight.mul_(4)
            layer.bias.fill_(-1)
    return model.eval()


def losses_of(model, presence):
    """Return the losses of one clip whose instances are present where `presence` says 1."""
    sample = clip_sample(box_tubes(presence, SIZE), list(range(len(presence))))
    frames = images(len(presence[0]), SIZE)
    torch.manual_seed(0)  # the negatives that are drawn
    return model.loss({'img': frames[None]}, [sample])


def test_a_pair_teaches_every_parameter(model):
    model.zero_grad()
    losses = losses_of(model, [[1, 1], [1, 1]])
    names = {'loss_cls', 'loss_bbox', 'loss_giou', 'loss_mask', 'loss_dice'}
    expected = names | {f'd0.{name}' for name in names} | {'loss_reid', 'loss_reid_aux'}
    assert losses.keys() == expected
    assert all(x.isfinite() and x > 0 for x in losses.values())
    sum(losses.values()).backward()
    without = [name for name, x in model.named_parameters() if x.grad is None]
    assert not without


def test_the_second_frame_gives_embeddings_alone(model):
    """What it shows decides nothing but the contrast."""
    together, leaves = losses_of(model, [[1, 1], [1, 1]]), losses_of(model, [[1, 1], [1, 0]])
    differing = {name for name in together if not torch.equal(together[name], leaves[name])}
    assert differing == {'loss_reid', 'loss_reid_aux'}
    gone = losses_of(model, [[1, 0], [1, 0]])
    assert gone['loss_reid'] == gone['loss_reid_aux'] == 0
    assert gone['loss_cls'] == together['loss_cls']


def test_an_instance_that_the_first_frame_does_not_show_does_not_count(model):
    alone, newcomer = losses_of(model, [[1, 1]]), losses_of(model, [[1, 1], [0, 1]])
    for name, value in alone.items():
        assert value == newcomer[name], name


def test_a_frame_alone_has_no_contrast(model):
    pair, single = losses_of(model, [[1, 1], [1, 1]]), losses_of(model, [[1], [1]])
    assert single.pop('loss_reid') == single.pop('loss_reid_aux') == 0
    for name, value in single.items():
        torch.testing.assert_close(value, pair[name], rtol=1e-4, atol=1e-5)


def test_an_empty_frame_learns_that_there_is_nothing(model):
    losses = losses_of(model, [[0, 1]])
    assert losses.pop('loss_cls') > 0 and losses.pop('d0.loss_cls') > 0
    assert all(x == 0 and x.requires_grad for x in losses.values())


def test_clips_are_refused(model):
    with pytest.raises(ValueError, match='learns from pairs, the clips have 3 frames: set num_fr'):
        losses_of(model, [[1, 1, 1]])


@pytest.mark.parametrize(
    ('name', 'strides', 'message'),
    [
        ('idol', [16, 32], r'have strides \[16, 32, 64\].*track_head.strides'),
        ('idol', [4, 16, 32], r'have strides \[16, 32, 64\].*track_head.strides'),
        ('seqformer', [16, 32], r'have strides \[16, 32, 64\].*track_head.strides'),
        ('seqformer', [8, 16, 32, 64], r'have strides \[16, 32, 64\].*track_head.strides'),
        ('vmt', [8, 16, 32], r'track_head.strides=\[8, 16, 32\]: VMT reads'),
    ],
)
def test_maps_that_coordinates_do_not_fit_are_refused(name, strides, message):
    """Of all heads with dynamic masks."""
    head = Config.fromfile(BASES / f'{name}_tiny.py').model.track_head
    head.update(strides=strides, in_channels=[8] * len(strides), num_classes=5)
    with torch.device('meta'), pytest.raises(ValueError, match=message):
        MODELS.build(head)


def test_boxes_are_shares_of_the_frame_without_padding():
    tubes = box_tubes([[1, 0], [1, 1]], SIZE)
    target = clip_targets(clip_sample(tubes, [0, 1]), torch.device('cpu'))
    boxes = clip_boxes(target, (40, 80))
    assert boxes.shape == (2, 2, 4)
    for t, g in ((0, 0), (0, 1), (1, 1)):
        rows, columns = tubes[g, t].any(1).nonzero()[0], tubes[g, t].any(0).nonzero()[0]
        left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
        expected = [(left + right) / 160, (top + bottom) / 80, (right - left) / 80]
        assert boxes[t, g].tolist() == pytest.approx([*expected, (bottom - top) / 40])
    assert not boxes[1, 0].any()


@torch.no_grad()
def test_a_step_pads_what_is_no_multiple_of_32_and_masks_it(model):
    """The frame alone, padded by hand, and in a batch with a frame that fills the padded size."""
    small = images(1, (56, 88))
    padded = torch.nn.functional.pad(small, (0, 8, 0, 8))
    alone, _ = model.step(small, StreamState())
    told, _ = model.step(padded, StreamState(), [(56, 88)])
    both, _ = model.step(torch.cat([images(1, SIZE, 1), padded]), StreamState(), [SIZE, (56, 88)])
    untold, _ = model.step(padded, StreamState())
    for name in ('class_logits', 'mask_logits', 'boxes'):
        first = getattr(alone, name)[-1]
        assert torch.equal(getattr(told, name)[-1], first)
        torch.testing.assert_close(getattr(both, name)[-1][1:], first, rtol=1e-3, atol=1e-2)
        assert not torch.allclose(getattr(untold, name)[-1], first, rtol=1e-3, atol=1e-3)
    assert alone.identities[0].tolist() == both.identities[1].tolist()


@torch.no_grad()
def test_masks_under_autocast_are_those_of_single_precision(model):
    """The width of 301 pixels has no bfloat16; logits are products of places in pixels."""
    head, size = model.track_head, (64, 320)
    features = model.extract_features(images(1, size))
    found = []
    for enabled in (False, True):
        with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
            frames = head.detect(
                [x.bfloat16() if enabled else x for x in features], [(61, 301)], size
            )
            assert frames.scale.tolist() == [[[301, 61]]]
            found.append(
                (head.decoder.boxes(frames.decoded), head.masks(frames, 0, torch.arange(14)))
            )
    (boxes, masks), (half_boxes, half_masks) = found
    assert (boxes - half_boxes).abs().max() < 5e-4
    assert (masks - half_masks).abs().max() < 5e-3 * masks.abs().max()
    assert ((masks > 0) != (half_masks > 0)).float().mean() < 5e-3


@torch.no_grad()
def test_what_a_stream_remembers_is_bounded(model):
    state, sizes = StreamState(), []
    for t in range(14):
        _, state = model.step(images(1, SIZE, t), state)
        (bank,) = state.tracks
        sizes.append(len(bank))
        assert (bank.last > t - model.associator.dead_frames - 1).all()
    assert bank.next_id > max(sizes) > 0
    assert max(sizes) <= 14 * (model.associator.dead_frames + 1)


def test_a_pair_is_learned_by_heart(model):
    """The sum of the losses falls by a third, and the contrast too.

    The contrast jumps at an iteration whose assignment changes, so the last one alone says little.
    """
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for _ in range(8):
        losses = losses_of(model, [[1, 1], [1, 1]])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append((sum(losses.values()).item(), losses['loss_reid'].item()))
    model.load_state_dict(before)
    total, contrast = np.median(history[2:], axis=0)
    assert total < history[0][0] * 2 / 3
    assert contrast < history[0][1] * 2 / 3


def test_half_precision(model):
    """Masks are made in whole precision, whose coordinates are pixels."""
    with torch.autocast('cpu', torch.bfloat16):
        losses = losses_of(model, [[1, 1], [1, 1]])
        with torch.no_grad():
            prediction, _ = model.step(images(1, SIZE), StreamState())
    assert all(x.isfinite() and x > 0 for x in losses.values())
    sum(losses.values()).backward()
    assert prediction.class_logits[-1].dtype == torch.bfloat16
    assert prediction.mask_logits[-1].dtype == torch.float32
