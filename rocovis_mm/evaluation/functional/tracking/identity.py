"""Identity: each object has one prediction for the whole video; G ground truths, D predictions.

Ristani et al., Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking, ECCV
Workshops 2016. The figures are those of TrackEval 1.3.0 (`trackeval/metrics/identity.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from rocovis_mm.evaluation.functional.matching import GOOD_IOU
from rocovis_mm.evaluation.functional.tracking.frames import Overlaps

COUNT_FIELDS = ('IDTP', 'IDFN', 'IDFP')
"""Numbers; class averages add them."""


def count_identity(overlaps: Overlaps) -> dict[str, int]:
    """Return the `COUNT_FIELDS` of the one-to-one assignment of tracks with the most matches.

    TrackEval minimises misses and false positives over a matrix of (G + D) rows. Both fall by one
    with each match, so that the most matches in (G, D) are the same optimum.
    """
    hits = _most_matches(overlaps) if len(overlaps.frames) else 0
    return dict(
        IDTP=hits,
        IDFN=int(overlaps.truth_masks.sum()) - hits,
        IDFP=int(overlaps.found_masks.sum()) - hits,
    )


def _most_matches(overlaps: Overlaps) -> int:
    shape = len(overlaps.truth_masks), len(overlaps.found_masks)
    shown = overlaps.select(overlaps.similarity >= GOOD_IOU)
    matches = np.bincount(shown.truths * shape[1] + shown.found, minlength=shape[0] * shape[1])
    matches = matches.reshape(shape)
    return int(matches[linear_sum_assignment(matches, maximize=True)].sum())


def identity_fields(sums: dict[str, int]) -> dict[str, Any]:
    """Return all fields of TrackEval's Identity of sums of :func:`count_identity`."""
    hits, missed, wrong = (sums[name] for name in COUNT_FIELDS)
    return {
        **sums,
        'IDR': hits / max(1, hits + missed),
        'IDP': hits / max(1, hits + wrong),
        'IDF1': hits / max(1, hits + 0.5 * wrong + 0.5 * missed),
    }
