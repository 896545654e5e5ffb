"""Where AP is lost: to ranking, tracking, classes and masks.

Each stage rebuilds the results file from its own masks. The first stages keep the predicted
tracks, the others link the masks of each frame anew. The gain of a stage over the one before is
what the file loses to the faults that the stage removes. The idea is that of "Mind the Gap:
Disentangling Performance Bottlenecks in Video Instance Segmentation" (arXiv 2606.07394); the
definitions are those of docs/metrics.md.

Letters: G ground truths · S sources (distinct predicted tubes) · L thresholds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from rocovis_mm.evaluation.functional.average_precision import IOU_THRESHOLDS, RECALL_POINTS
from rocovis_mm.evaluation.functional.evaluate import (
    AREA_RANGES,
    Cell,
    TubeScores,
    VideoGroup,
    accumulate,
    evaluate_tracks,
    group_by_category,
    group_by_video,
    match_cell,
    rank,
    video_cost,
)
from rocovis_mm.evaluation.functional.oracle_assignment import (
    Assignment,
    Limits,
    Pairs,
    assign_masks,
    count_hits,
)
from rocovis_mm.evaluation.functional.parallel import map_items
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track, mean_area
from rocovis_mm.evaluation.functional.tube_iou import frame_overlaps
from rocovis_mm.formats.run_lengths import Tube

STAGES = ('default', 'ranking', 'tracking', 'class_only', 'class')
"""Each stage may fall back on the files of `EARLIER` stages."""
EARLIER = {
    'default': (),
    'ranking': ('default',),
    'tracking': ('ranking',),
    'class_only': ('ranking',),
    'class': ('tracking', 'class_only'),
}


@dataclass
class Stage:
    """The best file of a stage.

    Attributes:
        tracks: the predictions of the file.
        figures: AP, AP50 and AP75 of the file; -1 where nothing counts.
        upper: AP if all videos are solved, else a bound of the AP of all files of the stage.
        unsolved: ids of the videos with an integer programme that was too large or too slow.
    """

    tracks: list[Track]
    figures: dict[str, float] = field(default_factory=dict)
    upper: float = -1.0
    unsolved: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class OracleGaps:
    """The stages of a results file, by name."""

    stages: dict[str, Stage]

    def summary(self) -> dict[str, Any]:
        """Return AP of each stage, and the losses, which with AP add up to 1; -1 for no AP.

        ``lost_to_ranking`` is part of ``lost_to_tracking``.
        """
        figures: dict[str, Any] = dict(self.stages['default'].figures)
        for name in STAGES[1:]:
            stage = self.stages[name]
            figures |= {f'{key}_{name}': value for key, value in stage.figures.items()}
            if name in ('tracking', 'class'):
                figures[f'AP_{name}_upper'] = stage.upper
                figures[f'unsolved_{name}'] = len(stage.unsolved)
        ap = {name: stage.figures['AP'] for name, stage in self.stages.items()}
        ends = dict(
            ranking=(ap['default'], ap['ranking']),
            tracking=(ap['default'], ap['tracking']),
            classes=(ap['tracking'], ap['class']),
            masks=(ap['class'], 1.0),
        )
        for name, (before, after) in ends.items():
            figures[f'lost_to_{name}'] = after - before if before > -1 else -1.0
        return figures


@dataclass(frozen=True)
class _Video:
    """The overlaps of the predictions and the objects of a video.

    Attributes:
        wanted: G ground truths.
        sources: S distinct tubes.
        own_class: (G, S) bool, the source is predicted as the ground truth's class.
        areas: (G,) int64, pixels of the ground truths.
        weights: (G,) value of a hit; 0 for a ground truth that does not count.
        overlaps: all masks that share a pixel with a ground truth.
        pairs: those that raise the tube IoU of a ground truth that counts.
        common: (G, S) int64, common pixels of whole tubes.
    """

    wanted: list[Track]
    sources: list[Tube]
    own_class: np.ndarray
    areas: np.ndarray
    weights: np.ndarray
    overlaps: Pairs
    pairs: Pairs
    common: np.ndarray


def oracle_gaps(
    truth: GroundTruth,
    predictions: Sequence[Track],
    limits: Limits | None = None,
    scores: TubeScores | None = None,
    jobs: int = 1,
) -> OracleGaps:
    """Rebuild a results file with perfect ranking, tracking and classes, and score each.

    Stages:
        default: the file as it is.
        ranking: each ground truth keeps at most one predicted track of its class. The other
            tracks are dropped.
        tracking: each ground truth takes at most one mask of its class in each frame.
        class_only: as ranking, with a track of any class.
        class: as tracking, with a mask of any class.

    A stage maximises the sum of ``1 / N(class)`` over all pairs of a ground truth and a threshold
    that the tube IoU reaches, with N ground truths of the class in the data set. This is the mean
    recall over classes and thresholds times a constant. The score of a rebuilt track is its tube
    IoU, so that hits rank before misses at every threshold. AP then equals the mean recall, except
    that AP reads recall at 101 points. A stage has the file of an earlier stage where that file
    scores higher. Hence default <= ranking <= tracking <= class.

    A mask serves one ground truth. Predictions of the same masks in all frames (one query under
    several classes) are one source. All predictions take part, and also those that AP leaves out
    as it takes 100 for each video and class. Crowds and other ignored ground truths take part in
    no stage; masks on them are dropped with the rest.

    Args:
        truth: the ground truth.
        predictions: those of other videos are left out.
        limits: of the integer programmes.
        scores: Video AP of the file, where it is known already.
        jobs: processes to share the videos among; the figures do not depend on it, unless a limit
            of time is reached.

    Returns:
        The stages.
    """
    files: dict[str, Stage] = {name: Stage([]) for name in STAGES}
    files['default'].tracks = list(predictions)
    recall = dict.fromkeys(STAGES, 0.0)
    counted = Counter(track.category_id for track in truth.tracks if _counts(track))
    cells: dict[str, list[Cell]] = {name: [] for name in STAGES}
    limits = limits or Limits()
    rebuild = partial(
        _rebuild_video, counted=counted, limits=limits, deadline=time.monotonic() + limits.total
    )
    parts = map_items(rebuild, group_by_video(truth, predictions), video_cost, jobs)
    for video, own in zip(sorted(truth.videos), parts):
        for name, part in own.items():
            files[name].tracks += part.tracks
            cells[name] += part.cells
            recall[name] += part.upper
            if not part.exact:
                files[name].unsolved.append(video)
    if scores is None:
        scores = evaluate_tracks(truth, predictions, kinds=('segm',), jobs=jobs)['segm']
    for name, stage in files.items():
        stats = (scores if name == 'default' else accumulate(cells[name])).stats()
        stage.figures = {key: stats[key] for key in ('AP', 'AP50', 'AP75')}
        _compare(name, files, recall[name] / max(1, len(counted)) / len(IOU_THRESHOLDS))
    return OracleGaps(files)


def _counts(track: Track) -> bool:
    low, high = AREA_RANGES[0]
    return not track.crowd and bool(low <= track.average_area <= high)


class _Part(NamedTuple):
    """The rebuilt tracks of a video in one stage.

    Attributes:
        tracks: predictions.
        cells: their matches.
        upper: bound of the weighted sum of hits, where masks are linked anew.
        exact: whether no other tracks have a higher sum.
    """

    tracks: list[Track]
    cells: list[Cell]
    upper: float
    exact: bool


def _rebuild_video(
    group: VideoGroup, counted: Counter[int], limits: Limits, deadline: float
) -> dict[str, _Part]:
    """Return the part of a video in each stage but the first.

    Args:
        group: ground truths and predictions.
        counted: ground truths of each class in the data set.
        limits: of the integer programmes.
        deadline: see `assign_masks`.
    """
    video = _measure(*group, counted)
    parts = {}
    for name in ('ranking', 'class_only'):
        tracks, common = _keep_tracks(video, any_class=name == 'class_only')
        parts[name] = _Part(tracks, _match(video, tracks, common), 0.0, exact=True)
    for name in ('tracking', 'class'):
        solved, tracks, common = _link_masks(video, name == 'class', limits, deadline)
        cells = _match(video, tracks, common)
        parts[name] = _Part(tracks, cells, solved.upper, solved.exact)
    return parts


def _measure(wanted: list[Track], found: Sequence[Track], counted: Counter[int]) -> _Video:
    """Return the overlaps of one video."""
    classes: dict[tuple[str | None, ...], set[int]] = {}
    tubes: dict[tuple[str | None, ...], Tube] = {}
    for track in found:
        key = track.masks
        classes.setdefault(key, set()).add(track.category_id)
        tubes.setdefault(key, track.tube)
    sources = list(tubes.values())
    common = np.zeros((len(wanted), len(sources)), dtype=np.int64)
    parts = [np.zeros((5, 0), dtype=np.int64)]
    for frame, rows, columns, overlap in frame_overlaps(sources, [t.tube for t in wanted]):
        pixels = overlap.astype(np.int64).T
        common[np.array(columns)[:, None], rows] += pixels
        truth, source = np.nonzero(pixels)
        area = np.array([sources[row].areas[frame] for row in rows])[source]
        rows, columns = np.array(rows)[source], np.array(columns)[truth]
        pairs = Pairs(columns, rows, np.full(len(rows), frame), pixels[truth, source], area)
        parts.append(np.array(pairs.columns()))
    overlaps = Pairs(*np.concatenate(parts, axis=1))
    counts = np.array([_counts(track) for track in wanted], dtype=bool)
    weights = [1 / counted[t.category_id] if _counts(t) else 0.0 for t in wanted]
    own = [[track.category_id in each for each in classes.values()] for track in wanted]
    return _Video(
        wanted,
        sources,
        np.array(own, dtype=bool).reshape(common.shape),
        np.array([track.tube.area for track in wanted], dtype=np.int64),
        np.array(weights),
        overlaps,
        overlaps[overlaps.helpful() & counts[overlaps.truth]],
        common,
    )


def _keep_tracks(video: _Video, any_class: bool) -> tuple[list[Track], np.ndarray]:
    """Return the D predicted tracks that serve the ground truths best, one each.

    Returns:
        The tracks and their (D, G) common pixels with all ground truths.
    """
    masks = np.array([tube.area for tube in video.sources], dtype=np.int64)
    hits = count_hits(video.common, masks, video.areas[:, None])
    value = video.weights[:, None] * np.where(video.own_class | any_class, hits, 0)
    truths, sources = linear_sum_assignment(value, maximize=True)
    useful = value[truths, sources] > 0
    truths, sources = truths[useful], sources[useful]
    tracks = [
        _rebuilt(video.wanted[truth], video.sources[source], int(video.common[truth, source]))
        for truth, source in zip(truths, sources)
    ]
    return tracks, video.common.T[sources]


def _link_masks(
    video: _Video, any_class: bool, limits: Limits, deadline: float
) -> tuple[Assignment, list[Track], np.ndarray]:
    """Assign single masks to ground truths.

    Returns:
        The best assignment, its D tracks, and their (D, G) common pixels with all ground truths.
    """
    pairs = video.pairs
    pairs = pairs[video.own_class[pairs.truth, pairs.source] | any_class]
    solved = assign_masks(pairs, video.areas, video.weights, limits, deadline)
    taken = pairs[solved.chosen]
    frames = max((len(tube.counts) for tube in video.sources), default=0)
    place = video.overlaps.source * frames + video.overlaps.frame
    tracks, common = [], [np.zeros((0, len(video.wanted)), dtype=np.int64)]
    for truth in np.flatnonzero(solved.hits):
        own = taken[taken.truth == truth]
        shared = video.overlaps[np.isin(place, own.source * frames + own.frame)]
        pixels = np.zeros((1, len(video.wanted)), dtype=np.int64)
        np.add.at(pixels[0], shared.truth, shared.common)
        common.append(pixels)
        size = video.sources[0]
        counts: list[str | None] = [None] * len(size.counts)
        areas = np.zeros(len(counts), dtype=np.int64)
        for source, frame in zip(own.source.tolist(), own.frame.tolist()):
            counts[frame] = video.sources[source].counts[frame]
        areas[own.frame] = own.area
        tube = Tube(size.height, size.width, counts, areas)
        tracks.append(_rebuilt(video.wanted[truth], tube, int(own.common.sum())))
    return solved, tracks, np.concatenate(common)


def _match(video: _Video, tracks: Sequence[Track], common: np.ndarray) -> list[Cell]:
    """Return the cells of rebuilt tracks, category by category in ascending order of id.

    Args:
        video: of the tracks.
        tracks: D tracks.
        common: (D, G) their common pixels with the ground truths.
    """
    masks = np.array([track.tube.area for track in tracks], dtype=np.int64)
    united = masks[:, None] + video.areas - common
    ious = np.divide(common, united, out=np.zeros(common.shape), where=united > 0)
    row = {id(track): place for place, track in enumerate(tracks)}
    column = {id(track): place for place, track in enumerate(video.wanted)}
    cells = []
    for category, (wanted, found) in group_by_category((video.wanted, list(tracks))).items():
        found = rank(found)
        rows, columns = [row[id(track)] for track in found], [column[id(t)] for t in wanted]
        cells.append(match_cell(category, wanted, found, ious[np.ix_(rows, columns)]))
    return cells


def _rebuilt(wanted: Track, tube: Tube, common: int) -> Track:
    """Return a track for a ground truth; its score is the tube IoU."""
    score = common / (wanted.tube.area + tube.area - common)
    return Track(
        wanted.index, wanted.video_id, wanted.category_id, tube, mean_area(tube.areas), score
    )


def _compare(name: str, files: dict[str, Stage], recall: float) -> None:
    """Bound the AP of a stage, and take over the file of an earlier stage that scores higher.

    Args:
        name: of the stage.
        files: all stages; this one and the earlier ones are scored.
        recall: bound of the mean recall, where masks are linked anew.
    """
    stage = files[name]
    best = max((files[other] for other in EARLIER[name]), key=_ap, default=stage)
    if _ap(best) > _ap(stage):
        stage.tracks, stage.figures = best.tracks, best.figures
    stage.upper = _ap(stage)
    if stage.unsolved:
        # AP of hits before misses at recall R is at most (100 R + 1) / 101
        points = len(RECALL_POINTS)
        stage.upper = max(_ap(stage), min(1.0, ((points - 1) * recall + 1) / points))


def _ap(stage: Stage) -> float:
    return stage.figures['AP']


def as_results(tracks: Sequence[Track]) -> list[dict[str, Any]]:
    """Return predictions in YouTube-VIS submission form."""
    return [
        {
            'video_id': track.video_id,
            'category_id': track.category_id,
            'score': track.score,
            'segmentations': list(_segmentations(track.tube)),
        }
        for track in tracks
    ]


def _segmentations(tube: Tube) -> Iterator[dict[str, Any] | None]:
    size = [tube.height, tube.width]
    return (code and {'size': size, 'counts': code} for code in tube.counts)
