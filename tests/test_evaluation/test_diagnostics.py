"""Frequent mistakes with a pair of files are named in one line."""

from __future__ import annotations

import json

import pytest
from vis_reference import random_files

from rocovis_mm.evaluation.functional.diagnostics import (
    nothing_to_score,
    read_results,
    read_truth,
    videos_without,
)
from rocovis_mm.evaluation.functional.tracks import load_ground_truth


@pytest.fixture
def content():
    return random_files(4, videos=9)[0]


def results_of(*videos: int) -> list[dict]:
    return [dict(video_id=video, category_id=1, score=0.5, segmentations=[]) for video in videos]


def test_swapped_files(tmp_path, content):
    for name, own in (('gt.json', content), ('pred.json', results_of(1))):
        (tmp_path / name).write_text(json.dumps(own))
    paths = [str(tmp_path / name) for name in ('gt.json', 'pred.json')]
    found, truth = read_truth(*paths)
    assert found == content and truth.name == paths[0]
    with pytest.raises(ValueError, match='look swapped.*ground truth first: .*gt.json .*pred'):
        read_truth(*paths[::-1])
    with pytest.raises(ValueError, match='it is a list, as results files are; give the ann'):
        read_truth(paths[1], paths[1])


def test_results_of_another_split(content):
    truth = load_ground_truth(content, name='gt.json')
    with pytest.raises(ValueError) as failed:
        read_results(results_of(*range(100, 107)), truth, 'pred.json')
    assert str(failed.value) == (
        'pred.json: none of its 7 videos (100, 101, 102, 103, 104, ...) is among the 9 of '
        'gt.json (1, 2, 3, 4, 5, ...), as in results of another split; score it against the '
        'ground truth of the same split'
    )
    with pytest.raises(ValueError, match=r'pred.json: \[1\].video_id: video 100 is not among'):
        read_results([blank(truth, 1), *results_of(100)], truth, 'pred.json')
    with pytest.raises(ValueError, match=r'\[0\]: missing key .video_id'):
        read_results([{}, *results_of(100)], truth, 'pred.json')


def blank(truth, video: int) -> dict:
    """Return a prediction without masks."""
    return dict(results_of(video)[0], segmentations=[None] * truth.videos[video].length)


def test_videos_without_predictions(content):
    truth = load_ground_truth(content)
    predictions = read_results([blank(truth, 3), blank(truth, 8)], truth, 'pred.json')
    assert nothing_to_score(truth, predictions, 'pred.json') is None
    line = 'pred.json: 7 of 9 videos have no predictions: 1, 2, 4, 5, 6, ...'
    assert videos_without(truth, predictions, 'pred.json') == line
    part = truth.subset([8, 3])
    assert videos_without(part, predictions, 'pred.json') is None
    part = truth.subset([1])
    assert 'none of its predictions' in nothing_to_score(part, predictions, 'pred.json')
    assert 'it has no predictions' in nothing_to_score(truth, [], 'pred.json')
