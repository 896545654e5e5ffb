"""The text in exported files: written and read, refused where it is of another kind."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from rocovis_mm.deployment import frame_step
from rocovis_mm.deployment.file_metadata import metadata_of, read_metadata, with_precision
from rocovis_mm.deployment.runtimes import open_runtime
from tests.test_deployment.test_frame_step import SIZE, model_of

PACK = dict(type='rocovis_mm.PackVISInputs')


@pytest.fixture(scope='module')
def step():
    return frame_step(model_of(memory_frames=2), SIZE)


def test_what_is_written_is_read(step):
    found = read_metadata(metadata_of(step, list('abcde'), [3, 1, 4, 1, 5]), 'a.xml')
    model = step.model
    assert (found.model, found.size, found.padded) == ('RoCoVIS', SIZE, (64, 96))
    assert (found.num_queries, found.num_classes) == (model.num_queries, 5)
    assert found.track_rule == model.track_rule and found.precision == 'float32'
    assert np.array_equal(found.first_queries, model.first_queries().detach().numpy())
    assert (found.classes, found.category_ids) == (tuple('abcde'), (3, 1, 4, 1, 5))
    plain = read_metadata(with_precision(metadata_of(step), 'int8'), 'a.xml')
    assert plain.classes == tuple('01234') and plain.category_ids == (1, 2, 3, 4, 5)
    assert plain.precision == 'int8'


def test_queries_of_a_memory_are_named_and_those_of_no_model_are_absent():
    genvis = frame_step(model_of(method='genvis', memory_frames=2), SIZE)
    minvis = frame_step(model_of(method='minvis'), SIZE)
    assert read_metadata(metadata_of(genvis), '').by_query == ('keys', 'values')
    assert read_metadata(metadata_of(minvis), '').first_queries is None


@pytest.mark.parametrize(
    ('resize', 'kept'),
    [
        (dict(type='rocovis_mm.AlignedResize', scale=(9, 9), keep_ratio=True), True),
        (dict(type='mmdet.Resize', scale=(9, 9), backend='pillow'), False),
        (dict(type='ResizeShortestEdge', scale=9), None),
        (None, None),
    ],
)
def test_the_files_size_takes_the_place_of_the_pipelines(step, resize, kept):
    other = dict(type='Other', values=(1, 2))
    steps = [other, *([resize] if resize else []), PACK]
    found = list(read_metadata(metadata_of(step, pipeline=steps), '').pipeline)
    place = 1 if resize else 0
    fit = found.pop(place)
    assert [x['type'] for x in found] == ['Other', PACK['type']]
    assert fit['type'] == 'rocovis_mm.FitInto' and fit['size'] == list(SIZE)
    assert fit['fill'] == [104, 116, 124]  # the mean colour, BGR
    assert fit.get('keep_ratio') is kept and fit.get('backend') == (resize or {}).get('backend')


def test_a_step_that_json_has_no_words_for_is_refused(step):
    with pytest.raises(ValueError, match='cannot be written'):
        metadata_of(step, pipeline=[dict(type='Other', value=np.zeros(2)), PACK])


def test_a_text_of_another_kind_is_refused_with_the_remedy(step):
    with pytest.raises(ValueError, match=r'a\.onnx has no metadata .*export\.py'):
        read_metadata(None, 'a.onnx')
    with pytest.raises(ValueError, match='damaged'):
        read_metadata('{', 'a.onnx')
    whole = json.loads(metadata_of(step))
    assert read_metadata(json.dumps(dict(whole, later=1)), '').size == SIZE
    with pytest.raises(ValueError, match=r'not complete \(.track_rule.\)'):
        read_metadata(json.dumps({k: v for k, v in whole.items() if k != 'track_rule'}), '')
    former = json.dumps(dict(size=[1, 2]))
    with pytest.raises(ValueError, match='format 1, written by rocovis_mm an older.* again'):
        read_metadata(former, 'a.onnx')
    newer = json.dumps(dict(whole, format=99, version='9.0'))
    with pytest.raises(ValueError, match=r'format 99, written by rocovis_mm 9\.0; .* format 2'):
        read_metadata(newer, 'a.onnx')


def test_a_file_that_is_missing_damaged_or_of_another_kind_is_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r'ends in \.onnx or \.xml'):
        open_runtime(tmp_path / 'model.pth')
    with pytest.raises(FileNotFoundError, match=r'none\.onnx: no such file'):
        open_runtime(tmp_path / 'none.onnx')
    for name, package in (('a.onnx', 'onnxruntime'), ('a.xml', 'openvino')):
        (tmp_path / name).write_bytes(b'nothing')
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(ModuleNotFoundError, match=f'need {package}: pip install'):
                open_runtime(tmp_path / name)
        pytest.importorskip(package, reason=f'needs {package}: requirements/export.txt')
        (tmp_path / 'a.bin').write_bytes(b'')
        with pytest.raises(ValueError, match=rf'{name}: .* cannot load it'):
            open_runtime(tmp_path / name)
    (tmp_path / 'a.bin').unlink()
    with pytest.raises(FileNotFoundError, match=r'a\.bin: no such file; copy a\.xml together'):
        open_runtime(tmp_path / 'a.xml')


def test_a_processor_without_bfloat16_is_named(tmp_path, monkeypatch):
    openvino = pytest.importorskip('openvino', reason='needs openvino: requirements/export.txt')
    (tmp_path / 'a.xml').write_text('')
    monkeypatch.setattr(openvino.Core, 'get_property', lambda *_: ['FP32', 'INT8'])
    with pytest.raises(ValueError, match=r'CPU has no bfloat16 \(FP32, INT8\); take'):
        open_runtime(tmp_path / 'a.xml', precision='bf16')
