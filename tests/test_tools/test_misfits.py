"""Every tool that loads a checkpoint refuses one that does not fit, in one line."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from rocovis_mm.apis import RoCoVISInferencer
from rocovis_mm.checkpoints.fitting import MisfitError
from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.registry import MODELS
from tests.conftest import REPOSITORY
from tests.test_tools.test_train_test import CONFIG

CLASS_LAYER = 'track_head.query_decoder.cls_embed'


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """A folder of a config, a checkpoint that fits it, and others that do not."""
    folder = tmp_path_factory.mktemp('misfits')
    dataset = make_tiny_dataset(folder / 'data')
    frame = min(path for path in dataset.root.rglob('JPEGImages/**/*') if path.is_file())
    (folder / 'video').symlink_to(frame.parent)
    base = REPOSITORY / 'configs' / '_base_'
    (folder / 'tiny.py').write_text(CONFIG.format(base=base, data=dataset.root))
    config = Config.fromfile(folder / 'tiny.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        weights = MODELS.build(config.model).state_dict()
    torch.save(dict(state_dict=weights), folder / 'fits.pth')
    names = {f'net.{name}': tensor for name, tensor in weights.items()}
    torch.save(dict(state_dict=names), folder / 'names.pth')
    classes = {**weights, f'{CLASS_LAYER}.bias': torch.zeros(9)}
    torch.save(dict(state_dict=classes), folder / 'classes.pth')
    run = dict(meta=dict(iter=1, epoch=0), message_hub={}, optimizer={})
    torch.save(dict(run, state_dict=classes), folder / 'run.pth')
    stem = 'backbone.stem.conv1.weight'
    torch.save(dict(model={stem: torch.zeros(2)}), folder / 'd2.pth')
    with (folder / 'd2.pkl').open('wb') as file:
        pickle.dump(dict(model={stem: np.zeros(2)}, __author__='zoo'), file)
    return folder


@pytest.fixture
def call(folder, monkeypatch, tmp_path) -> Callable[..., str]:
    """Call a tool in this process; returns the text that it ends with."""

    def call(tool: str, *arguments: object) -> str:
        path = REPOSITORY / tool
        spec = importlib.util.spec_from_file_location(f'tool_{path.stem}', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, 'argv', [path.name, *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            module.main()
        text = str(stopped.value.code)
        assert text.startswith('error: ') and '\n' not in text
        return text

    return call


LOADERS = {
    'test': ('tools/test.py', 'tiny.py', 'FILE', '--work-dir', 'w'),
    'train': ('tools/train.py', 'tiny.py', '--work-dir', 'w', '--cfg-options', 'load_from=FILE'),
    'resume': ('tools/train.py', 'tiny.py', '--work-dir', 'w', '--resume', 'FILE'),
    'export': (
        'tools/deployment/export.py', 'tiny.py', 'FILE', '--size', 64, 64, '--out', 'x.pt2'
    ),
    'demo': ('demo/video_demo.py', 'video', 'tiny.py', 'FILE', '--out', 'x.gif'),
}  # fmt: skip


def arguments_of(loader: str, file: str) -> list[str]:
    return [str(word).replace('FILE', file) for word in LOADERS[loader]]


@pytest.mark.parametrize('file', ['d2.pth', 'd2.pkl'])
@pytest.mark.parametrize('loader', LOADERS)
def test_a_file_of_detectron2_is_named_with_the_converters_command(loader, file, call):
    text = call(*arguments_of(loader, file))
    assert f'{file}: is a checkpoint of Detectron2' in text
    assert text.endswith(f'tools/model_converters/detectron2_to_mm.py {file} d2_mm.pth')


@pytest.mark.parametrize(
    ('loader', 'file', 'said'),
    [
        ('test', 'names.pth', 'names.pth: is of another model than the config: 0 of the'),
        ('test', 'classes.pth', f'{CLASS_LAYER}.bias ((9) there, (6) here)'),
        ('train', 'names.pth', 'names.pth: too little fits the model of the config'),
        ('resume', 'run.pth', f'{CLASS_LAYER}.bias ((9) there, (6) here)'),
        ('export', 'classes.pth', f'{CLASS_LAYER}.bias ((9) there, (6) here)'),
        ('demo', 'names.pth', 'names.pth: is of another model than the config: 0 of the'),
    ],
)
def test_a_checkpoint_of_another_model_ends_in_one_line(loader, file, said, call, capfd):
    text = call(*arguments_of(loader, file))
    assert said in text
    assert '--allow-missing' in text or loader == 'resume'


def test_a_run_whose_config_has_no_such_hook_is_checked_too(call, folder):
    """One that an earlier version left in its work folder."""
    config = Config.fromfile(folder / 'tiny.py')
    del config.default_hooks['checkpoint_fit']
    config.dump(folder / 'earlier.py')
    assert 'another model' in call('tools/test.py', 'earlier.py', 'names.pth', '--work-dir', 'w')


def run(tool: str, *arguments: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a tool that does not end early."""
    path = REPOSITORY / 'tools' / f'{tool}.py'
    spec = importlib.util.spec_from_file_location(f'tool_{tool}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, 'argv', [path.name, *arguments])
    module.main()


def test_those_who_mean_it_can_test_and_stream(folder, monkeypatch, tmp_path):
    options = ['--work-dir', str(tmp_path), '--out', str(tmp_path / 'x.json')]
    arguments = ['tiny.py', 'classes.pth', *options, '--format-only', '--allow-missing']
    run('test', *arguments, folder=folder, monkeypatch=monkeypatch)
    assert (tmp_path / 'x.json').is_file()
    with pytest.raises(MisfitError, match='of another shape'):
        RoCoVISInferencer(folder / 'tiny.py', folder / 'classes.pth')
    with pytest.warns(UserWarning, match=r'1 of another shape: .* The missing weights are random'):
        RoCoVISInferencer(folder / 'tiny.py', folder / 'classes.pth', allow_missing=True)


def test_a_training_starts_from_other_classes_and_its_averages_are_tested(
    folder, monkeypatch, tmp_path
):
    hooks = "custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook')]"
    (folder / 'averages.py').write_text(f"_base_ = './tiny.py'\n{hooks}\n")
    options = ['train_cfg.max_iters=1', 'train_cfg.val_begin=9']
    arguments = [
        'averages.py',
        '--work-dir',
        str(tmp_path),
        '--cfg-options',
        'load_from=classes.pth',
    ]
    run('train', *arguments, *options, folder=folder, monkeypatch=monkeypatch)
    checkpoint = tmp_path / 'iter_1.pth'
    assert 'ema_state_dict' in torch.load(checkpoint)
    arguments = ['tiny.py', str(checkpoint), '--work-dir', str(tmp_path), '--format-only']
    run('test', *arguments, folder=folder, monkeypatch=monkeypatch)
    logs = [path.read_text() for path in tmp_path.glob('*/*.log')]
    assert any('left at random' in log for log in logs)
