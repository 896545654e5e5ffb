"""demo/video_demo.py as a user calls it, and what goes wrong on the way."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_streams import frames, same_tracks, tiny_inferencer, tiny_run_config

import rocovis_mm.apis.video_run as video_run
from rocovis_mm.visualization import media, write_mp4
from rocovis_mm.visualization.palette import identity_color

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / 'demo' / 'video_demo.py'


@pytest.fixture(scope='module')
def demo():
    spec = importlib.util.spec_from_file_location('video_demo', DEMO)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def run_files(tmp_path_factory):
    """A config, a checkpoint and an mp4 of eight frames."""
    folder = tmp_path_factory.mktemp('run')
    tiny_run_config().dump(folder / 'tiny.py')
    weights = tiny_inferencer().model.state_dict()
    torch.save(dict(state_dict=weights), folder / 'tiny.pth')
    write_mp4(folder / 'video.mp4', [x[..., ::-1] for x in frames(8)], 20.0)
    return folder / 'video.mp4', folder / 'tiny.py', folder / 'tiny.pth'


@pytest.fixture
def call(demo, run_files, monkeypatch, capsys):
    """Run the demo; returns its exit status (a text is an error) and what it printed."""

    def run(*arguments, video=None):
        words = [video or run_files[0], *run_files[1:], *arguments]
        monkeypatch.setattr(sys, 'argv', ['video_demo.py', *map(str, words)])
        with pytest.raises(SystemExit) as end:
            demo.main()
        return end.value.code, capsys.readouterr()

    return run


def pictures_of(path: Path) -> int:
    capture, number = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        number += 1
    return number


@pytest.fixture(scope='module')
def expected():
    return tiny_inferencer()


def tracks_of(inferencer, run_files, length: int = 8):
    capture = cv2.VideoCapture(str(run_files[0]))
    return inferencer([capture.read()[1] for _ in range(length)]).tracks


def test_all_outputs_of_a_video(call, run_files, expected, tmp_path):
    arguments = ('--out', tmp_path / 'out.mp4', '--masks', tmp_path / 'masks')
    status, printed = call(*arguments, '--json', tmp_path / 'tracks.json', '--score-thr', 0.0)
    assert status == 0 and printed.out.startswith('8 frames, 10 tracks')
    assert '8/8' in printed.err and 'frames/s' in printed.err and ' MB' in printed.err
    assert pictures_of(tmp_path / 'out.mp4') == 8
    tracks = json.loads((tmp_path / 'tracks.json').read_text())
    assert same_tracks(tracks, tracks_of(expected, run_files))
    assert len(list((tmp_path / 'masks').iterdir())) == 8


def test_masks_are_palette_images_of_identities(call, run_files, expected, tmp_path):
    """0 is background, identity + 1 else, in the identity's colour; the best is on top."""
    call('--masks', tmp_path / 'masks', '--score-thr', 0.0)
    capture, stream = cv2.VideoCapture(str(run_files[0])), expected.stream()
    seen = set()
    for n in range(8):
        result = stream.push(capture.read()[1])
        image = Image.open(tmp_path / 'masks' / f'{n:05d}.png')
        values, palette = np.asarray(image), image.getpalette()
        assert image.mode == 'P' and values.shape == (48, 72)
        order = np.argsort(result.scores)
        drawn = np.zeros((48, 72), int)
        for row in order:
            drawn[result.masks[row]] = result.ids[row] + 1
        assert np.array_equal(values, drawn)
        for identity in set(result.ids.tolist()):
            color = tuple(palette[3 * (identity + 1) : 3 * (identity + 2)])
            assert color == identity_color(identity)
            seen.add(identity)
    assert len(seen) > 1


@pytest.mark.parametrize('name', ['out.gif', 'pictures'])
def test_other_forms_and_fewer_frames(call, tmp_path, name):
    status, printed = call('--out', tmp_path / name, '--max-fps', 10)
    assert status == 0 and printed.out.startswith('4 frames')
    path = tmp_path / name
    assert (pictures_of(path) if path.is_file() else len(list(path.iterdir()))) == 4


def test_the_file_that_grows_is_turned_into_results(call, run_files, expected, tmp_path):
    log, out = tmp_path / 'stream.jsonl', tmp_path / 'results.json'
    status, _ = call('--results-jsonl', log, '--json', tmp_path / 'tracks.json')
    assert status == 0
    tool = REPOSITORY / 'tools' / 'misc' / 'jsonl_to_results.py'
    done = subprocess.run(
        [sys.executable, str(tool), str(log), str(out)],
        env={**os.environ, 'PYTHONPATH': str(REPOSITORY), 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == (tmp_path / 'tracks.json').read_bytes()
    assert same_tracks(json.loads(out.read_text()), tracks_of(expected, run_files))
    status, _ = call('--results-jsonl', log)
    assert status.startswith('error:') and 'is there already' in status


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_all_files_whole(
    call, demo, run_files, expected, monkeypatch, tmp_path, number
):
    """Raised in the middle, for real."""
    note, counted = demo.note, []

    def signal_after_three(bar, run):
        note(bar, run)
        counted.append(1)
        if len(counted) == 3:
            signal.raise_signal(number)

    monkeypatch.setattr(demo, 'note', signal_after_three)
    before = signal.getsignal(number)
    arguments = ('--out', tmp_path / 'out.mp4', '--masks', tmp_path / 'masks')
    status, printed = call(
        *arguments, '--json', tmp_path / 'tracks.json', '--results-jsonl', tmp_path / 'log.jsonl'
    )
    assert status == 130 and signal.getsignal(number) is before
    assert 'ending after this frame' in printed.err
    assert pictures_of(tmp_path / 'out.mp4') == len(list((tmp_path / 'masks').iterdir())) == 3
    tracks = json.loads((tmp_path / 'tracks.json').read_text())
    assert same_tracks(tracks, tracks_of(expected, run_files, 3))


def test_twice_interrupted_gives_up_with_files_closed(call, demo, monkeypatch, tmp_path):
    note, counted = demo.note, []

    def signals(bar, run):
        note(bar, run)
        counted.append(1)
        if len(counted) == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(demo, 'note', signals)
    status, _ = call('--out', tmp_path / 'out.mp4')
    assert status == 130 and pictures_of(tmp_path / 'out.mp4') == 2


def test_a_full_disk_is_one_error_and_the_rest_is_whole(call, monkeypatch, tmp_path):
    def no_room(file, content):
        if file.tell() > 6000:
            raise OSError(errno.ENOSPC, 'No space left on device')
        file.write(content)

    monkeypatch.setattr(media, 'write_all', no_room)
    status, _ = call('--out', tmp_path / 'out.gif', '--json', tmp_path / 'tracks.json')
    assert status.startswith('error:') and 'No space left on device' in status
    with Image.open(tmp_path / 'out.gif') as image:
        assert 0 < image.n_frames < 8
    tracks = json.loads((tmp_path / 'tracks.json').read_text())
    assert 0 < len(tracks[0]['segmentations']) <= 8


def test_a_camera_that_is_unplugged_is_one_error(call, fake_camera, monkeypatch, tmp_path):
    monkeypatch.setattr(video_run, 'LIVE_QUEUE', 10)
    fake_camera(frames(4))
    status, _ = call('--json', tmp_path / 'tracks.json', video='0')
    assert status == 'error: camera 0: stopped after 4 frames; check its cable or connection'
    assert len(json.loads((tmp_path / 'tracks.json').read_text())[0]['segmentations']) == 4


def test_a_camera_ends_with_ctrl_c(call, demo, fake_camera, monkeypatch):
    def camera():
        while True:
            yield from frames(2)

    fake_camera(camera())
    monkeypatch.setattr(demo, 'note', lambda bar, run: signal.raise_signal(signal.SIGINT))
    status, printed = call(video='0')
    assert status == 0 and printed.out.startswith('1 frames')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(video='none.mp4'), 'none.mp4: no such file or folder'),
        (('--out', 'out.webm'), 'out.webm: the ending is .mp4, .mov, .avi, .gif'),
        (('--max-fps', '-1'), 'max_fps=-1.0'),
        (('--memory-frames', '0'), 'memory_frames=0'),
        (('--release-after', '0'), 'release_after=0'),
        (('--show',), '--show: OpenCV cannot open a window here'),
    ],
)
def test_mistakes_are_one_line(call, arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('DISPLAY', raising=False)
    if '--show' in arguments and 'GUI:                           NONE' not in (
        cv2.getBuildInformation()
    ):
        pytest.skip('this OpenCV has windows')
    status, _ = call(**arguments) if isinstance(arguments, dict) else call(*arguments)
    assert status.startswith('error: ') and message in status and '\n' not in status.strip()
    assert list(tmp_path.iterdir()) == []
