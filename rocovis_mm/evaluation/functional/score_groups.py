"""Videos or frames scored apart, by marks that an annotation file's videos carry.

Marks are free: ``tags``, a list of words, and ``degraded``, a list of frames from 0. Plain
scoring reads neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track, mean_area
from rocovis_mm.evaluation.functional.video_groups import group_videos
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.run_lengths import Tube
from rocovis_mm.formats.validation import Place, as_integer, require_type

GROUPINGS = ('tags', 'events', 'degraded')
UNTAGGED = 'no tag'

Part = tuple[str, GroundTruth, Sequence[Track]]
"""A group's name and what it scores."""


def score_groups(
    source: str | Path | Mapping[str, Any],
    grouping: str,
    truth: GroundTruth,
    predictions: Sequence[Track],
    jobs: int = 1,
) -> list[dict[str, Any]]:
    """Score groups of videos or frames, each by itself.

    Args:
        source: the annotation file that `truth` was read from, or its content.
        grouping: 'tags' takes the videos of each tag, 'events' those of each group of
            `group_videos`, 'degraded' the degraded frames of all videos and the others.
        truth: the videos to score.
        predictions: see `evaluate_tracks`.
        jobs: see `evaluate_tracks`.

    Returns:
        For each group that is not empty: its name as `group`, the numbers of its `videos`
        and `tracks`, and all figures.

    Raises:
        ValueError: the file has no such marks, or malformed ones.
    """
    if grouping == 'degraded':
        parts = _split_frames(source, truth, predictions)
    else:
        groups = group_videos(truth) if grouping == 'events' else read_tags(source)
        parts = (
            (name, truth.subset([video for video in videos if video in truth.videos]), predictions)
            for name, videos in groups.items()
        )
    rows = []
    for name, part, found in parts:
        if part.videos:
            scores = evaluate_tracks(part, found, jobs=jobs)
            numbers = dict(group=name, videos=len(part.videos), tracks=len(part.tracks))
            rows.append({**numbers, **name_stats(scores), **name_pooled_stats(scores)})
    return rows


def read_tags(source: str | Path | Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the ids of the videos that have each tag, and of those that have none.

    Raises:
        ValueError: no video has a tag, or `tags` is no list of words.
    """
    groups: dict[str, list[int]] = {}
    untagged = []
    remedy = 'tags is a list of words'
    for video, tags, place in _marks(source, 'tags', remedy):
        for index, tag in enumerate(tags):
            groups.setdefault(require_type(tag, str, place / index, remedy), []).append(video)
        if not tags:
            untagged.append(video)
    return {**{tag: groups[tag] for tag in sorted(groups)}, UNTAGGED: untagged}


def read_degraded(
    source: str | Path | Mapping[str, Any], truth: GroundTruth
) -> dict[int, set[int]]:
    """Return the degraded frames of each video, counted from 0.

    Raises:
        ValueError: no video has any, or `degraded` lists something else.
    """
    degraded: dict[int, set[int]] = {}
    for video, frames, place in _marks(source, 'degraded', 'degraded is a list of frames from 0'):
        if video in truth.videos:
            last = truth.videos[video].length - 1
            remedy = f'the frames of this video are 0 to {last}'
            degraded[video] = {
                as_integer(frame, place / index, remedy, 0, last)
                for index, frame in enumerate(frames)
            }
    return degraded


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
    source: str | Path | Mapping[str, Any], truth: GroundTruth, predictions: Sequence[Track]
) -> Iterator[Part]:
    degraded = read_degraded(source, truth)
    others = {
        video.id: set(range(video.length)) - degraded.get(video.id, set())
        for video in truth.videos.values()
    }
    for name, frames in (('degraded frames', degraded), ('other frames', others)):
        part = truth.subset(video for video, chosen in frames.items() if chosen)
        part = replace(part, tracks=keep_frames(part.tracks, frames))
        yield name, part, keep_frames(predictions, frames)


def _marks(
    source: str | Path | Mapping[str, Any], key: str, remedy: str
) -> Iterator[tuple[int, list[Any], Place]]:
    """Give each video's id, its list under a key, and the place of it."""
    content = source if isinstance(source, Mapping) else read_json(source)
    place = Place('ground truth' if isinstance(source, Mapping) else str(source)) / 'videos'
    if not any(record.get(key) for record in content['videos']):
        place.fail(f'no video has {key!r}', f'give videos {key}, or choose another grouping')
    for index, record in enumerate(content['videos']):
        where = place / index / key
        yield int(record['id']), require_type(record.get(key, []), list, where, remedy), where
