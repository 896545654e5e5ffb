"""Folders of PNG masks with a number per pixel, ``VIDEO/FRAME.png``: MOTS and DAVIS.

MOTS has 16 bits with class x 1000 + instance, and 10000 in regions to be ignored. DAVIS has 8 bits
with a palette, and 255 for void. `rocovis_mm.formats.converters.davis` makes a data set of such
masks and its images. This module reads and writes the masks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as mask_utils

from rocovis_mm.formats.converters.content_builder import ContentBuilder
from rocovis_mm.formats.converters.davis import (
    IGNORED,
    INSTANCES_PER_CLASS,
    VOID,
    number_classes,
    read_classes,
    read_mask,
    refuse_mots,
)
from rocovis_mm.formats.converters.id_masks import Overlaps, codes_of, image_size
from rocovis_mm.formats.converters.mots_txt import ClassReader, class_numbers, report_classes
from rocovis_mm.formats.converters.vis_content import (
    Record,
    Settings,
    frame_stems,
    has_scores,
    number_of,
    tracks_of,
    video_names,
    write_json,
)
from rocovis_mm.formats.frame_files import list_folders, list_images
from rocovis_mm.formats.validation import Place
from rocovis_mm.formats.whole_files import whole_file

CLASSES = 'classes.json'
"""File beside the folders of DAVIS masks with the class of each object."""
ClassOf = Callable[[int, Path], int]
"""Returns the category id of a number in a mask, given its file in the folder of the video."""
Numbering = Callable[[list[Record], Place], list[int]]
FOLDERS = 'masks are in VIDEO/FRAME.png'


def davis_palette() -> list[int]:
    """Return the colours of PASCAL VOC and DAVIS, 256 x RGB in one list.

    The lowest three bits of an index are the highest bits of its red, green and blue, and so on
    (VOCdevkit, `VOClabelcolormap.m`).
    """
    index = np.arange(256)
    colors = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= (index >> (3 * bit + channel) & 1) << (7 - bit)
    return colors.ravel().tolist()


def mask_files(
    path: Path, settings: Settings, lines: list[str]
) -> Iterator[tuple[Record, list[Path | None]]]:
    """Yield each video and its T masks, None for a frame without one."""
    if not path.is_dir():
        raise FileNotFoundError(f'{path}: no such folder; {FOLDERS}')
    folders = list_folders(path)
    if not folders:
        raise ValueError(f'{path}: holds no folders; {FOLDERS}')
    missing = 0
    for index, folder in enumerate(folders, start=1):
        place = Place(str(folder))
        masks = {each.stem: each for each in list_images(folder) if each.suffix.lower() == '.png'}
        if not masks:
            place.fail('no .png in it', FOLDERS)
        video = settings.find_video(folder.name, place)
        if video is None:
            height, width = image_size(next(iter(masks.values())))
            files = [f'{folder.name}/{stem}.jpg' for stem in masks]
            video = dict(id=index, height=height, width=width, length=len(masks), file_names=files)
        stems = frame_stems(video)
        strange = next((stem for stem in masks if stem not in stems), None)
        if strange is not None:
            (place / f'{strange}.png').fail(
                f'{settings.truth_name} has no such frame in this video',
                'give the ground truth of these videos',
            )
        missing += sum(stem not in masks for stem in stems)
        yield video, [masks.get(stem) for stem in stems]
    if missing:
        lines.append(f'{missing} frames have no mask file; no track is in them')


def read_masks(
    path: Path,
    settings: Settings,
    lines: list[str],
    categories: list[Record],
    class_of: ClassOf,
    mots: bool,
) -> Record:
    """Read the masks of either format."""
    builder, videos = ContentBuilder(settings, lines), []
    for video, files in mask_files(path, settings, lines):
        videos.append(video)
        size = video['height'], video['width']
        for t, file in ((t, file) for t, file in enumerate(files) if file is not None):
            ids, ignored = read_mask(file, mots)
            place = Place(str(file))
            if ids.shape != size:
                place.fail(
                    f'height and width are {ids.shape}, those of its video {size}',
                    'masks of a video have one size',
                )
            for number, code in codes_of(ids):
                if number == ignored:
                    builder.ignore(video, t, code, place)
                else:
                    builder.add(video, number, t, code, class_of(number, file), place)
    return builder.content(videos, categories)


def read_mots_png(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read MOTS masks."""
    classes = ClassReader(settings, path)

    def class_of(number: int, file: Path) -> int:
        return classes.category_of(number // INSTANCES_PER_CLASS, Place(str(file)))

    return read_masks(path, settings, lines, classes.categories, class_of, mots=True)


def read_davis(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read DAVIS masks, and the classes of their objects in ``--classes`` or beside the folders."""
    beside = path / CLASSES
    file = settings.classes or (beside if beside.is_file() else None)
    classes = read_classes(file, may_be_empty=file == beside)
    names = number_classes(classes) if any(classes.values()) or file is None else ()
    categories = settings.categories(names, Place(str(file or path)))
    ids = {category['name']: category['id'] for category in categories}

    def class_of(number: int, mask: Path) -> int:
        if file is None:
            refuse_mots(number, mask, 'read MOTS masks as mots-png, or name objects by --classes')
            return ids['object']
        label = classes.get(mask.parent.name, {}).get(number)
        if label is None:
            Place(str(mask)).fail(f'object {number} has no class in {file}', 'name its class there')
        return ids[label]

    return read_masks(path, settings, lines, categories, class_of, mots=False)


def write_mots_png(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write MOTS masks."""
    labels = class_numbers(content, settings)
    write_masks(content, path, settings, lines, 'MOTS', partial(number_mots, labels=labels))
    report_classes(content, labels, lines)


def write_davis(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write DAVIS masks, and ``classes.json`` with the class of each object."""
    names = {category['id']: category['name'] for category in content['categories']}
    numbers = write_masks(content, path, settings, lines, 'DAVIS', number_davis)
    classes = {
        video: {
            str(number): names[note['category_id']]
            for note, number in zip(notes, given)
            if not note.get('iscrowd')
        }
        for video, (notes, given) in numbers.items()
    }
    write_json(path / CLASSES, classes, settings)
    lines.append(f'DAVIS masks hold no classes: those of the objects are in {path / CLASSES}')


def number_mots(notes: list[Record], place: Place, labels: Mapping[int, int]) -> list[int]:
    """Return the value of the pixels of each track of a video.

    It is the track's own number if that is class x 1000 + instance for all tracks.
    """
    label_of = [0 if note.get('iscrowd') else labels[note['category_id']] for note in notes]
    own = [IGNORED if not label else number_of(note) for note, label in zip(notes, label_of)]
    if all(
        not label or (number // INSTANCES_PER_CLASS == label and number < 1 << 16)
        for number, label in zip(own, label_of)
    ):
        return own
    used: dict[int, int] = {}
    numbers = []
    for label in label_of:
        used[label] = used.get(label, 0) + 1
        number = label * INSTANCES_PER_CLASS + used[label] if label else IGNORED
        if used[label] >= INSTANCES_PER_CLASS or number >= 1 << 16:
            place.fail(
                f'instance {used[label]} of class {label} has the number {number}, MOTS has '
                f'{INSTANCES_PER_CLASS - 1} instances of a class and 65535 numbers',
                'drop tracks with --score-thr, or number the classes with --classes',
            )
        numbers.append(number)
    return numbers


def number_davis(notes: list[Record], place: Place) -> list[int]:
    """Return the value of the pixels of each track: its own number if all fit, else from 1."""
    own = [VOID if note.get('iscrowd') else number_of(note) for note in notes]
    objects = [number for note, number in zip(notes, own) if not note.get('iscrowd')]
    if all(0 < number < VOID for number in objects):
        return own
    if len(objects) >= VOID:
        place.fail(
            f'{len(objects)} objects, DAVIS masks hold {VOID - 1}', 'drop some with --score-thr'
        )
    given = iter(range(1, VOID))
    return [VOID if note.get('iscrowd') else next(given) for note in notes]


def write_masks(
    content: Record,
    path: Path,
    settings: Settings,
    lines: list[str],
    form: str,
    give_numbers: Numbering,
) -> dict[str, tuple[list[Record], list[int]]]:
    """Write a mask per frame and return the tracks of each video with their values."""
    names, overlaps = video_names(content['videos']), Overlaps()
    kept, renumbered, frames = {}, 0, 0
    for video, notes in tracks_of(content):
        name = names[video['id']]
        numbers = give_numbers(notes, Place(f'video {name}'))
        kept[name] = notes, numbers
        renumbered += sum(
            number != number_of(note) and not note.get('iscrowd')
            for note, number in zip(notes, numbers)
        )
        for t, stem in enumerate(frame_stems(video)):
            depth = np.uint8 if form == 'DAVIS' else np.uint16
            ids = np.zeros((video['height'], video['width']), depth, order='F')
            for index, code in overlaps.visible(notes, t):
                np.copyto(ids, depth(numbers[index]), where=mask_utils.decode(code).view(bool))
            image = Image.fromarray(np.ascontiguousarray(ids))
            if form == 'DAVIS':
                image.putpalette(davis_palette())
            with whole_file(path / name / f'{stem}.png', settings.overwrite) as stream:
                image.save(stream, format='PNG')
            frames += 1
    overlaps.report(lines, has_scores(content))
    if renumbered:
        lines.append(f'{renumbered} tracks get other numbers, as {form} masks do not hold theirs')
    lines.append(f'{len(names)} videos, {frames} masks -> {path}')
    return kept
