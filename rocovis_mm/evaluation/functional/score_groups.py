"""Groups of videos, frames, tracks or categories that are scored apart.

Marks in the annotation file are free: ``tags`` of a video, a list of words, ``degraded`` of a
video, a list of frames from 0, ``occlusion`` of an annotation, ``partition`` of a category. Plain
scoring reads none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rocovis_mm.evaluation.functional.category_groups import group_categories
from rocovis_mm.evaluation.functional.evaluate import (
    Cell,
    TrackGroup,
    accumulate_kinds,
    match_groups,
    match_videos,
)
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.track_groups import group_by_occlusion, group_by_size
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track, mean_area
from rocovis_mm.evaluation.functional.video_groups import (
    group_by_length,
    group_videos,
    read_degraded,
    read_tags,
)
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.run_lengths import Tube

if TYPE_CHECKING:
    from rocovis_mm.evaluation.functional.tracking.summary import VideoCounts

GROUPINGS = ('tags', 'events', 'length', 'degraded', 'occlusion', 'size', 'categories')

Part = tuple[str, GroundTruth, Sequence[Track]]
"""A group's name and what it scores."""
VideoCells = Mapping[str, Sequence[Cell]]
"""The cells of each kind of one video."""


def score_groups(
    source: str | Path | Mapping[str, Any],
    groupings: str | Sequence[str],
    truth: GroundTruth,
    predictions: Sequence[Track],
    jobs: int = 1,
    matched: Sequence[VideoCells] | None = None,
    videos: Mapping[str, Collection[int]] | None = None,
    categories: Mapping[str, Collection[int]] | None = None,
    tracked: Sequence[VideoCounts] | None = None,
) -> list[dict[str, Any]]:
    """Score groups, each by itself.

    A group of videos or of categories is scored as if the files held nothing else. In a group of
    tracks all other ground truths are ignored (see `TrackGroup`).

    Args:
        source: the annotation file that `truth` was read from, or its content.
        groupings: some of `GROUPINGS`. 'tags' takes the videos of each tag, 'events' those of
            each group of `group_videos`, 'length' those of `group_by_length`, 'degraded' the
            degraded frames of all videos and the others, 'occlusion' and 'size' the tracks of
            each level, 'categories' those of each group of `group_categories`.
        truth: the videos to score.
        predictions: see `evaluate_tracks`.
        jobs: see `evaluate_tracks`.
        matched: of `match_videos` for all videos, where it is known.
        videos: more groups, name -> ids of videos.
        categories: more groups, name -> ids of categories.
        tracked: of `count_videos` for the masks of all videos, where tracking was measured.

    Returns:
        For each group: its `grouping`, its name as `group`, the numbers of its `videos` and
        `tracks`, and all figures; those of `group_stats` for groups of videos and of categories,
        if `tracked` is given. Groups without videos are left out.

    Raises:
        ValueError: the file has no such marks, or malformed ones.
    """
    groupings = [groupings] if isinstance(groupings, str) else list(dict.fromkeys(groupings))
    content = source if isinstance(source, Mapping) else read_json(source)
    if matched is None:
        matched = match_videos(truth, predictions, jobs=jobs)
    scorer = _Scorer(content, truth, predictions, jobs, matched, tracked)
    rows = [row for grouping in groupings for row in scorer.rows(grouping)]
    rows += scorer.of_videos('videos file', videos or {})
    return rows + scorer.of_categories('categories file', categories or {})


class _Scorer:
    """Makes the rows of groups; the arguments are those of `score_groups`."""

    def __init__(
        self,
        content: Mapping[str, Any],
        truth: GroundTruth,
        predictions: Sequence[Track],
        jobs: int,
        matched: Sequence[VideoCells],
        tracked: Sequence[VideoCounts] | None,
    ) -> None:
        self.content = content
        self.truth = truth
        self.predictions = predictions
        self.jobs = jobs
        self.matched = matched
        self.tracked = tracked

    def rows(self, grouping: str) -> list[dict[str, Any]]:
        """Return the rows of one of `GROUPINGS`."""
        content, truth = self.content, self.truth
        if grouping == 'tags':
            return self.of_videos(grouping, read_tags(content, truth.name))
        if grouping == 'events':
            return self.of_videos(grouping, group_videos(truth))
        if grouping == 'length':
            return self.of_videos(grouping, group_by_length(truth))
        if grouping == 'categories':
            return self.of_categories(grouping, group_categories(content, truth.name))
        if grouping == 'occlusion':
            return self.of_tracks(grouping, group_by_occlusion(content, truth))
        if grouping == 'size':
            return self.of_tracks(grouping, group_by_size(truth, self.predictions))
        return self.of_frames(grouping)

    def of_videos(
        self, grouping: str, groups: Mapping[str, Collection[int]]
    ) -> list[dict[str, Any]]:
        """Return the rows of groups of videos."""
        rows = []
        for name, ids in groups.items():
            part = self.truth.subset([video for video in ids if video in self.truth.videos])
            if part.videos:
                cells = [
                    own
                    for video, own in zip(sorted(self.truth.videos), self.matched)
                    if video in part.videos
                ]
                row = _row(grouping, name, part, cells)
                rows.append({**row, **self._tracking(part.videos, self.truth.categories)})
        return rows

    def _tracking(
        self, videos: Collection[int], categories: Collection[int]
    ) -> dict[str, float | int]:
        """Return the tracking figures of some videos and categories; none without counts."""
        if self.tracked is None:
            return {}
        # Here, because the import of scipy takes longer than the scoring of a small file.
        from rocovis_mm.evaluation.functional.tracking.report import group_stats

        counts = [
            ({key: own for key, own in per_class.items() if key in categories}, agnostic)
            for video, (per_class, agnostic) in zip(sorted(self.truth.videos), self.tracked)
            if video in videos
        ]
        return group_stats(counts, len(categories))

    def of_categories(
        self, grouping: str, groups: Mapping[str, Collection[int]]
    ) -> list[dict[str, Any]]:
        """Return the rows of groups of categories."""
        rows = []
        for name, ids in groups.items():
            chosen = set(ids)
            tracks = [track for track in self.truth.tracks if track.category_id in chosen]
            cells = [
                {
                    kind: [cell for cell in own if cell.category_id in chosen]
                    for kind, own in video.items()
                }
                for video in self.matched
            ]
            row = _row(grouping, name, replace(self.truth, tracks=tracks), cells)
            rows.append({**row, **self._tracking(self.truth.videos, chosen)})
        return rows

    def of_tracks(self, grouping: str, groups: Sequence[TrackGroup]) -> list[dict[str, Any]]:
        """Return the rows of groups of tracks."""
        matched = match_groups(self.truth, self.predictions, groups, jobs=self.jobs)
        rows = []
        for group, cells in zip(groups, matched):
            tracks = [track for track in self.truth.tracks if track.index in group.tracks]
            rows.append(_row(grouping, group.name, replace(self.truth, tracks=tracks), cells))
        return rows

    def of_frames(self, grouping: str) -> list[dict[str, Any]]:
        """Return the rows of the degraded and the other frames."""
        return [
            _row(grouping, name, part, match_videos(part, found, jobs=self.jobs))
            for name, part, found in _split_frames(self.content, self.truth, self.predictions)
            if part.videos
        ]


def _row(
    grouping: str, name: str, part: GroundTruth, matched: Sequence[VideoCells]
) -> dict[str, Any]:
    scores = accumulate_kinds(matched)
    numbers = dict(grouping=grouping, group=name, videos=len(part.videos), tracks=len(part.tracks))
    return {**numbers, **name_stats(scores), **name_pooled_stats(scores)}


def keep_frames(tracks: Sequence[Track], frames: Mapping[int, set[int]]) -> list[Track]:
    """Return tracks with their masks in some frames of their video; those with any."""

    def limit(tube: Tube, video: int) -> Tube:
        kept = [t in frames.get(video, ()) for t in range(len(tube.counts))]
        counts = [code if keep else None for code, keep in zip(tube.counts, kept)]
        return replace(tube, counts=counts, areas=np.where(kept, tube.areas, 0))

    limited = []
    for track in tracks:
        tube = limit(track.tube, track.video_id)
        if tube.area:
            outline = track.boundary_tube and limit(track.boundary_tube, track.video_id)
            area = mean_area(tube.areas)
            limited.append(replace(track, tube=tube, boundary_tube=outline, average_area=area))
    return limited


def _split_frames(
    content: Mapping[str, Any], truth: GroundTruth, predictions: Sequence[Track]
) -> Iterator[Part]:
    degraded = read_degraded(content, truth)
    others = {
        video.id: set(range(video.length)) - degraded.get(video.id, set())
        for video in truth.videos.values()
    }
    for name, frames in (('degraded frames', degraded), ('other frames', others)):
        part = truth.subset(video for video, chosen in frames.items() if chosen)
        part = replace(part, tracks=keep_frames(part.tracks, frames))
        yield name, part, keep_frames(predictions, frames)
