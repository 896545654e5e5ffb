"""Reading and checking of COCO instance json files.

Letters: n instances of an image · H, W its height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rocovis_mm.formats.missing_images import missing_frames
from rocovis_mm.formats.record_reader import (
    RecordReader,
    raise_problems,
    read_annotation_json,
    read_crowd,
    read_size,
)
from rocovis_mm.formats.segmentations import parse_tube, without_slivers
from rocovis_mm.formats.validation import Place, require, require_type
from rocovis_mm.formats.vis_annotations import VISVideo

FORMAT = 'a COCO instance json holds images, annotations and categories'
IMAGE_NEEDS = 'each image needs id, height, width and file_name'
NOTE_NEEDS = 'each annotation needs id, image_id, category_id and segmentation'
LabelCategories = Callable[[list[dict[str, Any]]], Mapping[int, int]]


@dataclass
class COCOImage:
    """One image and its instances, without crowds and categories that have no label.

    Attributes:
        id: the image's id.
        height: H in pixels.
        width: W in pixels.
        file_name: path relative to the image folder.
        instance_ids: n ids of annotations.
        labels: n labels.
        counts: n compressed run lengths.
    """

    id: int
    height: int
    width: int
    file_name: str
    instance_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class COCOAnnotations:
    """The content of a file.

    Attributes:
        images: all of them, in the order of the file.
        num_crowds: number of crowds, which are left out.
        num_others: number of annotations without a label, which are left out.
        num_empty: number of annotations without any pixel, which are left out.
    """

    images: list[COCOImage]
    num_crowds: int
    num_others: int
    num_empty: int


def read_coco_annotations(path: str | Path, label_categories: LabelCategories) -> COCOAnnotations:
    """Read a COCO instance json (also gzipped or zipped) and check it.

    Masks may be polygons or run lengths, compressed or not. Masks of crowds and of categories
    without a label are not read. Polygons of less than three points cover nothing, as in other
    readers of COCO (detectron2, `data/datasets/coco.py`, leaves them out).

    Args:
        path: the file.
        label_categories: returns the label of each category id that has one, given the file's
            categories.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not valid; names the file, images, annotations, problems and
            remedies.
    """
    reader = _Reader(Place(str(path)), label_categories)
    annotations = reader.read(read_annotation_json(path))
    raise_problems(reader.problems)
    return annotations


def find_missing_images(path: str | Path, folder: str, images: list[COCOImage]) -> list[str]:
    """Return a message about images that are missing from `folder`, if any.

    Args:
        path: the annotation file, for the message.
        folder: that the file names are relative to.
        images: to look for.
    """
    names = [image.file_name for image in images]
    missing = missing_frames(folder, [VISVideo(0, 1, 1, len(names), names)]).get(0, [])
    if not missing:
        return []
    first = images[missing[0]]
    return [
        f'{path}: {len(missing)} of {len(images)} images are missing from {folder!r}, first image '
        f'{first.id}, {first.file_name}; correct data_prefix or unpack the images again'
    ]


class _PlacesOf(Place):
    """The place of a list whose items have places of their own."""

    def __init__(self, places: list[Place]) -> None:
        super().__init__(places[0].file)
        self.places = places

    def __truediv__(self, key: str | int) -> Place:
        return self.places[key]


@dataclass(frozen=True)
class _Note:
    """An annotation whose mask has to be read."""

    id: int
    label: int
    segmentation: Any
    place: Place


class _Reader(RecordReader):
    """Turns the parts of a json into images and gathers the problems."""

    def __init__(self, place: Place, label_categories: LabelCategories) -> None:
        super().__init__(place, 'image')
        self.label_categories = label_categories
        self.num_crowds = self.num_others = self.num_empty = 0

    def read(self, content: Any) -> COCOAnnotations:
        """Read all parts, or nothing if the file lacks one."""
        parts: dict[str, list[Any]] = {}
        with self.gather():
            self._refuse_other_formats(content)
            for key in ('categories', 'images', 'annotations'):
                with self.gather():
                    records = require(content, key, self.place, FORMAT)
                    parts[key] = require_type(records, list, self.place / key, FORMAT)
        if len(parts) < 3:
            return COCOAnnotations([], 0, 0, 0)
        categories = self.read_categories(parts['categories'])
        raise_problems(self.problems)  # or else annotations would have unknown categories
        known = {category['id'] for category in categories}
        labels = self.label_categories(categories)
        images = self.read_items(parts['images'], IMAGE_NEEDS, read_image)
        notes = self._read_notes(parts['annotations'], images, known, labels)
        for identifier, group in notes.items():
            self._add_instances(images[identifier], group)
        found = list(images.values())
        return COCOAnnotations(found, self.num_crowds, self.num_others, self.num_empty)

    def _refuse_other_formats(self, content: Any) -> None:
        if isinstance(content, list):
            self.place.fail('it is a list, as results files are', 'give the annotation file')
        require_type(content, dict, self.place, FORMAT)
        if 'videos' in content and 'images' not in content:
            self.place.fail(
                "it holds 'videos' and no images, so it is a video data set",
                'read it with rocovis_mm.VISDataset, or make images of its frames with '
                'tools/dataset_converters/cocovid_to_vis.py --reverse',
            )

    def _read_notes(
        self,
        records: list[Any],
        images: dict[int, COCOImage],
        known: set[int],
        labels: Mapping[int, int],
    ) -> dict[int, list[_Note]]:
        """Return the annotations whose masks have to be read, by image."""
        place = self.place / 'annotations'
        notes: dict[int, list[_Note]] = {}
        for index, record in enumerate(records):
            with self.gather():
                image, note = self._read_note(record, images, known, labels, place / index)
                is_crowd = read_crowd(record, note.place)
                self.refuse_twice(note.id, index)
                if note.label < 0:
                    self.num_others += 1
                elif is_crowd:
                    self.num_crowds += 1
                else:
                    notes.setdefault(image, []).append(note)
        return notes

    def _read_note(
        self,
        record: Any,
        images: dict[int, COCOImage],
        known: set[int],
        labels: Mapping[int, int],
        place: Place,
    ) -> tuple[int, _Note]:
        """Return an annotation's image and content; the label is -1 if it has none."""
        identifier, image, category = self.read_owner(record, place, NOTE_NEEDS, images, known)
        place = self.place_of(image, identifier)
        label = labels.get(category, -1)
        masks = require(record, 'segmentation', place, NOTE_NEEDS) if label >= 0 else None
        masks = without_slivers(masks) if isinstance(masks, list) else masks
        return image, _Note(identifier, label, masks, place)

    def _add_instances(self, image: COCOImage, notes: list[_Note]) -> None:
        """Add the instances with any pixel to their image."""
        try:
            codes, areas = read_masks(image, notes)
        except ValueError:
            for note in notes:
                with self.gather():
                    read_masks(image, [note])
            return
        kept = np.flatnonzero(areas).tolist()
        self.num_empty += len(notes) - len(kept)
        image.instance_ids = [notes[i].id for i in kept]
        image.labels = [notes[i].label for i in kept]
        image.counts = [codes[i] for i in kept]


def read_image(identifier: int, record: dict[str, Any], place: Place) -> COCOImage:
    """Return an image without its instances, or fail."""
    height, width = read_size(record, place, IMAGE_NEEDS)
    name = require(record, 'file_name', place, IMAGE_NEEDS)
    require_type(name, str, place / 'file_name', IMAGE_NEEDS)
    return COCOImage(identifier, height, width, name)


def read_masks(image: COCOImage, notes: list[_Note]) -> tuple[list[str | None], np.ndarray]:
    """Return compressed run lengths and areas (n,) of an image's masks, or fail."""
    frames = VISVideo(image.id, image.height, image.width, len(notes))
    places = _PlacesOf([note.place / 'segmentation' for note in notes])
    tube = parse_tube([note.segmentation for note in notes], frames, places)
    return tube.counts, tube.areas
