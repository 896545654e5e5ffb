"""Two ranks learn what one rank with the doubled batch learns, with copies of a model or shards."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import RUNNERS, DefaultScope
from mmengine.runner import Runner
from processes import REPOSITORY, run_ranks

from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.registry import MODELS
from rocovis_mm.utils import check_shards, load_config
from rocovis_mm.utils.launch import process_group
from tests.docs_snippets import read_snippet

ITERATIONS = 4


class Record(Hook):
    """Keeps each iteration's losses and samples."""

    def __init__(self):
        self.losses, self.samples = [], []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append({name: float(value) for name, value in outputs.items()})
        frames = [f for clip in data_batch['data_samples'] for f in clip.video_data_samples]
        self.samples.append([(f.img_path, len(f.gt_instances)) for f in frames])


def train(config_path, root, folder, ranks, clips, change: Callable[[Config], None] | None = None):
    """One process: trains with `clips` clips, and leaves what it saw and learned."""
    rank = int(os.environ.get('RANK', 0))
    config = load_config(
        REPOSITORY / config_path,
        dict(
            data_root=f'{root}/', max_iters=ITERATIONS, single_frames_until=1, input_size=(96, 64)
        ),
    )
    config.merge_from_dict(
        {
            'work_dir': str(folder),
            'launcher': 'pytorch' if ranks > 1 else 'none',
            'train_dataloader.batch_size': clips,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.dataset.filter_cfg': None,
            # statistics of a batch are those of a rank's own clips
            'model.backbone.norm_eval': True,
            'default_hooks.checkpoint.interval': ITERATIONS,
            'default_hooks.checkpoint.save_best': None,
        }
    )
    # Adam takes steps of full length along gradients that are rounding errors
    config.optim_wrapper.optimizer = dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.05)
    config.param_scheduler = None  # full steps at once
    for split in ('val', 'test'):
        for part in ('cfg', 'dataloader', 'evaluator'):
            config[f'{split}_{part}'] = None
    if change is not None:
        change(config)
    record = Record()
    with process_group(config):
        sharded = 'runner_type' in config
        runner = RUNNERS.build(config) if sharded else Runner.from_cfg(config)
        runner.register_hook(record)
        runner.train()
    kept = dict(losses=record.losses, samples=record.samples)
    (folder / f'{ranks}_{rank}.json').write_text(json.dumps(kept))


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Four videos; one of them shows nothing, so that a rank at times has no mask to learn."""
    root = make_tiny_dataset(tmp_path_factory.mktemp('train') / 'data').root
    content = json.loads((root / 'train.json').read_text())
    content['annotations'] = [t for t in content['annotations'] if t['video_id'] != 2]
    (root / 'train.json').write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    'method',
    ['rocovis', *(pytest.param(name, marks=pytest.mark.slow) for name in ('genvis', 'minvis'))],
)
def test_two_ranks_learn_what_one_with_both_clips_learns(method, root, tmp_path):
    alone, both = tmp_path / 'alone', tmp_path / 'both'
    config = f'configs/{method}/{method}_demo.py'
    for folder, ranks in ((alone, 1), (both, 2)):
        folder.mkdir()
        run_ranks(ranks, train, config, root, folder, ranks, 2 // ranks, folder=tmp_path)
    one = json.loads((alone / '1_0.json').read_text())
    two = [json.loads((both / f'2_{rank}.json').read_text()) for rank in range(2)]
    shown = [0, 0]
    for t in range(ITERATIONS):
        assert sorted(one['samples'][t]) == sorted(two[0]['samples'][t] + two[1]['samples'][t])
        for rank in range(2):
            shown[rank] += not any(number for _, number in two[rank]['samples'][t])
        assert one['losses'][t].keys() == two[0]['losses'][t].keys()
        for name, value in one['losses'][t].items():
            mean = (two[0]['losses'][t][name] + two[1]['losses'][t][name]) / 2
            if name == 'grad_norm':
                mean = two[0]['losses'][t][name]
            assert mean == pytest.approx(value, rel=1e-5, abs=1e-5), (t, name)
    assert sum(shown) == 2  # each pass over the videos meets the one that shows nothing
    first, second = (
        torch.load(folder / f'iter_{ITERATIONS}.pth', weights_only=True)['state_dict']
        for folder in (alone, both)
    )
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=1e-5, rtol=0, msg=name)


def begin(start: Path, lines: dict, config: Config) -> None:
    """Let a run begin with given weights: the runners draw theirs at other moments."""
    config.merge_from_dict(lines)
    config.load_from = str(start)


def shard(start: Path | None, iterations: int, lines: dict, config: Config) -> None:
    """Let a run's model lie in shards, as the documentation says; without a start it resumes."""
    config.merge_from_dict(lines)
    config.custom_hooks = [hook for hook in config.custom_hooks if hook.type != 'EMAHook']
    config.train_cfg.max_iters = iterations
    config.default_hooks.checkpoint.interval = iterations
    config.resume = start is None
    config.load_from = None if start is None else str(start)
    check_shards(config)


@pytest.mark.slow
@pytest.mark.parametrize(('method', 'decay'), [('rocovis', 0.05), ('genvis', 0.0)])
def test_a_model_in_shards_learns_and_goes_on_as_copies_do(method, decay, root, tmp_path):
    """GenVIS' memory has no gradient on single frames: zero in shards, where it decays."""
    config, start = f'configs/{method}/{method}_demo.py', tmp_path / 'start.pth'
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(load_config(REPOSITORY / config).model)
    torch.save(dict(state_dict=model.state_dict()), start)
    snippet = read_snippet('docs/training.md', 'sharded.py', tmp_path)
    both = {'optim_wrapper.optimizer.weight_decay': decay}
    lines = {name: snippet[name] for name in ('runner_type', 'strategy')}
    lines.update(both, **{'optim_wrapper.type': snippet.optim_wrapper.type})
    copies, shards = tmp_path / 'copies', tmp_path / 'shards'
    runs = [
        (copies, partial(begin, start, both)),
        (shards, partial(shard, start, 2, lines)),
        (shards, partial(shard, None, ITERATIONS, lines)),
    ]
    seen = []
    for folder, change in runs:
        folder.mkdir(exist_ok=True)
        run_ranks(2, train, config, root, folder, 2, 1, change, folder=tmp_path)
        seen.append([json.loads((folder / f'2_{rank}.json').read_text()) for rank in range(2)])
    for whole, first, second in zip(*seen):
        assert first['samples'] + second['samples'] == whole['samples']
        for expected, found in zip(whole['losses'], first['losses'] + second['losses']):
            assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
    expected, found = (
        torch.load(folder / f'iter_{ITERATIONS}.pth', weights_only=True)
        for folder in (copies, shards)
    )
    assert 'ema_state_dict' not in found
    trained = expected['ema_state_dict']  # state_dict holds the averaged weights there
    for name, value in found['state_dict'].items():
        torch.testing.assert_close(value, trained[f'module.{name}'], atol=1e-5, rtol=0, msg=name)
