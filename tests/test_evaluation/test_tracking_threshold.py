"""The best score threshold, found and tried."""

from __future__ import annotations

import numpy as np
import pytest
from tracking_reference import crowded_files

from rocovis_mm.evaluation.functional.tracking.summary import evaluate_tracking
from rocovis_mm.evaluation.functional.tracking.threshold import above, best_threshold
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions


def load(seed, distinct):
    truth, results = crowded_files(seed)
    if distinct:
        order = np.random.RandomState(seed).permutation(len(results))
        results = [{**r, 'score': 0.9 - 0.01 * n} for r, n in zip(results, order)]
    checked = load_ground_truth(truth, need_annotations=False)
    return checked, load_predictions(results, checked)


@pytest.mark.parametrize(
    'seed, distinct, kind, jobs',
    [(1, True, 'segm', 1), (2, False, 'segm', 2), (3, False, 'boundary', 1), (3, True, 'segm', 1)],
)
def test_it_is_the_best_of_all_scores(seed, distinct, kind, jobs):
    truth, found = load(seed, distinct)
    tried = {
        level: np.mean(
            evaluate_tracking(truth, above(found, level), [kind])[kind].class_averaged['HOTA'][
                'HOTA'
            ]
        )
        for level in sorted({track.score for track in found}, reverse=True)
    }
    best = best_threshold(truth, found, kind, jobs)
    assert best.hota == pytest.approx(max(tried.values()), abs=1e-12)
    assert best.score == max(s for s, hota in tried.items() if hota > best.hota - 1e-12)


def test_without_a_match_there_is_none():
    truth, found = load(3, False)
    assert best_threshold(truth, []) is None
    assert best_threshold(truth, [track for track in found if track.category_id == 7]) is None
