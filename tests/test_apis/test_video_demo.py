"""demo/video_demo.py as a user calls it, and what goes wrong on the way."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import rocovis_mm.apis.video_run as video_run
from rocovis_mm.visualization.media import write_mp4
from rocovis_mm.visualization.palette import identity_color
from tests.processes import run_main
from tests.rerun_reading import Recording, needs_rerun
from tests.tiny_streams import frames, same_tracks, tiny_inferencer, tiny_run_config

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

    def run(*arguments, video=None, only=False):
        words = [video or run_files[0], *([] if only else run_files[1:]), *arguments]
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


def test_a_recording_of_rerun_holds_each_frame(call, run_files, expected, tmp_path):
    needs_rerun()
    status, _ = call('--rerun', tmp_path / 'new' / 'a.rrd', '--score-thr', 0.0)
    assert status == 0
    recording = Recording(tmp_path / 'new' / 'a.rrd')
    assert recording.times == {n: n / 20 for n in range(8)}
    capture, stream = cv2.VideoCapture(str(run_files[0])), expected.stream()
    for n in range(8):
        result = stream.push(capture.read()[1])
        masks = recording.masks('/stream/prediction', n)
        assert masks.keys() == {int(identity) + 1 for identity in result.ids}
        for identity, mask in zip(result.ids, result.masks):
            assert np.array_equal(masks[int(identity) + 1], mask)


def test_a_recording_needs_rerun_and_a_target(call, monkeypatch):
    needs_rerun()
    status, _ = call('--rerun', 'view.mp4')
    assert status.startswith('error:') and 'ends in .rrd' in status
    monkeypatch.setitem(sys.modules, 'rerun', None)
    status, _ = call('--rerun', 'view.rrd')
    assert "pip install 'rerun-sdk>=" in status and len(status.splitlines()) == 1


@pytest.mark.parametrize('name', ['out.gif', 'pictures'])
def test_other_forms_and_fewer_frames(call, tmp_path, name):
    status, printed = call('--out', tmp_path / name, '--max-fps', 10)
    assert status == 0 and printed.out.startswith('4 frames')
    path = tmp_path / name
    assert (pictures_of(path) if path.is_file() else len(list(path.iterdir()))) == 4


def test_the_file_that_grows_is_turned_into_results(
    call, run_files, expected, monkeypatch, tmp_path
):
    log, out = tmp_path / 'stream.jsonl', tmp_path / 'results.json'
    status, _ = call('--results-jsonl', log, '--json', tmp_path / 'tracks.json')
    assert status == 0
    monkeypatch.setattr(sys, 'argv', sys.argv)
    run_main('misc/jsonl_to_results', log, out)
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
    usage = namedtuple('usage', 'total used free')
    free = iter([1 << 30] * 3)  # asked before each picture
    monkeypatch.setattr('shutil.disk_usage', lambda path: usage(0, 0, next(free, 0)))
    status, _ = call('--out', tmp_path / 'out.gif', '--json', tmp_path / 'tracks.json')
    assert (
        status.startswith('error:')
        and 'MiB are left for writing; the file is closed whole' in status
    )
    with Image.open(tmp_path / 'out.gif') as image:
        assert image.n_frames == 3
    tracks = json.loads((tmp_path / 'tracks.json').read_text())
    assert 0 < len(tracks[0]['segmentations']) <= 8


def test_a_camera_that_is_unplugged_is_one_error(call, fake_camera, monkeypatch, tmp_path):
    monkeypatch.setattr(video_run, 'LIVE_QUEUE', 10)
    fake_camera(frames(4))
    status, _ = call('--json', tmp_path / 'tracks.json', video='0')
    assert status == 'error: camera 0: stopped after 4 frames; check its cable or connection'
    assert len(json.loads((tmp_path / 'tracks.json').read_text())[0]['segmentations']) == 4


def test_a_camera_ends_with_ctrl_c(call, demo, fake_camera, monkeypatch, tmp_path):
    def camera():
        while True:
            yield from frames(2)

    fake_camera(camera())
    monkeypatch.setattr(demo, 'note', lambda bar, run: signal.raise_signal(signal.SIGINT))
    status, printed = call('--results-jsonl', tmp_path / 'log.jsonl', video='0')
    assert status == 0 and printed.out.startswith('1 frames')
    header, line = map(json.loads, (tmp_path / 'log.jsonl').read_text().splitlines())
    assert header['started'].endswith('+00:00') and 0 <= line['time'] < 60


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(video='none.mp4'), 'none.mp4: no such file or folder'),
        (dict(video='none_%05d.jpg'), 'none_%05d.jpg: no such file or folder'),
        (('--out', 'out.webm'), 'out.webm: the ending is .mp4, .mov, .avi, .gif'),
        (('--max-fps', '-1'), 'max_fps=-1.0'),
        (('--reconnect', '0'), 'reconnect=0.0'),
        (('--memory-frames', '0'), 'memory_frames=0'),
        (('--release-after', '0'), 'release_after=0'),
        (('--json', '.'), 'is a folder; give the name of a file'),
        (('--json', 'a', '--results-jsonl', './a'), 'give each a file of its own'),
        (('--font', 'no.ttf'), 'no.ttf: no such font file'),
        ((), 'the results would go nowhere: give --out, --masks, --json'),
    ],
)
def test_mistakes_are_found_before_torch_is_loaded(
    run_files, arguments, message, without_torch, tmp_path
):
    if isinstance(arguments, dict):
        words = [arguments['video'], *run_files[1:], '--json', 'new.json']
    else:
        words = [*run_files, *arguments]
        if '--out' not in words and '--json' not in words and arguments:
            words += ['--json', 'new.json']
    status, printed, said = without_torch(*words)
    assert status == 1 and not printed
    assert said.startswith('error: ') and message in said and said.count('\n') == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def without_torch(tmp_path_factory, tmp_path):
    """Run the demo where torch fails to load; returns exit status, stdout and stderr."""
    traps = tmp_path_factory.mktemp('traps')
    for name in ('torch', 'mmengine', 'mmcv', 'mmdet'):
        (traps / f'{name}.py').write_text('raise SystemExit("loaded too early")')

    def run(*words):
        done = subprocess.run(
            [sys.executable, str(DEMO), *map(str, words)],
            env={**os.environ, 'PYTHONPATH': f'{traps}:{REPOSITORY}'},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_help_needs_no_torch(without_torch):
    status, printed, said = without_torch('--help')
    assert status == 0 and '--reconnect' in printed and not said


def test_files_that_are_missing_are_found_before_torch_is_loaded(run_files, without_torch):
    video, config, weights = run_files
    status, _, said = without_torch(video, 'no.py', weights, '--json', 'x.json')
    assert status == 1 and said.startswith('error: no.py: no such config file')
    status, _, said = without_torch(video, config, 'no.pth', '--json', 'x.json')
    assert status == 1 and said.startswith('error: no.pth: no such checkpoint')
    status, _, said = without_torch(video, config, weights, '--json', 'x.json')
    assert 'loaded too early' in said  # in order so far


def test_the_input_is_never_overwritten(run_files, without_torch, tmp_path_factory):
    folder = tmp_path_factory.mktemp('frames')
    video = write_mp4(folder / 'video.mp4', [x[..., ::-1] for x in frames(2)])
    for number, image in enumerate(frames(3)):
        cv2.imwrite(str(folder / f'{number:05d}.jpg'), image)
    before = {x: x.read_bytes() for x in folder.iterdir()}
    for source, option, out in (
        (video, '--out', video),
        (folder, '--out', folder),
        (folder / '*.jpg', '--out', folder),
        (folder / '%05d.jpg', '--out', folder / '%04d.png'),
        (folder, '--masks', folder),
        (video, '--json', video),
    ):
        status, _, said = without_torch(source, *run_files[1:], option, out)
        assert status == 1 and said.startswith('error: ') and 'overwritten' in said
    assert {x: x.read_bytes() for x in folder.iterdir()} == before


def test_a_missing_device_and_screen_are_one_line(call, monkeypatch, tmp_path):
    monkeypatch.delenv('DISPLAY', raising=False)
    cases = [('--device', 'quantum', 'device=quantum: torch')]
    if not torch.cuda.is_available():
        cases.append(('--device', 'cuda', 'device=cuda: torch'))
    for option, value, message in cases:
        status, _ = call(option, value, '--json', tmp_path / 'x.json')
        assert status.startswith(f'error: {message}') and '\n' not in status
    if 'GUI:                           NONE' in cv2.getBuildInformation():
        status, _ = call('--show')
        assert status.startswith('error: --show: OpenCV cannot open a window here')
        assert '\n' not in status.strip()
    assert list(tmp_path.iterdir()) == []


def test_images_that_a_shell_lists_are_taken_in_natural_order(call, demo, run_files, tmp_path):
    """`frames/*.png` of a shell is in the order 1, 10, 2."""
    paths = []
    for number, image in enumerate(frames(11)):
        paths.append(tmp_path / f'{number}.png')
        cv2.imwrite(str(paths[-1]), image)
    words = sorted(map(str, paths))
    log = tmp_path / 'log.jsonl'
    status, printed = call(*words[1:], *run_files[1:], '--results-jsonl', log, '--fps', 4,
                           video=words[0], only=True)  # fmt: skip
    assert status == 0 and printed.out.startswith('11 frames')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line['time'] for line in lines[1:]] == [n / 4 for n in range(11)]
    other = tmp_path / 'other.jsonl'
    call('--results-jsonl', other, '--fps', 4, video=tmp_path / '%d.png')
    assert other.read_text() == log.read_text()


def test_tracks_have_their_ids(call, tmp_path):
    log = tmp_path / 'log.jsonl'
    call('--results-jsonl', log, '--json', tmp_path / 'tracks.json')
    tracks = json.loads((tmp_path / 'tracks.json').read_text())
    last = json.loads(log.read_text().splitlines()[-1])
    assert [(x['id'], x['score']) for x in tracks] == [(x[0], x[2]) for x in last['standing']]
    assert min(x['score'] for x in tracks) > 0
