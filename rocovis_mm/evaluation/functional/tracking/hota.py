"""HOTA: detection and association in one figure; A thresholds, N entries, M of them pairs.

Luiten et al., HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking, IJCV 2021. The
figures and the order of every tie are those of TrackEval 1.3.0 (`trackeval/metrics/hota.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.tracking.frames import EPSILON, Overlaps

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""(A,) similarities from which a pair is a match (`hota.py:22`)."""
ALPHA_FIELDS = ('HOTA', 'DetA', 'AssA', 'DetRe', 'DetPr', 'AssRe', 'AssPr', 'LocA', 'OWTA')
"""Figures that have a value for each threshold."""
COUNT_FIELDS = ('HOTA_TP', 'HOTA_FN', 'HOTA_FP')
"""Numbers, for each threshold; class averages add them."""
SUMS = ('HOTA_TP', 'similarity', 'AssA', 'AssRe', 'AssPr')


def count_hota(overlaps: Overlaps) -> dict[str, np.ndarray]:
    """Return the numbers that HOTA adds up over videos, and over classes.

    Returns:
        (A,) float64 each: `COUNT_FIELDS`; ``similarity``, the sum over matches; ``AssA``,
        ``AssRe`` and ``AssPr``, the sums over matches of the scores of their tracks' pairs.
    """
    if len(overlaps.frames):
        sums = _sum_matches(overlaps)
    else:
        sums = dict.fromkeys(SUMS, np.zeros(len(ALPHAS)))
    hits = sums['HOTA_TP']
    return dict(
        **sums,
        HOTA_FN=overlaps.truth_masks.sum() - hits,
        HOTA_FP=overlaps.found_masks.sum() - hits,
    )


def _sum_matches(overlaps: Overlaps) -> dict[str, np.ndarray]:
    """Return the `SUMS` over the M pairs of all frames, P pairs of tracks among them."""
    matched = overlaps.select(match_frames(overlaps))
    valid = matched.similarity >= ALPHAS[:, None] - EPSILON  # (A, M)
    keys = matched.truths * len(overlaps.found_masks) + matched.found
    pairs, pair = np.unique(keys, return_inverse=True)
    cells = np.arange(len(ALPHAS))[:, None] * len(pairs) + pair
    common = np.bincount(cells[valid], minlength=len(ALPHAS) * len(pairs))
    common = common.reshape(len(ALPHAS), len(pairs))  # (A, P), frames in which two tracks match
    row, column = np.divmod(pairs, len(overlaps.found_masks))
    own, other = overlaps.truth_masks[row], overlaps.found_masks[column]
    return dict(
        HOTA_TP=valid.sum(axis=1).astype(float),
        similarity=valid @ matched.similarity,
        AssA=(common**2 / (own + other - common)).sum(axis=1),
        AssRe=(common**2 / own).sum(axis=1),
        AssPr=(common**2 / other).sum(axis=1),
    )


def match_frames(overlaps: Overlaps) -> np.ndarray:
    """Assign each frame's masks one to one, so that the sum of alignment x similarity is highest.

    Returns:
        (N,) bool, the M entries that are pairs.
    """
    contested = overlaps.contested()
    matched = ~contested
    if contested.any():
        values = align_tracks(overlaps) * overlaps.similarity
        for frame, entries in overlaps.slices(contested):
            matched[entries] = overlaps.assign(frame, entries, values[entries])
    return matched


def align_tracks(overlaps: Overlaps) -> np.ndarray:
    """Return (N,), how well an entry's tracks fit over the whole video, before any assignment.

    In each frame a pair weighs its similarity over all similarities of the two masks; over the
    video, a Jaccard index of these weights (`hota.py:64-82`).
    """
    weights = overlaps.similarity / _sum_rivals(overlaps)
    keys = overlaps.truths * len(overlaps.found_masks) + overlaps.found
    common = np.bincount(keys, weights)[keys]
    own, other = overlaps.truth_masks[overlaps.truths], overlaps.found_masks[overlaps.found]
    return common / (own + other - common)


def _sum_rivals(overlaps: Overlaps) -> np.ndarray:
    """Return (N,), the sum of all similarities of either mask of an entry in its frame."""
    sums = []
    for tracks in (overlaps.found, overlaps.truths):
        keys = overlaps.frames * (tracks.max(initial=0) + 1) + tracks
        sums.append(np.bincount(keys, overlaps.similarity)[keys])
    return sums[0] + sums[1] - overlaps.similarity


def mean_hota(
    hits: np.ndarray, united: np.ndarray, association: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return HOTA and AssA, means over A thresholds, of many sums at once.

    Args:
        hits: (N, A) matches.
        united: (N, A) matches, misses and false positives.
        association: (N, A) sums over matches of the association scores.

    Returns:
        (N,) each.
    """
    share = association / np.maximum(1, hits)
    return np.sqrt(hits / np.maximum(1, united) * share).mean(axis=1), share.mean(axis=1)


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
