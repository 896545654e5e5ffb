"""The benchmark: its workload is valid, and the slow way agrees with ours."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rocovis_mm.evaluation.functional.tube_iou import limit_by_boundary, mask_tube_iou
from tests.optional import needs

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


def test_trackeval_scores_the_files_that_are_written_for_it(tool, tmp_path):
    """Its figures are ours; crowds and polygons are among the ground truth."""
    needs('trackeval')
    files = tool.make_workload(tmp_path, tool.parse_args([*SMALL, '--classes', '2']))
    content = json.loads(files[0].read_text())
    content['annotations'][0]['iscrowd'] = 1
    polygon = [[3, 3, 60, 3, 60, 60, 3, 60]]
    content['annotations'][1]['segmentations'] = [polygon] * 6
    truth = tool.load_ground_truth(content)
    found = tool.load_predictions(files[1], truth)
    tool.write_folders(truth, found, tmp_path)
    theirs = tool.score_folders(tmp_path)['cls_comb_cls_av']
    ours = tool.evaluate_tracking(truth, found)['segm'].class_averaged
    for family in ('HOTA', 'CLEAR', 'Identity'):
        for field in ours[family].keys() & theirs[family].keys():
            assert ours[family][field] == pytest.approx(theirs[family][field], abs=1e-9)


def test_without_trackeval_the_table_says_how_to_get_it(tool, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'trackeval', None)
    files = tool.make_workload(tmp_path, tool.parse_args(SMALL))
    ours, theirs = tool.tracking_rows(files, tool.parse_args(SMALL))
    assert 'on top of AP' in ours[-1] and 'pip install' in theirs[-1]
    (alone,) = tool.tracking_rows(files, tool.parse_args([*SMALL, '--no-trackeval']))
    assert alone[0] == ours[0]


def test_the_size_of_ovis(tool):
    options = tool.parse_args(['--ovis'])
    assert (options.videos, options.classes, options.everything) == (140, 25, True)


def test_a_workload_is_as_large_as_asked_for(tool, tmp_path):
    files = tool.make_workload(tmp_path, tool.parse_args(SMALL))
    truth = tool.load_ground_truth(files[0])
    predictions = tool.load_predictions(files[1], truth)
    assert (len(truth.videos), len(truth.tracks), len(predictions)) == (3, 9, 24)
    assert {(v.height, v.width, v.length) for v in truth.videos.values()} == {(72, 96, 6)}
    assert np.mean([track.average_area for track in truth.tracks]) > 50
