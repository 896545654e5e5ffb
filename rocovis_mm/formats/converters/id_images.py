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

from rocovis_mm.formats.converters.davis import (
    IGNORED,
    INSTANCES_PER_CLASS,
    PALETTE_REMEDY,
    VOID,
    number_classes,
    read_classes,
)
from rocovis_mm.formats.converters.id_masks import (
    has_deep_numbers,
    ids_in,
    image_size,
    read_id_image,
)
from rocovis_mm.formats.converters.mots_txt import (
    add_ignored,
    category_of_class,
    class_numbers,
    class_table,
    mots_categories,
    report_classes,
    report_ignored,
)
from rocovis_mm.formats.converters.vis_content import (
    ContentBuilder,
    Overlaps,
    Record,
    Settings,
    frame_stems,
    has_scores,
    number_of,
    tracks_of,
    video_names,
    without_scores,
)
from rocovis_mm.formats.frame_files import list_folders, list_images
from rocovis_mm.formats.json_files import dump_json
from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.formats.validation import Place
from rocovis_mm.formats.whole_files import whole_file

CLASSES = 'classes.json'
"""File beside the folders of DAVIS masks with the class of each object."""
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


def read_mots_png(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read MOTS masks."""
    classes = class_table(settings.truth and settings.truth['categories'], settings)
    categories = mots_categories(classes, settings, Place(str(path)))
    builder, videos, ignored = ContentBuilder(), [], 0
    for video, masks in mask_files(path, settings, lines):
        videos.append(video)
        for t, file in enumerate(masks):
            for number, code in codes_in(file):
                place = Place(str(file))
                if number == IGNORED:
                    ignored += 1
                    if settings.keep_crowds:
                        add_ignored(builder, video, t, code, categories, place)
                    continue
                label = number // INSTANCES_PER_CLASS
                category = category_of_class(label, classes, categories, place)
                builder.add(video, number, t, code, category, place)
    report_ignored(ignored, settings, lines)
    return builder.content(settings.truth['videos'] if settings.truth else videos, categories)


def read_davis(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read DAVIS masks, and the classes of their objects in ``--classes`` or beside the folders."""
    beside = path / CLASSES
    file = settings.classes or (beside if beside.is_file() else None)
    classes = read_classes(file)
    names = number_classes(classes)
    categories = settings.categories(names, Place(str(file or path)))
    ids = {category['name']: category['id'] for category in categories}
    builder, videos, void = ContentBuilder(), [], 0
    for video, masks in mask_files(path, settings, lines):
        videos.append(video)
        labels = classes.get(video_names([video])[video['id']], {})
        for t, mask in enumerate(masks):
            deep = mask is not None and has_deep_numbers(mask)
            for number, code in codes_in(mask):
                place = Place(str(mask))
                if number == VOID and not deep:
                    void += 1
                    if settings.keep_crowds:
                        add_ignored(builder, video, t, code, categories, place)
                    continue
                if classes and number not in labels:
                    place.fail(f'object {number} has no class in {file}', 'name its class there')
                name = labels[number] if classes else next(iter(names))
                builder.add(video, number, t, code, ids[name], place)
    report_ignored(void, settings, lines)
    return builder.content(settings.truth['videos'] if settings.truth else videos, categories)


def codes_in(path: Path | None) -> Iterator[tuple[int, Record]]:
    """Yield each number in a mask and the run lengths of its pixels."""
    if path is not None:
        ids = np.asfortranarray(read_id_image(path, PALETTE_REMEDY))
        yield from ((number, encode_mask(ids == number)) for number in ids_in(ids))


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
    with whole_file(path / CLASSES, settings.overwrite) as stream:
        stream.write(dump_json(classes).encode())
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
        values = np.array([0, *numbers], np.uint16)
        for t, stem in enumerate(frame_stems(video)):
            ids = values[overlaps.paint(notes, t, video)]
            image = Image.fromarray(ids.astype(np.uint8) if form == 'DAVIS' else ids)
            if form == 'DAVIS':
                image.putpalette(davis_palette())
            with whole_file(path / name / f'{stem}.png', settings.overwrite) as stream:
                image.save(stream, format='PNG')
            frames += 1
    overlaps.report(lines, has_scores(content))
    without_scores(content, lines, form)
    if renumbered:
        lines.append(f'{renumbered} tracks get other numbers, as {form} masks do not hold theirs')
    lines.append(f'{len(names)} videos, {frames} masks -> {path}')
    return kept
