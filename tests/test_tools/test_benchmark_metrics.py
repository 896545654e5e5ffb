"""The benchmark: its workload is valid, and the slow way agrees with ours."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rocovis_mm.evaluation.functional.tube_iou import limit_by_boundary, mask_tube_iou

FOLDER = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools'
SMALL = '--videos 3 --frames 6 --height 72 --width 96 --predictions 8 --repeats 1'.split()


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(FOLDER))
    try:
        import benchmark_metrics
    finally:
        sys.path.remove(str(FOLDER))
    return benchmark_metrics


def test_prints_ratio_memory_and_growth():
    command = [sys.executable, str(FOLDER / 'benchmark_metrics.py'), *SMALL, '--growth']
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
    for words in ('x faster', 'x decoded json', 'predictions', 'half'):
        assert words in done.stdout


@pytest.mark.filterwarnings('ignore:__array__ implementation')
def test_both_ways_agree(tool, tmp_path):
    files = tool.make_workload(tmp_path, tool.parse_args([*SMALL, '--classes', '2']))
    slow = tool.naive_ious(files)
    truth = tool.load_ground_truth(files[0])
    fast = []
    for wanted, found in tool.group_by_video(truth, tool.load_predictions(files[1], truth)):
        for a in tool.rank(found):
            for b in wanted:
                if a.category_id == b.category_id:
                    masks = mask_tube_iou([a.tube], [b.tube])
                    both = limit_by_boundary(masks, [a.tube], [b.tube], [False], 0.0)
                    fast.append(both[0, 0])
    assert slow == fast
    assert max(fast) > 0.5  # the workload has something to find
    assert (
        0 < tool.score(files, 'boundary').stats()['AP'] <= tool.score(files, 'segm').stats()['AP']
    )


def test_a_workload_is_as_large_as_asked_for(tool, tmp_path):
    files = tool.make_workload(tmp_path, tool.parse_args(SMALL))
    truth = tool.load_ground_truth(files[0])
    predictions = tool.load_predictions(files[1], truth)
    assert (len(truth.videos), len(truth.tracks), len(predictions)) == (3, 9, 24)
    assert {(v.height, v.width, v.length) for v in truth.videos.values()} == {(72, 96, 6)}
    assert np.mean([track.average_area for track in truth.tracks]) > 50
