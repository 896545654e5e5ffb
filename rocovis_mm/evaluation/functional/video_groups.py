"""Videos set apart by marks of the annotation file, by length and by events in the masks.

T frames.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.formats.boxes import boxes_of_codes
from rocovis_mm.formats.run_lengths import Tube
from rocovis_mm.formats.validation import Place, as_integer, require_type

GROUPS = ('disappearance', 'crossing', 'rest')
UNTAGGED = 'no tag'


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


def group_by_length(truth: GroundTruth) -> dict[str, list[int]]:
    """Return the ids of the short, the medium and the long videos.

    The borders are the terciles of the lengths of the videos: the shortest length that a third,
    and that two thirds, of the videos do not exceed. Videos of one length are in one group, so
    that groups may differ in size and may be empty. The names have the range of the lengths.
    """
    lengths = np.array([video.length for video in truth.videos.values()])
    if not lengths.size:
        return {}
    borders = [np.sort(lengths)[-(-len(lengths) * third // 3) - 1] for third in (1, 2)]
    ranks = np.searchsorted(borders, lengths)
    groups = {}
    for rank, name in enumerate(('short', 'medium', 'long')):
        own = lengths[ranks == rank]
        if own.size:
            ids = [video for video, place in zip(truth.videos, ranks) if place == rank]
            ends = '-'.join(str(end) for end in sorted({own.min(), own.max()}))
            groups[f'{name} ({ends} frames)'] = ids
    return groups


def read_tags(content: Mapping[str, Any], name: str) -> dict[str, list[int]]:
    """Return the ids of the videos that have each tag, and of those that have none.

    Args:
        content: of the annotation file.
        name: of the file.

    Raises:
        ValueError: no video has a tag, or `tags` is no list of words.
    """
    groups: dict[str, list[int]] = {}
    untagged = []
    remedy = 'tags is a list of words'
    for video, tags, place in _marks(content, name, 'tags', remedy):
        for index, tag in enumerate(tags):
            groups.setdefault(require_type(tag, str, place / index, remedy), []).append(video)
        if not tags:
            untagged.append(video)
    return {**{tag: groups[tag] for tag in sorted(groups)}, UNTAGGED: untagged}


def read_degraded(content: Mapping[str, Any], truth: GroundTruth) -> dict[int, set[int]]:
    """Return the degraded frames of each video, counted from 0.

    Raises:
        ValueError: no video has any, or `degraded` lists something else.
    """
    degraded: dict[int, set[int]] = {}
    form = 'degraded is a list of frames from 0'
    for video, frames, place in _marks(content, truth.name, 'degraded', form):
        if video in truth.videos:
            last = truth.videos[video].length - 1
            remedy = f'the frames of this video are 0 to {last}'
            degraded[video] = {
                as_integer(frame, place / index, remedy, 0, last)
                for index, frame in enumerate(frames)
            }
    return degraded


def _marks(
    content: Mapping[str, Any], name: str, key: str, remedy: str
) -> Iterator[tuple[int, list[Any], Place]]:
    """Give each video's id, its list under a key, and the place of it."""
    place = Place(name) / 'videos'
    if not any(record.get(key) for record in content['videos']):
        place.fail(f'no video has {key!r}', f'give videos {key}, or choose another grouping')
    for index, record in enumerate(content['videos']):
        where = place / index / key
        yield int(record['id']), require_type(record.get(key, []), list, where, remedy), where
