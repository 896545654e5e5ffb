"""Reading and writing the json, gz and zip files that VIS tools exchange."""

from __future__ import annotations

import gzip
import json
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

from rocovis_mm.formats.frame_files import is_passed_over
from rocovis_mm.formats.whole_files import whole_file

DAMAGED = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,
    OSError,  # a seek to where a damaged directory points, a bad bzip2 stream
)
"""Errors of reading a damaged archive."""
SUBMISSION_MEMBER = 'results.json'
"""The file name that the evaluation servers expect inside a zip."""


def read_json(path: str | Path) -> Any:
    """Return the content of a json file, plain, gzipped, or inside a zip.

    The first bytes decide the kind of file, not its name. Text may be UTF-8, -16 or -32, with or
    without a byte order mark. In a zip, ``results.json`` is read, or the only json file.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is damaged, or not json.
    """
    path = Path(path)
    try:
        content = _read_bytes(path)
        text = content.decode(json.detect_encoding(content))
    except DAMAGED as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise  # it could not be opened at all
        raise ValueError(
            f'{path}: the archive is damaged or cut off ({error}); copy or pack it again'
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f'{path}: not a json file: byte {error.start} is not {error.encoding} text; give '
            'a .json file, or a .json.gz or .zip of one'
        ) from None
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f'{path}: not a complete json file ({error.msg} at line {error.lineno} column '
            f'{error.colno}); write or copy it again'
        ) from None
    except (ValueError, RecursionError) as error:  # numbers too long, lists too deep for Python
        raise ValueError(
            f'{path}: not a results or annotation file ({error}); write it again'
        ) from None


def _read_bytes(path: Path) -> bytes:
    with path.open('rb') as stream:
        magic = stream.read(4)
    if magic[:2] == b'\x1f\x8b':
        with gzip.open(path) as stream:
            return stream.read()
    if magic == b'PK\x03\x04':
        with zipfile.ZipFile(path) as archive:
            return archive.read(_json_member(path, archive))
    return path.read_bytes()


def _json_member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [
        name
        for name in archive.namelist()
        if name.endswith('.json') and not any(map(is_passed_over, Path(name).parts))
    ]
    expected = [name for name in names if Path(name).name == SUBMISSION_MEMBER]
    chosen = expected or names
    if len(chosen) != 1:
        raise ValueError(
            f'{path}: expected {SUBMISSION_MEMBER} in the zip, found '
            f'{", ".join(names) or "no json file"}; pack exactly one {SUBMISSION_MEMBER}'
        )
    return chosen[0]


def dump_json(content: Any) -> str:
    """Return the shortest json text of a content."""
    return json.dumps(content, separators=(',', ':'))


def write_submission(results: list[dict[str, Any]], prefix: str | Path) -> tuple[Path, Path]:
    """Write results in the form of the evaluation servers.

    Args:
        results: in YouTube-VIS submission form.
        prefix: path without extension; missing folders are created.

    Returns:
        Paths of ``<prefix>.json`` and of ``<prefix>.zip`` with ``results.json`` inside.
    """
    text, prefix = dump_json(results), Path(prefix)
    plain, packed = Path(f'{prefix}.json'), Path(f'{prefix}.zip')
    with whole_file(plain) as stream:
        stream.write(text.encode())
    with (
        whole_file(packed) as stream,
        zipfile.ZipFile(stream, 'w', zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(SUBMISSION_MEMBER, text)
    return plain, packed
