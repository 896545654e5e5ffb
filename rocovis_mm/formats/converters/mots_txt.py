"""MOTS text files: ``NAME.txt`` per video, a line per mask.

A line is ``frame id class height width counts``, with the compressed run lengths of COCO. Masks of
a frame must not overlap. Class 10 marks regions to be ignored (TrackEval, `docs/MOTS-format.txt`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rocovis_mm.formats.converters.davis import IGNORED, MOTS_CLASSES, read_mots_classes
from rocovis_mm.formats.converters.id_masks import ids_in
from rocovis_mm.formats.converters.vis_content import (
    ContentBuilder,
    Overlaps,
    Record,
    Settings,
    frame_stems,
    has_scores,
    number_of,
    sources,
    tracks_of,
    video_names,
    without_scores,
)
from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.formats.validation import Place
from rocovis_mm.formats.whole_files import whole_file

FORM = 'MOTS text holds a line "frame id class height width counts" for each mask'
IGNORED_CLASS = 10


def read_mots_txt(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read a text file, or a folder with one per video."""
    classes = class_table(settings.truth and settings.truth['categories'], settings)
    categories = mots_categories(classes, settings, Place(str(path)))
    rows = {name: read_rows(file) for name, file in sources(path, '.txt', FORM).items()}
    first = min((row[0] for each in rows.values() for row in each), default=0)
    if first > 0 and settings.truth is None:
        lines.append(f'frames are counted from {first}, the lowest number in the files')
    if settings.truth is None:
        lines.append('videos end at their last mask, as MOTS text holds no lengths')
    builder, videos, ignored = ContentBuilder(), [], 0
    for index, (name, masks) in enumerate(rows.items(), start=1):
        place = Place(str(path), name)
        video = settings.find_video(name, place) or new_video(index, name, masks, first, place)
        videos.append(video)
        known = {number: t for t, number in enumerate(frame_numbers(video))}
        for line, (number, identity, label, code) in enumerate(masks, start=1):
            where = Place(str(path), f'{name}, line {line}')
            if number not in known:
                where.fail(
                    f'frame {number} is not among those of the video, {min(known)} to {max(known)}',
                    'give the ground truth of these videos',
                )
            if label == IGNORED_CLASS:
                ignored += 1
                if settings.keep_crowds:
                    add_ignored(builder, video, known[number], code, categories, where)
                continue
            category = category_of_class(label, classes, categories, where)
            builder.add(video, identity, known[number], code, category, where)
    report_ignored(ignored, settings, lines)
    videos = settings.truth['videos'] if settings.truth else videos
    return builder.content(videos, categories)


def read_rows(path: Path) -> list[tuple[int, int, int, Record]]:
    """Return frame, id, class and run lengths of each line of a file."""
    rows = []
    for number, line in enumerate(path.read_text('utf-8-sig').splitlines(), start=1):
        fields = line.split()
        if not fields:
            continue
        try:
            frame, identity, label, height, width = map(int, fields[:5])
            (counts,) = fields[5:]
        except ValueError:
            Place(str(path), f'line {number}').fail('it has not these six values', FORM)
        rows.append((frame, identity, label, dict(size=[height, width], counts=counts)))
    return rows


def new_video(index: int, name: str, masks: list[tuple], first: int, place: Place) -> Record:
    """Return the entry of a video that is known by its masks alone."""
    if not masks:
        place.fail('it has no masks, so its size is unknown', 'give --ground-truth GT.json')
    height, width = masks[0][3]['size']
    last = max(row[0] for row in masks)
    files = [f'{name}/{t:06d}.jpg' for t in range(first, last + 1)]
    return dict(id=index, height=height, width=width, length=len(files), file_names=files)


def frame_numbers(video: Record) -> list[int]:
    """Return the numbers of the frames: those in their names if they have no gap, else from 0."""
    found = [re.search(r'(\d+)$', stem) for stem in frame_stems(video)]
    numbers = [int(each.group()) for each in found if each]
    plain = list(range(video['length']))
    if numbers and numbers == [numbers[0] + t for t in plain]:
        return numbers
    return plain


def mots_categories(classes: Mapping[int, str], settings: Settings, place: Place) -> list[Record]:
    """Return the categories of the ground truth, or else one for each class with its number."""
    if settings.truth is not None:
        return settings.truth['categories']
    return [dict(id=number, name=name) for number, name in classes.items()]


def category_of_class(
    label: int, classes: Mapping[int, str], categories: list[Record], place: Place
) -> int:
    """Return the category id of a MOTS class, or fail."""
    if label not in classes:
        place.fail(
            f'class {label} is none of {dict(classes)}',
            'name all classes with --classes, a json {"1": "name of class 1", ...}',
        )
    for category in categories:
        if category['name'].lower() == classes[label].lower():
            return category['id']
    place.fail(
        f'class {label} is {classes[label]!r}, which is no category of the ground truth',
        'name its classes with --classes, a json {"1": "name of class 1", ...}',
    )


def add_ignored(
    builder: ContentBuilder,
    video: Record,
    frame: int,
    code: Record,
    categories: list[Record],
    place: Place,
) -> None:
    """Add a region to be ignored as a crowd of each category."""
    for index, category in enumerate(categories):
        builder.add(video, IGNORED + index, frame, code, category['id'], place, iscrowd=1)


def report_ignored(number: int, settings: Settings, lines: list[str]) -> None:
    """Add a line about regions to be ignored."""
    if number:
        fate = 'are crowds of every class' if settings.keep_crowds else 'are dropped'
        hint = '' if settings.keep_crowds else ' (--keep-crowds keeps them)'
        lines.append(f'{number} masks of regions to be ignored {fate}{hint}')


def class_table(categories: list[Record] | None, settings: Settings) -> Mapping[int, str]:
    """Return the name of each MOTS class: of ``--classes``, of MOTS, or else of the categories."""
    table = read_mots_classes(settings.classes)
    if settings.classes is None and categories:
        if {category['name'].lower() for category in categories} - set(table.values()):
            return {category['id']: category['name'] for category in categories}
    return table


def class_numbers(content: Record, settings: Settings) -> dict[int, int]:
    """Return the MOTS class of each category that is used, or fail."""
    used = {note['category_id'] for note in content['annotations'] if not note.get('iscrowd')}
    table = class_table(content['categories'], settings)
    numbers = {name.lower(): number for number, name in table.items()}
    place = Place(str(settings.classes or 'categories'))
    remedy = 'number the classes with --classes, a json {"1": "name of class 1", ...}'
    labels = {}
    for category in content['categories']:
        if category['id'] not in used:
            continue
        number = numbers.get(category['name'].lower())
        if number is None:
            place.fail(f'class {category["name"]!r} has no number', remedy)
        if number == IGNORED_CLASS or number < 1:
            place.fail(
                f'class {category["name"]!r} has the number {number}, in MOTS {IGNORED_CLASS} '
                'marks regions to be ignored and others start at 1',
                remedy,
            )
        labels[category['id']] = number
    return labels


def report_classes(content: Record, numbers: Mapping[int, int], lines: list[str]) -> None:
    """Add a line with the numbers of classes if they are not those of MOTS."""
    names = {numbers[c['id']]: c['name'] for c in content['categories'] if c['id'] in numbers}
    if not names.items() <= MOTS_CLASSES.items():
        lines.append(f'classes are {dict(sorted(names.items()))}')


def write_mots_txt(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write a text file per video into a folder; ids are those of the tracks."""
    labels = class_numbers(content, settings)
    names, overlaps = video_names(content['videos']), Overlaps()
    for video, notes in tracks_of(content):
        rows = []
        for t, number in enumerate(frame_numbers(video)):
            image = overlaps.paint(notes, t, video)
            masks: dict[tuple[int, int], np.ndarray] = {}
            for index in ids_in(image):
                key = mots_key(notes[index - 1], labels)
                mask = image == index
                masks[key] = masks[key] | mask if key in masks else mask
            for key, mask in masks.items():
                code = encode_mask(mask)
                rows.append((number, *key, *code['size'], code['counts']))
        with whole_file(path / f'{names[video["id"]]}.txt', settings.overwrite) as stream:
            stream.writelines(f'{" ".join(map(str, row))}\n'.encode() for row in rows)
    overlaps.report(lines, has_scores(content))
    without_scores(content, lines, 'MOTS')
    report_classes(content, labels, lines)
    lines.append(f'{len(names)} videos, {len(content["annotations"])} tracks -> {path}')


def mots_key(note: Record, labels: Mapping[int, int]) -> tuple[int, int]:
    """Return id and class of a track; all crowds are one region."""
    if note.get('iscrowd'):
        return IGNORED, IGNORED_CLASS
    return number_of(note), labels[note['category_id']]
