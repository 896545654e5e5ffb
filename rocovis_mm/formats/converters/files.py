"""Writing annotation files record by record, and conversions that resume where they stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tqdm import tqdm

from rocovis_mm.formats.json_files import dump_json, read_json
from rocovis_mm.formats.record_reader import read_crowd
from rocovis_mm.formats.validation import (
    MAX_SIDE,
    Place,
    as_identifier,
    as_integer,
    require,
    require_type,
)
from rocovis_mm.formats.whole_files import FileExistsOtherwise, whole_file

IDS = ('id', 'image_id', 'video_id', 'frame_id', 'category_id', 'instance_id', 'track_id')
RECORDS = ('videos', 'images', 'annotations', 'tracks')
"""Keys of an annotation file with many records, in the order of writing."""


def write_annotations(
    path: str | Path,
    content: dict[str, Any],
    records: dict[str, Iterable[dict[str, Any]]],
    overwrite: bool = False,
) -> dict[str, int]:
    """Write an annotation file record by record, so that `records` may be iterators.

    Args:
        path: of the json.
        content: small values, such as ``info`` and ``categories``, which come first.
        records: key -> its records, such as ``annotations``, in the order of writing.
        overwrite: as for `whole_file`.

    Returns:
        Number of records of each key.
    """
    counts = dict.fromkeys(records, 0)
    with whole_file(path, overwrite) as stream:
        stream.write(b'{')
        comma = ''
        for key, value in content.items():
            stream.write(f'{comma}{dump_json(key)}:{dump_json(value)}'.encode())
            comma = ',\n'
        for key, values in records.items():
            stream.write(f'{comma}{dump_json(key)}:['.encode())
            for value in values:
                stream.write(f'{"," if counts[key] else ""}\n{dump_json(value)}'.encode())
                counts[key] += 1
            stream.write(b']')
            comma = ',\n'
        stream.write(b'}\n')
    return counts


def write_dataset(path: str | Path, content: dict[str, Any], overwrite: bool = False) -> str:
    """Write an annotation file by `write_annotations` and return a line with its counts."""
    head = {key: value for key, value in content.items() if key not in RECORDS}
    records = {key: content[key] for key in RECORDS if key in content}
    counts = write_annotations(path, head, records, overwrite)
    return ', '.join(f'{number} {key}' for key, number in counts.items()) + f' -> {path}'


def read_info(path: Path) -> dict[str, Any] | None:
    """Return the ``info`` of a file that `write_annotations` wrote, None for any other file."""
    if not path.is_file():
        return None
    with path.open('rb') as stream:
        line = stream.readline(1 << 20).rstrip().rstrip(b',')
    try:
        head = json.loads(line + b'}')
    except ValueError:
        return None
    info = head.get('info') if isinstance(head, dict) else None
    return info if isinstance(info, dict) else None


def read_parts(path: str | Path, keys: Mapping[str, Sequence[str]], remedy: str) -> dict[str, Any]:
    """Read a json whose `keys` hold lists of objects.

    Args:
        path: of the json.
        keys: key -> the keys that each of its objects must have.
        remedy: the end of the messages, such as the expected content of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: names the file, the key and the remedy.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such file; {remedy}')
    return require_parts(read_json(path), keys, Place(str(path)), remedy)


def require_parts(
    content: Any, keys: Mapping[str, Sequence[str]], place: Place, remedy: str
) -> dict[str, Any]:
    """Check the content of a json as `read_parts` does, and return it."""
    require_type(content, dict, place, remedy)
    for key, needed in keys.items():
        records = require_type(require(content, key, place, remedy), list, place / key, remedy)
        for index, record in enumerate(records):
            require_type(record, dict, place / key / index, remedy)
            for name in needed:
                require(record, name, place / key / index, remedy)
    return content


def require_records(
    content: Any, keys: Mapping[str, Sequence[str]], place: Place, remedy: str
) -> dict[str, Any]:
    """Check a json as `require_parts` does, and the types of ids, sizes and names in its records.

    Args:
        content: of the json.
        keys: as for `read_parts`; ``annotations`` and ``tracks`` may be missing or null.
        place: of the content.
        remedy: the end of the messages.
    """
    require_type(content, dict, place, remedy)
    absent = {key for key in ('annotations', 'tracks') if content.get(key) is None}
    keys = {key: needed for key, needed in keys.items() if key not in absent}
    require_parts(content, keys, place, remedy)
    for key in keys:
        for index, record in enumerate(content[key]):
            where = place / key / index
            for name in IDS:
                if name in record and (record[name] is not None or name in keys[key]):
                    as_identifier(record[name], where / name, remedy)
            for name in ('height', 'width'):
                if record.get(name) is not None:
                    as_integer(record[name], where / name, remedy, 1, MAX_SIDE)
            if 'file_name' in record:
                require_type(record['file_name'], str, where / 'file_name', remedy)
            read_crowd(record, where)
    return content


def read_lines(path: Path, remedy: str) -> list[str]:
    """Return the lines of a text file in UTF-8, or raise a ValueError with its name and remedy."""
    try:
        return path.read_text('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        Place(str(path)).fail(f'byte {error.start} is no UTF-8 text', remedy)


class Parts:
    """The finished videos of an unfinished conversion, one small json each.

    They are in a folder beside the output file until that file is written. Parts that were made
    with other settings are removed.
    """

    def __init__(self, out: Path, settings: dict[str, Any]) -> None:
        self.folder = out.with_name(f'.{out.name}.parts')
        note = self.folder / 'settings'
        text = dump_json(settings)
        if self.folder.is_dir() and not (note.is_file() and note.read_text('utf-8') == text):
            shutil.rmtree(self.folder)
        with whole_file(note) as stream:
            stream.write(text.encode())

    def path(self, name: str) -> Path:
        """Return the path of the part of a video."""
        return self.folder / (quote(name, safe='') + '.json')

    def load(self, name: str) -> dict[str, Any]:
        """Return the part of a video."""
        return json.loads(self.path(name).read_text('utf-8'))

    def remove(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _make_part(make: Callable[[Any], dict[str, Any]], job: tuple[Path, Any]) -> None:
    path, argument = job
    part = make(argument)
    with whole_file(path) as stream:
        stream.write(dump_json(part).encode())


def convert_videos(
    make: Callable[[Any], dict[str, Any]],
    videos: dict[str, Any],
    parts: Parts,
    jobs: int = 1,
    title: str = 'videos',
) -> None:
    """Make the parts of all videos that have none yet, with a progress bar.

    Args:
        make: returns a video's part; must be picklable where `jobs` is more than 1.
        videos: name of each video -> the argument of `make`.
        parts: of this conversion.
        jobs: processes.
        title: of the progress bar.
    """
    every = ((parts.path(name), argument) for name, argument in videos.items())
    missing = [(path, argument) for path, argument in every if not path.is_file()]
    work = partial(_make_part, make)
    with tqdm(
        total=len(videos), initial=len(videos) - len(missing), desc=title, unit='video'
    ) as progress:
        if jobs == 1:
            for job in missing:
                work(job)
                progress.update()
            return
        with ProcessPoolExecutor(jobs) as pool:
            try:
                for _ in pool.map(work, missing):
                    progress.update()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def write_parts(
    out: Path, content: dict[str, Any], names: Sequence[str], parts: Parts, overwrite: bool
) -> dict[str, int]:
    """Write the parts as one annotation file with ids from 1, remove them and return the counts.

    A part is ``dict(video=..., tracks=[...])``, both without ids. If ``tracks`` is None, the file
    gets no ``annotations``.
    """
    videos: list[dict[str, Any]] = []

    def tracks() -> Iterator[dict[str, Any]]:
        """Yield the annotations and collect the videos meanwhile."""
        number = 0
        for video_id, name in enumerate(names, start=1):
            part = parts.load(name)
            videos.append(dict(id=video_id, **part['video']))
            for track in part['tracks'] or ():
                number += 1
                yield dict(id=number, video_id=video_id, **track)

    if parts.load(names[0])['tracks'] is None:
        bare = (dict(id=i, **parts.load(name)['video']) for i, name in enumerate(names, start=1))
        records: dict[str, Iterable[dict[str, Any]]] = dict(videos=bare)
    else:
        records = dict(annotations=tracks(), videos=videos)
    counts = write_annotations(out, content, records, overwrite)
    parts.remove()
    return counts


def convert_dataset(
    out: Path,
    settings: dict[str, Any],
    content: dict[str, Any],
    make: Callable[[Any], dict[str, Any]],
    videos: dict[str, Any],
    jobs: int = 1,
    overwrite: bool = False,
    check: Callable[[Parts], None] = lambda parts: None,
) -> dict[str, int] | None:
    """Write an annotation file video by video and reuse the finished videos of an earlier run.

    Args:
        out: the json.
        settings: all that its content depends on; written to its ``info``.
        content: ``description`` and ``categories``.
        make: returns a video's part, see `write_parts`.
        videos: name of each video -> the argument of `make`.
        jobs: processes.
        overwrite: whether a file that was made with other settings is replaced.
        check: called before the file is written; raises if the parts make no sense.

    Returns:
        Number of videos and annotations; None if the file already exists.

    Raises:
        FileExistsOtherwise: the file exists and was made with other settings.
    """
    info = dict(description=content['description'], settings=settings)
    if read_info(out) == info:
        return None
    if out.exists() and not overwrite:
        raise FileExistsOtherwise(out)
    parts = Parts(out, settings)
    convert_videos(make, videos, parts, jobs, out.stem)
    check(parts)
    head = dict(info=info, categories=content['categories'])
    return write_parts(out, head, list(videos), parts, overwrite)
