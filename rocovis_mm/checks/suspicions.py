"""What can be read, but hardly means what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rocovis_mm.checks.records import entries, id_of
from rocovis_mm.formats.frame_files import natural_order
from rocovis_mm.formats.vis_annotations import VISAnnotations

LARGE = 200
"""Pixels that both sides of frames have whose polygons are looked at for percent."""


def find_percent(content: dict[str, Any], annotations: VISAnnotations, name: str) -> list[str]:
    """Return a message if the polygons seem to be in percent, as Label Studio writes them.

    So they seem if all masks of large frames are polygons whose numbers, not all of them whole, are
    below 100 and are spread over more than half of that.
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
    """Return whether frames that differ in one number are in the order 1, 10, 11, 2."""
    if not all(isinstance(name, str) for name in names):
        return False
    numbers = [re.findall(r'[0-9]+', name) for name in names]
    if len({re.sub(r'[0-9]+', '0', name) for name in names}) != 1:
        return False
    if sum(len(set(column)) > 1 for column in zip(*numbers)) != 1:
        return False
    return list(names) == sorted(names) != sorted(names, key=natural_order)


def find_text_order(annotations: VISAnnotations, name: str) -> list[str]:
    """Return one message for each video whose frames are in the order of their letters."""
    return [
        f'{name}: video {video.id}: its frames are in the order of their letters '
        f'({", ".join(video.file_names[:3])}); order them by their numbers, as --fix does'
        for video in annotations.videos
        if in_text_order(video.file_names)
    ]


def find_backslashes(annotations: VISAnnotations, name: str) -> list[str]:
    """Return one message for each video with file names that only Windows finds."""
    firsts = {
        video.id: next((each for each in video.file_names if '\\' in each), None)
        for video in annotations.videos
    }
    return [
        f'{name}: video {video}: file names have backslashes, first {first}; write slashes, as '
        '--fix does'
        for video, first in firsts.items()
        if first
    ]
