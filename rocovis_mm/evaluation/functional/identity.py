"""Identities over time, one frame after another; D predictions, G ground truths.

Classes do not count here: give the tracks of one class to count within it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rocovis_mm.evaluation.functional.evaluate import group_by_video
from rocovis_mm.evaluation.functional.matching import GOOD_IOU
from rocovis_mm.evaluation.functional.tracking.clear import count_clear
from rocovis_mm.evaluation.functional.tracking.frames import (
    distinct,
    measure_overlaps,
    with_masks,
)
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.evaluation.functional.tube_iou import mask_tube_iou


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
        wanted = [track for track in wanted if not track.crowd]
        found = [found[index] for index in distinct(found)]
        switches += count_switches(wanted, found)
        born = [track for track in wanted if born_late(track)]
        ious = mask_tube_iou([track.tube for track in found], [track.tube for track in born])
        late += len(born)
        found_late += int((ious.max(axis=0, initial=0) >= GOOD_IOU).sum())
    recall = found_late / late if late else -1.0
    return dict(id_switches=switches, late_births=late, late_recall=recall)


def born_late(track: Track) -> bool:
    """Return whether a track's first mask is after frame 0."""
    return bool(track.tube.areas.any() and not track.tube.areas[0])


def count_switches(wanted: Sequence[Track], found: Sequence[Track]) -> int:
    """Count how often an object's identity changes in one video, as CLEAR MOT does (IDSW).

    Args:
        wanted: G ground-truth tracks.
        found: D predictions.
    """
    return count_clear(measure_overlaps(with_masks(wanted), with_masks(found)))['IDSW']
