"""Cutting the videos of an annotation file into shorter ones.

L frames of a video, F frames of a piece.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rocovis_mm.formats.converters.files import read_parts, write_dataset
from rocovis_mm.formats.vis_annotations import FORMAT

KEYS = dict(
    videos=('id', 'file_names'),
    annotations=('video_id', 'segmentations'),
    categories=('id', 'name'),
)


def cut_videos(source: str | Path, out: str | Path, frames: int, overwrite: bool = False) -> str:
    """Write the videos of an annotation file as pieces of F frames; the last one may be shorter.

    Videos and annotations are numbered anew from 1. Every list that has an entry for each frame
    is cut. Of ``degraded``, which lists frames from 0, each piece has its own ones. A track is
    annotated in the pieces that show it.

    Args:
        source: YouTube-VIS json with annotations.
        out: the file to write.
        frames: F.
        overwrite: whether a file with another content is replaced.

    Returns:
        A line with the number of records.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: `frames` below 1, a track of no video, or with another number of frames than
            its video; names the file and the remedy.
    """
    if frames < 1:
        raise ValueError(f'pieces of {frames} frames: give a number of frames of 1 or more')
    content = read_parts(source, KEYS, FORMAT)
    lengths = {video['id']: len(video['file_names']) for video in content['videos']}
    videos: list[dict[str, Any]] = []
    pieces: dict[Any, list[tuple[int, range]]] = {}
    for video in content['videos']:
        length = lengths[video['id']]
        shown = [range(f, min(f + frames, length)) for f in range(0, length, frames)]
        pieces[video['id']] = list(enumerate(shown, len(videos) + 1))
        videos += [dict(cut(video, length, part), id=n) for n, part in pieces[video['id']]]
    notes: list[dict[str, Any]] = []
    for index, note in enumerate(content['annotations']):
        length = lengths.get(note['video_id'])
        if length is None or len(note['segmentations']) != length:
            raise ValueError(
                f'{source}: annotations[{index}]: it has {len(note["segmentations"])} frames, '
                f'video {note["video_id"]!r} {length or "is missing"}; mend the file with '
                'tools/misc/check_dataset.py --fix'
            )
        for video, part in pieces[note['video_id']]:
            if any(note['segmentations'][part.start : part.stop]):
                record = cut(note, length, part)
                notes.append(dict(record, id=len(notes) + 1, video_id=video))
    return write_dataset(out, dict(content, videos=videos, annotations=notes), overwrite)


def cut(record: dict[str, Any], length: int, part: range) -> dict[str, Any]:
    """Return a video or annotation of `length` frames with the frames of `part` alone."""
    found = {
        key: value[part.start : part.stop]
        if isinstance(value, list) and len(value) == length and key not in NO_FRAMES
        else value
        for key, value in record.items()
    }
    if 'length' in found:
        found['length'] = len(part)
    if 'degraded' in found:
        found['degraded'] = [frame - part.start for frame in record['degraded'] if frame in part]
    return found


NO_FRAMES = ('tags', 'degraded')
"""Lists whose entries are not the frames, however many they are."""
