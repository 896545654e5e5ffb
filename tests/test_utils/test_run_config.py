"""Runs of one benchmark write their submissions apart; what shards would break is refused."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from rocovis_mm.registry import STRATEGIES
from rocovis_mm.utils import check_shards, load_run_config
from rocovis_mm.utils.run_config import config_classes
from tests.conftest import REPOSITORY
from tests.docs_snippets import read_snippet

CONFIG = REPOSITORY / 'configs/minvis/minvis_r50_youtube-vis-2019.py'


def places(config) -> set[str]:
    return {config.val_evaluator.outfile_prefix, config.test_evaluator.outfile_prefix}


@pytest.mark.parametrize(
    ('options', 'work_dir', 'expected'),
    [
        (None, None, 'work_dirs/minvis_r50_youtube-vis-2019/results'),
        (None, 'mine', 'mine/results'),
        (dict(results='there/all'), 'mine', 'there/all'),
    ],
)
def test_a_submission_goes_into_the_runs_own_folder(options, work_dir, expected):
    assert places(load_run_config(CONFIG, options, work_dir)) == {expected}


def test_what_is_scored_is_not_written():
    config = load_run_config(CONFIG, dict(val_has_masks=True))
    assert places(config) == {None} and not config.val_evaluator.format_only


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(runner_type='Runner'), 'FlexibleRunner'),
        (dict(custom_hooks=[dict(type='EMAHook')]), 'EMAHook'),
        ({'optim_wrapper.type': 'OptimWrapper'}, 'ExperimentalShardedOptimWrapper'),
    ],
)
def test_what_shards_would_break_is_refused(change, message):
    sharded = dict(
        runner_type='FlexibleRunner',
        strategy=dict(type='rocovis_mm.ExperimentalShardedStrategy'),
        optim_wrapper=dict(
            type='rocovis_mm.ExperimentalShardedOptimWrapper', clip_grad=dict(max_norm=1)
        ),
    )
    assert check_shards(Config(sharded)) is None
    config = Config(sharded)
    config.merge_from_dict(change)
    with pytest.raises(ValueError, match=message):
        check_shards(config)
    config.pop('strategy')
    assert check_shards(config) is None


def test_the_documented_run_in_shards_is_one(tmp_path):
    config = read_snippet('docs/training.md', 'sharded.py', tmp_path)
    assert STRATEGIES.get(config.strategy.type).__name__ == 'ExperimentalShardedStrategy'
    assert config.optim_wrapper.clip_grad.max_norm == 0.01
    check_shards(config)


def test_classes_are_read_from_a_config():
    configs = REPOSITORY / 'configs'
    (classes,), number = config_classes(str(configs / 'rocovis/rocovis_r50_custom.py'))
    assert len(classes) == number == 6
    (classes,), number = config_classes(str(configs / '_base_/datasets/ovis.py'))
    assert len(classes) == 25 and number is None
    assert config_classes(str(configs / '_base_/datasets/embedded_vis.py')) == ([], None)
