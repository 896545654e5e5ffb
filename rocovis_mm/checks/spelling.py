"""Mending what is there but written otherwise than in YouTube-VIS json: keys, numbers, names.

Each function changes the content of a json in place and returns what it did, one line each.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rocovis_mm.checks.problems import ImageFault
from rocovis_mm.checks.records import PER_FRAME, count_frames, id_of
from rocovis_mm.checks.suspicions import in_text_order
from rocovis_mm.formats.frame_files import natural_order

Content = dict[str, Any]

REFERENCES = dict(categories='category_id', videos='video_id', annotations=None)
"""Records with ids, and the key of an annotation that refers to them."""
NUMBERS = dict(videos=('height', 'width', 'length'), annotations=('iscrowd',))
SHOWN = 3


def mend_numbers(content: Content) -> list[str]:
    """Turn ids and other whole numbers that are texts into numbers.

    Ids that are no numbers at all are numbered, and what refers to them follows.
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
    """Return a number for each id that is a text: its own if all have one, else the next free."""
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
    """Let annotations refer to ids as they are now; a category may be given by its name."""
    ids = {id_of(record) for record in records}
    named = [(record['name'], id_of(record)) for record in records if is_named(record)]
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


def is_named(record: Content) -> bool:
    """Return whether a record has a name."""
    return isinstance(record.get('name'), str)


def replace_digits(record: Content, key: str) -> bool:
    """Turn a text of digits into a number and return whether it was one."""
    value = record.get(key)
    if not isinstance(value, str) or not re.fullmatch(r'\s*[0-9]{1,18}\s*', value):
        return False
    record[key] = int(value)
    return True


def are_masks(values: Sequence[Any]) -> bool:
    """Return whether each entry may be a frame's mask: not one image's polygons or run lengths."""
    return all(
        value is None
        or isinstance(value, dict)
        or (isinstance(value, list) and all(isinstance(polygon, list) for polygon in value))
        for value in values
    )


def are_boxes(values: Sequence[Any]) -> bool:
    """Return whether each entry may be a frame's box."""
    return all(value is None or isinstance(value, list) for value in values)


def are_numbers(values: Sequence[Any]) -> bool:
    """Return whether each entry may be a frame's area."""
    return all(value is None or isinstance(value, (int, float)) for value in values)


SINGULARS: dict[str, tuple[str, Callable[[Sequence[Any]], bool]]] = dict(
    segmentation=('segmentations', are_masks),
    bbox=('bboxes', are_boxes),
    area=('areas', are_numbers),
)
"""Keys that are found in place of those with an entry per frame."""


def mend_keys(content: Content) -> list[str]:
    """Give lists with an entry per frame the keys that they have in YouTube-VIS json."""
    done = []
    changed: Counter[str] = Counter()
    for video in content['videos']:
        if isinstance(video.get('file_name'), list) and not video.get('file_names'):
            video['file_names'] = video.pop('file_name')
            changed['videos: file_name is file_names'] += 1
    lengths = count_frames(content)
    for note in content.get('annotations', []):
        length = lengths.get(id_of(note, 'video_id'))
        for old, (new, fits) in SINGULARS.items():
            values = note.get(old)
            if note.get(new) is None and isinstance(values, list) and len(values) == length:
                if fits(values):
                    note[new] = note.pop(old)
                    changed[f'annotations: {old} is {new}'] += 1
    done += [f'{number} {text} now' for text, number in changed.items()]
    return done


def rename_images(content: Content, faults: Sequence[ImageFault]) -> list[str]:
    """Write the names of images as those of the files are."""
    new = {(fault.video_id, fault.frame): fault.found for fault in faults if fault.found}
    return replace_names(content, lambda video, frame, name: new.get((video, frame), name))


def mend_slashes(content: Content) -> list[str]:
    """Write file names with slashes, where nobody has looked at the images."""
    return replace_names(content, lambda video, frame, name: name.replace('\\', '/'))


def replace_names(content: Content, rename: Callable[[int | None, int, str], str]) -> list[str]:
    """Rename images; say one pair for each video."""
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
    """Order frames by their numbers where they are in the order of their letters."""
    orders = {
        id_of(video): sorted(
            range(len(video['file_names'])), key=lambda t: natural_order(video['file_names'][t])
        )
        for video in content['videos']
        if in_text_order(video['file_names'])
    }
    holders = [(video, id_of(video), ('file_names',)) for video in content['videos']]
    holders += [(n, id_of(n, 'video_id'), PER_FRAME) for n in content.get('annotations', [])]
    for record, video, keys in holders:
        for key in keys:
            values = record.get(key)
            if video in orders and isinstance(values, list) and len(values) == len(orders[video]):
                record[key] = [values[t] for t in orders[video]]
    return [f'video {video}: frames are in the order of their numbers' for video in orders]
