"""Every config trains a step, validates and tests, at a reduced size on generated data."""

from __future__ import annotations

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.engine.hooks import whole_checkpoint_hook
from rocovis_mm.evaluation.functional.tracks import load_ground_truth
from rocovis_mm.utils.run_config import metrics_of
from tests.test_configs.reduced_configs import CONFIGS, GeneratedData, reduced_config

FIGURES = {'AP', 'AP_boundary', 'AP_pool'}


def traits(name: str) -> set[str]:
    """What a config is told apart by: its method, backbone, data, variant, ..."""
    return set(name.replace('mask2former_vis', 'mask2former-vis').split('_'))


def covering(names: list[str]) -> list[str]:
    """Return few configs that have all traits: each in turn adds as many new ones as it can."""
    chosen, missing = [], set().union(*map(traits, names))
    while missing:
        chosen.append(max(sorted(names), key=lambda name: len(traits(name) & missing)))
        missing -= traits(chosen[-1])
    return sorted(chosen)


QUICK = covering(list(CONFIGS))
EVERY = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CONFIGS
]  # fmt: skip


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return GeneratedData(tmp_path_factory.mktemp('data'))


class Remember(Hook):
    """Keeps the weights that training begins with."""

    def before_train(self, runner: Runner) -> None:
        self.weights = {key: value.clone() for key, value in runner.model.named_parameters()}


def run(config: Config) -> tuple[Runner, dict[str, float]]:
    """Train one iteration, validate, and test with the trained weights; return the figures."""
    torch.manual_seed(0)
    runner, start = Runner.from_cfg(config), Remember()
    runner.register_hook(start)
    runner.train()
    moved = []
    for name, value in runner.model.named_parameters():
        assert value.isfinite().all(), name
        if not torch.equal(value, start.weights[name]):
            assert value.requires_grad, f'{name} is frozen, but moved'
            moved.append(name)
    assert moved
    return runner, runner.test()


@pytest.mark.parametrize('name', EVERY)
def test_a_config_trains_and_tests(name, data, tmp_path):
    config = reduced_config(name, data, tmp_path)
    runner, figures = run(config)
    losses = {key: log.current() for key, log in runner.message_hub.log_scalars.items()}
    assert 0 < losses['train/loss'] < float('inf')
    assert (tmp_path / 'iter_1.pth').is_file() or (tmp_path / 'epoch_1.pth').is_file()
    metrics = metrics_of(config, 'test')
    if metrics[0].get('format_only'):
        assert figures == {}
        assert isinstance(json.loads((tmp_path / 'results.json').read_text()), list)
        return
    assert set(figures) >= FIGURES
    assert all(-1 <= figure <= 1 for figure in figures.values())
    best = [path.name for path in tmp_path.glob('best_*.pth')]
    chosen = config.default_hooks.checkpoint.get('save_best')
    assert len(best) == (chosen is not None and losses[f'val/{chosen}'] > 0)
    videos = load_ground_truth(metrics[0].ann_file).videos.values()
    dataset = runner.test_dataloader.dataset
    if getattr(dataset, 'whole_videos', False):
        lengths = [len(item['data_samples']) for item in dataset]
        assert lengths == [video.length for video in videos]
    else:
        assert len(dataset) == sum(video.length for video in videos)


def test_youtube_vis_2022_chooses_by_the_long_videos(data, tmp_path, monkeypatch):
    monkeypatch.setattr(whole_checkpoint_hook, 'NOTHING', ())  # one iteration finds nothing
    name = 'minvis_r50_youtube-vis-2022'
    config = reduced_config(name, data, tmp_path, val_has_masks=True)
    _, figures = run(config)
    assert set(figures) >= FIGURES | {f'long/{key}' for key in FIGURES}
    assert [path.name for path in tmp_path.glob('best_*')] == ['best_long_AP_iter_1.pth']


def test_the_quick_ones_have_something_of_each():
    shown = set().union(*map(traits, QUICK))
    assert shown == set().union(*map(traits, CONFIGS))


def test_a_config_whose_data_nobody_writes_is_named(data, tmp_path, monkeypatch):
    path = tmp_path / 'minvis_new.py'
    base = CONFIGS['minvis_r50_ovis']
    path.write_text(
        f"_base_ = '{base}'\ntrain_dataloader = dict(dataset=dict(ann_file='x.json'))\n"
    )
    monkeypatch.setitem(CONFIGS, 'minvis_new', path)
    with pytest.raises(pytest.fail.Exception, match=r'minvis_new\.py reads data that no .*x\.json'):
        reduced_config('minvis_new', data, tmp_path)
