"""Quantised files: which layers are integers, calibration with the state, what is refused."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest

from rocovis_mm.deployment import ExportedModel
from rocovis_mm.deployment.file_metadata import FORMAT, METADATA
from rocovis_mm.deployment.quantising import (
    CalibrationInputs,
    agreement,
    fitted,
    large_layers,
    quantise,
)
from rocovis_mm.deployment.runtimes import open_runtime, openvino_core
from rocovis_mm.formats.json_files import dump_json
from rocovis_mm.streaming.track_recorder import TrackRule
from tests.processes import run_main

QUERIES, CHANNELS, CLASSES, SIZE = 5, 8, 2, (16, 24)


@pytest.fixture(scope='module')
def float_file(tmp_path_factory):
    """A small recurrence: a convolution, a linear layer of the map, queries that read it."""
    openvino = pytest.importorskip('openvino', reason='needs openvino: requirements/export.txt')
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return rng.normal(0, shape[-1] ** -0.5, shape).astype(np.float32)

    frame = ops.parameter([*SIZE, 3], np.uint8, name='frame')
    queries = ops.parameter([1, QUERIES, CHANNELS], np.float32, name='queries')
    remembered = ops.parameter([1], np.int64, name='remembered')
    image = ops.unsqueeze(ops.transpose(ops.convert(frame, 'f32'), [2, 0, 1]), 0)
    image = ops.multiply(image, np.float32(1 / 128))
    features = ops.convolution(image, weight(CHANNELS, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    features.set_friendly_name('backbone')
    cells = ops.reshape(ops.relu(features), [1, CHANNELS, -1], False)
    cells = ops.matmul(ops.transpose(cells, [0, 2, 1]), weight(CHANNELS, CHANNELS), False, False)
    cells.set_friendly_name('encoder')
    learned = ops.constant(weight(1, QUERIES, CHANNELS))
    asked = ops.matmul(ops.add(queries, learned), weight(CHANNELS, CHANNELS), False, False)
    asked.set_friendly_name('of queries')
    masks = ops.matmul(asked, cells, False, True)
    masks.set_friendly_name('mask product')
    read = ops.matmul(ops.softmax(masks, 2), cells, False, False)
    read.set_friendly_name('attention')
    classes = ops.matmul(read, weight(CHANNELS, CLASSES + 1), False, False)
    masks = ops.reshape(masks, [1, QUERIES, *SIZE], False)
    results = [classes, masks, ops.tanh(read), ops.add(remembered, np.int64(1))]
    model = openvino.Model(results, [frame, queries, remembered], 'small')
    for place in model.inputs:
        place.get_tensor().set_names({place.get_node().get_friendly_name()})
    content = dict(
        format=FORMAT,
        version='test',
        model='Small',
        size=SIZE,
        padded=SIZE,
        num_queries=QUERIES,
        num_classes=CLASSES,
        track_rule=asdict(TrackRule()),
        scale_output=False,
        pipeline=[dict(type='rocovis_mm.FitInto', size=SIZE), dict(type='PackVISInputs')],
        by_query=[],
        first_queries=None,
        classes=['a', 'b'],
        category_ids=[1, 2],
        precision='float32',
    )
    model.set_rt_info(dump_json(content), [METADATA])
    path = tmp_path_factory.mktemp('small') / 'small.xml'
    openvino.save_model(model, str(path), compress_to_fp16=False)
    return path


def clips() -> list[list[np.ndarray]]:
    rng = np.random.default_rng(1)
    return [list(rng.integers(0, 256, (4, 8, 24, 3), dtype=np.uint8)) for _ in range(2)]


def test_large_layers_are_convolutions_and_linear_layers_of_maps(float_file):
    graph = openvino_core().read_model(str(float_file))
    assert large_layers(graph, QUERIES) == ['backbone', 'encoder']


def test_calibration_runs_the_recurrence_of_each_clip(float_file):
    model = ExportedModel(float_file)
    inputs = CalibrationInputs(model, clips, 3, 6)
    found = list(inputs)
    assert len(found) == len(inputs) == 6
    assert [int(x['remembered'][0]) for x in found] == [0, 1, 2] * 2
    state = model.first_state()
    for item, frame in zip(found, fitted(model, clips()[0][:3])):
        assert np.array_equal(item['frame'], frame) and frame.shape == (*SIZE, 3)
        assert np.array_equal(item['queries'], state['queries'])
        *_, state = model.step(frame, state)
    again = list(inputs)
    assert all(np.array_equal(a[name], b[name]) for a, b in zip(found, again) for name in a)


def test_a_file_agrees_with_itself_and_not_with_none(float_file):
    model = ExportedModel(float_file)
    assert agreement(model, model, clips, 3) == 1
    assert agreement(model, model, list, 3) == 1


def test_the_quantised_file_has_integers_in_large_layers_alone(float_file, tmp_path, capsys):
    pytest.importorskip('nncf', reason='needs nncf: requirements/export.txt')
    folder = tmp_path / 'videos'
    for number, clip in enumerate(clips()):
        write_images(folder / str(number), clip)
    out = tmp_path / 'small_int8.xml'
    words = [float_file, '--videos', folder, '--out', out, '--frames', 3]
    assert run_tool(*words) == 0
    assert 'calibrated on 6 frames of 2 videos' in capsys.readouterr().out
    graph = openvino_core().read_model(str(out))
    quantised: Counter[str] = Counter()
    for node in graph.get_ordered_ops():
        if node.get_type_name() in ('Convolution', 'MatMul'):
            sources = [x.get_source_output().get_node().get_type_name() for x in node.inputs()]
            quantised[node.get_friendly_name()] += sources.count('FakeQuantize')
    whole = {name.partition('/')[0] for name, number in quantised.items() if number}
    assert whole == {'backbone', 'encoder'}
    one, other = ExportedModel(float_file), ExportedModel(out)
    assert other.metadata.precision == 'int8'
    assert 0.9 < agreement(one, other, clips, 4) < 1
    assert run_tool(out, '--videos', folder, '--out', tmp_path / 'again.xml') == 2
    assert 'is int8 already' in capsys.readouterr().err


def test_bfloat16_beside_integers_is_refused(float_file, tmp_path, monkeypatch):
    import openvino
    from openvino import opset13 as ops

    graph = openvino_core().read_model(str(float_file))
    (layer,) = (x for x in graph.get_ops() if x.get_friendly_name() == 'encoder')
    rounded = ops.fake_quantize(layer.input_value(0), *(np.float32(x) for x in (0, 4, 0, 4)), 256)
    layer.input(0).replace_source_output(rounded.output(0))
    path = tmp_path / 'small_int8.xml'
    openvino.save_model(graph, str(path), compress_to_fp16=False)
    assert open_runtime(path, precision='float32').metadata
    monkeypatch.setattr(openvino.Core, 'get_property', lambda *_: ['BF16'])  # of any CPU
    monkeypatch.setattr(openvino.Core, 'compile_model', None)  # it is not reached
    with pytest.raises(ValueError, match=r"int8\.xml is quantised.* take precision='float32'"):
        open_runtime(path, precision='bf16')


def test_a_float_file_runs_in_bfloat16(float_file):
    if 'BF16' not in openvino_core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        pytest.skip('this CPU has no bfloat16')
    models = [ExportedModel(float_file, precision=x) for x in ('float32', 'bf16')]
    assert 0.9 < agreement(*models, clips, 4) <= 1


def write_images(folder, clip) -> None:
    import cv2

    folder.mkdir(parents=True)
    for t, frame in enumerate(clip):
        cv2.imwrite(str(folder / f'{t}.png'), frame)


def run_tool(*words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', sys.argv)
        return run_main('deployment/quantize', *words)


def test_what_cannot_be_quantised_is_said_in_one_line(float_file, tmp_path, capsys):
    assert run_tool(float_file, '--videos', tmp_path / 'none', '--out', tmp_path / 'out.xml') == 2
    assert 'no such file or folder' in capsys.readouterr().err
    with pytest.raises(ValueError, match='give another name'):
        quantise(float_file, float_file, clips)
    with pytest.raises(ValueError, match='with the same ending'):
        quantise('model.onnx', tmp_path / 'out.xml', clips)
    with pytest.raises(ValueError, match='at least one clip'):
        quantise(float_file, tmp_path / 'out.xml', list)
