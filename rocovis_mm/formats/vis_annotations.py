"""Reading and checking of native YouTube-VIS json files.

Letters: T frames of a video · H, W its height and width.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rocovis_mm.formats.file_names import find_renames
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.record_reader import (
    AlreadyNoted,
    RecordReader,
    raise_problems,
    read_size,
)
from rocovis_mm.formats.records import (
    MEASURES,
    check_length,
    read_crowd,
    read_measure,
)
from rocovis_mm.formats.run_lengths import Tube
from rocovis_mm.formats.segmentations import parse_tube
from rocovis_mm.formats.validation import Place, require, require_type

FORMAT = 'a YouTube-VIS json holds videos, annotations and categories'
VIDEO_NEEDS = 'each video needs id, height, width and file_names'
TRACK_NEEDS = 'each annotation needs id, video_id, category_id and segmentations'
NEEDS_TRACKS = 'training needs annotations; a test set is read with test_mode=True'
EMPTY = dict(
    videos='a data set has one video or more',
    categories='list the classes, each with an id and a name',
    annotations=f'{NEEDS_TRACKS} and needs no such key',
)
"""What is said of empty parts of a file."""


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


def read_vis_annotations(
    path: str | Path, with_tracks: bool = True, refined: bool = False
) -> VISAnnotations:
    """Read a YouTube-VIS json (also gzipped or zipped) and check all of it.

    Args:
        path: the file, with ``videos``, ``categories`` and, for training,
            ``annotations`` whose ``segmentations`` hold polygons, an RLE
            (compressed or not) or null for each frame.
        with_tracks: whether annotations are read; a test set may have none.
        refined: whether masks come from ``segmentations_refined`` (HQ-YTVIS) in the
            annotations that have them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file, the videos and annotations at fault, what is
            wrong and the remedy.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'{path}: no such annotation file; set data_root and ann_file of the data set'
        )
    annotations, problems = inspect_vis_annotations(
        read_json(path), str(path), with_tracks, refined
    )
    raise_problems(problems)
    return annotations


def inspect_vis_annotations(
    content: Any,
    name: str,
    with_tracks: bool = True,
    refined: bool = False,
    every_mask: bool = False,
) -> tuple[VISAnnotations, list[str]]:
    """Check a json's content and return what of it can be read.

    Args:
        content: of the json.
        name: of the file, for the messages.
        with_tracks: as for `read_vis_annotations`.
        refined: as for `read_vis_annotations`.
        every_mask: whether each bad mask of a track is a problem of its own, and both kinds
            of masks are looked at where there are two; else the first stands for the track.

    Returns:
        What is sound, and one message for each problem in the order of the file.
    """
    reader = _Reader(Place(name), refined, every_mask)
    return reader.read(content, with_tracks), reader.problems


def other_format(content: Any) -> tuple[str, str] | None:
    """Recognise json files that are not YouTube-VIS annotations.

    Returns:
        What it is and the remedy; None for what may be YouTube-VIS.
    """
    if isinstance(content, list):
        return 'it is a list, as results files are', 'give the annotation file'
    if not isinstance(content, dict):
        return None
    videos = content.get('videos')
    if 'images' in content and videos:
        return (
            "it holds 'images', so it is a CocoVID data set",
            'give the file from before the conversion, or convert it back with '
            'tools/dataset_converters/cocovid_to_vis.py',
        )
    if is_tracked_images(content):
        return (
            "it holds 'images', attributes.track_id and no videos, so it is CVAT's 'COCO 1.0' "
            'export of a video task',
            'convert it with tools/dataset_converters/cvat_to_vis.py',
        )
    if 'images' in content:
        return (
            "it holds 'images' and no videos, so it is an image data set (with videos it would be "
            'CocoVID)',
            'give a file with videos; images can only join in the training',
        )
    if isinstance(videos, dict):
        return (
            "its 'videos' are an object, as in the meta.json of YouTube-VOS",
            'convert its PNG masks with tools/dataset_converters/davis_to_vis.py',
        )
    if isinstance(videos, list) and any(
        isinstance(video, dict) and 'images' in video and 'file_names' not in video
        for video in videos
    ):
        return (
            "its videos hold 'images', so it is a video panoptic data set such as VIPSeg",
            'convert it with tools/dataset_converters/vipseg_to_vis.py',
        )
    return None


def is_tracked_images(content: dict[str, Any]) -> bool:
    """Return whether a json has images without videos, and annotations with a track's id."""
    notes = content.get('annotations')
    if 'images' not in content or content.get('videos') or not isinstance(notes, list):
        return False
    attributes = (note.get('attributes') for note in notes if isinstance(note, dict))
    return any(isinstance(each, dict) and 'track_id' in each for each in attributes)


def missing_frames(folder: str, videos: list[VISVideo]) -> dict[int, list[int]]:
    """Return the frames without an image in `folder`, by index of the video.

    Each folder is listed once, which is cheap where a look at each file is not.
    """
    listed: dict[str, set[str]] = {}
    missing: dict[int, list[int]] = {}
    for index, video in enumerate(videos):
        for frame, name in enumerate(video.file_names):
            parent, base = os.path.split(os.path.join(folder, name))
            if parent not in listed:
                listed[parent] = set(os.listdir(parent)) if os.path.isdir(parent) else set()
            if base not in listed[parent]:
                missing.setdefault(index, []).append(frame)
    return missing


def find_missing_images(path: str | Path, folder: str, videos: list[VISVideo]) -> list[str]:
    """Return one problem for each video whose images are not all in `folder`.

    Args:
        path: the annotation file, for the messages.
        folder: what the file names are relative to.
        videos: the file's videos.
    """
    missing = missing_frames(folder, videos)
    renames = renamed_frames(folder, videos, missing)
    problems = []
    for index, frames in missing.items():
        first = videos[index].file_names[frames[0]]
        remedy = 'correct data_prefix or unpack the images again'
        if first in renames:
            remedy = (
                f'the folder has {renames[first]}, so correct file_names, for example with '
                'tools/misc/check_dataset.py --fix'
            )
        problems.append(
            f'{path}: video {videos[index].id}: {len(frames)} of {videos[index].length} images '
            f'are missing from {folder!r}, first {first}; {remedy}'
        )
    return problems


def renamed_frames(
    folder: str, videos: Sequence[VISVideo], missing: Mapping[int, Sequence[int]]
) -> dict[str, str]:
    """Return the names in the folder of images that are missing under the file's names.

    Args:
        folder: what the file names are relative to.
        videos: the file's videos.
        missing: see `missing_frames`.
    """
    if not missing:
        return {}
    gone = {videos[index].file_names[t] for index, frames in missing.items() for t in frames}
    names = (name for video in videos for name in video.file_names)
    return find_renames(gone, (name for name in names if name not in gone), folder)


class _Reader(RecordReader):
    """Turns the parts of a json into typed objects and gathers what is wrong."""

    def __init__(self, place: Place, refined: bool, every_mask: bool) -> None:
        super().__init__(place, 'video')
        self.refined = refined
        self.every_mask = every_mask

    def read(self, content: Any, with_tracks: bool) -> VISAnnotations:
        """Read all parts; nothing is read of a file that lacks one."""
        keys = ['categories', 'videos', *(['annotations'] if with_tracks else [])]
        parts: dict[str, list[Any]] = {}
        with self.gather():
            other = other_format(content)
            if other is not None:
                self.place.fail(*other)
            require_type(content, dict, self.place, FORMAT)
            for key in keys:
                remedy = NEEDS_TRACKS if key == 'annotations' else FORMAT
                with self.gather():
                    records = require(content, key, self.place, remedy)
                    parts[key] = require_type(records, list, self.place / key, remedy)
                    if not records:
                        (self.place / key).fail('it is empty', EMPTY[key])
        if len(parts) < len(keys):
            return VISAnnotations([], [])
        categories = self.read_categories(parts['categories'])
        videos = self.read_items(parts['videos'], VIDEO_NEEDS, read_video)
        if with_tracks:
            known = {record['id'] for record in categories}
            self.read_tracks(parts['annotations'], videos, known)
        return VISAnnotations(list(videos.values()), categories)

    def read_tracks(
        self, records: list[Any], videos: dict[int, VISVideo], categories: set[int]
    ) -> None:
        place = self.place / 'annotations'
        seen: set[int] = set()
        for index, record in enumerate(records):
            with self.gather():
                video, track = self._read_track(record, videos, categories, place / index)
                if track.id in seen:
                    self.place_of(video.id, track.id).fail(
                        'duplicate annotation id', 'number annotations uniquely over the whole file'
                    )
                seen.add(track.id)
                video.tracks.append(track)

    def _read_track(
        self, record: Any, videos: dict[int, VISVideo], categories: set[int], place: Place
    ) -> tuple[VISVideo, VISTrack]:
        identifier, video_id, category = self.read_owner(
            record, place, TRACK_NEEDS, videos, categories
        )
        place = self.place_of(video_id, identifier)
        video = videos[video_id]
        before, is_crowd = len(self.problems), False
        with self.gather():
            is_crowd = read_crowd(record, place)
        for key in MEASURES:
            with self.gather():
                read_measure(record, key, video.length, place)
        tube = self._read_tube(record, video, place)
        if len(self.problems) > before:
            raise AlreadyNoted
        return video, VISTrack(identifier, category, is_crowd, tube)

    def _read_tube(self, record: dict[str, Any], video: VISVideo, place: Place) -> Tube:
        """Return the masks that were asked for."""
        keys = ('segmentations', 'segmentations_refined')
        key = keys[self.refined and record.get(keys[1]) is not None]
        remedy = 'each annotation needs segmentations, one entry per frame'
        masks = require(record, key, place, remedy)
        if self.every_mask:
            return self._read_every_tube(record, keys, video, place)[key]
        return parse_tube(masks, video, place / key)

    def _read_every_tube(
        self, record: dict[str, Any], keys: tuple[str, ...], video: VISVideo, place: Place
    ) -> dict[str, Tube]:
        """Read both kinds of masks; each bad mask of a track is a problem of its own."""
        tubes = {}
        before = len(self.problems)
        for key in keys:
            masks = record.get(key)
            if masks is None and key != keys[0]:
                continue
            try:
                tubes[key] = parse_tube(masks, video, place / key)
            except ValueError as error:
                if not isinstance(masks, list) or len(masks) != video.length:
                    self.problems.append(str(error))
                    continue
                for frame in range(video.length):
                    alone = [mask if t == frame else None for t, mask in enumerate(masks)]
                    with self.gather():
                        parse_tube(alone, video, place / key)
        if len(self.problems) > before:
            raise AlreadyNoted
        return tubes


def read_video(identifier: int, record: dict[str, Any], place: Place) -> VISVideo:
    """Return a video, without its instances.

    Raises:
        ValueError: names the place, what is wrong and the remedy.
    """
    height, width = read_size(record, place, VIDEO_NEEDS)
    names = require(record, 'file_names', place, VIDEO_NEEDS)
    require_type(names, list, place / 'file_names', 'list one image per frame')
    if not names or not all(isinstance(name, str) for name in names):
        (place / 'file_names').fail('it is empty or not a list of names', 'list the images')
    check_length(record, place)
    return VISVideo(identifier, height, width, names)
