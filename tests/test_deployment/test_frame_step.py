"""One graph for every frame: what it gives is what the model gives, video by video."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from comparing import difference
from pycocotools import mask as coco_mask
from tiny_model import images, stream_sample, tiny_model

from rocovis_mm.deployment import ExportedModel, export_onnx, export_program, frame_step
from rocovis_mm.models.data_preprocessors import VISDataPreprocessor
from rocovis_mm.structures import StreamState

SIZE, PADDED = (60, 90), (64, 96)
VARIANTS = [
    pytest.param(dict(memory_frames=3), id='RoCoVIS'),
    pytest.param(dict(window=None, prior=False, ages=False), id='plain attention'),
    pytest.param(dict(strides=(8,), memory_frames=1, scale_output=False), id='one frame'),
    pytest.param(dict(strides=()), id='direct'),
    pytest.param(dict(method='genvis', memory_frames=2), id='GenVIS'),
]


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
    step = frame_step(model, SIZE)
    fixed, state = tuple(step.first_state().values()), StreamState()
    frames = video()
    for t, image in enumerate(prepared(model, frames)):
        prediction, state = model.step(image[None], state)
        classes, masks, *fixed = step(torch.from_numpy(frames[t]), *fixed)
        torch.testing.assert_close(classes, prediction.class_logits[-1], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(masks, prediction.mask_logits[-1], atol=1e-4, rtol=1e-4)
        assert [tuple(x.shape) for x in fixed] == list(step.state_shapes.values())


def test_what_cannot_be_exported_says_why():
    for method in ('minvis', 'dvis'):
        with pytest.raises(TypeError, match='Hungarian'):
            frame_step(model_of(method=method), SIZE)
    with pytest.raises(ValueError, match='memory_frames=None'):
        frame_step(model_of(method='genvis'), SIZE)


def test_a_torch_program_equals_the_step():
    model = model_of(memory_frames=2)
    program, step = export_program(model, SIZE).module(), frame_step(model, SIZE)
    mine = other = tuple(step.first_state().values())
    with torch.no_grad():
        for frame in torch.from_numpy(video(4)):
            *expected, mine = take_apart(step(frame, *mine))
            *result, other = take_apart(program(frame, *other))
            assert not difference(result, expected, atol=1e-3, rtol=1e-3)


def take_apart(outputs: tuple) -> tuple:
    classes, masks, *state = outputs
    return classes, masks, tuple(state)


@pytest.fixture(scope='module', params=['rocovis', 'genvis'])
def exported(request, tmp_path_factory):
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=f'{package} is missing: requirements/export.txt')
    options = dict(method=request.param, memory_frames=2, track_rule=dict(mask_scoring=True))
    model = model_of(**options)
    path = tmp_path_factory.mktemp('onnx') / 'model.onnx'
    export_onnx(model, SIZE, path, classes=['a', 'b', 'c', 'd', 'e'])
    return model, ExportedModel(path)


def test_onnxruntime_gives_the_same_logits_over_a_video(exported):
    model, onnx = exported
    state, mine = onnx.first_state(), StreamState()
    frames = video(8, seed=1)
    for t, image in enumerate(prepared(model, frames)):
        with torch.no_grad():
            prediction, mine = model.step(image[None], mine)
        classes, masks, state = onnx.step(frames[t], state)
        for expected, result in (
            (prediction.class_logits[-1], classes),
            (prediction.mask_logits[-1], masks),
        ):
            scale = expected.abs().max().item()
            assert not difference(result, expected, atol=1e-3 * max(scale, 1), rtol=1e-7)


def test_onnxruntime_gives_the_same_tracks(exported):
    model, onnx = exported
    frames = video(8, seed=2)
    sample = stream_sample(7, list(range(8)), 8, PADDED, SIZE, SIZE)
    model.predict({'img': [prepared(model, frames)]}, [sample])
    expected, result = sample.video_tracks, onnx.track(frames, video_id=7)
    assert (result.video_id, result.length) == (7, 8)
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-3)
    assert result.identities.tolist() == expected.identities.tolist()
    assert result.labels.tolist() == expected.labels.tolist()
    shown = 0
    for mine, other in zip(expected.segmentations, result.segmentations):
        for one, two in zip(mine, other):
            a, b = (np.zeros(SIZE) if rle is None else coco_mask.decode(rle) for rle in (one, two))
            assert (a != b).mean() < 1e-3
            shown += a.any()
    assert shown


def test_streams_of_one_file_do_not_mix(exported):
    _, onnx = exported
    frames = video(3, seed=3)
    alone, first = [], onnx.first_state()
    state = first
    for frame in frames:
        *logits, state = onnx.step(frame, state)
        alone.append(logits)
    states = [first, first]
    for t, frame in enumerate(frames):
        *logits, states[0] = onnx.step(frame, states[0])
        onnx_other = onnx.step(video(3, seed=4)[t], states[1])
        states[1] = onnx_other[2]
        for one, two in zip(logits, alone[t]):
            assert np.array_equal(one, two)


def test_a_frame_of_another_size_is_refused(exported):
    _, onnx = exported
    with pytest.raises(ValueError, match='resize the frame'):
        onnx.step(np.zeros((64, 96, 3), np.uint8), onnx.first_state())
    with pytest.raises(ValueError, match='no frames'):
        onnx.track([])


def test_a_file_of_somebody_else_is_refused(tmp_path):
    onnx = pytest.importorskip('onnx', reason='onnx is missing: requirements/export.txt')
    pytest.importorskip('onnxruntime', reason='onnxruntime is missing: requirements/export.txt')
    kind = onnx.TensorProto.FLOAT
    tensors = [onnx.helper.make_tensor_value_info(name, kind, [1]) for name in 'xy']
    node = onnx.helper.make_node('Relu', ['x'], ['y'])
    graph = onnx.helper.make_graph([node], 'other', tensors[:1], tensors[1:])
    opset = [onnx.helper.make_opsetid('', 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / 'o.onnx')
    with pytest.raises(ValueError, match='export.py'):
        ExportedModel(tmp_path / 'o.onnx')
