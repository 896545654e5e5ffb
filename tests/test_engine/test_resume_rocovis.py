"""The shipped recipe, stopped and resumed across a change of stage, equals a whole run."""

from __future__ import annotations

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.testing import make_tiny_dataset
from rocovis_mm.utils import load_config
from tests.conftest import REPOSITORY

LENGTH, STOP = 6, 3


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


def run(root, work_dir, watch, resume=False):
    """Train the demo's config at a fraction of its size; returns its last checkpoint."""
    config = load_config(
        REPOSITORY / 'configs/rocovis/rocovis_demo.py',
        dict(data_root=f'{root}/', max_iters=LENGTH, val_interval=STOP, single_frames_until=2),
    )
    config.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'resume': resume,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'default_hooks.checkpoint.save_best': None,
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


def test_a_stopped_and_resumed_run_equals_a_whole_one(tmp_path):
    root = make_tiny_dataset(tmp_path / 'data').root
    whole, first, second = Watch(), Watch(STOP), Watch()
    expected = run(root, tmp_path / 'whole', whole)
    with pytest.raises(Interrupted):
        run(root, tmp_path / 'parts', first)
    found = run(root, tmp_path / 'parts', second, resume=True)
    assert len(first.losses) == STOP and len(second.losses) == LENGTH - STOP
    assert first.losses + second.losses == pytest.approx(whole.losses, abs=1e-6)
    assert len(set(whole.losses)) == LENGTH
    for part in ('state_dict', 'ema_state_dict'):
        assert found[part].keys() == expected[part].keys()
        for name, value in expected[part].items():
            assert torch.allclose(found[part][name].float(), value.float(), atol=1e-6), name
