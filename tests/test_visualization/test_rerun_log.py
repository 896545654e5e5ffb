"""Logging to Rerun: layers of masks, targets, limits, and what is said without the package."""

from __future__ import annotations

import socket
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rocovis_mm.visualization import rerun_log
from rocovis_mm.visualization.rerun_log import (
    MAX_IDENTITY,
    FrameInstances,
    RerunLog,
    check_target,
    close_recording,
    import_rerun,
    layers_of_masks,
    open_recording,
    target_options,
)
from tests.rerun_reading import Recording, needs_rerun


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_layers_hold_every_mask_whole(data):
    masks = data.draw(arrays.arrays(bool, st.tuples(st.integers(0, 5), *[st.integers(1, 4)] * 2)))
    identities = data.draw(
        st.lists(
            st.integers(0, MAX_IDENTITY), min_size=len(masks), max_size=len(masks), unique=True
        )
    )
    layers = layers_of_masks(masks, identities)
    depth = masks.sum(axis=0).max(initial=0)
    assert depth <= len(layers) <= len(masks)
    for mask, identity in zip(masks, identities):
        assert sum((layer == identity + 1).any() for layer in layers) == mask.any()
        np.testing.assert_array_equal(
            np.any([layer == identity + 1 for layer in layers], axis=0), mask
        )
    values = {int(value) for layer in layers for value in np.unique(layer)}
    assert values <= {0, *(identity + 1 for identity in identities)}


def test_disjoint_masks_are_one_image():
    masks = np.eye(6, dtype=bool).reshape(6, 2, 3)
    (layer,) = layers_of_masks(masks, range(6))
    assert layer.dtype == np.uint8 and layer.ravel().tolist() == [1, 2, 3, 4, 5, 6]
    assert layers_of_masks(masks, range(250, 256))[0].dtype == np.uint16


def record(tmp_path, frames, **options):
    needs_rerun()
    recording = open_recording('test', save=tmp_path / 'new' / 'view.rrd')
    log = RerunLog(recording, 'video', **options)
    for number, found in frames.items():
        log.add(number, {'prediction': found})
    close_recording(recording)
    return Recording(tmp_path / 'new' / 'view.rrd')


def test_the_highest_identity_is_exact_and_a_higher_one_is_an_error(tmp_path):
    masks = np.ones((2, 3, 4), bool)
    high = FrameInstances([3, MAX_IDENTITY], ['a', 'b'], masks, [0.5, 0.25])
    recording = record(tmp_path, {5: high})
    assert recording.masks('/video/prediction', 5).keys() == {4, MAX_IDENTITY + 1}
    assert recording.scores('/video/prediction', 5) == {4: 0.5, MAX_IDENTITY + 1: 0.25}
    for wrong in (-1, MAX_IDENTITY + 1):
        bad = FrameInstances([3, wrong], ['a', 'b'], masks, [0.5, 0.25])
        with pytest.raises(ValueError, match=f'identity {wrong}: Rerun shows identities from 0'):
            record(tmp_path, {0: bad})


def test_layers_that_are_not_needed_any_more_are_cleared(tmp_path):
    def found(*identities):
        masks = np.ones((len(identities), 2, 2), bool)
        return FrameInstances(identities, [f'#{n}' for n in identities], masks, [0.5] * len(masks))

    frames = {0: found(1, 2, 3), 1: found(2), 2: found(), 3: found(3, 1)}
    recording = record(tmp_path, frames)
    for number, each in frames.items():
        for kind in (recording.masks, recording.boxes, recording.scores):
            shown = kind('/video/prediction', number)
            assert shown.keys() == {n + 1 for n in each.identities}


def test_a_new_name_renames_the_curve(tmp_path):
    masks = np.ones((1, 2, 2), bool)
    frames = {n: FrameInstances([4], [name], masks, [0.5]) for n, name in enumerate('aab')}
    recording = record(tmp_path, frames)
    curve = recording.rows['/video/prediction/scores/4']
    assert curve[-1]['SeriesPoints:names'] == ['b']
    contexts = recording.rows['/video/prediction']
    assert set(contexts) == {0, 2}  # only where something is new


@pytest.mark.parametrize(
    ('target', 'address', 'save', 'spawn'),
    [
        (None, None, None, True),
        ('a.rrd', None, 'a.rrd', False),
        ('C:\\a.rrd', None, 'C:\\a.rrd', False),
        ('a', None, 'a', False),
        ('127.0.0.1:9876', '127.0.0.1:9876', None, False),
        ('rerun+http://host:1/proxy', 'rerun+http://host:1/proxy', None, False),
    ],
)
def test_a_target_is_a_file_an_address_or_a_new_viewer(target, address, save, spawn):
    assert target_options(target) == dict(address=address, save=save, spawn=spawn)


def test_impossible_targets_are_named(monkeypatch, tmp_path):
    needs_rerun()
    for address in ('truth.json', 'host:port', ':9876'):
        with pytest.raises(ValueError, match=f'{address}: no address of a viewer; give HOST:PORT'):
            check_target(address, None, False)
    with pytest.raises(ValueError, match=r'view.mp4: a recording ends in .rrd'):
        check_target(None, 'view.mp4', False)
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, 'platform', 'linux')
    with pytest.raises(ValueError, match='no display to open the viewer on; write a file'):
        check_target(None, None, True)
    (tmp_path / 'folder.rrd').mkdir()
    with pytest.raises(OSError, match='folder.rrd'):
        open_recording('test', save=tmp_path / 'folder.rrd')


def test_a_viewer_must_answer(monkeypatch):
    needs_rerun()
    monkeypatch.setattr(rerun_log, 'PATIENCE', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        check_target(f'127.0.0.1:{port}', None, False)
        check_target(f'rerun+http://127.0.0.1:{port}/proxy', None, False)
    with pytest.raises(OSError, match=f'no viewer answers .* start one with `rerun --port {port}`'):
        check_target(f'127.0.0.1:{port}', None, False)


def test_a_viewer_that_does_not_start_is_an_error(monkeypatch):
    needs_rerun()
    import rerun

    started = []
    monkeypatch.setattr(rerun, 'spawn', lambda **options: started.append(options))
    monkeypatch.setattr(rerun_log, 'START', 0.2)
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(rerun_log, 'NEW_VIEWER', f'rerun+http://127.0.0.1:{port}/proxy')
    monkeypatch.setenv('DISPLAY', ':0')
    with pytest.raises(OSError, match='no viewer answers .* or write a file'):
        open_recording('test', spawn=True)
    assert started[0]['port'] == port and started[0]['recording'] is not None


def test_a_viewer_that_was_closed_is_an_error():
    class Severed:
        closed = False

        def flush(self):
            raise RuntimeError('connection severed')

        def disconnect(self):
            self.closed = True

    recording = Severed()
    with pytest.raises(OSError, match='did not get all frames: connection severed'):
        close_recording(recording)
    assert recording.closed


def test_without_the_package_the_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(ImportError, match="rerun is not installed; .* pip install 'rerun-sdk>="):
        check_target(None, 'view.rrd', False)
    monkeypatch.setitem(sys.modules, 'rerun', sys)  # another project of this name
    with pytest.raises(ImportError, match="is not rerun-sdk .* pip install 'rerun-sdk>="):
        import_rerun()
