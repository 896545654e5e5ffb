"""Reading and checking of native YouTube-VIS json files.

Letters: T frames of a video · H, W its height and width.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pycocotools.mask as mask_utils

from rocovis_mm.structures import RLE

SHOWN_PROBLEMS = 5
"""How many problems an error message spells out; the rest is counted."""


@dataclass(frozen=True)
class VISTrack:
    """One instance of a video.

    Attributes:
        id: the annotation's id.
        category_id: id of its category in the json.
        is_crowd: whether it stands for a group.
        segmentations: T compressed RLEs of size (H, W); None where absent.
    """

    id: int
    category_id: int
    is_crowd: bool
    segmentations: list[RLE | None]


@dataclass(frozen=True)
class VISVideo:
    """One video and its instances.

    Attributes:
        id: the video's id.
        height: H in pixels.
        width: W in pixels.
        file_names: T image paths, relative to the image folder.
        tags: free marks of the data set, such as ``crossing``.
        tracks: its instances, in the order of the file.
    """

    id: int
    height: int
    width: int
    file_names: list[str]
    tags: list[str] = field(default_factory=list)
    tracks: list[VISTrack] = field(default_factory=list)


@dataclass(frozen=True)
class VISAnnotations:
    """A whole annotation file; `categories` as they stand in the json."""

    videos: list[VISVideo]
    categories: list[dict[str, Any]]


def read_vis_annotations(path: str | Path, with_tracks: bool = True) -> VISAnnotations:
    """Read a YouTube-VIS json, check it and bring every mask to compressed RLE.

    Args:
        path: the json file, with ``videos``, ``categories`` and, for training,
            ``annotations`` whose ``segmentations`` hold one polygon list, RLE
            (compressed or not) or null per frame.
        with_tracks: whether annotations are read; a test set may have none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file, the videos and annotations at fault, and
            the remedies.
    """
    content = load_json(path)
    reader = _Reader()
    categories = reader.read_categories(content['categories'])
    videos = reader.read_videos(content['videos'])
    if with_tracks:
        known = {category['id'] for category in categories}
        reader.read_tracks(content.get('annotations') or [], videos, known)
    raise_problems(path, reader.problems)
    return VISAnnotations(list(videos.values()), categories)


def load_json(path: str | Path) -> dict[str, Any]:
    """Load a json file and check that it has the outline of a VIS data set.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is truncated, no json, or of another format.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'annotation file {path} does not exist; set data_root and ann_file of the data set'
        )
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f'{path}: not a whole json file ({error}); it may be truncated: download or write it '
            'again'
        ) from error
    if isinstance(content, dict) and 'images' in content:
        raise ValueError(
            f'{path}: has the key "images", so it is an image or CocoVID data set; rocovis_mm '
            'reads native YouTube-VIS json (videos, annotations, categories): use that file'
        )
    missing = [
        key
        for key in ('videos', 'categories')
        if not isinstance(content, dict) or not isinstance(content.get(key), list)
    ]
    if missing:
        raise ValueError(
            f'{path}: the list {missing[0]!r} is missing; a YouTube-VIS json has videos, '
            'annotations and categories'
        )
    return content


def raise_problems(path: str | Path, problems: list[str]) -> None:
    """Raise one ValueError for all `problems` found in the file at `path`."""
    if not problems:
        return
    shown = ''.join(f'\n  - {problem}' for problem in problems[:SHOWN_PROBLEMS])
    rest = len(problems) - SHOWN_PROBLEMS
    more = f'\n  ... and {rest} more' if rest > 0 else ''
    raise ValueError(f'{path}: {len(problems)} problem(s) found:{shown}{more}')


def find_missing_images(folder: str | Path, videos: list[VISVideo]) -> list[str]:
    """Return one problem per video whose images are not all in `folder`.

    Each folder is listed once, which is cheap where a look at each file is not.
    """
    listed: dict[str, set[str]] = {}
    problems = []
    for video in videos:
        missing = []
        for name in video.file_names:
            parent, base = os.path.split(os.path.join(folder, name))
            if parent not in listed:
                listed[parent] = set(os.listdir(parent)) if os.path.isdir(parent) else set()
            if base not in listed[parent]:
                missing.append(name)
        if missing:
            problems.append(
                f'video {video.id}: {len(missing)} of {len(video.file_names)} images are missing '
                f'from {folder}, the first is {missing[0]}; check data_prefix or unpack the images '
                'again'
            )
    return problems


class _Reader:
    """Turns the parts of a json into typed objects and gathers what is wrong."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read_categories(self, entries: list[dict]) -> list[dict]:
        if not all(isinstance(entry, dict) and {'id', 'name'} <= set(entry) for entry in entries):
            self.problems.append('categories: each one needs an id and a name; add them')
            return []
        for key in ('id', 'name'):
            for value, count in Counter(entry[key] for entry in entries).items():
                if count > 1:
                    self.problems.append(
                        f'categories: {key} {value!r} stands {count} times; make it unique'
                    )
        return entries

    def read_videos(self, entries: list[dict]) -> dict[int, VISVideo]:
        videos: dict[int, VISVideo] = {}
        for position, entry in enumerate(entries):
            absent = {'id', 'height', 'width', 'file_names'} - set(entry)
            if absent:
                name = entry.get('id', f'at position {position}')
                self.problems.append(f'video {name}: lacks {sorted(absent)}; add them')
                continue
            names = list(entry['file_names'])
            length = entry.get('length', len(names))
            if entry['id'] in videos:
                self.problems.append(f'video {entry["id"]}: duplicate id; make video ids unique')
            elif length != len(names):
                self.problems.append(
                    f'video {entry["id"]}: length is {length} but file_names has {len(names)} '
                    'entries; correct one of them'
                )
            elif not names:
                self.problems.append(f'video {entry["id"]}: has no frames; remove it')
            videos[entry['id']] = VISVideo(
                id=entry['id'],
                height=int(entry['height']),
                width=int(entry['width']),
                file_names=names,
                tags=list(entry.get('tags', [])),
            )
        return videos

    def read_tracks(
        self, entries: list[dict], videos: dict[int, VISVideo], categories: set[int]
    ) -> None:
        seen: set[int] = set()
        for position, entry in enumerate(entries):
            absent = {'id', 'video_id', 'category_id', 'segmentations'} - set(entry)
            if absent:
                name = entry.get('id', f'at position {position}')
                self.problems.append(f'annotation {name}: lacks {sorted(absent)}; add them')
                continue
            where = f'video {entry["video_id"]}, annotation {entry["id"]}'
            problem = self._misfit(entry, videos, categories, seen)
            seen.add(entry['id'])
            if problem:
                self.problems.append(f'{where}: {problem}')
                continue
            video = videos[entry['video_id']]
            video.tracks.append(self._read_track(entry, video, where))

    @staticmethod
    def _misfit(
        entry: dict, videos: dict[int, VISVideo], categories: set[int], seen: set[int]
    ) -> str | None:
        """Say why an annotation does not fit the rest of the file, or None."""
        video = videos.get(entry['video_id'])
        if video is None:
            return 'there is no such video; remove the annotation or add the video'
        if entry['id'] in seen:
            return 'duplicate annotation id; number annotations uniquely over the whole file'
        if entry['category_id'] not in categories:
            return (
                f'unknown category {entry["category_id"]} (known: {sorted(categories)}); add it to '
                'categories or correct category_id'
            )
        frames = len(entry['segmentations'])
        if frames != len(video.file_names):
            return (
                f'segmentations has {frames} entries but the video {len(video.file_names)} frames; '
                'give one entry per frame, null where the instance is absent'
            )
        return None

    def _read_track(self, entry: dict, video: VISVideo, where: str) -> VISTrack:
        segmentations = []
        for frame, segmentation in enumerate(entry['segmentations']):
            try:
                segmentations.append(to_rle(segmentation, video.height, video.width))
            except ValueError as error:
                self.problems.append(f'{where}, frame {frame}: {error}')
                segmentations.append(None)
        return VISTrack(
            id=entry['id'],
            category_id=entry['category_id'],
            is_crowd=bool(entry.get('iscrowd', 0)),
            segmentations=segmentations,
        )


def to_rle(segmentation: dict | list | None, height: int, width: int) -> RLE | None:
    """Bring one frame's mask to a compressed RLE of size (height, width).

    Args:
        segmentation: polygons (lists of x, y in pixels), an RLE whose counts are
            a list or a string, or None.
        height: of the video, in pixels.
        width: of the video, in pixels.

    Returns:
        The RLE with its counts as bytes, or None where there is no mask.

    Raises:
        ValueError: the mask is malformed or of another size; names the remedy.
    """
    if not segmentation:
        return None
    if isinstance(segmentation, list):
        if not all(len(polygon) >= 6 and len(polygon) % 2 == 0 for polygon in segmentation):
            raise ValueError(
                'a polygon needs an even number of coordinates, at least 6; correct or remove it'
            )
        return mask_utils.merge(mask_utils.frPyObjects(segmentation, height, width))
    if not isinstance(segmentation, dict) or not {'size', 'counts'} <= set(segmentation):
        raise ValueError('a mask must be a list of polygons, an RLE with size and counts, or null')
    if list(segmentation['size']) != [height, width]:
        raise ValueError(
            f'the mask has size {list(segmentation["size"])} but the video [height, width] = '
            f'{[height, width]}; correct the mask or the video'
        )
    counts = segmentation['counts']
    if isinstance(counts, list):
        if sum(counts) != height * width or min(counts, default=0) < 0:
            raise ValueError(
                f'the RLE counts add up to {sum(counts)} instead of {height * width} = height x '
                'width; write the mask again'
            )
        return mask_utils.frPyObjects(segmentation, height, width)
    counts = counts.encode('ascii') if isinstance(counts, str) else counts
    if sum(run_lengths(counts)) != height * width:
        raise ValueError(
            f'the compressed RLE does not cover height x width = {height * width} pixels; it may '
            'be truncated: write the mask again'
        )
    return dict(size=[height, width], counts=counts)


def run_lengths(counts: bytes) -> list[int]:
    """Return the run lengths of a compressed RLE string.

    The code is that of the COCO API (``common/maskApi.c:rleFrString``): five
    bits a character, little end first, from the third run on as differences to
    the run before the last.
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        chunk = character - 48
        value |= (chunk & 0x1F) << shift
        shift += 5
        if chunk & 0x20:
            continue
        if chunk & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs
