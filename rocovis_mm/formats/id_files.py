"""Files of ids: a list of videos, or groups of videos or categories."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import Place, as_identifier, require_type


def read_video_ids(path: Path) -> list[int]:
    """Return the video ids in a file: a json list, or numbers set apart by blanks or commas.

    Raises:
        ValueError: the file holds no ids, or something else.
    """
    text = path.read_text(encoding='utf-8', errors='replace').strip()
    words = text.removeprefix('[').removesuffix(']').replace(',', ' ').split()
    try:
        ids = [int(word) for word in words]
    except ValueError as error:
        raise ValueError(f'{path}: not a list of video ids: {error}; write numbers') from None
    if not ids:
        raise ValueError(f'{path}: no video ids in it; write at least one')
    return list(dict.fromkeys(ids))


def read_groups(path: str | Path, known: Container[int], things: str) -> dict[str, list[int]]:
    """Return the ids of each group in a json file, an object of name -> list of ids.

    Args:
        path: of the file.
        known: the ids of the ground truth.
        things: 'videos' or 'categories'.

    Raises:
        ValueError: names the file, the group and the remedy.
    """
    place, form = Place(str(path)), f'write {{"name": [ids of {things}], ...}}'
    content = require_type(read_json(path), dict, place, form)
    if not content:
        place.fail('it has no groups', form)
    groups: dict[str, list[int]] = {}
    for name, values in content.items():
        own = place / name
        if not require_type(values, list, own, form):
            own.fail('it has no ids', form)
        ids = [
            as_identifier(value, own / i, 'ids are whole numbers') for i, value in enumerate(values)
        ]
        for index, identifier in enumerate(ids):
            if identifier not in known:
                (own / index).fail(
                    f'{identifier} is none of the {things} of the ground truth',
                    'list ids of the ground truth only',
                )
        groups[name] = list(dict.fromkeys(ids))
    return groups
