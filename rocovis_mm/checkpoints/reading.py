"""Reads checkpoint files of any kind without running code in them."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rocovis_mm.checkpoints import restricted_pickle
from rocovis_mm.compat.safe_globals import allow_mmengine_checkpoints, checkpoint_globals

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
"""The number that files of torch < 1.6 begin with, as a pickle."""
PAGES = (b'<!doctype', b'<html', b'<?xml', b'version https://git-lfs')


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of any kind; its content decides, not its name.

    Args:
        path: a file of torch (zip or the older form), or a pickle of arrays as in
            Detectron2's model zoo.

    Returns:
        its dictionary; the arrays of a pickle are ``PickledArray``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, cut short, no checkpoint, or asks for code.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such checkpoint')
    with path.open('rb') as file:
        head = file.read(512)
    if not head:
        raise ValueError(f'{path}: the file is empty; download it again')
    if head.lstrip().lower().startswith(PAGES):
        raise ValueError(
            f'{path}: this is a web page or a pointer in place of a checkpoint; download the '
            'file itself (open the link in a browser where the command line gets a page)'
        )
    try:
        content = read_torch(path) if head.startswith(b'PK') else read_pickle(path)
    except Exception as error:  # noqa: BLE001  (damage can surface as almost any error)
        raise ValueError(f'{path}: cannot be read as a checkpoint: {explain(error)}') from error
    if not isinstance(content, Mapping):
        raise ValueError(
            f'{path}: holds a {type(content).__name__}, no dictionary of weights; give the '
            'checkpoint of a model'
        )
    return dict(content)


def glance(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint for a look at its names: fast, and without checking its sums.

    Raises:
        ValueError: the file is no checkpoint, is damaged, or asks for code.
    """
    if not is_archive(path) or not hasattr(torch.serialization, 'add_safe_globals'):
        return read_checkpoint(path)
    allow_mmengine_checkpoints()
    try:
        content = torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except Exception as error:  # noqa: BLE001  (damage can surface as almost any error)
        raise ValueError(f'{path}: cannot be read as a checkpoint: {explain(error)}') from error
    return dict(content) if isinstance(content, Mapping) else {}


def is_archive(path: str | Path) -> bool:
    """Whether a file is a zip archive by its first bytes, as torch writes since 1.6."""
    with Path(path).open('rb') as file:
        return file.read(2) == b'PK'


def read_torch(path: Path) -> Any:
    """Read a file that ``torch.save`` wrote."""
    if is_archive(path):
        damaged = zipfile.ZipFile(path).testzip()
        if damaged:
            raise ValueError(f'its part {damaged} does not match its check sum')
        if not hasattr(torch.serialization, 'add_safe_globals'):
            module = restricted_pickle.pickle_module(checkpoint_globals())
            return torch.load(path, map_location='cpu', pickle_module=module)
    allow_mmengine_checkpoints()  # each time: onedl-mmengine 0.10.12 takes them off after a load
    return torch.load(path, map_location='cpu', weights_only=True)


def read_pickle(path: Path) -> Any:
    """Read a pickle of arrays, or a file of torch < 1.6, which begins as one."""
    with path.open('rb') as file:
        content = restricted_pickle.load(file)
    return read_torch(path) if content == TORCH_MAGIC else content


def explain(error: Exception) -> str:
    """Return the problem and the remedy, without torch's advice to trust the file."""
    text = str(error).strip()
    refused = re.search(r'(?i)unsupported (?:global:? |class )(?:global )?([\w.]+)', text)
    refused = refused or re.search(r'it asks for ([\w.]+)', text)
    if refused:
        return (
            f'it asks for {refused[1]}, which no weights need: refused, nothing was run. Where '
            'you trust the file, save its weights alone, in the environment that it comes from'
        )
    first = text.splitlines()[0] if text else 'it ends too early'
    return (
        f'{type(error).__name__}: {first}. If the file should be one, it is damaged or cut '
        'short: compare its size and hash with the published ones and download it again'
    )


def file_hash(path: str | Path, kind: str = 'sha256') -> str:
    """Return a file's hash of a kind that ``hashlib`` knows, in hex digits."""
    found = hashlib.new(kind, usedforsecurity=False)
    with Path(path).open('rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            found.update(block)
    return found.hexdigest()


def file_hashes(path: str | Path) -> dict[str, str]:
    """Return the 'sha256' and 'md5' of a file, in hex digits."""
    return {kind: file_hash(path, kind) for kind in ('sha256', 'md5')}


def hash_in_name(path: str | Path) -> tuple[str, str] | None:
    """Return the kind of hash that a published file's name states, and its first digits.

    Detectron2's model zoo writes six digits of the md5 (``model_final_3c8ec9.pkl``),
    OpenMMLab eight of the sha256 (``..._191028-41b088b6.pth``).
    """
    name = Path(path).name
    found = re.search(r'_final_([0-9a-f]{6})\.pkl$', name)
    if found:
        return 'md5', found[1]
    found = re.search(r'-([0-9a-f]{8})\.pth$', name)
    return ('sha256', found[1]) if found else None
