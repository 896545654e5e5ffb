"""Exits, entries and occlusions in a clip, counted from visible areas.

Letters: n instances · T frames of a clip · L frames of a video.
"""

from __future__ import annotations

from typing import Any

import numpy as np

EVENT_NAMES = ('births', 'disappearances', 'returns', 'occlusions')
HEAVY_OCCLUSION = 0.4
"""An instance is heavily occluded where it shows less than this share of its
largest visible area in the clip."""


def count_clip_events(areas: np.ndarray) -> dict[str, int]:
    """Count what happens to the instances of a clip.

    Args:
        areas: (n, T) visible pixels of each instance in each frame, 0 = absent.

    Returns:
        ``births``: instances first seen after the clip's first frame;
        ``disappearances``: times a present instance is absent in the next frame;
        ``returns``: times an instance is seen again after an absence;
        ``occlusions``: instances that, in some frame where they are present, show
        less than `HEAVY_OCCLUSION` of their largest area.
    """
    if areas.size == 0:
        return dict.fromkeys(EVENT_NAMES, 0)
    present = areas > 0  # (n, T)
    seen_before = np.logical_or.accumulate(present, axis=1)[:, :-1]  # (n, T-1)
    entered = present[:, 1:] & ~present[:, :-1]
    shown = np.where(present, areas, areas.max(1, keepdims=True))
    occluded = shown.min(1) < HEAVY_OCCLUSION * areas.max(1)
    return dict(
        births=int((entered & ~seen_before).sum()),
        disappearances=int((present[:, :-1] & ~present[:, 1:]).sum()),
        returns=int((entered & seen_before).sum()),
        occlusions=int(occluded.sum()),
    )


def stack_areas(video: dict[str, Any]) -> np.ndarray:
    """Return the visible areas of a video's instances, (n, L)."""
    rows = [instance['areas'] for instance in video['instances']]
    return np.stack(rows) if rows else np.zeros((0, len(video['img_paths'])), dtype=np.int64)


def event_frames(areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Say in which frames of a video something happens.

    Args:
        areas: (n, L) visible pixels.

    Returns:
        The frames before and after which an instance comes or goes, and the frames
        in which one is mostly hidden.
    """
    present = areas > 0
    moves = np.flatnonzero((present[:, 1:] != present[:, :-1]).any(0))
    peaks = areas.max(1, initial=0)[:, None]
    hidden = (present & (areas < HEAVY_OCCLUSION * peaks)).any(0)
    return np.union1d(moves, moves + 1), np.flatnonzero(hidden)
