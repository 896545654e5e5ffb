"""The benchmark of post-processing: both ways are run, and its table is whole."""

from __future__ import annotations

import pytest
from processes import run_script

from tests.conftest import REPOSITORY

TOOL = REPOSITORY / 'tools/analysis_tools/benchmark_tracks.py'


@pytest.mark.parametrize('frame', [(), ('--frame', '90x130')])
def test_prints_both_ways_of_both_methods(frame):
    done = run_script(
        TOOL, '--input', '64x96', '--queries', '20', '--frames', '3', '--threads', '1', *frame
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split('|')[1:-1] for line in done.stdout.splitlines() if 'at ' in line]
    assert [row[0].split(',')[0].strip() for row in rows] == ['GenVIS'] * 2 + ['MinVIS'] * 2
    for _, *shares in rows:
        frames, end, both = map(float, shares)
        assert both == pytest.approx(frames + end, abs=0.11)


def test_a_size_that_is_none_is_one_line():
    done = run_script(TOOL, '--frame', '360')
    assert done.returncode == 2 and '--frame: give height and width' in done.stderr
