"""MOTS text files: ``NAME.txt`` per video, a line per mask.

A line is ``frame id class height width counts``, with the compressed run lengths of COCO. Masks of
a frame must not overlap. Class 10 marks regions to be ignored (TrackEval, `docs/MOTS-format.txt`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from pycocotools import mask as mask_utils

from rocovis_mm.formats.converters.content_builder import ContentBuilder
from rocovis_mm.formats.converters.davis import IGNORED, MOTS_CLASSES, read_mots_classes
from rocovis_mm.formats.converters.files import read_lines
from rocovis_mm.formats.converters.id_masks import Overlaps
from rocovis_mm.formats.converters.vis_content import (
    Record,
    Settings,
    has_scores,
    number_of,
    numbering,
    sources,
    tracks_of,
    video_names,
)
from rocovis_mm.formats.validation import Place, as_integer
from rocovis_mm.formats.whole_files import whole_file

FORM = 'MOTS text holds a line "frame id class height width counts" for each mask'
NAMES = 'classes with --classes, a json {"1": "name of class 1", ...}'
IGNORED_CLASS = 10


def read_mots_txt(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read a text file, or a folder with one per video."""
    classes = ClassReader(settings, path)
    rows = {name: read_rows(file) for name, file in sources(path, '.txt', FORM).items()}
    first = min((row[0] for each in rows.values() for row in each), default=0)
    if first > 0 and settings.truth is None:
        lines.append(f'frames are counted from {first}, the lowest number in the files')
    if settings.truth is None:
        lines.append('videos end at their last mask, as MOTS text holds no lengths')
    builder, videos = ContentBuilder(settings, lines), []
    for index, (name, masks) in enumerate(rows.items(), start=1):
        place = Place(str(path), name)
        video = settings.find_video(name, place) or new_video(index, name, masks, first, place)
        videos.append(video)
        known = {number: t for t, number in enumerate(frame_numbers(video))}
        for number, identity, label, code, where in masks:
            if number not in known:
                where.fail(
                    f'frame {number} is not among those of the video, '
                    f'{min(known, default=0)} to {max(known, default=0)}',
                    'give the ground truth of these videos',
                )
            if label == IGNORED_CLASS:
                builder.ignore(video, known[number], code, where)
            else:
                category = classes.category_of(label, where)
                builder.add(video, identity, known[number], code, category, where)
    return builder.content(videos, classes.categories)


def read_rows(path: Path) -> list[tuple[int, int, int, Record, Place]]:
    """Return frame, id, class, run lengths and place of each line of a file."""
    rows = []
    for number, line in enumerate(read_lines(path, FORM), start=1):
        fields = line.split()
        if not fields:
            continue
        place = Place(str(path), f'line {number}')
        try:
            frame, identity, label, height, width = map(int, fields[:5])
            (counts,) = fields[5:]
        except ValueError:
            place.fail('it has not these six values', FORM)
        as_integer(frame, place, 'frames have numbers of six digits', high=10**6 - 1)
        rows.append((frame, identity, label, dict(size=[height, width], counts=counts), place))
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
    first, step = numbering(video) or (0, 1)
    first = first if step == 1 else 0
    return list(range(first, first + video['length']))


class ClassReader:
    """The categories of MOTS classes.

    Args:
        settings: of the conversion.
        path: of the source, for messages.

    Attributes:
        categories: those of the ground truth, or else one for each class with its number.
    """

    def __init__(self, settings: Settings, path: Path) -> None:
        truth = settings.truth and settings.truth['categories']
        self.names = class_table(truth, settings)
        own = [dict(id=key, name=name) for key, name in self.names.items()]
        self.categories = own if truth is None else truth
        known = {category['id']: category['name'] for category in self.categories}
        self.ids = pair_names(self.names, known, Place(str(settings.classes or path)))

    def category_of(self, label: int, place: Place) -> int:
        """Return the category id of a MOTS class, or fail."""
        if label not in self.names:
            place.fail(f'class {label} is none of {dict(self.names)}', f'name all {NAMES}')
        if label not in self.ids:
            place.fail(
                f'class {label} is {self.names[label]!r}, which is no category of the ground truth',
                f'name its {NAMES}',
            )
        return self.ids[label]


def pair_names(names: Mapping[int, str], known: Mapping[int, str], place: Place) -> dict[int, int]:
    """Return the key in `known` of each name; capitals count only where they tell names apart.

    Raises:
        ValueError: two names that differ in capitals alone have one partner, or a name has two.
    """
    same = {name: key for key, name in reversed(known.items())}
    alike = defaultdict(list)
    for name, key in same.items():
        alike[name.lower()].append(key)
    pairs: dict[int, int] = {}
    owners: dict[int, str] = {}
    for key, name in names.items():
        partners = [same[name]] if name in same else alike[name.lower()]
        rivals = {known[partner] for partner in partners}
        if len(partners) == 1:
            rivals = {owners.setdefault(partners[0], name), name}
        if len(rivals) > 1:
            place.fail(f'classes {sorted(rivals)} differ in capitals alone', f'name the {NAMES}')
        pairs.update((key, partner) for partner in partners)
    return pairs


def class_table(categories: list[Record] | None, settings: Settings) -> Mapping[int, str]:
    """Return the name of each MOTS class: of ``--classes``, of MOTS, or else of the categories."""
    table = read_mots_classes(settings.classes)
    if settings.classes is None and categories:
        names = {category['name'].lower() for category in categories}
        if names - set(table.values()) or len(names) < len(categories):
            return {category['id']: category['name'] for category in categories}
    return table


def class_numbers(content: Record, settings: Settings) -> dict[int, int]:
    """Return the MOTS class of each category that is used, or fail."""
    used = {note['category_id'] for note in content['annotations'] if not note.get('iscrowd')}
    names = {each['id']: each['name'] for each in content['categories'] if each['id'] in used}
    place = Place(str(settings.classes or 'categories'))
    labels = pair_names(names, class_table(content['categories'], settings), place)
    for category, name in names.items():
        number = labels.get(category)
        if number is None:
            place.fail(f'class {name!r} has no number', f'number the {NAMES}')
        if number == IGNORED_CLASS or number < 1:
            place.fail(
                f'class {name!r} has the number {number}, in MOTS {IGNORED_CLASS} marks regions '
                'to be ignored and others start at 1',
                f'number the {NAMES}',
            )
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
            masks = defaultdict(list)
            for index, code in overlaps.visible(notes, t):
                masks[mots_key(notes[index], labels)].append(code)
            for key, codes in masks.items():
                counts = mask_utils.merge(codes)['counts'].decode()  # of one mask the mask itself
                rows.append((number, *key, video['height'], video['width'], counts))
        with whole_file(path / f'{names[video["id"]]}.txt', settings.overwrite) as stream:
            stream.writelines(f'{" ".join(map(str, row))}\n'.encode() for row in rows)
    overlaps.report(lines, has_scores(content))
    report_classes(content, labels, lines)
    lines.append(f'{len(names)} videos, {len(content["annotations"])} tracks -> {path}')


def mots_key(note: Record, labels: Mapping[int, int]) -> tuple[int, int]:
    """Return id and class of a track; all crowds are one region."""
    if note.get('iscrowd'):
        return IGNORED, IGNORED_CLASS
    return number_of(note), labels[note['category_id']]
