"""The engine: it is below models and sessions, and a frame goes through it once."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter

import numpy as np
import pytest
import torch
from tiny_model import images, stream_sample, tiny_model

import rocovis_mm.streaming.session as session_module
from rocovis_mm.apis import StreamSession
from rocovis_mm.streaming.engine import StreamEngine
from tests.conftest import REPOSITORY
from tests.tiny_streams import frames, same_tracks


def imported(path) -> set[str]:
    """Return the modules that a file imports anywhere, also for its types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{path}: line {node.lineno} is relative'
            found.update(f'{node.module}.{alias.name}' for alias in node.names)
    return found


def files_of(*packages: str) -> dict:
    """Return the files of packages of the library by their modules."""
    return {
        f'rocovis_mm.{package}.{path.stem}': path
        for package in packages
        for path in (REPOSITORY / 'rocovis_mm' / package).glob('*.py')
    }


def test_streaming_imports_neither_models_nor_apis():
    files = files_of('streaming')
    assert 'rocovis_mm.streaming.engine' in files
    for module, path in files.items():
        above = {
            name
            for name in imported(path)
            if f'{name}.'.startswith(('rocovis_mm.models.', 'rocovis_mm.apis.'))
        }
        assert not above, f'{module} imports {above}'


def test_no_module_of_streaming_and_apis_needs_itself():
    files = files_of('streaming', 'apis')
    graph = {
        module: {other for other in files if any(f'{x}.'.startswith(f'{other}.') for x in names)}
        for module, names in ((module, imported(path)) for module, path in files.items())
    }
    assert graph['rocovis_mm.apis.inferencer'] >= {
        'rocovis_mm.apis.video_run',
        'rocovis_mm.streaming.engine',
        'rocovis_mm.streaming.session',
    }
    TopologicalSorter(graph).prepare()  # a circle is an error


@pytest.fixture
def counted(monkeypatch):
    """Count how often a frame is converted, fitted, packed and preprocessed."""
    counts = dict.fromkeys(('as_bgr', 'fit', 'read', 'preprocess'), 0)

    def count(owner, name):
        original = getattr(owner, name)

        def counting(*arguments, **options):
            counts[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    count(session_module, 'as_bgr')
    count(StreamSession, 'fit')
    count(session_module.FittedFrame, 'read')
    count(StreamEngine, 'preprocess')
    return counts


@pytest.mark.parametrize('way', ['push', 'together', 'run', 'video'])
def test_a_frame_is_fitted_once(rocovis, counted, way):
    clip = [*frames(2), *frames(2, (96, 144))]  # the last two are resized
    options = dict(on_size_change='resize')
    if way == 'push':
        with rocovis.stream(**options) as stream:
            for frame in clip:
                stream.push(frame)
    elif way == 'together':
        stream = rocovis.stream(**options)
        rocovis.push([(stream, frame) for frame in clip])
    elif way == 'run':
        with rocovis.frames(clip, **options) as run:
            assert [frame.shape for frame, _ in run] == [(48, 72, 3)] * 4
    else:
        rocovis(clip, **options)
    assert counted == dict.fromkeys(counted, 4)


def test_a_frame_that_is_refused_is_not_read(rocovis, counted):
    stream = rocovis.stream()
    with pytest.raises(ValueError, match='frame 0 of the stream'):
        rocovis.push([(stream, frames(1)[0]), (stream, np.zeros((48, 72, 3)))])
    assert counted == dict(as_bgr=2, fit=2, read=0, preprocess=0) and len(stream) == 0


def test_a_run_puts_frames_into_its_outputs_before_they_come_out(rocovis):
    put = []

    class Outputs:
        def put(self, frame, result):
            put.append((frame, result))

    with rocovis.frames(frames(3)) as run:
        run.outputs = Outputs()
        for n, (frame, result) in enumerate(run, start=1):
            assert len(put) == n and put[-1][0] is frame and put[-1][1] is result
    assert len(put) == 3


def test_the_engine_knows_a_model_by_its_protocol_only(rocovis):
    """Any object with a step and a few numbers will do."""

    class Model:
        num_queries = rocovis.model.num_queries
        num_classes = rocovis.model.num_classes
        track_rule = rocovis.model.track_rule
        data_preprocessor = staticmethod(rocovis.model.data_preprocessor)
        step = staticmethod(rocovis.model.step)
        foreground = staticmethod(rocovis.model.foreground)
        first_queries = staticmethod(rocovis.model.first_queries)

    engine = StreamEngine(Model())
    stream = StreamSession(engine, rocovis.pipeline, rocovis.classes, rocovis.category_ids)
    for frame in frames(4):
        stream.push(frame)
    assert same_tracks(stream.finish().tracks, rocovis(frames(4)).tracks)


def test_a_runner_and_sessions_go_on_by_the_engine(monkeypatch, rocovis):
    sizes, advance = [], StreamEngine.advance
    monkeypatch.setattr(
        StreamEngine,
        'advance',
        lambda engine, batch: sizes.append(len(batch)) or advance(engine, batch),
    )
    samples = [stream_sample(3, [0, 1], 2), stream_sample(7, [0], 1)]
    tiny_model().predict({'img': [images(2), images(1)]}, samples)
    assert sizes == [2, 1] and all('video_tracks' in sample for sample in samples)
    rocovis.stream().push(frames(1)[0])
    assert sizes == [2, 1, 1]


def test_no_gradient_is_kept():
    model = tiny_model().requires_grad_(True)
    engine = StreamEngine(model)
    video = engine.begin()
    (sample,) = stream_sample(0, [0], 1).video_data_samples
    engine.advance([(images(1)[0], sample, video)])
    assert not video.state.queries.requires_grad and torch.is_grad_enabled()
