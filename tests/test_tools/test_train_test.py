"""tools/train.py and tools/test.py as a user calls them, and MMDetection's own train.py."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest
import torch
from processes import run_script

from rocovis_mm.checkpoints import read_checkpoint
from rocovis_mm.datasets.embedded import make_tiny_dataset

REPOSITORY = Path(__file__).parents[2]
WEIGHTS = {'backbone.conv1.weight': torch.zeros(1)}
CONFIG = """
_base_ = [
    '{base}/models/rocovis_tiny.py',
    '{base}/datasets/embedded_vis.py',
    '{base}/schedules/schedule_iter.py',
]
data_root = '{data}/'
workers = dict(num_workers=0, persistent_workers=False)
model = dict(track_head=dict(num_classes=_base_.num_classes))
train_dataloader = dict(batch_size=1, dataset=dict(data_root=data_root), **workers)
val_dataloader = dict(dataset=dict(data_root=data_root), **workers)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'val.json')
test_evaluator = val_evaluator
train_cfg = dict(max_iters=2, val_interval=1)
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=5), logger=dict(interval=1))
"""


def call(script: Path, *arguments: object, folder: Path) -> str:
    """Run a script as a user does, and return all it printed."""
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, 'PYTHONPATH': str(REPOSITORY), 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='module')
def config(folder):
    dataset = make_tiny_dataset(folder / 'data')
    text = CONFIG.format(base=REPOSITORY / 'configs' / '_base_', data=dataset.root)
    path = folder / 'tiny.py'
    path.write_text(text)
    return path


@pytest.fixture(scope='module')
def trained(config, folder):
    """Two iterations by MMDetection's packaged tool: nothing here tells it of rocovis_mm."""
    script = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'train.py'
    log = call(script, config, '--work-dir', folder / 'run', folder=folder)
    return folder / 'run', log


def test_mmdetections_own_tool_trains_without_custom_imports(trained):
    run, log = trained
    assert 'eta:' in log
    assert log.count('AP75_boundary:') == 2  # validated twice in one run
    assert (run / 'iter_2.pth').is_file()
    assert len(list(run.glob('best_AP_iter_*.pth'))) <= 1  # none while the AP is 0


def test_checkpoints_load_without_running_what_is_in_them(trained):
    run, _ = trained
    checkpoint = read_checkpoint(run / 'iter_2.pth')
    assert {'state_dict', 'optimizer', 'message_hub'} <= set(checkpoint)


def test_resume_goes_on_where_the_run_stopped(trained, config, folder):
    run, _ = trained
    options = ['--cfg-options', 'train_cfg.max_iters=3', 'train_cfg.val_interval=9']
    script = REPOSITORY / 'tools' / 'train.py'
    places = ('--work-dir', folder / 'more', '--resume', run / 'iter_2.pth')
    done = run_script(script, config, *places, *options, cwd=folder)
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-3000:]
    assert 'Iter(train) [3/3]' in log and 'Iter(train) [2/3]' not in log
    assert (folder / 'more' / 'iter_3.pth').is_file()


def test_the_test_tool_scores_writes_and_draws(trained, config, folder):
    run, _ = trained
    done = run_script(
        REPOSITORY / 'tools' / 'test.py', config, run / 'iter_2.pth', '--out', 'out/results.json',
        '--show-dir', 'shown', '--work-dir', folder / 'test', cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert 'Tube-Boundary AP ' in done.stdout + done.stderr
    videos = json.loads((folder / 'data' / 'val.json').read_text())['videos']
    results = json.loads((folder / 'out' / 'results.json').read_text())
    assert {track['video_id'] for track in results} <= {video['id'] for video in videos}
    assert (folder / 'out' / 'results.zip').is_file()
    drawn = sorted(
        str(path.relative_to(folder / 'shown')) for path in (folder / 'shown').rglob('*.jpg')
    )
    wanted = [f'{video["id"]}/{t:05d}.jpg' for video in videos for t in range(video['length'])]
    assert drawn == sorted(wanted)


def load_tool(name: str):
    spec = importlib.util.spec_from_file_location(
        f'tool_{name}', REPOSITORY / 'tools' / f'{name}.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ('tool', 'arguments', 'message'),
    [
        ('train', ['none.py'], 'none.py: no such config file'),
        ('train', ['CONFIG', '--resume', 'none.pth'], 'none.pth: no such checkpoint'),
        ('train', ['CONFIG', '--resume', 'CUT'], 'cut.pth: the checkpoint is cut short'),
        ('train', ['CONFIG', '--resume', 'CONFIG'], 'tiny.py: cannot be read as a checkpoint'),
        ('train', ['CONFIG', '--cfg-options', 'load_from=CUT'], 'cut.pth: the checkpoint is cut'),
        ('test', ['CONFIG', 'CUT'], 'cut.pth: the checkpoint is cut short'),
        (
            'train',
            ['CONFIG', '--cfg-options', 'train_dataloader.dataset.data_root=none'],
            'train.json: no such annotation file (train_dataloader.dataset.ann_file)',
        ),
        (
            'train',
            ['CONFIG', '--cfg-options', 'val_evaluator.ann_file=none.json'],
            'none.json: no such annotation file (val_evaluator, metric 0: ann_file)',
        ),
        ('test', ['none.py', 'none.pth'], 'none.py: no such config file'),
        ('test', ['CONFIG', 'none.pth'], 'none.pth: no such checkpoint'),
        ('test', ['CONFIG', 'CONFIG', '--out', 'x.pkl'], '--out x.pkl: the submission is a .json'),
        (
            'test',
            ['CONFIG', 'CONFIG', '--format-only', '--cfg-options',
             'test_evaluator.type=mmdet.YouTubeVISMetric'],
            'need a metric of rocovis_mm',
        ),
    ],
)  # fmt: skip
def test_mistakes_end_in_one_line(monkeypatch, config, tool, arguments, message):
    cut = config.with_name('cut.pth')
    cut.write_bytes(b'PK\x03\x04 and no more')
    paths = dict(CONFIG=str(config), CUT=str(cut))
    given = [paths.get(argument, argument.replace('CUT', str(cut))) for argument in arguments]
    monkeypatch.setattr(sys, 'argv', [f'{tool}.py', *given])
    with pytest.raises(SystemExit) as stopped:
        load_tool(tool).main()
    text = str(stopped.value.code)
    assert message in text
    assert '\n' not in text


def test_switches_reach_the_config(monkeypatch, config, tmp_path):
    tool = load_tool('train')
    content = dict(meta=dict(iter=1), message_hub={}, optimizer={}, state_dict=WEIGHTS)
    torch.save(content, tmp_path / 'iter_1.pth')
    options = ['--amp-dtype', 'bfloat16', '--auto-scale-lr', '--resume', '--work-dir']
    monkeypatch.setattr(sys, 'argv', ['train.py', str(config), *options, str(tmp_path)])
    prepared = tool.prepare(tool.parse_args())
    assert prepared.optim_wrapper.type == 'rocovis_mm.MixedPrecisionOptimWrapper'
    assert prepared.optim_wrapper.dtype == 'bfloat16'
    assert prepared.auto_scale_lr.enable
    assert prepared.resume and prepared.load_from == str(tmp_path / 'iter_1.pth')


def test_the_work_folder_is_named_after_the_config(monkeypatch, config):
    tool = load_tool('train')
    monkeypatch.setattr(sys, 'argv', ['train.py', str(config), '--amp'])
    prepared = tool.prepare(tool.parse_args())
    assert prepared.work_dir == str(Path('work_dirs', 'tiny'))
    assert not prepared.resume and prepared.optim_wrapper.dtype is None


def test_resuming_where_nothing_was_trained_keeps_the_start(monkeypatch, config, tmp_path):
    tool = load_tool('train')
    start = tmp_path / 'start.pth'
    torch.save(dict(state_dict=WEIGHTS), start)
    options = ['--resume', '--work-dir', str(tmp_path), '--cfg-options', f'load_from={start}']
    monkeypatch.setattr(sys, 'argv', ['train.py', str(config), *options])
    prepared = tool.prepare(tool.parse_args())
    assert not prepared.resume and prepared.load_from == str(start)
