"""Precision and recall against small cases worked out by hand."""

import numpy as np
import pytest

from rocovis_mm.evaluation.functional.average_precision import mean_valid, precision_recall


def curve(scores, hits, ignored=None, positives=2):
    hits = np.array([hits], bool)
    ignored = np.zeros_like(hits) if ignored is None else np.array([ignored], bool)
    return precision_recall(np.array(scores), hits, ignored, positives)


def test_a_miss_between_two_hits():
    precision, recall = curve([0.9, 0.8, 0.7], [True, False, True])
    assert recall.tolist() == [1.0]
    assert precision[0, :51] == pytest.approx(1.0)  # recall 0 to 0.5
    assert precision[0, 51:] == pytest.approx(2 / 3)


def test_recall_never_reached_counts_as_zero():
    precision, recall = curve([0.9], [True], positives=4)
    assert recall.tolist() == [0.25]
    assert precision[0, :26] == pytest.approx(1.0)
    assert not precision[0, 26:].any()


def test_equal_scores_keep_their_order():
    first, _ = curve([0.5, 0.5], [True, False], positives=1)
    second, _ = curve([0.5, 0.5], [False, True], positives=1)
    assert first.mean() == pytest.approx(1.0)
    assert second.mean() == pytest.approx(0.5)


def test_ignored_predictions_are_neither_right_nor_wrong():
    precision, recall = curve(
        [0.9, 0.8, 0.7], [True, False, True], [True, True, False], positives=1
    )
    assert recall.tolist() == [1.0]
    assert precision[0] == pytest.approx(1.0)


def test_nothing_to_find_and_nothing_found():
    precision, recall = curve([0.9], [False], positives=0)
    assert (precision == -1).all() and (recall == -1).all()
    precision, recall = curve([], [], positives=3)
    assert (precision == 0).all() and (recall == 0).all()


def test_mean_of_valid_entries():
    assert mean_valid(np.array([-1.0, 0.0, 1.0])) == 0.5
    assert mean_valid(np.array([-1.0])) == -1.0
    assert mean_valid(np.zeros(0)) == -1.0
