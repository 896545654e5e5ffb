"""Videos set apart by what happens in them, from the ground truth alone.

T frames.
"""

from __future__ import annotations

import itertools

import numpy as np

from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.formats.boxes import boxes_of_codes
from rocovis_mm.formats.run_lengths import Tube

GROUPS = ('disappearance', 'crossing', 'rest')


def group_videos(truth: GroundTruth) -> dict[str, list[int]]:
    """Return the ids of the videos of each group; one may be in the first two.

    ``disappearance``: a track goes out of sight while the video goes on.
    ``crossing``: two look-alikes (tracks of one class) meet: their boxes overlap in
    some frame, and in some other frame in which both are seen they do not.
    ``rest``: neither. Crowds do not count.
    """
    groups: dict[str, list[int]] = {name: [] for name in GROUPS}
    by_video: dict[int, list[Track]] = {video: [] for video in truth.videos}
    for track in truth.tracks:
        if not track.crowd:
            by_video[track.video_id].append(track)
    for video, tracks in by_video.items():
        found = [
            name
            for name, holds in (
                ('disappearance', any(disappears(track.tube) for track in tracks)),
                ('crossing', any(cross(*pair) for pair in itertools.combinations(tracks, 2))),
            )
            if holds
        ]
        for name in found or ['rest']:
            groups[name].append(video)
    return groups


def disappears(tube: Tube) -> bool:
    """Return whether a mask is followed by a frame without one."""
    seen = tube.areas > 0
    return bool((seen[:-1] & ~seen[1:]).any())


def cross(one: Track, other: Track) -> bool:
    """Return whether two tracks of one class come to overlap, by their boxes."""
    if one.category_id != other.category_id:
        return False
    both = np.flatnonzero((one.tube.areas > 0) & (other.tube.areas > 0))
    a, b = boxes(one.tube, both), boxes(other.tube, both)
    apart = (np.minimum(a, b)[:, 2:] <= np.maximum(a, b)[:, :2]).any(1)
    return bool(apart.any() and not apart.all())


def boxes(tube: Tube, frames: np.ndarray) -> np.ndarray:
    """Return the boxes (n, 4) of a tube in n frames in which it has masks."""
    codes = [{'size': [tube.height, tube.width], 'counts': tube.counts[t]} for t in frames]
    return boxes_of_codes(codes)
