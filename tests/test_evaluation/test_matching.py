"""Matching against the rules spelled out one prediction at a time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rocovis_mm.evaluation.functional.matching import UNMATCHED, match_tracks


def spelled_out(ious, ignored, crowd, threshold):
    """One area range, one threshold."""
    free = [True] * ious.shape[1]
    matches = []
    for row in ious:
        choice = UNMATCHED
        for group in (False, True):  # those that count come first
            best = min(threshold, 1 - 1e-10)
            for column, iou in enumerate(row):
                if ignored[column] == group and free[column] and iou >= best:
                    best, choice = iou, column
            if choice != UNMATCHED:
                break
        if choice != UNMATCHED and not crowd[choice]:
            free[choice] = False
        matches.append(choice)
    return matches


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 6), st.integers(0, 5))
def test_equals_the_rules(seed, predictions, truths):
    rng = np.random.default_rng(seed)
    ious = rng.integers(0, 21, (predictions, truths)) / 20  # many ties, many at a threshold
    crowd = rng.random(truths) < 0.2
    ignored = (rng.random((4, truths)) < 0.3) | crowd
    thresholds = np.linspace(0.5, 0.95, 10)
    matches = match_tracks(ious, ignored, crowd, thresholds)
    assert matches.shape == (4, 10, predictions)
    for area in range(4):
        for index, threshold in enumerate(thresholds):
            expected = spelled_out(ious, ignored[area], crowd, threshold)
            assert matches[area, index].tolist() == expected


def test_an_iou_of_one_reaches_a_threshold_of_one():
    nothing = np.zeros((1, 1), bool)
    matches = match_tracks(np.ones((1, 1)), nothing, nothing[0], np.array([1.0]))
    assert matches.tolist() == [[[0]]]
