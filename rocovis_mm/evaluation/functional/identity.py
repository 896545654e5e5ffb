"""Identities over time, one frame after another; D predictions, G ground truths.

Classes do not count here: give the tracks of one class to count within it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from rocovis_mm.evaluation.functional.evaluate import group_by_video
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.evaluation.functional.tube_iou import frame_ious, mask_tube_iou

GOOD_IOU = 0.5
"""IoU from which a prediction shows an object: of two masks in a frame, of two tubes."""
CONTINUED = 1000.0
"""What is added to the IoU of a pair that the frame before has, as in TrackEval."""
NOBODY = -1


def identity_stats(truth: GroundTruth, predictions: Sequence[Track]) -> dict[str, float]:
    """Count identity switches and late births found, whatever the classes say.

    Predictions of one mask under several classes are one identity. Crowds do not count.

    Args:
        truth: the ground truth.
        predictions: of any videos; those that `truth` does not hold are left out.

    Returns:
        ``id_switches``, see :func:`count_switches`; ``late_births``, ground-truth tracks
        whose first mask is after frame 0; ``late_recall``, the share of them that some
        prediction finds (tube IoU 0.5 or more), -1 where there are none.
    """
    switches = late = found_late = 0
    for wanted, found in group_by_video(truth, predictions):
        wanted, found = [track for track in wanted if not track.crowd], distinct(found)
        switches += count_switches(wanted, found)
        born = [track for track in wanted if born_late(track)]
        ious = mask_tube_iou([track.tube for track in found], [track.tube for track in born])
        late += len(born)
        found_late += int((ious.max(axis=0, initial=0) >= GOOD_IOU).sum())
    recall = found_late / late if late else -1.0
    return dict(id_switches=switches, late_births=late, late_recall=recall)


def distinct(predictions: Sequence[Track]) -> list[Track]:
    """Return the predictions of one video without those that repeat another's masks."""
    return list({tuple(track.tube.counts): track for track in predictions}.values())


def born_late(track: Track) -> bool:
    """Return whether a track's first mask is after frame 0."""
    return bool(track.tube.areas.any() and not track.tube.areas[0])


def count_switches(wanted: Sequence[Track], found: Sequence[Track]) -> int:
    """Count how often an object's identity changes in one video, as CLEAR MOT does (IDSW).

    Each frame's masks are assigned one to one: as many pairs as possible continue from the
    frame before (the last one in which both sides have masks), then the sum of the IoUs
    decides. A pair needs IoU 0.5. A switch is an object that is assigned another prediction
    than at its last assignment, however long ago (TrackEval 1.3.0,
    `trackeval/metrics/clear.py:58`, ``eval_sequence``).

    Args:
        wanted: G ground-truth tracks.
        found: D predictions.
    """
    last = np.full(len(wanted), NOBODY)  # of any frame before
    before = np.full(len(wanted), NOBODY)
    switches = 0
    tubes = [track.tube for track in found], [track.tube for track in wanted]
    for _, rows, columns, ious in frame_ious(*tubes):
        rows, columns = np.array(rows), np.array(columns)
        value = ious + CONTINUED * (rows[:, None] == before[columns])
        value[ious < GOOD_IOU - np.finfo(float).eps] = 0
        pairs = linear_sum_assignment(value, maximize=True)
        valid = value[pairs] > np.finfo(float).eps
        own, objects = rows[pairs[0][valid]], columns[pairs[1][valid]]
        switches += int(((last[objects] != NOBODY) & (last[objects] != own)).sum())
        before[:] = NOBODY
        last[objects] = before[objects] = own
    return switches
