"""Reading and checking of native YouTube-VIS json files.

Letters: T frames of a video · H, W its height and width.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rocovis_mm.evaluation.functional.files import read_json
from rocovis_mm.evaluation.functional.run_lengths import Tube
from rocovis_mm.evaluation.functional.segmentations import parse_tube
from rocovis_mm.evaluation.functional.validation import (
    MAX_SIDE,
    Place,
    as_identifier,
    as_integer,
    require,
    require_type,
)

SHOWN_PROBLEMS = 5
"""How many problems an error message spells out; the rest is counted."""

FORMAT = 'a YouTube-VIS json holds videos, annotations and categories'


@dataclass(frozen=True)
class VISTrack:
    """One instance of a video.

    Attributes:
        id: the annotation's id.
        category_id: id of its category in the json.
        is_crowd: whether it stands for a group.
        tube: its masks in the T frames.
    """

    id: int
    category_id: int
    is_crowd: bool
    tube: Tube


@dataclass(frozen=True)
class VISVideo:
    """One video and its instances.

    Attributes:
        id: the video's id.
        height: H in pixels.
        width: W in pixels.
        file_names: T image paths, relative to the image folder.
        tracks: its instances, in the order of the file.
    """

    id: int
    height: int
    width: int
    file_names: list[str]
    tracks: list[VISTrack] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Number of frames T."""
        return len(self.file_names)


@dataclass(frozen=True)
class VISAnnotations:
    """A whole annotation file; `categories` as they stand in the json."""

    videos: list[VISVideo]
    categories: list[dict[str, Any]]


def read_vis_annotations(path: str | Path, with_tracks: bool = True) -> VISAnnotations:
    """Read a YouTube-VIS json (also gzipped or zipped) and check all of it.

    Args:
        path: the file, with ``videos``, ``categories`` and, for training,
            ``annotations`` whose ``segmentations`` hold polygons, an RLE
            (compressed or not) or null for each frame.
        with_tracks: whether annotations are read; a test set may have none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file, the videos and annotations at fault, what is
            wrong and the remedy.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{path}: no such annotation file; set data_root and ann_file of the data set'
        )
    place = Place(str(path))
    content = require_type(read_json(path), dict, place, FORMAT)
    if 'images' in content:
        place.fail(
            "it holds 'images', so it is an image or CocoVID data set",
            'rocovis_mm reads native YouTube-VIS json: give the file from before the conversion',
        )
    reader = _Reader(place)
    categories = reader.read_categories(require(content, 'categories', place, FORMAT))
    videos = reader.read_videos(require(content, 'videos', place, FORMAT))
    if with_tracks:
        known = [category['id'] for category in categories]
        reader.read_tracks(require(content, 'annotations', place, FORMAT), videos, known)
    raise_problems(reader.problems)
    return VISAnnotations(list(videos.values()), categories)


def raise_problems(problems: list[str]) -> None:
    """Raise one ValueError for all `problems`, the first few in full."""
    if not problems:
        return
    shown = '\n'.join(problems[:SHOWN_PROBLEMS])
    rest = len(problems) - SHOWN_PROBLEMS
    raise ValueError(shown + (f'\n... and {rest} more like these' if rest > 0 else ''))


def find_missing_images(path: str | Path, folder: str, videos: list[VISVideo]) -> list[str]:
    """Return one problem for each video whose images are not all in `folder`.

    Each folder is listed once, which is cheap where a look at each file is not.

    Args:
        path: the annotation file, for the messages.
        folder: what the file names are relative to.
        videos: the file's videos.
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
                f'{path}: video {video.id}: {len(missing)} of {video.length} images are missing '
                f'from {folder!r}, first {missing[0]}; correct data_prefix or unpack the images '
                'again'
            )
    return problems


class _Reader:
    """Turns the parts of a json into typed objects and gathers what is wrong."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.problems: list[str] = []

    @contextmanager
    def _gather(self) -> Iterator[None]:
        """Note a ValueError and go on with the next entry."""
        try:
            yield
        except ValueError as error:
            self.problems.append(str(error))

    def read_categories(self, records: Any) -> list[dict[str, Any]]:
        remedy = 'each category needs an id and a name of its own'
        place = self.place / 'categories'
        for key in ('id', 'name'):
            seen = set()
            for index, record in enumerate(require_type(records, list, place, remedy)):
                require_type(record, dict, place / index, remedy)
                value = require(record, key, place / index, remedy)
                if key == 'id':
                    as_identifier(value, place / index / key, remedy)
                else:
                    require_type(value, str, place / index / key, remedy)
                if value in seen:
                    (place / index / key).fail(f'duplicate category {key} {value!r}', remedy)
                seen.add(value)
        return records

    def read_videos(self, records: Any) -> dict[int, VISVideo]:
        place = self.place / 'videos'
        videos: dict[int, VISVideo] = {}
        for index, record in enumerate(require_type(records, list, place, FORMAT)):
            with self._gather():
                video = self._read_video(record, place / index)
                if video.id in videos:
                    (place / index).fail(f'duplicate video id {video.id}', 'give each its own id')
                videos[video.id] = video
        return videos

    def _read_video(self, record: Any, place: Place) -> VISVideo:
        remedy = 'each video needs id, height, width and file_names'
        require_type(record, dict, place, remedy)
        identifier = as_identifier(require(record, 'id', place, remedy), place / 'id', remedy)
        place = Place(self.place.file, f'video {identifier}')
        height, width = (
            as_integer(require(record, key, place, remedy), place / key, remedy, 1, MAX_SIDE)
            for key in ('height', 'width')
        )
        names = require(record, 'file_names', place, remedy)
        require_type(names, list, place / 'file_names', 'list one image per frame')
        if not names or not all(isinstance(name, str) for name in names):
            (place / 'file_names').fail('it is empty or not a list of names', 'list the images')
        length = record.get('length', len(names))
        if length != len(names):
            place.fail(
                f'length is {length} but there are {len(names)} file_names',
                'correct one of them: each frame needs its image',
            )
        return VISVideo(identifier, height, width, names)

    def read_tracks(self, records: Any, videos: dict[int, VISVideo], categories: list[int]) -> None:
        place = self.place / 'annotations'
        remedy = 'training needs annotations; a test set is read with test_mode=True'
        seen: set[int] = set()
        for index, record in enumerate(require_type(records, list, place, remedy)):
            with self._gather():
                video, track = self._read_track(record, videos, categories, place / index)
                if track.id in seen:
                    self._of(video.id, track.id).fail(
                        'duplicate annotation id', 'number annotations uniquely over the whole file'
                    )
                seen.add(track.id)
                video.tracks.append(track)

    def _read_track(
        self, record: Any, videos: dict[int, VISVideo], categories: list[int], place: Place
    ) -> tuple[VISVideo, VISTrack]:
        remedy = 'each annotation needs id, video_id, category_id and segmentations'
        require_type(record, dict, place, remedy)
        identifier, video_id, category = (
            as_identifier(require(record, key, place, remedy), place / key, 'ids are whole numbers')
            for key in ('id', 'video_id', 'category_id')
        )
        place = self._of(video_id, identifier)
        if video_id not in videos:
            place.fail('there is no such video', 'remove the annotation or correct its video_id')
        if category not in categories:
            place.fail(
                f'unknown category {category}, the file has {sorted(categories)}',
                'add it to categories or correct category_id',
            )
        video = videos[video_id]
        masks = require(record, 'segmentations', place, remedy)
        tube = parse_tube(masks, video, place / 'segmentations')
        return video, VISTrack(identifier, category, bool(record.get('iscrowd', 0)), tube)

    def _of(self, video: int, annotation: int) -> Place:
        """Return the place of an annotation, named by ids."""
        return Place(self.place.file, f'video {video}, annotation {annotation}')
