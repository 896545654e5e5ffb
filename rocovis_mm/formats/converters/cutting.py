"""Cutting the videos of an annotation file into shorter ones.

L frames of a video, F frames of a piece.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rocovis_mm.formats.converters.files import read_parts, require_records, write_dataset
from rocovis_mm.formats.record_reader import MEASURES
from rocovis_mm.formats.validation import Place, as_integer, require_type
from rocovis_mm.formats.vis_annotations import FORMAT, ORIGINAL, REFINED

KEYS = dict(
    videos=('id', 'file_names'),
    annotations=('video_id', ORIGINAL),
    categories=('id', 'name'),
)
FRAMES = ('file_names', ORIGINAL, REFINED, *MEASURES)
"""Keys whose lists have an entry for each frame."""
REMEDY = 'mend the file with tools/misc/check_dataset.py --fix'


def cut_videos(source: str | Path, out: str | Path, frames: int, overwrite: bool = False) -> str:
    """Write the videos of an annotation file as pieces of F frames; the last one may be shorter.

    Videos and annotations are numbered anew from 1. The lists of `FRAMES` are cut. Of
    ``degraded``, which lists frames from 0, each piece has its own ones. A track is annotated in
    the pieces that show it. Other keys stay as they are.

    Args:
        source: YouTube-VIS json with annotations.
        out: the file to write.
        frames: F.
        overwrite: whether a file with another content is replaced.

    Returns:
        A line with the number of records.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: `frames` below 1, two videos of one id, a track of no video, or a list with
            another number of frames than its video; names the file, the key and the remedy.
    """
    if frames < 1:
        raise ValueError(f'pieces of {frames} frames: give a number of frames of 1 or more')
    place = Place(str(source))
    content = require_records(read_parts(source, KEYS, FORMAT), KEYS, place, FORMAT)
    videos: list[dict[str, Any]] = []
    pieces: dict[int, tuple[int, list[tuple[int, range]]]] = {}
    for index, video in enumerate(content['videos']):
        where = place / 'videos' / index
        length = len(require_type(video['file_names'], list, where / 'file_names', REMEDY))
        if video['id'] in pieces:
            (where / 'id').fail(f'another video has the id {video["id"]}', REMEDY)
        parts = [range(f, min(f + frames, length)) for f in range(0, length, frames)]
        pieces[video['id']] = length, list(enumerate(parts, len(videos) + 1))
        videos += [dict(cut(video, length, x, where), id=n) for n, x in pieces[video['id']][1]]
    notes: list[dict[str, Any]] = []
    for index, note in enumerate(content['annotations']):
        where = place / 'annotations' / index
        if note['video_id'] not in pieces:
            (where / 'video_id').fail(f'there is no video {note["video_id"]}', REMEDY)
        require_type(note[ORIGINAL], list, where / ORIGINAL, REMEDY)
        length, parts = pieces[note['video_id']]
        for video, part in parts:
            record = cut(note, length, part, where)
            if any(record[ORIGINAL]):
                notes.append(dict(record, id=len(notes) + 1, video_id=video))
    return write_dataset(out, dict(content, videos=videos, annotations=notes), overwrite)


def cut(record: dict[str, Any], length: int, part: range, place: Place) -> dict[str, Any]:
    """Return a video or annotation of `length` frames with the frames of `part` alone.

    Raises:
        ValueError: a list of another length, or ``degraded`` that lists no frames.
    """
    found = dict(record)
    for key in FRAMES:
        if found.get(key) is not None:
            entries = require_type(found[key], list, place / key, REMEDY)
            if len(entries) != length:
                (place / key).fail(f'{len(entries)} entries for {length} frames', REMEDY)
            found[key] = entries[part.start : part.stop]
    if 'length' in found:
        found['length'] = len(part)
    if 'degraded' in found:
        remedy = 'list the degraded frames from 0'
        marked = require_type(found['degraded'], list, place / 'degraded', remedy)
        numbers = [as_integer(x, place / 'degraded', remedy, 0, length - 1) for x in marked]
        found['degraded'] = [number - part.start for number in numbers if number in part]
    return found
