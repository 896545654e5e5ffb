"""Our pixel decoder in MMDetection's image Mask2Former is MMDetection's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from tiny_mask2former import tiny_mask2former, tiny_mask2former_config
from tiny_model import HEADS, images, shake

from rocovis_mm.models import MaskPropagationPixelDecoder
from tests.docs_snippets import read_snippet

SIZE = (64, 96)


def with_our_decoder(strides: tuple[int, ...]) -> torch.nn.Module:
    """MMDetection's detector, its config changed in the two lines that docs/mixing.md shows."""
    config = tiny_mask2former_config()
    config.panoptic_head.pixel_decoder.update(
        type='rocovis_mm.MaskPropagationPixelDecoder', propagation_strides=strides
    )
    if strides:
        config.panoptic_head.pixel_decoder.propagation = dict(num_heads=HEADS)
    torch.manual_seed(5)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config)
    shake(model)
    return model.eval()


@pytest.fixture(params=[(), (8, 16)], ids=['none', '8-16'])
def pair(request):
    theirs, ours = tiny_mask2former(), with_our_decoder(request.param)
    assert type(ours.panoptic_head.pixel_decoder) is MaskPropagationPixelDecoder
    assert type(theirs.panoptic_head.pixel_decoder).__name__ == 'MSDeformAttnPixelDecoder'
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not unexpected
    assert all('pixel_decoder.propagation.' in name for name in missing)
    assert bool(missing) == bool(request.param)
    return theirs, ours


def samples() -> list[DetDataSample]:
    """Two images with one and two objects."""
    found = []
    for count in (1, 2):
        masks = np.zeros((count, *SIZE), np.uint8)
        for i in range(count):
            masks[i, 8 + 20 * i : 30 + 20 * i, 10 * count : 50] = 1
        shape = dict(
            img_shape=SIZE, ori_shape=SIZE, batch_input_shape=SIZE, scale_factor=(1.0, 1.0)
        )
        sample = DetDataSample(metainfo=shape)
        sample.gt_instances = InstanceData(
            labels=torch.arange(count), masks=BitmapMasks(masks, *SIZE)
        )
        found.append(sample)
    return found


def test_an_image_is_seen_the_same(pair):
    x = images(2, SIZE)
    for model in pair:
        model.panoptic_fusion_head.test_cfg.max_per_image = 8  # of few queries
    with torch.no_grad():
        expected, found = (model.panoptic_head(model.extract_feat(x), samples()) for model in pair)
        results = [model.predict(x, samples()) for model in pair]
    for theirs, ours in zip(expected, found):  # class logits, mask logits of every layer
        for a, b in zip(theirs, ours):
            torch.testing.assert_close(b, a, atol=1e-6, rtol=1e-6)
    assert any(len(sample.pred_instances) for sample in results[0])
    for a, b in zip(*results):
        torch.testing.assert_close(
            b.pred_instances.scores, a.pred_instances.scores, atol=1e-6, rtol=0
        )
        assert torch.equal(b.pred_instances.masks, a.pred_instances.masks)
        assert torch.equal(b.pred_instances.labels, a.pred_instances.labels)


def test_a_training_step_is_the_same(pair):
    losses, gradients = [], []
    for model in pair:
        model.zero_grad()
        torch.manual_seed(7)  # of the random points
        loss = model.loss(images(2, SIZE), samples())
        losses.append(loss)
        sum(loss.values()).backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert losses[0].keys() == losses[1].keys()
    for name, value in losses[0].items():
        torch.testing.assert_close(losses[1][name], value, atol=1e-5, rtol=1e-5, msg=name)
    for name, gradient in gradients[0].items():
        if gradient is not None:
            torch.testing.assert_close(gradients[1][name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_the_config_of_the_guide(tmp_path):
    config = read_snippet('docs/mixing.md', 'image_mask2former.py', tmp_path)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model)
    assert type(model).__name__ == 'Mask2Former'
    decoder = model.panoptic_head.pixel_decoder
    assert type(decoder) is MaskPropagationPixelDecoder and not decoder.propagation
