"""HOTA: detection and association in one figure; A thresholds, M pairs, P pairs of tracks.

Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, IJCV 2021. The
figures and the order of every tie are those of TrackEval 1.3.0 (`trackeval/metrics/hota.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from rocovis_mm.evaluation.functional.tracking.frames import Overlaps

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""(A,) similarities from which a pair is a match (`hota.py:22`)."""
ALPHA_FIELDS = ('HOTA', 'DetA', 'AssA', 'DetRe', 'DetPr', 'AssRe', 'AssPr', 'LocA', 'OWTA')
"""Figures that have a value for each threshold."""
COUNT_FIELDS = ('HOTA_TP', 'HOTA_FN', 'HOTA_FP')
"""Numbers, for each threshold; class averages add them."""
EPSILON = np.finfo(float).eps


def count_hota(overlaps: Overlaps) -> dict[str, np.ndarray]:
    """Return what HOTA adds up over videos, and over classes.

    Returns:
        (A,) float64 each: `COUNT_FIELDS`; ``similarity``, the sum over matches; ``AssA``,
        ``AssRe`` and ``AssPr``, the sums over matches of the scores of their tracks' pairs.
    """
    truths, found, similarity = match_frames(overlaps)
    valid = similarity >= ALPHAS[:, None] - EPSILON  # (A, M)
    pairs, pair = np.unique(truths * len(overlaps.found_masks) + found, return_inverse=True)
    cells = np.arange(len(ALPHAS))[:, None] * len(pairs) + pair
    common = np.bincount(cells[valid], minlength=len(ALPHAS) * len(pairs))
    common = common.reshape(len(ALPHAS), len(pairs))  # frames in which two tracks match
    row, column = np.divmod(pairs, max(1, len(overlaps.found_masks)))
    own, other = overlaps.truth_masks[row], overlaps.found_masks[column]
    hits = valid.sum(axis=1).astype(float)
    return dict(
        HOTA_TP=hits,
        HOTA_FN=overlaps.truth_masks.sum() - hits,
        HOTA_FP=overlaps.found_masks.sum() - hits,
        similarity=valid @ similarity,
        AssA=(common**2 / (own + other - common)).sum(axis=1),
        AssRe=(common**2 / own).sum(axis=1),
        AssPr=(common**2 / other).sum(axis=1),
    )


def match_frames(overlaps: Overlaps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Assign each frame's masks one to one, so that the sum of alignment x similarity is highest.

    Returns:
        (M,) ground truths, (M,) predictions and their (M,) similarities, over all frames.
    """
    alignment = align_tracks(overlaps)
    truths, found, values = [], [], []
    for _, rows, columns, similarity in overlaps.frames:
        value = alignment[rows[:, None], columns] * similarity
        pairs = linear_sum_assignment(-value)
        truths.append(rows[pairs[0]])
        found.append(columns[pairs[1]])
        values.append(similarity[pairs])
    if not values:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, np.zeros(0)
    return np.concatenate(truths), np.concatenate(found), np.concatenate(values)


def align_tracks(overlaps: Overlaps) -> np.ndarray:
    """Return (G, D), how well two tracks fit over the whole video, before any assignment.

    In each frame a pair weighs its similarity over all similarities of the two masks; over the
    video, a Jaccard index of these weights (`hota.py:64-82`).
    """
    weights = np.zeros((len(overlaps.truth_masks), len(overlaps.found_masks)))
    for _, rows, columns, similarity in overlaps.frames:
        total = similarity.sum(axis=0) + similarity.sum(axis=1)[:, None] - similarity
        weight = np.divide(similarity, total, out=np.zeros_like(similarity), where=total > EPSILON)
        weights[rows[:, None], columns] += weight
    return weights / (overlaps.truth_masks[:, None] + overlaps.found_masks - weights)


def hota_fields(sums: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return all fields of TrackEval's HOTA of sums of :func:`count_hota`.

    Without a match, LocA is 1 and all else is 0.
    """
    hits, missed, wrong = (sums[name] for name in COUNT_FIELDS)
    fields: dict[str, Any] = {name: sums[name] for name in COUNT_FIELDS}
    for name in ('AssA', 'AssRe', 'AssPr'):
        fields[name] = sums[name] / np.maximum(1, hits)
    fields['LocA'] = np.divide(sums['similarity'], hits, out=np.ones(len(hits)), where=hits > 0)
    fields['DetRe'] = hits / np.maximum(1, hits + missed)
    fields['DetPr'] = hits / np.maximum(1, hits + wrong)
    fields['DetA'] = hits / np.maximum(1, hits + missed + wrong)
    fields['HOTA'] = np.sqrt(fields['DetA'] * fields['AssA'])
    fields['OWTA'] = np.sqrt(fields['DetRe'] * fields['AssA'])
    fields['HOTA(0)'] = fields['HOTA'][0]
    fields['LocA(0)'] = fields['LocA'][0]
    fields['HOTALocA(0)'] = fields['HOTA(0)'] * fields['LocA(0)']
    return fields
