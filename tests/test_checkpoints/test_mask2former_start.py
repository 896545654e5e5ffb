"""A start from MMDetection's own Mask2Former: frame 0 is exactly its image model."""

from __future__ import annotations

import logging

import pytest
import torch
from comparing import difference
from mmdet.registry import MODELS as MMDET_MODELS
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint, load_state_dict
from tiny_mask2former import mask2former_config, mask2former_logits, tiny_mask2former
from tiny_model import BASES, images, tiny_model

from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState


@pytest.fixture
def report():
    """What is logged while a checkpoint is loaded."""
    records = []
    handler = logging.Handler()
    handler.addFilter(lambda record: record.getMessage().startswith('Start from'))
    handler.emit = lambda record: records.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def start_of(records: list[str]) -> str:
    (line,) = records
    return line


@torch.no_grad()
def frame_zero_differs(ours, theirs, size=(64, 96), layers: int = 2, classes: bool = True) -> str:
    """Return how the predictions of every layer differ from MMDetection's."""
    frame = images(2, size)
    prediction = ours.track_head.decode(ours.extract_features(frame), StreamState())
    class_logits, mask_logits = mask2former_logits(theirs, frame)
    assert len(mask_logits) == layers + 1
    found, expected = [*prediction.mask_logits], [*mask_logits]
    if classes:
        found += prediction.class_logits
        expected += class_logits
    return difference(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('strides', [(), (16, 32), (8, 16, 32)])
def test_frame_zero_equals_mmdetections_mask2former(tmp_path, strides, report):
    theirs = tiny_mask2former()
    ours = tiny_model(seed=3, strides=strides, start='gate')
    torch.save({'state_dict': theirs.state_dict(), 'meta': {}}, tmp_path / 'coco.pth')
    load_checkpoint(ours, str(tmp_path / 'coco.pth'), map_location='cpu')
    assert not frame_zero_differs(ours, theirs)
    line = start_of(report)
    assert f'{len(theirs.state_dict())} tensors loaded; 0 skipped' in line
    for stride in strides:
        assert f'track_head.pixel_decoder.propagation.{stride}.background' in line
    if not strides:
        assert '0 new' in line


@torch.no_grad()
@pytest.mark.parametrize('method', ['minvis', 'genvis'])
def test_the_baselines_detect_what_mmdetections_mask2former_does(method, report):
    theirs, ours = tiny_mask2former(), tiny_model(seed=3, method=method)
    load_state_dict(ours, theirs.state_dict())
    frames = images(2, (64, 96))
    detection = ours.track_head.detect(ours.extract_features(frames))
    expected = mask2former_logits(theirs, frames)
    for ours_of_kind, theirs_of_kind in zip(
        (detection.class_logits, detection.mask_logits), expected
    ):
        for one, other in zip(ours_of_kind, theirs_of_kind):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    _, _, new = start_of(report).partition(' new: ')
    assert ('object_decoder' in new) == (method == 'genvis')
    assert 'pixel_decoder' not in new and 'query_decoder' not in new and 'backbone' not in new


def test_the_full_size_config_fits_mmdetections_coco_mask2former():
    """Shapes alone, without memory: only the class head and the propagation differ."""
    with torch.device('meta'), DefaultScope.overwrite_default_scope('mmdet'):
        theirs = MMDET_MODELS.build(mask2former_config().model).state_dict()
        ours = MODELS.build(Config.fromfile(BASES / 'rocovis_r50.py').model).state_dict()
    names = {
        key.replace('panoptic_head.pixel_decoder.', 'track_head.pixel_decoder.').replace(
            'panoptic_head.', 'track_head.query_decoder.'
        ): value.shape
        for key, value in theirs.items()
    }
    assert set(ours) - set(names) == {key for key in ours if '.propagation.' in key}
    differing = {name for name, shape in names.items() if ours[name].shape != shape}
    assert differing == {f'track_head.query_decoder.cls_embed.{x}' for x in ('weight', 'bias')}


def test_a_propagation_that_does_not_start_at_zero_differs():
    theirs, ours = tiny_mask2former(), tiny_model(seed=3, start='full')
    load_state_dict(ours, theirs.state_dict())
    assert frame_zero_differs(ours, theirs)


def test_a_class_head_of_another_size_is_skipped_and_reported(report):
    theirs, ours = tiny_mask2former(num_classes=9), tiny_model(seed=3, start='gate')
    head = ours.track_head.query_decoder.cls_embed
    before = head.weight.detach().clone()
    load_state_dict(ours, theirs.state_dict())
    assert torch.equal(head.weight, before)
    assert not frame_zero_differs(ours, theirs, classes=False)
    line = start_of(report)
    assert (
        '2 skipped' in line and 'track_head.query_decoder.cls_embed.weight ((10, 32) there' in line
    )
    loaded, _, new = line.partition(' new: ')
    assert 'track_head.query_decoder.cls_embed.bias' in new and 'backbone' not in new


def test_more_queries_start_anew_and_everything_else_is_loaded(report):
    theirs, ours = tiny_mask2former(num_queries=4), tiny_model(seed=3, start='gate')
    load_state_dict(ours, theirs.state_dict())
    line = start_of(report)
    assert '2 skipped' in line and 'query_feat' in line and 'query_embed' in line
    weight = theirs.panoptic_head.mask_embed[0].weight
    assert torch.equal(ours.track_head.query_decoder.mask_embed[0].weight, weight)


def test_tensors_that_do_not_exist_here_are_reported(report):
    state = tiny_mask2former().state_dict()
    state['panoptic_head.extra.weight'] = torch.zeros(3)
    load_state_dict(tiny_model(start='gate'), state)
    assert 'track_head.query_decoder.extra.weight (no such tensor here)' in start_of(report)


def test_torchs_own_loading_does_the_same(report):
    theirs, ours = tiny_mask2former(), tiny_model(seed=3, strides=())
    result = ours.load_state_dict(theirs.state_dict(), strict=True)
    assert not result.missing_keys and not result.unexpected_keys
    assert not frame_zero_differs(ours, theirs)
    assert start_of(report)


def test_the_callers_state_dict_is_left_alone():
    theirs = tiny_mask2former()
    state = theirs.state_dict()
    keys = list(state)
    load_state_dict(tiny_model(), state)
    assert list(state) == keys


def test_a_model_inside_another_module_is_loaded_too(report):
    theirs, ours = tiny_mask2former(), tiny_model(seed=3, start='gate')
    state = {f'inner.{key}': value for key, value in theirs.state_dict().items()}
    state['other.weight'] = torch.ones(1, 1)
    state['other.bias'] = torch.ones(1)
    wrapper = torch.nn.ModuleDict({'inner': ours, 'other': torch.nn.Linear(1, 1)})
    load_state_dict(wrapper, state)
    assert not frame_zero_differs(ours, theirs)
    assert wrapper['other'].weight.item() == 1


def test_our_own_checkpoints_load_without_any_report(report):
    one, other = tiny_model(seed=1), tiny_model(seed=2)
    assert not other.load_state_dict(one.state_dict()).missing_keys
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    assert not report


def test_models_build_where_torch_has_no_public_load_hook(monkeypatch):
    """torch made it public in 2.5; 2.0 is promised to work."""
    monkeypatch.delattr(torch.nn.Module, 'register_load_state_dict_pre_hook', raising=False)
    theirs, ours = tiny_mask2former(), tiny_model(seed=3, start='gate')
    load_state_dict(ours, theirs.state_dict())
    assert not frame_zero_differs(ours, theirs)
