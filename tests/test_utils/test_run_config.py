"""Runs of one benchmark write their submissions apart."""

from __future__ import annotations

import pytest

from rocovis_mm.utils import load_run_config
from tests.conftest import REPOSITORY

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
