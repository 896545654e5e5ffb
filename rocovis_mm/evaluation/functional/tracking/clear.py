"""CLEAR MOT: misses, false positives and identity switches; G ground truths.

Bernardin, Stiefelhagen, Evaluating Multiple Object Tracking Performance, EURASIP JIVP 2008. The
figures and the order of every tie are those of TrackEval 1.3.0 (`trackeval/metrics/clear.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from rocovis_mm.evaluation.functional.tracking.frames import Frame, Overlaps

MATCHED = 0.5
"""Similarity from which a prediction shows an object."""
CONTINUED = 1000.0
"""What is added to the similarity of a pair that the frame before has (`clear.py:88`)."""
MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2
"""Shares of an object's masks: above, it is mostly tracked, below mostly lost."""
NOBODY = -1
EPSILON = np.finfo(float).eps
COUNT_FIELDS = ('CLR_TP', 'CLR_FN', 'CLR_FP', 'IDSW', 'MT', 'PT', 'ML', 'Frag', 'CLR_Frames')
"""Numbers; class averages add them."""


def count_clear(overlaps: Overlaps) -> dict[str, float]:
    """Return what CLEAR adds up over videos, and over classes.

    Each frame's masks are assigned one to one: as many pairs as possible continue from the
    frame before (the last one in which both sides have masks), then the sum of the similarities
    decides. A pair needs 0.5.

    Returns:
        `COUNT_FIELDS` and ``MOTP_sum``, the sum of the similarities of all pairs. A switch is an
        object that is assigned another prediction than at its last assignment, however long ago.
        A video without ground truth or without predictions counts no frames.
    """
    number = len(overlaps.truth_masks)
    last = np.full(number, NOBODY)  # of any frame before
    before = np.full(number, NOBODY)
    seen = np.zeros(number, dtype=np.int64)  # frames in which it has a match
    begun = np.zeros(number, dtype=np.int64)  # stretches of such frames
    switches, total = 0, 0.0
    for frame in overlaps.frames:
        truths, found, similarity = match_frame(frame, before)
        switches += int(((last[truths] != NOBODY) & (last[truths] != found)).sum())
        begun[truths] += before[truths] == NOBODY
        seen[truths] += 1
        before[:] = NOBODY
        last[truths] = before[truths] = found
        total += float(similarity.sum())
    hits = int(seen.sum())
    share = seen / overlaps.truth_masks
    tracked = int((share > MOSTLY_TRACKED).sum())
    partly = int((share >= MOSTLY_LOST).sum()) - tracked
    both = number and len(overlaps.found_masks)
    return dict(
        CLR_TP=hits,
        CLR_FN=int(overlaps.truth_masks.sum()) - hits,
        CLR_FP=int(overlaps.found_masks.sum()) - hits,
        IDSW=switches,
        MT=tracked,
        PT=partly,
        ML=number - tracked - partly,
        Frag=int(np.maximum(begun - 1, 0).sum()),
        CLR_Frames=overlaps.length if both else 0,
        MOTP_sum=total,
    )


def match_frame(frame: Frame, before: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the ground truths, the predictions and the similarities of a frame's pairs.

    Args:
        frame: its similarities.
        before: (G,) the prediction that each ground truth has in the frame before, or `NOBODY`.
    """
    _, rows, columns, similarity = frame
    value = CONTINUED * (columns == before[rows][:, None]) + similarity
    value[similarity < MATCHED - EPSILON] = 0
    pairs = linear_sum_assignment(-value)
    valid = value[pairs] > EPSILON
    own, other = pairs[0][valid], pairs[1][valid]
    return rows[own], columns[other], similarity[own, other]


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
