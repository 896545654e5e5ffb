"""The shipped recipes, stopped and resumed across a change of stage, equal a whole run."""

from __future__ import annotations

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.datasets.embedded.shapes import SHAPE_CLASSES
from rocovis_mm.utils import load_config
from tests.conftest import REPOSITORY

LENGTH = 6
DEMO = dict(val_interval=3, single_frames_until=2)
OWN_DATA = dict(
    single_frames_until=2,
    half_size_until=1,
    whole_frames_from=4,
    input_size=(96, 64),
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


def run(config, settings, root, work_dir, watch, resume=False):
    """Train a config at a fraction of its size; returns its last checkpoint."""
    config = load_config(
        REPOSITORY / 'configs/rocovis' / config,
        dict(data_root=f'{root}/', max_iters=LENGTH, **settings),
    )
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
    ('config', 'settings', 'stop'),
    [
        ('rocovis_demo.py', DEMO, 3),
        ('rocovis_tiny_custom.py', OWN_DATA, 4),
        ('rocovis_tiny_custom.py', OWN_DATA, 5),
    ],
)
def test_a_stopped_and_resumed_run_equals_a_whole_one(config, settings, stop, tmp_path):
    root = make_tiny_dataset(tmp_path / 'data').root
    whole, first, second = Watch(), Watch(stop), Watch()
    expected = run(config, settings, root, tmp_path / 'whole', whole)
    with pytest.raises(Interrupted):
        run(config, settings, root, tmp_path / 'parts', first)
    found = run(config, settings, root, tmp_path / 'parts', second, resume=True)
    assert len(first.losses) == stop and len(second.losses) == LENGTH - stop
    assert first.losses + second.losses == pytest.approx(whole.losses, abs=1e-6)
    assert len(set(whole.losses)) == LENGTH
    for part in ('state_dict', 'ema_state_dict'):
        assert found[part].keys() == expected[part].keys()
        for name, value in expected[part].items():
            assert torch.allclose(found[part][name].float(), value.float(), atol=1e-6), name
