"""tools/misc/publish_model.py: the averaged weights, the facts, no paths; and what loads it."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from processes import run_script

from rocovis_mm.checkpoints import publish_file, slim_checkpoint
from rocovis_mm.checkpoints.publishing import config_without_paths, last_part
from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.registry import MODELS

REPOSITORY = Path(__file__).parents[2]


class Line(BaseModel):
    """Learns a line, and counts."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(1, 1)
        self.norm = torch.nn.BatchNorm1d(1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return dict(loss=(self.norm(self.line(torch.stack(inputs))) - 1).square().mean())


class Points(torch.utils.data.Dataset):
    metainfo = dict(classes=('cat', 'dog'), ann_file='/data/points.json')

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.tensor([float(index)]))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A short training with EMA: its checkpoint and the averages at its end."""
    folder = tmp_path_factory.mktemp('run')
    torch.manual_seed(0)
    runner = Runner(
        Line(),
        str(folder),
        train_dataloader=dict(dataset=Points(), batch_size=2, sampler=dict(type='DefaultSampler')),
        train_cfg=dict(type='IterBasedTrainLoop', max_iters=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.3)),
        param_scheduler=[dict(type='LinearLR', start_factor=0.1, by_epoch=False)],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3)),
        custom_hooks=[dict(type='EMAHook', momentum=0.3, update_buffers=True)],
        experiment_name=folder.name,
        default_scope='mmdet',
    )
    runner.train()
    (hook,) = (hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook')
    return folder / 'iter_3.pth', hook.ema_model.module.state_dict(), runner.model.state_dict()


def test_the_averages_are_published(run, tmp_path):
    path, averages, trained = run
    final, report = publish_file(path, tmp_path / 'deep' / 'line.pth')
    slim = torch.load(final, weights_only=True)
    assert set(slim) == {'meta', 'state_dict'}
    assert set(slim['state_dict']) == set(averages)
    for name, tensor in slim['state_dict'].items():
        assert torch.equal(tensor, averages[name]), name
    assert not torch.equal(averages['line.weight'], trained['line.weight'])
    assert 'averages of the run' in report and 'ema_state_dict' in report
    for gone in ('optimizer', 'param_schedulers', 'message_hub', 'meta.seed', 'meta.time'):
        assert gone in report
    assert slim['meta']['iter'] == 3
    assert slim['meta']['dataset_meta'] == dict(classes=('cat', 'dog'), ann_file='points.json')
    assert str(path.parent) not in final.read_bytes().decode('latin1')


def test_the_name_carries_the_hash(run, tmp_path):
    final, report = publish_file(run[0], tmp_path / 'line.pth')
    digits = hashlib.sha256(final.read_bytes()).hexdigest()[:8]
    assert final == tmp_path / f'line-{digits}.pth'
    assert str(final) in report
    assert publish_file(run[0], tmp_path / 'line')[0] == final  # the same bytes again
    assert [path.name for path in tmp_path.iterdir()] == [final.name]


CONFIG = """data_root = '/home/me/vis data/ytvis/'
dataset = dict(
    ann_file='/home/me/vis data/ytvis/train.json',
    data_prefix=dict(img=''),
    joint=['..\\\\other\\\\train.json', 'data/own', 'C:\\\\data\\\\x.json', '~/x'])
keys = r'\\.norm\\d+'
load_from = 'https://example.org/a/b.pth'
note = 'größe', '/größe/ß'
number = 1.5
"""
EXPECTED = """data_root = 'ytvis/'
dataset = dict(
    ann_file='train.json',
    data_prefix=dict(img=''),
    joint=['train.json', 'data/own', 'x.json', 'x'])
keys = r'\\.norm\\d+'
load_from = 'https://example.org/a/b.pth'
note = 'größe', 'ß'
number = 1.5
"""


def test_paths_of_a_machine_leave_the_config():
    assert config_without_paths(CONFIG) == EXPECTED
    assert config_without_paths(EXPECTED) == EXPECTED
    assert Config.fromstring(EXPECTED, '.py').data_root == 'ytvis/'


def test_a_config_is_parsed_and_never_run(tmp_path):
    trace = tmp_path / 'trace'
    text = f'x = __import__("os").system("touch {trace}")\n'
    assert config_without_paths(text) == text
    assert not trace.exists()
    with pytest.raises(ValueError, match='meta.cfg is not the text of a config'):
        config_without_paths('x = (')


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('/home/me/a.json', 'a.json'),
        ('/home/me/', 'me/'),
        ('/', '.'),
        ('../../a/b', 'b'),
        ('file:///srv/a.pth', 'a.pth'),
        ('s3://bucket/a', 's3://bucket/a'),
        ('data/a', 'data/a'),
        ('a/../b', 'a/../b'),
        ('and/or', 'and/or'),
        ('\\d+', '\\d+'),
        ('', ''),
    ],
)
def test_last_parts(text, expected):
    assert last_part(text) == expected


def test_a_slice_of_a_larger_tensor_is_cut_out():
    slim = slim_checkpoint({'state_dict': {'weight': torch.ones(1000, 10)[3]}, 'meta': None})
    assert slim['state_dict']['weight'].untyped_storage().nbytes() == 40
    assert slim['meta'] == {}


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'model': {'a': torch.ones(1)}}, 'detectron2_to_mm.py first'),
        ({'state_dict': {}}, 'no entry state_dict with weights'),
        ([1], 'holds a list'),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content, message):
    path = tmp_path / 'x.pth'
    torch.save(content, path)
    with pytest.raises(ValueError, match=f'^{re.escape(str(path))}: .*{message}'):
        publish_file(path, tmp_path / 'out.pth')
    assert [each.name for each in tmp_path.iterdir()] == ['x.pth']


TEST_CONFIG = """
_base_ = [
    '{base}/models/rocovis_tiny.py',
    '{base}/datasets/embedded_vis.py',
    '{base}/schedules/schedule_tiny.py',
]
data_root = '{data}/'
workers = dict(num_workers=0, persistent_workers=False)
model = dict(track_head=dict(num_classes=_base_.num_classes))
test_dataloader = dict(dataset=dict(data_root=data_root), **workers)
test_evaluator = dict(ann_file=data_root + 'val.json')
"""


def test_the_test_tool_scores_a_published_checkpoint(tmp_path):
    dataset = make_tiny_dataset(tmp_path / 'data')
    base = REPOSITORY / 'configs' / '_base_'
    (tmp_path / 'config.py').write_text(TEST_CONFIG.format(base=base, data=dataset.root))
    config = Config.fromfile(tmp_path / 'config.py')
    weights = MODELS.build(config.model).state_dict()
    averages = {f'module.{name}': tensor for name, tensor in weights.items()}
    content = {
        'state_dict': weights,
        'ema_state_dict': {**averages, 'steps': torch.tensor(3)},
        'meta': {'cfg': config.pretty_text, 'iter': 3, 'seed': 1},
        'optimizer': {'state': {0: torch.ones(9)}},
    }
    torch.save(content, tmp_path / 'run.pth')
    final, _ = publish_file(tmp_path / 'run.pth', tmp_path / 'tiny.pth')
    text = torch.load(final, weights_only=True)['meta']['cfg']
    assert str(dataset.root) not in text and str(REPOSITORY) not in text
    done = run_script(REPOSITORY / 'tools/test.py', 'config.py', final, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout + done.stderr
    assert 'Tube-Boundary AP ' in said
    assert 'tensors of the model were loaded' not in said  # said where some were not


def test_the_command_line(run, tmp_path, monkeypatch, capsys):
    path = REPOSITORY / 'tools' / 'misc' / 'publish_model.py'
    spec = importlib.util.spec_from_file_location('publish_model', path)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    monkeypatch.setattr(sys, 'argv', ['publish_model.py', str(run[0]), str(tmp_path / 'a.pth')])
    tool.main()
    (written,) = tmp_path.iterdir()
    assert f'written: {written}' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', ['publish_model.py', 'none.pth', str(tmp_path / 'a.pth')])
    with pytest.raises(SystemExit, match='error: none.pth: no such checkpoint'):
        tool.main()
