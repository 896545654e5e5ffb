"""Exported files: torch programs, ONNX and OpenVINO files equal their model, also as streams."""

from __future__ import annotations

import contextlib
import copy
import io
import runpy
import sys
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from comparing import difference
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.utils import digit_version
from pycocotools import mask as coco_mask
from tiny_model import BACKBONE_CHANNELS, WIDTH, shake, sharpen, stream_sample

from rocovis_mm.apis import RoCoVISInferencer
from rocovis_mm.deployment import (
    ExportedModel,
    ExportedStreams,
    export_onnx,
    export_openvino,
    export_program,
    frame_step,
)
from rocovis_mm.deployment.quantising import agreement, quantise
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.models import OnlineVISModel
from rocovis_mm.models.layers.place_encoding import PlaceEncoding
from rocovis_mm.models.tracking_heads.dvis_head import DVISHead
from rocovis_mm.registry import MODELS
from rocovis_mm.streaming.engine import StreamEngine
from rocovis_mm.streaming.session import StreamSession
from rocovis_mm.structures import Detection, StreamState
from tests.conftest import REPOSITORY
from tests.processes import run_main
from tests.test_deployment.test_frame_step import MATCHED, PADDED, SIZE, model_of, prepared, video
from tests.tiny_streams import same_tracks

CONFIG = REPOSITORY / 'configs/rocovis/rocovis_tiny_custom.py'
OLD_TORCH = digit_version(torch.__version__) < digit_version('2.13')
LAYERS = {'model.track_head.transformer_decoder.num_layers': 2}
LAYERS_AS_WORDS = [f'{key}={value}' for key, value in LAYERS.items()]


def need_packages(*packages: str) -> None:
    for package in packages or ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=f'{package} is missing: requirements/export.txt')


class OneMap(torch.nn.Module):
    """A backbone whose one feature map is the image."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        return (images,)


class Patches(torch.nn.Module):
    """A backbone whose maps are one convolution each: ResNet's are in the file of the tool."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = torch.nn.ModuleList(
            torch.nn.Conv2d(3, channels, stride, stride)
            for channels, stride in zip(BACKBONE_CHANNELS, (4, 8, 16, 32))
        )

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(layer(images) for layer in self.maps)


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
    if method == 'cells':
        return cell_model(**options)
    model = model_of(method=method, **options)
    model.backbone = Patches()
    return model


GENVIS = pytest.param(
    dict(method='genvis', memory_frames=2, track_rule=dict(mask_scoring=True), place_octaves=2),
    id='genvis',
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
    words = [CONFIG, checkpoint, '--size', *SIZE, '--out', out, '--verify', 3, '--cfg-options']
    with contextlib.redirect_stdout(printed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', sys.argv)
        run_main('deployment/export', *words, *LAYERS_AS_WORDS)
    return model, out, printed.getvalue()


@pytest.fixture(scope='module')
def by_tool(tmp_path_factory):
    need_packages()
    return export_by_tool(tmp_path_factory.mktemp('tool'))


@pytest.fixture(scope='module')
def as_xml(by_tool):
    """The model of `by_tool` with places in its mask features, and its OpenVINO file."""
    need_packages('openvino')
    plain, path, _ = by_tool
    model = copy.deepcopy(plain)
    decoder = model.track_head.pixel_decoder
    decoder.place = PlaceEncoding(decoder.mask_feature.in_channels, octaves=2)
    out, file = path.with_suffix('.xml'), ExportedModel(path)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of torch.export on the package's own behalf
        export_openvino(model, SIZE, out, file.classes, file.category_ids)
    return model, out


@pytest.fixture(scope='module', params=['by_tool', 'as_xml', GENVIS, CELLS, *WHOLE])
def exported(request, tmp_path_factory):
    if isinstance(request.param, str):
        model, path = request.getfixturevalue(request.param)[:2]
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


def test_a_file_gives_the_same_logits_over_a_video(exported):
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


def test_a_file_gives_the_same_tracks(exported):
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


def open_stream(model: object, **options: object) -> StreamSession:
    pack = [dict(type='rocovis_mm.PackVISInputs')]
    names = tuple('abcdefgh'[: model.num_classes]), tuple(range(1, model.num_classes + 1))
    return StreamSession(StreamEngine(model), pack, *names, **options)


@pytest.mark.parametrize('options', [dict(release_after=1), dict(memory_frames=1)])
def test_streams_of_a_file_forget_as_those_of_its_model(exported, options):
    """Identities that are given back, and a shorter memory than the file has places for."""
    model, file = exported
    eager, other = open_stream(model, **options), open_stream(ExportedStreams(file), **options)
    for frame in video(6, seed=5):
        one, two = eager.push(frame), other.push(frame)
        assert one.ids.tolist() == two.ids.tolist() and one.labels.tolist() == two.labels.tolist()
        np.testing.assert_allclose(two.scores, one.scores, atol=1e-3)
        assert len(one) and (one.masks != two.masks).mean() < 1e-3


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


@pytest.fixture(scope='module', params=['by_tool', 'as_xml'])
def pair(request):
    """The inferencer of a model, which resizes to the file's size, and that of its file."""
    model, path = request.getfixturevalue(request.param)[:2]
    resize = dict(type='rocovis_mm.AlignedResize', scale=SIZE[::-1], keep_ratio=True)
    steps = [dict(type='rocovis_mm.LoadVISFrame'), resize, dict(type='rocovis_mm.PackVISInputs')]
    return RoCoVISInferencer(model, pipeline=steps), RoCoVISInferencer(path)


def test_the_inferencer_gives_the_tracks_of_the_model_at_the_size_of_the_video(pair, tmp_path):
    eager, other = pair
    clip = [cv2.resize(frame, (180, 120)) for frame in video(5, seed=6)]
    one, two = eager(clip), other(clip, out=tmp_path / 'tracks.json')
    assert two.length == 5 and read_json(tmp_path / 'tracks.json') == two.tracks
    assert same_tracks(two.tracks, one.tracks, 1e-3) and one.tracks
    with other.frames(iter(clip), fps=10, max_fps=5) as run:
        found = [result.masks.shape[1:] for _, result in run]
    assert found == [(120, 180)] * 3


def test_frames_of_another_shape_are_fitted_in_and_their_masks_enlarged(pair):
    """The oracle is the model on frames with a margin, and its masks without."""
    eager, other = pair
    clip = video(3, seed=7)
    fill = eager.model.data_preprocessor.mean.flatten().flip(0).round().byte().numpy()
    with other.stream() as stream, eager.stream() as beside:
        for frame in clip:
            small = frame[:, :40]
            whole = np.tile(fill, (*SIZE, 1))
            whole[:, :40] = small
            found, expected = stream.push(np.ascontiguousarray(small)), beside.push(whole)
            assert found.masks.shape[1:] == small.shape[:2]
            masks = dict(zip(expected.ids.tolist(), expected.masks[:, :, :40]))
            for identity, mask in zip(found.ids.tolist(), found.masks):
                assert (mask != masks[identity]).mean() < 1e-2


def test_streams_that_are_pushed_together_and_in_threads_are_independent(pair):
    _, other = pair
    clips = [video(3, seed=seed) for seed in (8, 9)]
    expected = [other(clip).tracks for clip in clips]
    streams = [other.stream() for _ in clips]
    for frames in zip(*clips):
        other.push(list(zip(streams, frames)))
    assert [stream.finish().tracks for stream in streams] == expected
    with ThreadPoolExecutor(2) as threads:
        assert [found.tracks for found in threads.map(other, clips)] == expected


def test_arguments_that_a_file_has_no_use_for_are_refused(by_tool, tmp_path):
    _, path, _ = by_tool
    for arguments, why in (
        (dict(weights='a.pth'), 'no weights'),
        (dict(accelerate='compile'), 'no accelerate'),
        (dict(precision='bf16'), r'onnxruntime has no .* \.xml'),
        (dict(precision='int4'), 'choose one'),
        (dict(device='npu'), 'give one of auto, cpu'),
        (dict(classes=['one']), '1 classes for a model of'),
    ):
        with pytest.raises(ValueError, match=why):
            RoCoVISInferencer(path, **arguments)
    with pytest.raises(ValueError, match='takes no precision'):
        RoCoVISInferencer(CONFIG, precision='bf16')
    with pytest.raises(FileNotFoundError, match='no such file'):
        RoCoVISInferencer(tmp_path / 'none.xml')


def test_the_video_demo_and_the_benchmark_take_a_file(by_tool, tmp_path, monkeypatch, capsys):
    _, path, _ = by_tool
    for t, frame in enumerate(video(3)):
        cv2.imwrite(str(tmp_path / f'{t}.png'), frame)
    demo = runpy.run_path(str(REPOSITORY / 'demo/video_demo.py'))
    words = [tmp_path, path, '--json', tmp_path / 'tracks.json']
    monkeypatch.setattr(sys, 'argv', ['video_demo.py', *map(str, words)])
    with pytest.raises(SystemExit) as end:
        demo['main']()
    assert end.value.code == 0 and read_json(tmp_path / 'tracks.json')
    monkeypatch.syspath_prepend(str(REPOSITORY / 'tools/analysis_tools'))
    monkeypatch.setattr(torch, 'set_num_threads', lambda number: None)
    options = [path.with_name('tiny.pth'), '--cfg-options', *LAYERS_AS_WORDS]
    words = ['--models', f'{CONFIG},{options[0]}', path, *options[1:], '--images', tmp_path]
    run_main('analysis_tools/benchmark', *words, '--frames', 2, '--layers', '--threads', 1)
    printed = capsys.readouterr().out
    for word in ('network, ratio to the first', 'run lengths', 'kinds of layers', 'Conv'):
        assert word in printed


def test_an_onnx_file_is_quantised_but_for_the_products_of_computed_tensors(by_tool, tmp_path):
    _, path, _ = by_tool
    out = tmp_path / 'int8.onnx'
    clips = [video(3, seed=10), video(3, seed=11)]
    assert quantise(path, out, lambda: clips, 2) == 4
    one, other = ExportedModel(path), ExportedModel(out)
    assert (other.metadata.precision, other.classes) == ('int8', one.classes)
    assert 0.8 < agreement(one, other, lambda: clips, 3) < 1
    graph = pytest.importorskip('onnx').load(out).graph
    made = {name: node.op_type for node in graph.node for name in node.output}
    kinds = Counter(
        (node.op_type, tuple(made.get(name, '') for name in node.input[:2]))
        for node in graph.node
        if node.op_type in ('Conv', 'MatMul', 'Gemm', 'Einsum', 'Softmax', 'GridSample')
    )
    both = ('DequantizeLinear',) * 2
    assert kinds['Conv', both] == sum(n for (kind, _), n in kinds.items() if kind == 'Conv') > 20
    assert kinds['MatMul', both] + kinds['Gemm', both] > 5
    assert not any('DequantizeLinear' in x for (_, x) in kinds if x != both)


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
