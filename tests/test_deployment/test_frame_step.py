"""One graph for every frame: what it gives is what the model gives, video by video."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_model import images, tiny_model

from rocovis_mm.deployment import frame_step
from rocovis_mm.deployment.exporting import ready_to_export
from rocovis_mm.models import OfflineVISModel, OnlineVISModel
from rocovis_mm.models.data_preprocessors import VISDataPreprocessor
from rocovis_mm.structures import StreamState

SIZE, PADDED = (60, 90), (64, 96)
VARIANTS = [
    pytest.param(dict(memory_frames=3), id='RoCoVIS'),
    pytest.param(dict(window=None, prior=False, ages=False), id='plain attention'),
    pytest.param(dict(mask_pooling='bilinear'), id='bilinear cells'),
    pytest.param(dict(strides=(8,), memory_frames=1, scale_output=False), id='one frame'),
    pytest.param(dict(strides=()), id='direct'),
    pytest.param(dict(method='genvis', memory_frames=2), id='GenVIS'),
]
MATCHED = [
    pytest.param(dict(method='minvis'), id='MinVIS'),
    pytest.param(dict(method='dvis', published=True), id='DVIS as published'),
    pytest.param(dict(method='dvis', published=False), id='DVIS mended'),
]
"""Models whose steps match queries."""


def model_of(**options):
    model = tiny_model(seed=5, **options)
    model.data_preprocessor = VISDataPreprocessor()
    return model


def video(frames: int = 6, seed: int = 0) -> np.ndarray:
    """Return (T, H, W, 3) uint8."""
    smooth = images(frames, PADDED, seed=seed)[..., : SIZE[0], : SIZE[1]] * 60 + 128
    return smooth.clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous().numpy()


def prepared(model, frames: np.ndarray) -> torch.Tensor:
    clip = torch.from_numpy(frames).permute(0, 3, 1, 2)
    return model.data_preprocessor({'inputs': {'img': [clip]}})['inputs']['img'][0]


@torch.no_grad()
@pytest.mark.parametrize('options', VARIANTS)
def test_equals_the_model_from_the_first_frame_on(options):
    model = model_of(**options)
    check_step(model, frame_step(model, SIZE))


@torch.no_grad()
@pytest.mark.parametrize('options', MATCHED)
def test_matching_by_scipy_and_by_tensor_operations_equals_the_model(options):
    model = model_of(**options, num_queries=12)
    check_step(model, frame_step(model, SIZE))
    with ready_to_export(model, SIZE) as (step, _):
        check_step(model, step)


def check_step(model, step):
    fixed, state = tuple(step.first_state().values()), StreamState()
    frames = video()
    for t, image in enumerate(prepared(model, frames)):
        prediction, state = model.step(image[None], state)
        classes, masks, *fixed = step(torch.from_numpy(frames[t]), *fixed)
        torch.testing.assert_close(classes, prediction.class_logits[-1], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(masks, prediction.mask_logits[-1], atol=1e-4, rtol=1e-4)
        assert [tuple(x.shape) for x in fixed] == list(step.state_shapes.values())


def test_what_cannot_be_exported_says_why():
    for base, why in ((OfflineVISModel, 'it reads a whole video'), (OnlineVISModel, 'no step')):
        other = type('Other', (base,), dict(loss=None, step=None, predict_clip=None))
        with pytest.raises(
            TypeError, match=rf'Other cannot be exported: {why}.*\. RoCoVIS, .* and DVIS can'
        ):
            frame_step(other.__new__(other), SIZE)
    linked, minvis = model_of(method='ctvis'), model_of(method='minvis')
    minvis.associator = linked.associator
    for model in (linked, minvis):
        with pytest.raises(TypeError, match='VIS cannot .* a memory whose size changes'):
            frame_step(model, SIZE)
    with pytest.raises(ValueError, match='memory_frames=None'):
        frame_step(model_of(method='genvis'), SIZE)
