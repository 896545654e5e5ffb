"""Reading and checking of native YouTube-VIS json files.

Letters: T frames of a video · H, W its height and width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rocovis_mm.formats.record_reader import (
    MEASURES,
    AlreadyNoted,
    RecordReader,
    raise_problems,
    read_annotation_json,
    read_crowd,
    read_measure,
    read_size,
)
from rocovis_mm.formats.run_lengths import Tube
from rocovis_mm.formats.segmentations import parse_tube
from rocovis_mm.formats.validation import MAX_LENGTH, Place, as_integer, require, require_type

FORMAT = 'a YouTube-VIS json holds videos, annotations and categories'
VIDEO_NEEDS = 'each video needs id, height, width and file_names'
LENGTH_NEEDS = 'each video needs its file_names, or its length where no image is read'
TRACK_NEEDS = 'each annotation needs id, video_id, category_id and segmentations'
ORIGINAL, REFINED = 'segmentations', 'segmentations_refined'
MASKS_NEEDED = {
    ORIGINAL: 'each annotation needs segmentations, one entry per frame',
    REFINED: 'choose the mask source official or original',
}
"""Remedies for annotations without the requested masks."""
NEEDS_TRACKS = 'training needs annotations; a test set is read with test_mode=True'
EMPTY = dict(
    videos='a data set has one video or more',
    categories='list the classes, each with an id and a name',
    annotations=f'{NEEDS_TRACKS} and needs no such key',
)
"""Remedies for empty parts of a file."""


@dataclass(frozen=True)
class VISTrack:
    """One instance of a video.

    Attributes:
        id: the annotation's id.
        index: its position among the annotations of the file.
        category_id: id of its category in the json.
        is_crowd: whether it is a group of objects.
        tube: its masks in the T frames.
        areas: its T areas in the json, if any.
        boundary_tube: the masks whose boundaries are scored, if they are not those of `tube`.
    """

    id: int
    index: int
    category_id: int
    is_crowd: bool
    tube: Tube
    areas: list[float | None] | None = None
    boundary_tube: Tube | None = None


@dataclass(frozen=True)
class VISVideo:
    """One video and its instances.

    Attributes:
        id: the video's id.
        height: H in pixels.
        width: W in pixels.
        length: number of frames T.
        file_names: T image paths relative to the image folder; empty if the file has none.
        tracks: its instances, in the order of the file.
    """

    id: int
    height: int
    width: int
    length: int
    file_names: list[str] = field(default_factory=list)
    tracks: list[VISTrack] = field(default_factory=list)


@dataclass(frozen=True)
class VISAnnotations:
    """A whole annotation file, with `categories` as in the json."""

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
        ValueError: the file is not valid; names the file, videos, annotations, problems and
            remedies.
    """
    masks = 'preferred' if refined else 'original'
    annotations, problems = inspect_vis_annotations(
        read_annotation_json(path), str(path), with_tracks, masks
    )
    raise_problems(problems)
    return annotations


def inspect_vis_annotations(
    content: Any,
    name: str,
    with_tracks: bool = True,
    masks: str = 'original',
    every_mask: bool = False,
    for_scoring: bool = False,
) -> tuple[VISAnnotations, list[str]]:
    """Check a json's content and return its valid part.

    Args:
        content: of the json.
        name: of the file, for the messages.
        with_tracks: as for `read_vis_annotations`.
        masks: 'original' reads ``segmentations``, 'refined' ``segmentations_refined``,
            'preferred' the refined ones of the annotations that have them, 'official' the
            original ones and, for boundaries, the refined ones of the annotations that have them.
        every_mask: whether both kinds of masks are checked and each invalid mask of a track is
            a problem; otherwise only the first invalid mask is.
        for_scoring: whether a video may have a ``length`` instead of ``file_names``, and parts
            of the file may be empty.

    Returns:
        The valid part, and one message for each problem in the order of the file.
    """
    reader = _Reader(Place(name), masks, every_mask, for_scoring)
    return reader.read(content, with_tracks), reader.problems


def other_format(content: Any) -> tuple[str, str] | None:
    """Recognise json files that are not YouTube-VIS annotations.

    Returns:
        The kind of file and the remedy; None if it may be YouTube-VIS.
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
    """Return whether a json has images, no videos, and annotations with a track's id."""
    notes = content.get('annotations')
    if 'images' not in content or content.get('videos') or not isinstance(notes, list):
        return False
    attributes = (note.get('attributes') for note in notes if isinstance(note, dict))
    return any(isinstance(each, dict) and 'track_id' in each for each in attributes)


class _Reader(RecordReader):
    """Turns the parts of a json into typed objects and gathers the problems."""

    def __init__(self, place: Place, masks: str, every_mask: bool, for_scoring: bool) -> None:
        super().__init__(place, 'video')
        self.masks = masks
        self.every_mask = every_mask
        self.for_scoring = for_scoring

    def read(self, content: Any, with_tracks: bool) -> VISAnnotations:
        """Read all parts, or nothing if the file lacks one."""
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
                    if not records and not self.for_scoring:
                        (self.place / key).fail('it is empty', EMPTY[key])
        if len(parts) < len(keys):
            return VISAnnotations([], [])
        categories = self.read_categories(parts['categories'])
        read = partial(read_video, needs_images=not self.for_scoring)
        videos = self.read_items(parts['videos'], VIDEO_NEEDS, read)
        if with_tracks:
            known = {record['id'] for record in categories}
            self.read_tracks(parts['annotations'], videos, known)
        return VISAnnotations(list(videos.values()), categories)

    def read_tracks(
        self, records: list[Any], videos: dict[int, VISVideo], categories: set[int]
    ) -> None:
        for index, record in enumerate(records):
            with self.gather():
                video, track = self._read_track(record, index, videos, categories)
                self.refuse_twice(track.id, index)
                video.tracks.append(track)

    def _read_track(
        self, record: Any, index: int, videos: dict[int, VISVideo], categories: set[int]
    ) -> tuple[VISVideo, VISTrack]:
        identifier, video_id, category = self.read_owner(
            record, self.place / 'annotations' / index, TRACK_NEEDS, videos, categories
        )
        place = self.place_of(video_id, identifier)
        video = videos[video_id]
        before, is_crowd, measures = len(self.problems), False, {}
        with self.gather():
            is_crowd = read_crowd(record, place)
        for key in MEASURES:
            with self.gather():
                measures[key] = read_measure(record, key, video.length, place)
        tubes = self._read_tubes(record, video, place)
        if len(self.problems) > before:
            raise AlreadyNoted
        areas = measures['areas']
        return video, VISTrack(identifier, index, category, is_crowd, tubes[0], areas, tubes[1])

    def _read_tubes(
        self, record: dict[str, Any], video: VISVideo, place: Place
    ) -> tuple[Tube, Tube | None]:
        """Return the requested masks, and those for boundaries if they differ."""
        refined = record.get(REFINED)
        instead = self.masks == 'preferred' and refined is not None
        key = REFINED if instead or self.masks == 'refined' else ORIGINAL
        masks = require(record, key, place, MASKS_NEEDED[key])
        if self.every_mask:
            return self._read_every_tube(record, video, place)[key], None
        tube = parse_tube(masks, video, place / key)
        if self.masks != 'official' or refined is None:
            return tube, None
        return tube, parse_tube(refined, video, place / REFINED)

    def _read_every_tube(
        self, record: dict[str, Any], video: VISVideo, place: Place
    ) -> dict[str, Tube]:
        """Read both kinds of masks; each invalid mask of a track is a problem."""
        tubes = {}
        before = len(self.problems)
        for key in (ORIGINAL, REFINED):
            masks = record.get(key)
            if masks is None and key == REFINED:
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


def read_video(
    identifier: int, record: dict[str, Any], place: Place, needs_images: bool = True
) -> VISVideo:
    """Return a video without its instances, or fail.

    Args:
        identifier: its id.
        record: its entry in the file.
        place: of the entry.
        needs_images: whether ``file_names`` are required; otherwise a ``length`` is enough.
    """
    height, width = read_size(record, place, VIDEO_NEEDS)
    names = record.get('file_names')
    if names is None and not needs_images:
        length = require(record, 'length', place, LENGTH_NEEDS)
        length = as_integer(length, place / 'length', LENGTH_NEEDS, 0, MAX_LENGTH)
        return VISVideo(identifier, height, width, length)
    require(record, 'file_names', place, VIDEO_NEEDS)
    require_type(names, list, place / 'file_names', 'list one image per frame')
    if (needs_images and not names) or not all(isinstance(name, str) for name in names):
        (place / 'file_names').fail('it is empty or not a list of names', 'list the images')
    if 'length' in record and record['length'] != len(names):
        place.fail(
            f'length is {record["length"]} but there are {len(names)} file_names',
            'correct one of them: each frame needs its image',
        )
    return VISVideo(identifier, height, width, len(names), names)
