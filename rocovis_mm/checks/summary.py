"""Summary of a data set: numbers of videos and tracks, their lengths, absences and sizes.

Letters: n tracks · L frames of a video.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.clip_events import EVENT_NAMES, count_clip_events
from rocovis_mm.formats.validation import listed
from rocovis_mm.formats.vis_annotations import VISAnnotations


@dataclass(frozen=True)
class DatasetSummary:
    """Counts and distributions of an annotation file.

    Attributes:
        video_lengths: frames of each video.
        resolutions: videos of each (width, height).
        classes: number of tracks of each category name, in descending order.
        track_lengths: number of frames in which each track is visible.
        absent: share of its video's frames in which each track is not visible.
        gaps: number of frames without each track between its first and its last.
        tracks_per_video: number of tracks of each video.
        mask_sides: square root of the share of the frame that each mask covers.
        events: births, disappearances, returns and heavy occlusions over whole videos.
        crowds: number of tracks that are groups of objects.
    """

    video_lengths: list[int]
    resolutions: dict[tuple[int, int], int]
    classes: dict[str, int]
    track_lengths: list[int]
    absent: list[float]
    gaps: list[int]
    tracks_per_video: list[int]
    mask_sides: list[float]
    events: dict[str, int]
    crowds: int

    def figures(self) -> dict[str, Any]:
        """Return the statistics of the lists, for json."""
        frames = np.repeat(self.video_lengths, self.tracks_per_video)
        return dict(
            videos=len(self.video_lengths),
            frames=sum(self.video_lengths),
            tracks=len(self.track_lengths),
            crowds=self.crowds,
            masks=sum(self.track_lengths),
            video_length=spread(self.video_lengths),
            track_length=spread(self.track_lengths),
            tracks_per_video=spread(self.tracks_per_video),
            absent_share=1 - sum(self.track_lengths) / max(int(frames.sum()), 1),
            tracks_that_return=sum(gap > 0 for gap in self.gaps),
            events=self.events,
            resolutions={f'{w}x{h}': number for (w, h), number in self.resolutions.items()},
            classes=self.classes,
        )


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Return minimum, median, mean and maximum, or None for no values."""
    if not values:
        return None
    return dict(
        min=min(values),
        median=float(np.median(values)),
        mean=float(np.mean(values)),
        max=max(values),
    )


def summarize(annotations: VISAnnotations) -> DatasetSummary:
    """Summarise a data set."""
    videos = annotations.videos
    tracks = [track for video in videos for track in video.tracks]
    seen = [track.tube.areas > 0 for track in tracks]
    names = {category['id']: category['name'] for category in annotations.categories}
    counts = Counter(dict.fromkeys(names.values(), 0))
    counts.update(names[track.category_id] for track in tracks)
    events = Counter(dict.fromkeys(EVENT_NAMES, 0))
    for video in videos:
        if video.tracks:
            events.update(count_clip_events(np.stack([t.tube.areas for t in video.tracks])))
    sides = [
        np.sqrt(track.tube.areas[present] / (track.tube.height * track.tube.width))
        for track, present in zip(tracks, seen)
    ]
    return DatasetSummary(
        video_lengths=[video.length for video in videos],
        resolutions=dict(Counter((video.width, video.height) for video in videos).most_common()),
        classes=dict(counts.most_common()),
        track_lengths=[int(present.sum()) for present in seen],
        absent=[1 - float(present.mean()) for present in seen],
        gaps=[count_gap(present) for present in seen],
        tracks_per_video=[len(video.tracks) for video in videos],
        mask_sides=np.concatenate([*sides, np.zeros(0)]).tolist(),
        events=dict(events),
        crowds=sum(track.is_crowd for track in tracks),
    )


def count_gap(present: np.ndarray) -> int:
    """Return the number of absent frames between the first and last of `present`, (L,) bool."""
    frames = np.flatnonzero(present)
    return int(frames[-1] - frames[0] + 1 - len(frames)) if len(frames) else 0


def format_summary(summary: DatasetSummary) -> str:
    """Return the summary as text for a terminal."""
    figures = summary.figures()
    lines = [
        f'{figures["videos"]} videos, {figures["frames"]} frames, {figures["tracks"]} tracks '
        f'({figures["crowds"]} crowds), {figures["masks"]} masks'
    ]
    for key, title in (
        ('video_length', 'frames per video'),
        ('tracks_per_video', 'tracks per video'),
        ('track_length', 'frames in which a track is seen'),
    ):
        if figures[key]:
            parts = ', '.join(f'{name} {value:.4g}' for name, value in figures[key].items())
            lines.append(f'{title}: {parts}')
    lines.append(
        f'absent: {100 * figures["absent_share"]:.1f} % of all frames of all tracks; '
        f'{figures["tracks_that_return"]} tracks leave and come back'
    )
    lines.append(', '.join(f'{number} {name}' for name, number in summary.events.items()))
    lines.append(
        'frame sizes: ' + ', '.join(f'{key} ({n})' for key, n in figures['resolutions'].items())
    )
    found = {name: number for name, number in summary.classes.items() if number}
    width = max((len(name) for name in found), default=0)
    lines += [f'  {name:<{width}} {number:>6}' for name, number in found.items()]
    empty = [name for name in summary.classes if name not in found]
    if empty:
        lines.append(f'  {len(empty)} classes without tracks: {listed(empty, 30)}')
    return '\n'.join(lines)
