"""SeqFormer and VMT learn: gradients reach all weights, losses fall, empty clips are taken."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config
from tiny_model import BASES, box_tubes, clip_sample, images, shake

from rocovis_mm.registry import MODELS

PRESENCE = [[1, 1], [1, 0]]
CLIPS = torch.stack([images(2), images(2, seed=1)])  # (B, T, 3, H, W)


@pytest.fixture(scope='module', params=['seqformer', 'vmt'])
def model(request):
    torch.manual_seed(0)
    config = Config.fromfile(BASES / f'{request.param}_tiny.py').model
    config.backbone.update(base_channels=16, stem_channels=16)
    head = config.track_head
    head.update(num_classes=3, num_queries=5)
    if request.param == 'vmt':
        config.backbone.update(base_channels=32, stem_channels=32)
        head.feat_channels = head.refinement.width = 32
    config.data_preprocessor = None
    model = MODELS.build(config)
    model.init_weights()
    shake(model)
    return model.train()


def samples(presence):
    tubes = box_tubes(presence)
    return [clip_sample(tubes, [2, 0]), clip_sample(tubes[:0], [])]


def test_gradients_reach_every_weight(model):
    model.zero_grad()
    losses = model.loss({'img': CLIPS}, samples(PRESENCE))
    assert {'loss_cls', 'd0.loss_box', 'loss_giou', 'loss_mask', 'd0.loss_dice'} <= set(losses)
    sum(losses.values()).backward()
    without = [name for name, x in model.named_parameters() if x.grad is None or not x.grad.any()]
    assert not without


def test_clips_without_instances_reach_every_weight_too(model):
    model.zero_grad()
    losses = model.loss({'img': CLIPS[:1]}, samples(PRESENCE)[1:])
    sum(losses.values()).backward()
    assert all(x.grad is not None for x in model.parameters())
    assert losses['loss_cls'] > 0 and losses['loss_mask'] == 0


def test_a_single_frame_is_a_clip_of_its_own(model):
    model.training_stage = type(model.training_stage)(single_frames=True, scale=0.5)
    losses = model.loss({'img': CLIPS}, samples(PRESENCE))
    model.training_stage = type(model.training_stage)()
    assert all(value.isfinite() for value in losses.values())


def test_losses_fall(model):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    totals = []
    for _ in range(20):
        total = sum(model.loss({'img': CLIPS}, samples(PRESENCE)).values())
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < 0.7 * totals[0]
