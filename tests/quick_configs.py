"""Reads each config of the repository once in a process, though many tests load it.

The files do not change while tests run, and one file gives the same entries for the same values of
its variables. A config that a test writes is read anew. MMEngine converts and copies the entries
of a file once for each level of nesting; here it does so once.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.config import utils as mmengine_utils

from rocovis_mm.utils import config as configs
from rocovis_mm.utils import config_files
from rocovis_mm.utils.config_files import ConfigFile, copied

CONFIGS = f'{Path(__file__).resolve().parents[1] / "configs"}/'


class RepositoryResults(dict):
    """The results of the files of a chain: own ones, and shared ones of the repository's files."""

    shared: dict[tuple[str, str], Any] = {}

    def place(self, key: tuple[str, str]) -> dict[tuple[str, str], Any]:
        return self.shared if key[0].startswith(CONFIGS) else super()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return self.place(key).__contains__(key)

    def __getitem__(self, key: tuple[str, str]) -> Any:
        return self.place(key).__getitem__(key)

    def __setitem__(self, key: tuple[str, str], value: Any) -> None:
        self.place(key).__setitem__(key, value)


class FileResults(config_files.FileResults):
    def __init__(self, files: Sequence[ConfigFile]) -> None:
        super().__init__(files)
        self.known = RepositoryResults()


def files_of(path: str, depth: int = 0) -> tuple[ConfigFile, ...]:
    known = str(Path(path).absolute()).startswith(CONFIGS)
    return (known_files if known else read_files)(path, depth)


def put_in_values(entries: Any, names: dict[str, str], base: dict[str, Any]) -> Any:
    return put_in(entries, names, base) if names else copied(entries)


def to_config_dict(value: Any, scope: str | None = None, has_scope: bool = True) -> Any:
    if scope is not None:
        return convert(value, scope, has_scope)
    if isinstance(value, dict):
        new = ConfigDict()
        dict.__setattr__(new, 'scope', None)
        for key, part in dict.items(value):
            dict.__setitem__(new, key, to_config_dict(part))
        return new
    if isinstance(value, (tuple, list)):
        return (tuple if isinstance(value, tuple) else list)(map(to_config_dict, value))
    return value


put_in, convert = Config._substitute_base_vars, Config._dict_to_config_dict
Config._substitute_base_vars = staticmethod(put_in_values)
Config._dict_to_config_dict = staticmethod(to_config_dict)
read_files = config_files.files_of
known_files = functools.cache(lambda path, depth: tuple(read_files(path, depth)))
configs.files_of = config_files.files_of = files_of
configs.FileResults = FileResults
mmengine_utils.load = functools.cache(mmengine_utils.load)  # the indices of packages, as yaml
