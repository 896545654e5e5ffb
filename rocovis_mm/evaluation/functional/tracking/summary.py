"""HOTA, CLEAR and Identity of a results file: per class, over classes, and without classes.

Everything that a video adds is a sum, so that videos and classes are combined by adding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from rocovis_mm.evaluation.functional.evaluate import (
    KINDS,
    VideoGroup,
    group_by_category,
    group_by_video,
    video_cost,
)
from rocovis_mm.evaluation.functional.parallel import map_items
from rocovis_mm.evaluation.functional.tracking import clear, hota, identity
from rocovis_mm.evaluation.functional.tracking.frames import (
    Overlaps,
    distinct,
    measure_kinds,
    measure_overlaps,
    with_masks,
)
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track

Fields = dict[str, dict[str, Any]]
"""Family ('HOTA', 'CLEAR', 'Identity', 'Count') -> field of TrackEval -> value; (A,) where HOTA
has one for each threshold."""


class Family(NamedTuple):
    """A family of metrics.

    Attributes:
        count: returns the numbers that a video adds.
        fields: returns the figures of sums of these numbers.
        numbers: fields that class averages add instead of averaging them.
    """

    count: Callable[[Overlaps], dict[str, Any]]
    fields: Callable[[dict[str, Any]], dict[str, Any]]
    numbers: Sequence[str]


def count_tracks(overlaps: Overlaps) -> dict[str, int]:
    """Return the numbers of masks and of tracks."""
    return dict(
        Dets=int(overlaps.found_masks.sum()),
        GT_Dets=int(overlaps.truth_masks.sum()),
        IDs=len(overlaps.found_masks),
        GT_IDs=len(overlaps.truth_masks),
    )


FAMILIES = {
    'HOTA': Family(hota.count_hota, hota.hota_fields, hota.COUNT_FIELDS),
    'CLEAR': Family(clear.count_clear, clear.clear_fields, clear.COUNT_FIELDS),
    'Identity': Family(identity.count_identity, identity.identity_fields, identity.COUNT_FIELDS),
    'Count': Family(count_tracks, dict, ('Dets', 'GT_Dets', 'IDs', 'GT_IDs')),
}


@dataclass(frozen=True)
class TrackingScores:
    """The figures of one kind of similarity.

    Attributes:
        per_class: of each category id that has tracks or predictions, in ascending order.
        class_averaged: the mean over all categories, as TrackEval's `cls_comb_cls_av`; a category
            that has neither counts 0 (LocA 1). Numbers are sums.
        detection_averaged: of the sums over all categories, as TrackEval's `cls_comb_det_av`.
        agnostic: with all tracks in one class.
    """

    per_class: dict[int, Fields]
    class_averaged: Fields
    detection_averaged: Fields
    agnostic: Fields

    def of_class(self, category_id: int) -> Fields:
        """Return the fields of a category, those of an empty one if it has no tracks."""
        return self.per_class.get(category_id) or _finish(NOTHING)


def evaluate_tracking(
    truth: GroundTruth,
    predictions: Sequence[Track],
    kinds: Sequence[str] = KINDS[:1],
    jobs: int = 1,
) -> dict[str, TrackingScores]:
    """Score predictions as tracks.

    Equal to TrackEval 1.3.0's YouTubeVIS data set (`trackeval/datasets/youtube_vis.py`), in which
    all predictions count, whatever their scores, and crowds count as any ground truth.

    Args:
        truth: the videos to score and their tracks.
        predictions: in the order of the file; those of videos that `truth` does not hold are left
            out.
        kinds: 'segm' takes mask IoUs as similarities, 'boundary' min(mask IoU, boundary IoU).
        jobs: processes to share the videos among; the figures do not depend on it.

    Returns:
        The figures of each kind.
    """
    counts = count_videos(truth, predictions, kinds, jobs)
    number = len(truth.categories)
    return {kind: combine_videos([video[kind] for video in counts], number) for kind in kinds}


VideoCounts = tuple[dict[int, Fields], Fields]
"""The numbers that a video adds to each of its categories, and without regard to them."""


def count_videos(
    truth: GroundTruth,
    predictions: Sequence[Track],
    kinds: Sequence[str] = KINDS[:1],
    jobs: int = 1,
) -> list[dict[str, VideoCounts]]:
    """Return the counts of each kind of each video, in ascending order of video id.

    The arguments are those of :func:`evaluate_tracking`.
    """
    groups = group_by_video(truth, predictions)
    return map_items(partial(_count_video, kinds=kinds), groups, video_cost, jobs)


def _count_video(group: VideoGroup, kinds: Sequence[str]) -> dict[str, VideoCounts]:
    categories = list(group_by_category(group))
    place = {category: index for index, category in enumerate(categories)}
    group = tuple(map(with_masks, group))
    classes = [np.array([place[track.category_id] for track in own], np.int64) for own in group]
    single = np.isin(np.arange(len(group[1])), distinct(group[1]))
    counts = {}
    for kind, overlaps in measure_kinds(*group, kinds).items():
        per_class = {
            category: _count(overlaps.restrict(*(own == index for own in classes)))
            for category, index in place.items()
        }
        everything = np.ones(len(group[0]), dtype=bool)
        counts[kind] = per_class, _count(overlaps.restrict(everything, single))
    return counts


def _count(overlaps: Overlaps) -> Fields:
    return {name: family.count(overlaps) for name, family in FAMILIES.items()}


def combine_videos(videos: Sequence[VideoCounts], categories: int) -> TrackingScores:
    """Add up videos and classes.

    Args:
        videos: of one kind of similarity.
        categories: number of all categories, also of those without tracks.
    """
    by_class: dict[int, list[Fields]] = defaultdict(list)
    for per_class, _ in videos:
        for category, counts in per_class.items():
            by_class[category].append(counts)
    sums = {category: _add(by_class[category]) for category in sorted(by_class)}
    per_class = {category: _finish(own) for category, own in sums.items()}
    return TrackingScores(
        per_class=per_class,
        class_averaged=_average(list(per_class.values()), categories),
        detection_averaged=_finish(_add(sums.values())),
        agnostic=_finish(_add(counts for _, counts in videos)),
    )


NOTHING = _count(measure_overlaps([], []))
"""The numbers that a video without tracks adds."""


def _add(parts: Iterable[Fields]) -> Fields:
    total = {name: dict(own) for name, own in NOTHING.items()}
    for part in parts:
        for name, own in total.items():
            for field in own:
                own[field] = own[field] + part[name][field]
    return total


def _finish(sums: Fields) -> Fields:
    return {name: family.fields(sums[name]) for name, family in FAMILIES.items()}


def _average(classes: Sequence[Fields], number: int) -> Fields:
    """Return the mean over `number` classes, of which those that are not given are empty."""
    empty = _finish(NOTHING)
    averaged: Fields = {}
    for name, family in FAMILIES.items():
        averaged[name] = {}
        for field, nothing in empty[name].items():
            total = sum((own[name][field] for own in classes), nothing * (number - len(classes)))
            averaged[name][field] = total if field in family.numbers else total / max(1, number)
    return averaged
