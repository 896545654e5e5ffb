"""Exported files: a torch program, and ONNX files by the tool and by a call, equal their model."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from comparing import difference
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.utils import digit_version
from pycocotools import mask as coco_mask
from tiny_model import WIDTH, shake, sharpen, stream_sample

from rocovis_mm.deployment import ExportedModel, export_onnx, export_program, frame_step
from rocovis_mm.models import OnlineVISModel
from rocovis_mm.models.tracking_heads.dvis_head import DVISHead
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import Detection, StreamState
from tests.conftest import REPOSITORY
from tests.processes import run_main
from tests.test_deployment.test_frame_step import MATCHED, PADDED, SIZE, model_of, prepared, video

CONFIG = REPOSITORY / 'configs/rocovis/rocovis_tiny_custom.py'
OLD_TORCH = digit_version(torch.__version__) < digit_version('2.13')
LAYERS = {'model.track_head.transformer_decoder.num_layers': 2}


def need_packages() -> None:
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=f'{package} is missing: requirements/export.txt')


class OneMap(torch.nn.Module):
    """A backbone whose one feature map is the image."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        return (images,)


class CellDetector(DVISHead):
    """DVIS' head with the cells of a coarse grid as queries: a small graph, quickly exported."""

    def detect(self, features: tuple[torch.Tensor, ...], **_: object) -> Detection:
        cells = F.avg_pool2d(features[0], (16, 24)).flatten(2).transpose(1, 2)
        pixels = F.avg_pool2d(features[0], 4).movedim(1, -1) @ self.embedding
        return Detection((), (), (cells @ self.embedding,), pixels.movedim(-1, 1))


def cell_model(**options: object) -> OnlineVISModel:
    """Return DVIS on the cells of a frame. They move freely, so no permutation is trivial."""
    model = model_of(method='dvis', num_queries=16, layers=1, **options)
    model.backbone = OneMap()
    model.track_head.__class__ = CellDetector
    model.track_head.embedding = torch.randn(3, WIDTH, generator=torch.Generator().manual_seed(0))
    return model


def build(method: str, **options: object) -> OnlineVISModel:
    """Return a model; those that match queries need an exporter of loops."""
    if method not in ('rocovis', 'genvis') and OLD_TORCH:
        pytest.skip('exporting a loop is tested with torch 2.13')
    return cell_model(**options) if method == 'cells' else model_of(method=method, **options)


GENVIS = pytest.param(
    dict(method='genvis', memory_frames=2, track_rule=dict(mask_scoring=True)), id='genvis'
)
CELLS = pytest.param(dict(method='cells', published=True), id='cells')
WHOLE = [pytest.param(*case.values, marks=pytest.mark.slow, id=case.id) for case in MATCHED]
"""Whole models, whose export takes long."""


@pytest.mark.parametrize(
    'options',
    [
        pytest.param(dict(method='rocovis', memory_frames=2), id='rocovis'),
        pytest.param(dict(method='cells', published=False), id='cells'),
        *WHOLE,
    ],
)
def test_a_torch_program_equals_the_step(options):
    model = build(**options)
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


def export_by_tool(folder: Path) -> tuple[OnlineVISModel, Path, str]:
    """Return a model of a config, the file that the tool makes of it, and what the tool prints."""
    config = Config.fromfile(CONFIG)
    config.merge_from_dict(LAYERS)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config.model).eval()
    shake(model)
    sharpen(model)
    checkpoint, out, printed = folder / 'tiny.pth', folder / 'model.onnx', io.StringIO()
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, checkpoint)
    settings = [f'{key}={value}' for key, value in LAYERS.items()]
    words = [CONFIG, checkpoint, '--size', *SIZE, '--out', out, '--verify', 3, '--cfg-options']
    with contextlib.redirect_stdout(printed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', sys.argv)
        run_main('deployment/export', *words, *settings)
    return model, out, printed.getvalue()


@pytest.fixture(scope='module')
def by_tool(tmp_path_factory):
    need_packages()
    return export_by_tool(tmp_path_factory.mktemp('tool'))


@pytest.fixture(scope='module', params=['by_tool', GENVIS, CELLS, *WHOLE])
def exported(request, tmp_path_factory):
    if request.param == 'by_tool':
        model, path, _ = request.getfixturevalue('by_tool')
        return model, ExportedModel(path)
    need_packages()
    model = build(**request.param)
    path = tmp_path_factory.mktemp('onnx') / 'model.onnx'
    export_onnx(model, SIZE, path, classes=['a', 'b', 'c', 'd', 'e'])
    return model, ExportedModel(path)


def test_the_tool_writes_a_file_that_equals_the_model(by_tool):
    _, path, printed = by_tool
    assert 'logits differ by at most' in printed
    model, classes = ExportedModel(path), Config.fromfile(CONFIG).classes
    assert model.classes == classes and model.category_ids == tuple(range(1, len(classes) + 1))


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
