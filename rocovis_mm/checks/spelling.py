"""Mending keys, numbers and names that are written otherwise than in YouTube-VIS json.

Each function changes the content of a json in place and returns a line for each change.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rocovis_mm.checks.problems import ImageFault
from rocovis_mm.checks.records import count_frames, id_of, pick_frames
from rocovis_mm.checks.suspicions import in_text_order
from rocovis_mm.formats.frame_files import natural_order

Content = dict[str, Any]

REFERENCES = dict(categories='category_id', videos='video_id', annotations=None)
"""Records with ids, and the key of an annotation that refers to them."""
NUMBERS = dict(videos=('height', 'width', 'length'), annotations=('iscrowd',))
SHOWN = 3


def mend_numbers(content: Content) -> list[str]:
    """Turn ids and other whole numbers that are texts into numbers.

    Ids that are no numbers at all are numbered, and references to them are updated.
    """
    done = []
    for key, reference in REFERENCES.items():
        records = content.get(key, [])
        new = number_texts([record.get('id') for record in records])
        changed = sum([replace_text(record, 'id', new) for record in records])
        if changed:
            pairs = ', '.join(f'{old!r} is {new[old]}' for old in list(new)[:SHOWN])
            done.append(f'{changed} {key}: ids were texts and are numbers: {pairs}')
        if reference is not None:
            done += mend_references(content, reference, new, records)
    for key, names in NUMBERS.items():
        for name in names:
            changed = sum([replace_digits(record, name) for record in content.get(key, [])])
            if changed:
                done.append(f'{changed} {key}: {name} was a text and is a number')
    return done


def number_texts(ids: Sequence[Any]) -> dict[str, int]:
    """Return a number for each id that is a text: its own if all have one, or else a free one."""
    texts = list(dict.fromkeys(each for each in ids if isinstance(each, str)))
    taken = {each for each in ids if isinstance(each, int)}
    own = [int(text) for text in texts if re.fullmatch(r'\s*[0-9]{1,18}\s*', text)]
    if len(own) == len(texts) == len(set(own) - taken):
        return dict(zip(texts, own))
    free = itertools.count(max([0, *taken, *own]) + 1)
    return {text: next(free) for text in texts}


def replace_text(record: Content, key: str, new: dict[str, int]) -> bool:
    """Replace a text, and a number such as 2.0, and return whether it was a text."""
    value = record.get(key)
    if isinstance(value, float) and value.is_integer():
        record[key] = int(value)
    if not isinstance(value, str) or value not in new:
        return False
    record[key] = new[value]
    return True


def mend_references(
    content: Content, key: str, new: dict[str, int], records: Sequence[Content]
) -> list[str]:
    """Update the ids that annotations refer to. A category may be given by its name."""
    ids = {id_of(record) for record in records}
    named = [(x['name'], id_of(x)) for x in records if isinstance(x.get('name'), str)]
    known = dict(named) if len(dict(named)) == len(named) else {}
    changed = 0
    for note in content.get('annotations', []):
        value = note.get(key)
        if isinstance(value, str) and value not in new:
            number = int(value) if re.fullmatch(r'[0-9]{1,18}', value) else known.get(value)
            if number in ids:
                note[key] = number
                changed += 1
        changed += replace_text(note, key, new)
    return [f'{changed} annotations: {key} was a text and is a number'] if changed else []


def replace_digits(record: Content, key: str) -> bool:
    """Turn a text of digits into a number and return whether it was one."""
    value = record.get(key)
    if not isinstance(value, str) or not re.fullmatch(r'\s*[0-9]{1,18}\s*', value):
        return False
    record[key] = int(value)
    return True


SINGULARS: dict[str, tuple[str, tuple[type, ...]]] = dict(
    segmentation=('segmentations', (dict, list)),
    bbox=('bboxes', (list,)),
    area=('areas', (int, float)),
)
"""Keys in place of those with an entry per frame, and the types of an entry that is not null."""


def is_polygon(mask: Any) -> bool:
    """Return whether a list holds numbers: a polygon of one image, not the polygons of a mask."""
    return isinstance(mask, list) and not all(isinstance(polygon, list) for polygon in mask)


def mend_keys(content: Content) -> list[str]:
    """Rename lists with an entry per frame to their keys in YouTube-VIS json."""
    changed: Counter[str] = Counter()
    for video in content['videos']:
        if isinstance(video.get('file_name'), list) and not video.get('file_names'):
            video['file_names'] = video.pop('file_name')
            changed['videos: file_name is file_names'] += 1
    lengths = count_frames(content)
    for note in content.get('annotations', []):
        length = lengths.get(id_of(note, 'video_id'))
        for old, (new, types) in SINGULARS.items():
            values = note.get(old)
            if note.get(new) is not None or not isinstance(values, list) or len(values) != length:
                continue
            entries = [value for value in values if value is not None]
            odd = old == 'segmentation' and any(map(is_polygon, entries))
            if not odd and all(isinstance(value, types) for value in entries):
                note[new] = note.pop(old)
                changed[f'annotations: {old} is {new}'] += 1
    return [f'{number} {text} now' for text, number in changed.items()]


def rename_images(content: Content, faults: Sequence[ImageFault]) -> list[str]:
    """Correct the names of images to those of the files."""
    new = {(fault.video_id, fault.frame): fault.found for fault in faults if fault.found}
    return replace_names(content, lambda video, frame, name: new.get((video, frame), name))


def mend_slashes(content: Content) -> list[str]:
    """Write file names with slashes; used where the images are not checked."""
    return replace_names(content, lambda video, frame, name: name.replace('\\', '/'))


def replace_names(content: Content, rename: Callable[[int | None, int, str], str]) -> list[str]:
    """Rename images and report one pair of names for each video."""
    done = []
    for video in content['videos']:
        old = video['file_names']
        new = [
            rename(id_of(video), frame, name) if isinstance(name, str) else name
            for frame, name in enumerate(old)
        ]
        pairs = [f'{before} is {after}' for before, after in zip(old, new) if before != after]
        if pairs:
            video['file_names'] = new
            done.append(f'video {video.get("id")}: {len(pairs)} file names corrected: {pairs[0]}')
    return done


def sort_frames(content: Content) -> list[str]:
    """Order frames by their numbers in videos whose frames are in alphabetical order."""
    orders = {
        id_of(video): sorted(
            range(len(video['file_names'])), key=lambda t: natural_order(video['file_names'][t])
        )
        for video in content['videos']
        if in_text_order(video['file_names'])
    }
    pick_frames(content, orders)
    return [f'video {video}: frames are in the order of their numbers' for video in orders]
