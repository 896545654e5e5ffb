"""The demo's runner: what is reused, what starts anew; and the whole chain, slowly."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def demo():
    spec = importlib.util.spec_from_file_location('run_demo', REPOSITORY / 'tools' / 'run_demo.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def calls(demo, monkeypatch):
    """Record the tools that are run instead of running them."""
    recorded = []
    monkeypatch.setattr(
        demo,
        'run_tool',
        lambda name, *arguments, **_: recorded.append([name, *map(str, arguments)]),
    )
    return recorded


def test_the_same_config_keeps_the_folder_and_another_sets_it_aside(demo, tmp_path):
    folder = tmp_path / 'demo'
    demo.set_older_run_aside(folder, Config(dict(lr=1)))
    (folder / 'iter_9.pth').touch()
    demo.set_older_run_aside(folder, Config(dict(lr=1)))
    assert (folder / 'iter_9.pth').exists()
    demo.set_older_run_aside(folder, Config(dict(lr=2)))
    assert not (folder / 'iter_9.pth').exists()
    assert (tmp_path / 'demo_before' / 'iter_9.pth').exists()


def test_a_finished_training_is_not_repeated_and_an_interrupted_one_goes_on(demo, calls, tmp_path):
    config = Config(dict(train_cfg=dict(max_iters=20)))
    arguments = (tmp_path, config, Path('c.py'), [])
    demo.train(*arguments)
    assert calls == [['train.py', 'c.py', '--work-dir', str(tmp_path)]]
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_10.pth'))
    demo.train(*arguments)
    assert calls[1][-1] == '--resume'
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_20.pth'))
    (tmp_path / 'best_AP_iter_10.pth').touch()
    assert demo.train(*arguments) == tmp_path / 'best_AP_iter_10.pth'
    assert len(calls) == 2


def test_an_older_score_is_renewed(demo, calls, tmp_path):
    checkpoint, figures = tmp_path / 'best.pth', tmp_path / 'metrics.json'
    figures.write_text('{"AP": 0.5}')
    checkpoint.touch()
    os.utime(figures, (2e9, 2e9))
    arguments = (tmp_path, checkpoint, Path('gt.json'), Path('c.py'), ['a=1'])
    assert demo.test(*arguments) == {'AP': 0.5} and not calls
    os.utime(figures, (1, 1))
    demo.test(*arguments)
    assert [call[0] for call in calls] == ['test.py', 'eval_results.py']
    assert calls[0][-2:] == ['--cfg-options', 'a=1']


def test_a_failing_tool_ends_the_demo_with_its_status(demo, monkeypatch, tmp_path):
    (tmp_path / 'fails.py').write_text('raise SystemExit(3)')
    monkeypatch.setattr(demo, 'TOOLS', tmp_path)
    with pytest.raises(SystemExit) as stopped:
        demo.run_tool('fails.py')
    assert stopped.value.code == 3


def test_ctrl_c_waits_until_the_tool_has_ended_in_order(demo, monkeypatch, tmp_path):
    (tmp_path / 'saves.py').write_text('import time; time.sleep(1.5); raise SystemExit(130)')
    monkeypatch.setattr(demo, 'TOOLS', tmp_path)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(SystemExit) as stopped:
            demo.run_tool('saves.py')
    finally:
        signal.signal(signal.SIGINT, former)
    assert stopped.value.code == 130


@pytest.mark.slow
def test_the_demo_leaves_all_it_promises_and_a_rerun_reuses_it(tmp_path):
    command = [
        sys.executable, str(REPOSITORY / 'tools' / 'run_demo.py'),
        '--config', str(REPOSITORY / 'configs' / 'rocovis' / 'rocovis_demo.py'),
        '--cfg-options', 'train_cfg.max_iters=4', 'train_cfg.val_interval=2',
    ]  # fmt: skip
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
    runs = [
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr[-3000:]
    folder = tmp_path / 'work_dirs' / 'demo'
    with Image.open(folder / 'overlay.gif') as gif:
        assert gif.n_frames > 10
    for name in ('overlay.mp4', 'contact_sheet.png', 'curves.png'):
        assert (folder / name).stat().st_size > 10_000
    assert isinstance(json.loads((folder / 'results.json').read_text()), list)
    assert {'AP', 'AP_boundary', 'AP_pool'} <= set(
        json.loads((folder / 'metrics.json').read_text())
    )
    assert len(list(folder.glob('best_AP_iter_*.pth'))) <= 1  # none while the AP is 0
    assert 'training for 4 iterations' in runs[0].stdout
    assert 'trained already' in runs[1].stdout and 'testing' not in runs[1].stdout
    for run in runs:
        assert run.stdout.count('| AP^Pool |') == 1


@pytest.fixture
def masked_videos(tmp_path):
    """Five videos of two frames, a dog of 4x6 pixels in each, as DAVIS lays them out."""
    data = tmp_path / 'mine'
    mask = np.zeros((16, 24), np.uint8)
    mask[4:8, 6:12] = 1
    for video in 'abcde':
        for frame in ('0', '1'):
            for folder, suffix, pixels in (
                ('JPEGImages', 'jpg', np.zeros((16, 24, 3), np.uint8)),
                ('Annotations', 'png', mask),
            ):
                path = data / folder / video / f'{frame}.{suffix}'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    (data / 'classes.json').write_text(json.dumps({video: {'1': 'dog'} for video in 'abcde'}))
    return data


def test_folders_of_masks_become_a_training_and_a_test_set(demo, masked_videos, tmp_path):
    before = sorted(masked_videos.rglob('*'))
    read = demo.parse_options(demo.prepare_own_data(masked_videos, tmp_path / 'new'))
    assert sorted(masked_videos.rglob('*')) == before  # nothing is written there
    halves = [json.loads(Path(read[key]).read_text()) for key in ('train_ann', 'val_ann')]
    assert [len(half['videos']) for half in halves] == [4, 1]
    names = {video['file_names'][0] for half in halves for video in half['videos']}
    assert names == {f'{video}/0.jpg' for video in 'abcde'}
    assert all(note['areas'] == [24, 24] for half in halves for note in half['annotations'])
    assert list(read['classes']) == ['dog']
    assert Path(read['data_root']) == masked_videos.resolve()


def test_a_data_set_of_its_own_is_used_as_it_is(demo, masked_videos, tmp_path):
    new = tmp_path / 'new'
    demo.prepare_own_data(masked_videos, new)
    for name in ('train.json', 'val.json'):
        (masked_videos / name).write_bytes((new / name).read_bytes())
    read = demo.parse_options(demo.prepare_own_data(masked_videos, tmp_path / 'unused'))
    assert read['train_ann'] == str((masked_videos / 'train.json').resolve())
    assert read['val_ann'] == str((masked_videos / 'val.json').resolve())
    assert not (tmp_path / 'unused').exists()
    (masked_videos / 'val.json').unlink()  # then it is split
    read = demo.parse_options(demo.prepare_own_data(masked_videos, tmp_path / 'split'))
    assert read['val_ann'] == str((tmp_path / 'split' / 'val.json').resolve())


def test_own_data_take_the_template_with_a_pretrained_backbone(demo, tmp_path):
    args = demo.parse_args(['--data', str(tmp_path)])
    assert args.config == Path('configs/rocovis/rocovis_lite0_custom.py')
    assert args.work_dir == Path('work_dirs/demo_real')
    assert demo.parse_args([]).config == Path('configs/rocovis/rocovis_demo.py')


def test_a_folder_of_neither_layout_is_an_error_of_one_line(demo, tmp_path):
    (tmp_path / 'JPEGImages').mkdir()
    with pytest.raises(SystemExit, match=r'^error: .*neither train\.json and JPEGImages'):
        demo.main(['--data', str(tmp_path), '--work-dir', str(tmp_path / 'work')])
