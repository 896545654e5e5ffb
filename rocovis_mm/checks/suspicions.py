"""Valid content that is probably not meant like this."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rocovis_mm.checks.records import entries, id_of
from rocovis_mm.formats.frame_files import natural_order
from rocovis_mm.formats.vis_annotations import VISAnnotations

LARGE = 200
"""Least side, in pixels, of the frames whose polygons are checked for percent."""


def find_percent(content: dict[str, Any], annotations: VISAnnotations, name: str) -> list[str]:
    """Return a message if the polygons seem to be in percent, as Label Studio writes them.

    This is so if all masks of large frames are polygons whose numbers are not all whole, reach at
    most 100 and exceed 50 in both directions.
    """
    large = {video.id for video in annotations.videos if min(video.height, video.width) >= LARGE}
    notes = [note for note in entries(content, 'annotations') if id_of(note, 'video_id') in large]
    masks = [
        mask
        for note in notes
        if isinstance(note.get('segmentations'), list)
        for mask in note['segmentations']
        if mask
    ]
    if not all(isinstance(mask, list) for mask in masks):
        return []
    polygons = [polygon for mask in masks for polygon in mask if isinstance(polygon, list)]
    sides = [
        [x for polygon in polygons for x in polygon[side::2] if isinstance(x, (int, float))]
        for side in (0, 1)
    ]
    whole = not all(sides) or all(float(value).is_integer() for values in sides for value in values)
    if whole or not all(0 <= min(values) and 50 < max(values) <= 100 for values in sides):
        return []
    return [
        f'{name}: annotations: all {len(polygons)} polygons are between 0 and 100 in frames of '
        f'{LARGE} pixels and more, so they seem to be percent of the frame; write pixels, or masks '
        'as run lengths if these are right'
    ]


def in_text_order(names: Sequence[Any]) -> bool:
    """Return whether frames whose names differ in one number are in the order 1, 10, 11, 2."""
    if not all(isinstance(name, str) for name in names):
        return False
    numbers = [re.findall(r'[0-9]+', name) for name in names]
    if len({re.sub(r'[0-9]+', '0', name) for name in names}) != 1:
        return False
    if sum(len(set(column)) > 1 for column in zip(*numbers)) != 1:
        return False
    return list(names) == sorted(names) != sorted(names, key=natural_order)


def find_text_order(annotations: VISAnnotations, name: str) -> list[str]:
    """Return one message for each video whose frames are in alphabetical order."""
    return [
        f'{name}: video {video.id}: its frames are in the order of their letters '
        f'({", ".join(video.file_names[:3])}); order them by their numbers, as --fix does'
        for video in annotations.videos
        if in_text_order(video.file_names)
    ]


def find_backslashes(annotations: VISAnnotations, name: str) -> list[str]:
    """Return one message for each video with backslashes in its file names."""
    odd = {video.id: [x for x in video.file_names if '\\' in x] for video in annotations.videos}
    return [
        f'{name}: video {video}: file names have backslashes, first {names[0]}; write slashes, as '
        '--fix does'
        for video, names in odd.items()
        if names
    ]
