"""The shipped recipes, stopped and resumed across a change of stage, equal a whole run."""

from __future__ import annotations

import copy

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.datasets.embedded.shapes import SHAPE_CLASSES
from rocovis_mm.utils import load_config
from tests.conftest import REPOSITORY

LENGTH = 6
SHORT = dict(num_frames=2, frame_range=2, input_size=(96, 64))
DEMO = dict(SHORT, val_interval=3, single_frames_until=2)
OWN_DATA = dict(
    SHORT,
    single_frames_until=2,
    half_size_until=1,
    whole_frames_from=4,
    test_size=(128, 96),
    batch_size=2,
    classes=tuple(shape.name for shape in SHAPE_CLASSES),
)


class Interrupted(Exception):
    """What stops a run."""


class Watch(Hook):
    """Notes the losses; stops the run after an iteration's checkpoint is written."""

    priority = 'LOWEST'

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.losses = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs['loss']))
        if runner.iter + 1 == self.stop_at:
            raise Interrupted


def run(recipe, work_dir, watch, resume=False):
    """Train a config at a fraction of its size; returns its last checkpoint."""
    config = copy.deepcopy(recipe)
    config.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'resume': resume,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'default_hooks.checkpoint.save_best': None,
            'default_hooks.checkpoint.interval': 1,
            'default_hooks.checkpoint.max_keep_ckpts': -1,
            'model.clip_augment': dict(type='rocovis_mm.ClipCopyPaste', prob=1.0),
        }
    )
    for key in ('val_cfg', 'val_dataloader', 'val_evaluator'):
        config[key] = None
    for key in ('test_cfg', 'test_dataloader', 'test_evaluator'):
        config[key] = None
    runner = Runner.from_cfg(config)
    runner.register_hook(watch)
    runner.train()
    return torch.load(work_dir / f'iter_{LENGTH}.pth', weights_only=True)


@pytest.mark.parametrize(
    ('config', 'settings', 'stops'),
    [('rocovis_demo.py', DEMO, [3]), ('rocovis_tiny_custom.py', OWN_DATA, [4, 5])],
)
def test_a_stopped_and_resumed_run_equals_a_whole_one(config, settings, stops, tmp_path):
    root = make_tiny_dataset(tmp_path / 'data').root
    settings = dict(settings, data_root=f'{root}/', max_iters=LENGTH)
    recipe, whole = load_config(REPOSITORY / 'configs/rocovis' / config, settings), Watch()
    expected = run(recipe, tmp_path / 'whole', whole)
    assert len(set(whole.losses)) == LENGTH
    for stop in stops:
        first, second, folder = Watch(stop), Watch(), tmp_path / f'stopped after {stop}'
        with pytest.raises(Interrupted):
            run(recipe, folder, first)
        found = run(recipe, folder, second, resume=True)
        assert len(first.losses) == stop and len(second.losses) == LENGTH - stop
        assert first.losses + second.losses == pytest.approx(whole.losses, abs=1e-6)
        for part in ('state_dict', 'ema_state_dict'):
            assert found[part].keys() == expected[part].keys()
            for name, value in expected[part].items():
                assert torch.allclose(found[part][name].float(), value.float(), atol=1e-6), name
