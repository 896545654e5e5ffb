"""Scores of a results file; A area ranges, T thresholds, R recall points, K categories.

K counts the categories that have tracks or predictions. A benchmark may name many thousands more;
they take part in no mean and cost nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial

import numpy as np

from rocovis_mm.evaluation.functional.average_precision import (
    IOU_THRESHOLDS,
    mean_valid,
    precision_recall,
)
from rocovis_mm.evaluation.functional.matching import UNMATCHED, match_tracks
from rocovis_mm.evaluation.functional.parallel import map_items
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.evaluation.functional.tube_iou import limit_by_boundary, mask_tube_iou

KINDS = ('segm', 'boundary')
"""'segm' is Video AP, 'boundary' Tube-Boundary AP."""
AREA_RANGES = np.array([[0, 1e5**2], [0, 128**2], [128**2, 256**2], [256**2, 1e5**2]])
"""All, small, medium, large: mean pixels per frame (`ytvoseval.py:464`, `setDetParams`)."""
MAX_DETECTIONS = (1, 10, 100)


@dataclass(frozen=True)
class Cell:
    """The matched predictions of one video and category; D predictions, G ground truths.

    Attributes:
        category_id: the category.
        scores: (D,) in descending order, at most 100.
        hits: (A, T, D) bool, the prediction took a ground truth.
        ignored: (A, T, D) bool, it counts neither as right nor as wrong.
        positives: (A,) int, ground truths that count.
    """

    category_id: int
    scores: np.ndarray
    hits: np.ndarray
    ignored: np.ndarray
    positives: np.ndarray


@dataclass(frozen=True)
class TrackGroup:
    """Ground truths that are scored apart from the others of their videos.

    The others are ignored, as objects outside of an area range: they are no misses, and a
    prediction that takes one counts neither as right nor as wrong.

    Attributes:
        name: of the group.
        tracks: `index` of each ground truth that counts; None for all.
        predictions: `index` of each prediction that is wrong if it takes nothing; None for all.
    """

    name: str
    tracks: Set[int] | None = None
    predictions: Set[int] | None = None


EVERYTHING = TrackGroup('all')


@dataclass(frozen=True)
class TubeScores:
    """The scores of one kind of tube IoU; -1 where nothing counts.

    Attributes:
        category_ids: K ids in ascending order, those that have tracks or predictions.
        precision: (K, T, R), all areas, 100 predictions per video and category.
        ap: (K, A, T), mean precision.
        recall: (K, A, T), with 100 predictions per video and category.
        recall_of_few: (2, K, T), all areas, with 1 and with 10 predictions.
        pooled_precision: (T, R), all categories in one ranking.
    """

    category_ids: list[int]
    precision: np.ndarray
    ap: np.ndarray
    recall: np.ndarray
    recall_of_few: np.ndarray
    pooled_precision: np.ndarray

    @property
    def pooled_ap(self) -> np.ndarray:
        """(T,) AP^Pool at each IoU threshold."""
        return self.pooled_precision.mean(axis=1)

    def stats(self) -> dict[str, float]:
        """Return the twelve figures of the official tools, by name."""
        return _named_stats(self.ap, self.recall, self.recall_of_few)

    def pooled_stats(self) -> dict[str, float]:
        """Return AP^Pool: over all thresholds, at 0.5 and at 0.75."""
        at50, at75 = _threshold_index(0.5), _threshold_index(0.75)
        return {
            'AP_pool': float(self.pooled_ap.mean()),
            'AP50_pool': float(self.pooled_ap[at50]),
            'AP75_pool': float(self.pooled_ap[at75]),
        }

    def row_of(self, category_id: int) -> slice:
        """Return the place of a category among the K; empty where it is none of them."""
        row = bisect_left(self.category_ids, category_id)
        return slice(row, row + (category_id in self.category_ids[row : row + 1]))

    def class_stats(self, category_id: int) -> dict[str, float]:
        """Return the twelve figures of one category."""
        row = self.row_of(category_id)
        return _named_stats(self.ap[row], self.recall[row], self.recall_of_few[:, row])


def _threshold_index(threshold: float) -> int:
    return int(np.abs(IOU_THRESHOLDS - threshold).argmin())


def _named_stats(ap: np.ndarray, recall: np.ndarray, few: np.ndarray) -> dict[str, float]:
    return {
        'AP': mean_valid(ap[:, 0]),
        'AP50': mean_valid(ap[:, 0, _threshold_index(0.5)]),
        'AP75': mean_valid(ap[:, 0, _threshold_index(0.75)]),
        'APs': mean_valid(ap[:, 1]),
        'APm': mean_valid(ap[:, 2]),
        'APl': mean_valid(ap[:, 3]),
        'AR1': mean_valid(few[0]),
        'AR10': mean_valid(few[1]),
        'AR100': mean_valid(recall[:, 0]),
        'ARs': mean_valid(recall[:, 1]),
        'ARm': mean_valid(recall[:, 2]),
        'ARl': mean_valid(recall[:, 3]),
    }


def evaluate_tracks(
    truth: GroundTruth,
    predictions: Sequence[Track],
    kinds: Sequence[str] = KINDS,
    jobs: int = 1,
) -> dict[str, TubeScores]:
    """Score predictions against ground truth; mask IoUs are computed once for all kinds.

    Args:
        truth: the videos to score and their tracks.
        predictions: in the order in which equal scores are to stand; those of videos that
            `truth` does not hold are left out.
        kinds: any of `KINDS`.
        jobs: processes to share the videos among; the figures do not depend on it.

    Returns:
        The scores of each kind.
    """
    return accumulate_kinds(match_videos(truth, predictions, kinds, jobs), kinds)


def match_videos(
    truth: GroundTruth,
    predictions: Sequence[Track],
    kinds: Sequence[str] = KINDS,
    jobs: int = 1,
) -> list[dict[str, list[Cell]]]:
    """Return the cells of each kind of each video, in ascending order of video id.

    The arguments are those of :func:`evaluate_tracks`.
    """
    return match_groups(truth, predictions, [EVERYTHING], kinds, jobs)[0]


def match_groups(
    truth: GroundTruth,
    predictions: Sequence[Track],
    groups: Sequence[TrackGroup],
    kinds: Sequence[str] = KINDS,
    jobs: int = 1,
) -> list[list[dict[str, list[Cell]]]]:
    """Return the cells of :func:`match_videos` for each group; IoUs are computed once for all."""
    videos = group_by_video(truth, predictions)
    score = partial(_score_video, kinds=kinds, groups=groups)
    matched = map_items(score, videos, video_cost, jobs)
    return [[video[index] for video in matched] for index in range(len(groups))]


def accumulate_kinds(
    videos: Sequence[Mapping[str, Sequence[Cell]]], kinds: Sequence[str] = KINDS
) -> dict[str, TubeScores]:
    """Return the scores of each kind, from the cells of some videos in ascending order of id."""
    return {kind: accumulate([cell for video in videos for cell in video[kind]]) for kind in kinds}


VideoGroup = tuple[list[Track], list[Track]]
"""Ground truths and predictions of one video."""


def group_by_video(truth: GroundTruth, predictions: Sequence[Track]) -> list[VideoGroup]:
    """Return the tracks of each video, in ascending order of video id."""
    groups: dict[int, VideoGroup] = {video: ([], []) for video in sorted(truth.videos)}
    for track in truth.tracks:
        groups[track.video_id][0].append(track)
    for track in predictions:
        if track.video_id in groups:
            groups[track.video_id][1].append(track)
    return list(groups.values())


GroupCells = list[dict[str, list[Cell]]]
"""The cells of each kind of one video, for each group of tracks."""


def video_cost(group: VideoGroup) -> int:
    """Return how much there is to do for a video: the length of its run-length codes."""
    tubes = [track.tube for own in group for track in own]
    return 1 + sum(len(code) for tube in tubes for code in tube.counts if code)


def rank(predictions: Sequence[Track]) -> list[Track]:
    """Return the best-scored predictions, at most 100; equal scores keep their order."""
    order = np.argsort([-track.score for track in predictions], kind='mergesort')
    return [predictions[i] for i in order[: MAX_DETECTIONS[-1]]]


def group_by_category(group: VideoGroup) -> dict[int, VideoGroup]:
    """Return one video's tracks of each category that has any, in ascending order of id."""
    groups: dict[int, VideoGroup] = defaultdict(lambda: ([], []))
    for side, tracks in enumerate(group):
        for track in tracks:
            groups[track.category_id][side].append(track)
    return dict(sorted(groups.items()))


def _score_video(
    video: VideoGroup, kinds: Sequence[str], groups: Sequence[TrackGroup]
) -> GroupCells:
    """Match one video's tracks, category by category in ascending order of id."""
    cells: GroupCells = [{kind: [] for kind in kinds} for _ in groups]
    for category, (wanted, found) in group_by_category(video).items():
        found = rank(found)
        tubes, outlines = [track.tube for track in found], [track.outline for track in wanted]
        crowd = np.array([track.crowd for track in wanted], dtype=bool)
        ious = mask_tube_iou(tubes, [track.tube for track in wanted])
        for kind in kinds:
            if kind == 'boundary':
                ious = limit_by_boundary(ious, tubes, outlines, crowd, IOU_THRESHOLDS[0])
            for own, group in zip(cells, groups):
                own[kind].append(match_cell(category, wanted, found, ious, group))
    return cells


def match_cell(
    category: int,
    wanted: Sequence[Track],
    found: Sequence[Track],
    ious: np.ndarray,
    group: TrackGroup = EVERYTHING,
) -> Cell:
    """Match the predictions of one video and category whose IoUs are known.

    Args:
        category: its id.
        wanted: G ground truths.
        found: D predictions in the order of :func:`rank`.
        ious: (D, G) tube IoUs.
        group: the ground truths that count.
    """
    crowd = np.array([track.crowd for track in wanted], dtype=bool)
    unwanted = crowd | _uncounted(wanted, group.tracks)  # (A, G)
    matches = match_tracks(ious, unwanted, crowd, IOU_THRESHOLDS)
    hits = matches != UNMATCHED
    outside = _uncounted(found, group.predictions)[:, None, :]  # (A, 1, D)
    took_unwanted = np.zeros_like(hits)
    for area in range(len(AREA_RANGES)):
        took_unwanted[area][hits[area]] = unwanted[area][matches[area][hits[area]]]
    ignored = np.where(hits, took_unwanted, outside)
    scores = np.array([track.score for track in found], dtype=np.float64)
    return Cell(category, scores, hits, ignored, (~unwanted).sum(axis=1))


def _uncounted(tracks: Sequence[Track], chosen: Set[int] | None) -> np.ndarray:
    """Return (A, N) bool: which tracks are outside of each area range, or not `chosen`."""
    sizes = np.array([track.average_area for track in tracks], dtype=np.float64)
    outside = (sizes < AREA_RANGES[:, :1]) | (sizes > AREA_RANGES[:, 1:])
    if chosen is None:
        return outside
    return outside | np.array([track.index not in chosen for track in tracks], dtype=bool)


def accumulate(cells: Sequence[Cell]) -> TubeScores:
    """Turn matches into precision and recall, per category and pooled.

    Pooling (AP^Pool) puts all predictions, matched within their categories as usual, into one
    ranking (large-vocab-devil `lvdevil/eval_wrapper.py:271`, `LVISPooledEval.accumulate`).

    Args:
        cells: of one kind; videos in ascending order of id, categories within.
    """
    by_category: dict[int, list[Cell]] = defaultdict(list)
    for cell in cells:
        by_category[cell.category_id].append(cell)
    category_ids = sorted(by_category)
    ap, recall, few, precision = [], [], [], []
    for own in map(by_category.__getitem__, category_ids):
        curves = [_curve(own, area) for area in range(len(AREA_RANGES))]
        precision.append(curves[0][0])
        ap.append([curve[0].mean(axis=1) for curve in curves])
        recall.append([curve[1] for curve in curves])
        few.append([_curve(own, 0, limit)[1] for limit in MAX_DETECTIONS[:-1]])
    shape = (len(category_ids), len(AREA_RANGES), len(IOU_THRESHOLDS))
    pooled = _curve(cells, 0)[0]
    return TubeScores(
        category_ids=category_ids,
        precision=np.array(precision).reshape(shape[0], *pooled.shape),
        ap=np.array(ap).reshape(shape),
        recall=np.array(recall).reshape(shape),
        recall_of_few=np.array(few).reshape(shape[0], 2, shape[2]).swapaxes(0, 1),
        pooled_precision=pooled,
    )


def _curve(
    cells: Sequence[Cell], area: int, limit: int = MAX_DETECTIONS[-1]
) -> tuple[np.ndarray, np.ndarray]:
    """Return (T, R) precision and (T,) recall of cells taken together."""
    nothing = np.zeros((len(IOU_THRESHOLDS), 0), dtype=bool)
    return precision_recall(
        np.concatenate([[], *(cell.scores[:limit] for cell in cells)]),
        np.concatenate([nothing, *(cell.hits[area, :, :limit] for cell in cells)], axis=1),
        np.concatenate([nothing, *(cell.ignored[area, :, :limit] for cell in cells)], axis=1),
        sum(int(cell.positives[area]) for cell in cells),
    )
