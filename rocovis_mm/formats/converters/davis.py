"""Folders of PNG masks, as DAVIS and YouTube-VOS have them, -> YouTube-VIS json.

``JPEGImages/<video>/<frame>.jpg`` are the images. ``Annotations/<video>/<frame>.png`` hold the
object of each pixel, 0 for none. An object keeps its number over the video. These data sets have
no classes, so classes come from a json of the user.

The PNG files of KITTI MOTS and MOTSChallenge hold class x 1000 + instance in 16 bits, and 10000 in
regions to be ignored (`mots_tools/mots_common/io.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rocovis_mm.formats.converters.files import Parts, convert_dataset, dump_json, read_lines
from rocovis_mm.formats.converters.id_masks import (
    TrackGatherer,
    codes_of,
    has_deep_numbers,
    ids_in,
    image_size,
    read_id_image,
    video_record,
)
from rocovis_mm.formats.frame_files import list_folders, list_images, turned_note
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import Place, require_type

VOID = 255
"""The number of no object in masks of 8 bits."""
ALL_OBJECTS = {-1: 1}
"""Object -> category id where there are no classes. The key -1 means all objects."""
INSTANCES_PER_CLASS = 1000
IGNORED = 10000
MOTS_CLASSES = {1: 'car', 2: 'pedestrian'}
SPLIT = 'a split has the name of a video in each line'
NUMBERS = ('auto', 'objects', 'mots')
"""Meanings of the numbers in masks: told by the masks, objects, or MOTS' class and instance."""

CLASS_REMEDY = 'it holds {"video": {"1": "class of object 1", ...}, ...}'
NUMBERS_REMEDY = 'say which with --numbers objects or --numbers mots'
MOTS_REMEDY = 'with MOTS masks it holds {"1": "name of class 1", ...}'
PALETTE_REMEDY = 'masks are PNG with one number per pixel (grey or palette)'


@dataclass(frozen=True)
class VideoMaker:
    """Makes the part of one video; T frames of H x W pixels.

    Attributes:
        images: folder of the videos' images.
        masks: folder of the videos' masks.
        binary: whether all numbers but 0 are one object.
        mots: class number -> name for MOTS masks; None for others.
        told: whether the user said that numbers are objects.
    """

    images: Path
    masks: Path
    binary: bool = False
    mots: Mapping[int, str] | None = None
    told: bool = False

    def __call__(self, video: dict[str, Any]) -> dict[str, Any]:
        """Return a video's part.

        Args:
            video: ``name``; ``frames``, its T image names; ``labels``, object -> category id,
                in which the key -1 means all other objects.
        """
        name, frames = video['name'], video['frames']
        gatherer = TrackGatherer(len(frames))
        categories: dict[int, int] = {}
        first = self.images / name / frames[0]
        size = image_size(first)
        for t, frame in enumerate(frames):
            image = self.images / name / frame
            path = mask_path(self.masks / name, frame)
            self.check_size(image, image_size(image), size, first)
            ids, ignored = read_mask(path, self.mots is not None, self.binary)
            self.check_size(path, ids.shape, size, first)
            for identity, code in codes_of(ids):
                if identity == ignored:
                    continue
                if self.mots is None and not self.told:
                    refuse_mots(identity, path, NUMBERS_REMEDY)
                categories[identity] = self.category_of(identity, video, path)
                gatherer.add(t, identity, code)
        return dict(video=video_record(name, frames, size), tracks=gatherer.tracks(categories))

    def category_of(self, identity: int, video: dict[str, Any], path: Path) -> int:
        """Return the category id of an object."""
        if self.mots is not None:
            label = identity // INSTANCES_PER_CLASS
            if label not in self.mots:
                raise ValueError(
                    f'{path}: number {identity} is of none of the classes {dict(self.mots)}: MOTS '
                    f'masks hold class x {INSTANCES_PER_CLASS} + instance; name all classes with '
                    '--classes, or read each number as an object with --numbers objects'
                )
            return label
        labels = video['labels']
        if identity not in labels and -1 not in labels:
            raise ValueError(
                f'{path}: object {identity} of video {video["name"]} has no class; {CLASS_REMEDY}'
            )
        return labels.get(identity, labels.get(-1))

    @staticmethod
    def check_size(path: Path, found: tuple[int, int], size: tuple[int, int], first: Path) -> None:
        """Refuse an image or mask whose size is not that of its video's first image."""
        if tuple(found) != size:
            raise ValueError(
                f'{path}: height and width are {tuple(found)}{turned_note(path)}, those of '
                f"the video's first image {size}{turned_note(first)}; images and masks of a "
                'video must have one size'
            )


def convert_davis(
    images: str | Path,
    masks: str | Path,
    out: str | Path,
    split_file: str | Path | None = None,
    class_file: str | Path | None = None,
    binary: bool = False,
    jobs: int = 1,
    overwrite: bool = False,
    numbers: str = 'auto',
) -> list[str]:
    """Write one annotation file and reuse the finished videos of an earlier run.

    Frames without a mask are left out.

    Args:
        images: folder of the videos' images.
        masks: folder of the videos' masks.
        out: the json to write; its ``file_names`` are relative to `images`.
        split_file: text file with one video per line; None takes all that have masks.
        class_file: json ``{video: {object: class name}}``; None calls all objects 'object'. For
            MOTS masks ``{class number: class name}``; None takes car and pedestrian.
        binary: whether all numbers but 0 are one object, as in DAVIS-2016.
        jobs: processes.
        overwrite: whether a file that was made with other settings is replaced.
        numbers: meaning of those in the masks: ``objects``, ``mots`` (class x 1000 + instance), or
            ``auto``: ``mots`` if masks have 16 bits and the first one that is not empty has a
            number of 1000 or more.

    Returns:
        Lines that report the result.

    Raises:
        FileNotFoundError: a folder or file does not exist.
        ValueError: a folder or file is not valid; names it and the remedy.
    """
    images, masks, out = Path(images), Path(masks), Path(out)
    names = list_videos(masks, split_file)
    listed = {name: list_frames(images / name, masks / name) for name in names}
    if numbers not in NUMBERS or (binary and numbers == 'mots'):
        raise ValueError(f'numbers={numbers!r}, binary={binary}: choose one of {NUMBERS}')
    paths = (mask_path(masks / name, each) for name in names for each in listed[name][0])
    mots = None
    if numbers == 'mots' or (numbers == 'auto' and not binary and are_mots(paths)):
        mots = read_mots_classes(class_file)
    classes = {} if mots else read_classes(class_file)
    categories = {name: key for key, name in mots.items()} if mots else number_classes(classes)
    videos = {}
    for name in names:
        labels = {key: categories[label] for key, label in classes.get(name, {}).items()}
        labels = labels if classes else ALL_OBJECTS
        videos[name] = dict(name=name, frames=listed[name][0], labels=labels)
    settings = dict(
        version=1,
        binary=binary,
        videos=hashlib.sha256(dump_json(list(videos.values())).encode()).hexdigest(),
        **(dict(mots=categories) if mots else {}),
    )
    records = [dict(id=number, name=name) for name, number in categories.items()]
    content = dict(description=f'from the masks in {masks.name}', categories=records)
    maker = VideoMaker(images, masks, binary, mots=mots, told=numbers == 'objects')
    check = partial(refuse_lonely_void, names=names, masks=masks)
    counts = convert_dataset(out, settings, content, maker, videos, jobs, overwrite, check)
    if counts is None:
        return [f'{out}: exists already']
    lines = [f'{out}: {counts["videos"]} videos, {counts["annotations"]} objects']
    skipped = sum(without for _, without in listed.values())
    if skipped:
        lines.append(f'{skipped} images without a mask are left out')
    if mots:
        lines.append(
            f'read as MOTS masks: class x {INSTANCES_PER_CLASS} + instance, of the classes '
            f'{", ".join(mots.values())}; {IGNORED} is left out (--numbers objects takes each '
            'number for an object)'
        )
    return lines


def are_mots(masks: Iterable[Path]) -> bool:
    """Return whether masks are MOTS', by the first of them that is not empty."""
    for path in masks:
        if not has_deep_numbers(path):
            return False
        numbers = ids_in(read_id_image(path, PALETTE_REMEDY))
        if numbers:
            return max(numbers) >= INSTANCES_PER_CLASS
    return False


def refuse_mots(number: int, path: Path, remedy: str) -> None:
    """Refuse a number that may be MOTS' in a mask whose numbers are read as objects."""
    if number >= INSTANCES_PER_CLASS:
        raise ValueError(
            f'{path}: number {number} may be an object or, as in MOTS, class x '
            f'{INSTANCES_PER_CLASS} + instance; {remedy}'
        )


def read_mask(path: Path, mots: bool, binary: bool = False) -> tuple[np.ndarray, int | None]:
    """Read a mask of either kind.

    Args:
        path: of the PNG file.
        mots: whether numbers are class x 1000 + instance.
        binary: whether all numbers but 0 are one object.

    Returns:
        (H, W) int32, the object of each pixel, 0 for none; and the number of regions to be
        ignored, if masks of this kind have one.
    """
    ids = read_id_image(path, PALETTE_REMEDY)
    if binary:
        return (ids != 0).astype(np.int32), None
    if mots:
        return ids, IGNORED
    return ids, None if has_deep_numbers(path) else VOID


def list_videos(masks: Path, split_file: str | Path | None) -> list[str]:
    """Return the names of the videos to convert."""
    if not masks.is_dir():
        raise FileNotFoundError(f'{masks}: no such folder; name the one that holds the PNG masks')
    if split_file is None:
        names = [path.name for path in list_folders(masks)]
        if not names:
            raise ValueError(f'{masks}: holds no folders; name the one with a folder per video')
        return names
    names = [line.strip() for line in read_lines(Path(split_file), SPLIT)]
    names = list(dict.fromkeys(name for name in names if name))
    absent = [name for name in names if not (masks / name).is_dir()]
    if absent or not names:
        raise ValueError(
            f'{split_file}: {len(absent)} of its {len(names)} videos have no folder in {masks}, '
            f'first {absent[:1]}; name the split and the masks of the same data set'
        )
    return names


def list_frames(images: Path, masks: Path) -> tuple[list[str], int]:
    """Return the names of a video's images with a mask, and the number of the others."""
    if not images.is_dir():
        raise FileNotFoundError(f'{images}: no such folder, but {masks} has masks for its images')
    by_stem = {path.stem: path.name for path in list_images(images)}
    stems = [path.stem for path in list_images(masks) if path.suffix.lower() == '.png']
    odd = [stem for stem in stems if stem not in by_stem]
    if odd or not stems:
        problem = f'{odd[0]}.png has no image in {images}' if odd else 'no .png in it'
        raise ValueError(f'{masks}: {problem}; unpack images and masks again')
    return [by_stem[stem] for stem in stems], len(by_stem) - len(stems)


def mask_path(folder: Path, frame: str) -> Path:
    """Return the path of the mask of an image, whose ending may be in capitals."""
    path = (folder / frame).with_suffix('.png')
    return path if path.is_file() else path.with_suffix('.PNG')


def read_classes(path: str | Path | None, may_be_empty: bool = False) -> dict[str, dict[int, str]]:
    """Return the class of each object of each video; empty without a file."""
    if path is None:
        return {}
    place = Place(str(path))
    content = require_type(read_json(path), dict, place, CLASS_REMEDY)
    classes: dict[str, dict[int, str]] = {}
    for video, objects in content.items():
        require_type(objects, dict, place / video, CLASS_REMEDY)
        for key, name in objects.items():
            if not key.isdecimal() or not isinstance(name, str):
                (place / video / key).fail('expected the name of a class', CLASS_REMEDY)
        classes[video] = {int(key): name for key, name in objects.items()}
    if not any(classes.values()) and not may_be_empty:
        place.fail('it names no class', CLASS_REMEDY)
    return classes


def read_mots_classes(path: str | Path | None) -> Mapping[int, str]:
    """Return the name of each class number; those of MOTS without a file."""
    if path is None:
        return MOTS_CLASSES
    place = Place(str(path))
    content = require_type(read_json(path), dict, place, MOTS_REMEDY)
    for key, name in content.items():
        if not key.isdecimal() or not isinstance(name, str):
            (place / key).fail('expected a class number and its name', MOTS_REMEDY)
    if not content:
        place.fail('it names no class', MOTS_REMEDY)
    return {int(key): name for key, name in content.items()}


def number_classes(classes: Mapping[str, Mapping[int, str]]) -> dict[str, int]:
    """Return a category id from 1 for each class, in the order of the alphabet."""
    names = sorted({name for objects in classes.values() for name in objects.values()})
    return {name: number for number, name in enumerate(names or ['object'], start=1)}


def refuse_lonely_void(parts: Parts, names: Sequence[str], masks: Path) -> None:
    """Refuse a data set whose masks hold only background and void."""
    if not any(parts.load(name)['tracks'] for name in names):
        parts.remove()
        raise ValueError(
            f'{masks}: no objects in any mask, or only the number {VOID}, which means void; '
            'give --binary for masks of one object, as in DAVIS-2016'
        )
