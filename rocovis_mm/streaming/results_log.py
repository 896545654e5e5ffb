"""Results of a stream in a file that only grows, a line of json for each frame.

The first line describes the video. Each further line has the instances of a frame and the
scores of the video's tracks after it. So the file is complete after every line, and has the
results that :meth:`StreamSession.finish` would have returned there.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rocovis_mm.formats.disk_space import write_all
from rocovis_mm.structures import RLE

FORMAT = 'rocovis_mm stream'
VERSION = 1


class ResultsLog:
    """Writes the file.

    Args:
        path: a new file; folders are made.

    Raises:
        FileExistsError: the file exists; nothing is ever overwritten.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lines = 0
        self.classes: tuple[str, ...] = ()
        try:
            self.file: io.FileIO = self.path.open('xb', buffering=0)
        except FileExistsError:
            raise FileExistsError(
                f'{path}: is there already and would have to be overwritten; give another name, '
                'or move it away'
            ) from None

    def write(self, record: dict[str, Any]) -> None:
        """Append a line, whole or not at all.

        Raises:
            OSError: there is no room for it.
        """
        start = self.file.tell()
        line = json.dumps(record, separators=(',', ':'), allow_nan=False) + '\n'
        try:
            write_all(self.file, line.encode())
        except OSError as error:
            self.file.truncate(start)
            self.file.seek(start)
            raise OSError(
                error.errno,
                f'{error.strerror}; its {self.lines} lines so far are whole',
                str(self.path),
            ) from error
        self.lines += 1

    def begin(
        self,
        video_id: int,
        size: tuple[int, int],
        fps: float | None,
        classes: Sequence[str],
        category_ids: Sequence[int],
        started: str | None = None,
    ) -> None:
        """Write the facts of the whole video.

        Args:
            video_id: of the video in results.
            size: (height, width).
            fps: frames per second, or None.
            classes: names by label.
            category_ids: json category ids by label.
            started: when time 0 was, in ISO 8601, for a live source.
        """
        self.classes = tuple(classes)
        video = dict(video_id=video_id, height=size[0], width=size[1], fps=fps, started=started)
        names = dict(classes=list(classes), category_ids=list(category_ids))
        self.write(dict(format=FORMAT, version=VERSION) | video | names)

    def add(
        self,
        frame: int,
        time: float | None,
        instances: Sequence[tuple[int, int, float, list[float], RLE]],
        standing: Sequence[tuple[int, int, float]],
    ) -> None:
        """Write a frame.

        Args:
            frame: its number, from 0.
            time: seconds from the video's beginning; None where nothing states them.
            instances: identity, label, score, box (x1, y1, x2, y2) and mask of each visible one.
            standing: identity, label and score of the video's tracks so far.
        """
        seen = [
            {'id': identity, 'label': label, 'class': self.classes[label], 'score': score}
            | {'box': box, 'segmentation': mask}
            for identity, label, score, box, mask in instances
        ]
        time = None if time is None else round(time, 6)
        self.write(
            dict(frame=frame, time=time, instances=seen, standing=[list(x) for x in standing])
        )

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def read_log(path: str | Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a file's whole lines; a last line that a crash cut off is ignored.

    Raises:
        ValueError: it is another file, or damaged before its last line.
    """
    with Path(path).open('rb') as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b'\n'):
                break
            try:
                record = json.loads(line)
            except ValueError as error:
                raise ValueError(f'{path}: line {number} is damaged ({error})') from None
            if number == 1 and (record.get('format'), record.get('version')) != (FORMAT, VERSION):
                raise ValueError(
                    f'{path}: is no results log of a stream; such a file begins with '
                    f'"format": "{FORMAT}", "version": {VERSION}'
                )
            yield record


def results_from_log(path: str | Path, frames: int | None = None) -> list[dict[str, Any]]:
    """Return a log's tracks in YouTube-VIS submission form.

    The file is read twice, and only the masks of the tracks that count are kept.

    Args:
        path: of the log.
        frames: take only the first frames, as if the video had ended there; all if None.

    Returns:
        the tracks of :meth:`StreamSession.finish` after the last whole line.

    Raises:
        ValueError: it is no such file, damaged, or has fewer frames.
    """
    header, last = None, None
    for record in read_log(path):
        if header is None:
            header = record
        elif frames is None or record['frame'] < frames:
            last = record
    length = 0 if last is None else last['frame'] + 1
    if header is None or (frames is not None and length < frames):
        raise ValueError(f'{path}: has {length} whole frames' + f', not {frames}' * bool(frames))
    if last is None:
        return []
    masks: dict[int, list[RLE | None]] = {x[0]: [None] * length for x in last['standing']}
    for record in read_log(path):
        if 'frame' in record and record['frame'] < length:
            for instance in record['instances']:
                if instance['id'] in masks:
                    masks[instance['id']][record['frame']] = instance['segmentation']
    return [
        dict(
            id=identity,
            video_id=header['video_id'],
            category_id=header['category_ids'][label],
            score=score,
            segmentations=masks[identity],
        )
        for identity, label, score in last['standing']
        if score > 0
    ]
