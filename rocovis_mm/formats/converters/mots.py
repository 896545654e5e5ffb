"""Numbers of MOTS masks: class x 1000 + instance in 16 bits, 10000 for regions to be ignored.

As in the PNG files of KITTI MOTS and MOTSChallenge (`mots_tools/mots_common/io.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from rocovis_mm.formats.converters.id_masks import has_deep_numbers, ids_in, read_id_image
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import Place, require_type

INSTANCES_PER_CLASS = 1000
IGNORED = 10000
CLASSES = {1: 'car', 2: 'pedestrian'}
CLASS_REMEDY = 'with MOTS masks it holds {"1": "name of class 1", ...}'
NUMBERS = ('auto', 'objects', 'mots')
"""What the numbers of masks are: told by the masks, objects, or MOTS' class and instance."""


def read_mots_classes(path: str | Path | None) -> dict[int, str]:
    """Return the name of each class number; those of MOTS without a file.

    Raises:
        ValueError: names the file, the key and the remedy.
    """
    if path is None:
        return CLASSES
    place = Place(str(path))
    content = require_type(read_json(path), dict, place, CLASS_REMEDY)
    for key, name in content.items():
        if not key.isdecimal() or not isinstance(name, str):
            (place / key).fail('expected a class number and its name', CLASS_REMEDY)
    if not content:
        place.fail('it names no class', CLASS_REMEDY)
    return {int(key): name for key, name in content.items()}


def are_mots(masks: Iterable[Path], remedy: str) -> bool:
    """Return whether masks are MOTS', by the first of them that show anything.

    Args:
        masks: paths, of which as many are read as it takes.
        remedy: said of masks that have colours.
    """
    for path in masks:
        if not has_deep_numbers(path):
            return False
        numbers = ids_in(read_id_image(path, remedy))
        if numbers:
            return max(numbers) >= INSTANCES_PER_CLASS
    return False


def class_of(number: int, names: Mapping[int, str], path: Path) -> int:
    """Return the class of a number.

    Args:
        number: of a pixel.
        names: of the classes, by number.
        path: of the mask.

    Raises:
        ValueError: there is no such class.
    """
    label = number // INSTANCES_PER_CLASS
    if label not in names:
        raise ValueError(
            f'{path}: number {number} is of none of the classes {dict(names)}: MOTS masks hold '
            f'class x {INSTANCES_PER_CLASS} + instance; name all classes with --classes, or read '
            'each number as an object with --numbers objects'
        )
    return label


def without_ignored(ids: np.ndarray) -> np.ndarray:
    """Return ids (H, W) with 0 in regions that are to be ignored."""
    return np.where(ids == IGNORED, 0, ids)


def refuse_mots(numbers: Iterable[int], path: Path) -> None:
    """Refuse numbers that may be MOTS' where they were taken for objects so far.

    Raises:
        ValueError: names the mask, the number and the remedy.
    """
    odd = next((number for number in numbers if number >= INSTANCES_PER_CLASS), None)
    if odd is not None:
        raise ValueError(
            f'{path}: number {odd} may be an object or, as in MOTS, class x {INSTANCES_PER_CLASS} '
            '+ instance; say which with --numbers objects or --numbers mots'
        )
