"""CLEAR MOT: misses, false positives and identity switches; T frames, G ground truths.

Bernardin, Stiefelhagen, Evaluating Multiple Object Tracking Performance, EURASIP JIVP 2008. The
figures and the order of every tie are those of TrackEval 1.3.0 (`trackeval/metrics/clear.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.matching import GOOD_IOU
from rocovis_mm.evaluation.functional.tracking.frames import EPSILON, Overlaps

CONTINUED = 1000.0
"""Added to the similarity of a pair that the frame before has (`clear.py:88`)."""
MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2
"""Shares of an object's masks: above, it is mostly tracked, below mostly lost."""
NOBODY = -1
COUNT_FIELDS = ('CLR_TP', 'CLR_FN', 'CLR_FP', 'IDSW', 'MT', 'PT', 'ML', 'Frag', 'CLR_Frames')
"""Numbers; class averages add them."""


def count_clear(overlaps: Overlaps) -> dict[str, float]:
    """Return the numbers that CLEAR adds up over videos, and over classes.

    Returns:
        `COUNT_FIELDS` and ``MOTP_sum``, the sum of the similarities of all pairs. A switch is an
        object that is assigned another prediction than at its last assignment, however long ago.
        A video without ground truth or without predictions counts no frames.
    """
    truth_masks, found_masks = overlaps.truth_masks, overlaps.found_masks
    hits = begun = np.zeros(len(truth_masks), dtype=np.int64)
    switches, similarity = 0, 0.0
    if len(overlaps.frames):
        matched = match_frames(overlaps)
        hits, begun, switches = _follow(matched)
        similarity = float(matched.similarity.sum())
    share = hits / truth_masks
    tracked = int((share > MOSTLY_TRACKED).sum())
    partly = int((share >= MOSTLY_LOST).sum()) - tracked
    total = int(hits.sum())
    return dict(
        CLR_TP=total,
        CLR_FN=int(truth_masks.sum()) - total,
        CLR_FP=int(found_masks.sum()) - total,
        IDSW=switches,
        MT=tracked,
        PT=partly,
        ML=len(truth_masks) - tracked - partly,
        Frag=int(np.maximum(begun - 1, 0).sum()),
        CLR_Frames=len(overlaps.truth_present) if len(truth_masks) and len(found_masks) else 0,
        MOTP_sum=similarity,
    )


def _follow(matched: Overlaps) -> tuple[np.ndarray, np.ndarray, int]:
    """Return (G,) pairs of each ground truth, its (G,) runs of pairs, and all switches.

    Frames that only one side sees interrupt no run.
    """
    holders = np.full(matched.truth_present.shape, NOBODY)  # (T, G) predictions
    holders[matched.frames, matched.truths] = matched.found
    holders = holders[_seen_by_both(matched)]
    held = holders != NOBODY
    begun = held.copy()
    begun[1:] &= ~held[:-1]
    truths, frames = held.T.nonzero()
    holder = holders[frames, truths]
    switched = (truths[1:] == truths[:-1]) & (holder[1:] != holder[:-1])
    return held.sum(axis=0), begun.sum(axis=0), int(switched.sum())


def match_frames(overlaps: Overlaps) -> Overlaps:
    """Assign each frame's masks one to one.

    As many pairs as possible continue from the frame before (the last one in which both sides have
    masks), then the sum of the similarities decides. A pair needs 0.5.

    Returns:
        The same tracks with the entries that are pairs.
    """
    overlaps = overlaps.select(overlaps.similarity >= GOOD_IOU - EPSILON)
    contested = overlaps.contested()
    matched = ~contested
    both = np.flatnonzero(_seen_by_both(overlaps))
    begins = np.searchsorted(overlaps.frames, both).tolist()
    places = dict(zip(both.tolist(), range(len(both))))
    pairs = list(zip(overlaps.truths.tolist(), overlaps.found.tolist()))
    for frame, entries in overlaps.slices(contested):
        before: set[tuple[int, int]] = set()
        if place := places[frame]:
            last = range(begins[place - 1], begins[place])
            before = {pairs[entry] for entry in last if matched[entry]}
        continues = np.array([pair in before for pair in pairs[entries]])
        values = CONTINUED * continues + overlaps.similarity[entries]
        matched[entries] = overlaps.assign(frame, entries, values)
    return overlaps.select(matched)


def _seen_by_both(overlaps: Overlaps) -> np.ndarray:
    """Return (T,) bool, frames in which both sides have masks."""
    return overlaps.truth_present.any(axis=1) & overlaps.found_present.any(axis=1)


def clear_fields(sums: dict[str, float]) -> dict[str, Any]:
    """Return all fields of TrackEval's CLEAR of sums of :func:`count_clear`."""
    hits, missed, wrong, switches = (sums[name] for name in COUNT_FIELDS[:4])
    truths, objects = max(1, hits + missed), max(1, sums['MT'] + sums['PT'] + sums['ML'])
    soft_switches = math.log10(switches) if switches else 0
    return {
        **sums,
        **{f'{name}R': sums[name] / objects for name in ('MT', 'PT', 'ML')},
        'CLR_Re': hits / truths,
        'CLR_Pr': hits / max(1, hits + wrong),
        'CLR_F1': hits / max(1, hits + 0.5 * missed + 0.5 * wrong),
        'MODA': (hits - wrong) / truths,
        'MOTA': (hits - wrong - switches) / truths,
        'sMOTA': (sums['MOTP_sum'] - wrong - switches) / truths,
        'MOTAL': (hits - wrong - soft_switches) / truths,
        'MOTP': sums['MOTP_sum'] / max(1, hits),
        'FP_per_frame': wrong / max(1, sums['CLR_Frames']),
    }
