"""Configs whose variables take effect wherever they are set."""

from __future__ import annotations

import ast
import logging
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from rocovis_mm.compat.config_lookup import announce_configs
from rocovis_mm.utils.config_files import ConfigFile, FileResults, files_of, variables_set_to

announce_configs()

READ_BY_MMENGINE = {
    *signature(Runner).parameters,
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'mp_start_method',
    'opencv_num_threads',
    'preprocess_cfg',
    'runner_type',
    'strategy',
    'sync_bn',
    'tta_model',
    'tta_pipeline',
}
"""Top-level names of a config that its runner takes (mmengine 0.10.7, ``runner/runner.py``), and
those that MMDetection's tools read."""
CLOSE = 0.8  # how alike two names are, by difflib, that are taken for one and a slip of the pen
SET_ENTRIES = (
    'set the entries made of them, such as test_dataloader.dataset.data_root, or give the config '
    'they came from'
)


class ConfigChain:
    """A config file with all the files that it builds on.

    A *variable* is a top-level name that MMEngine does not read. It has an effect only through
    the entries that the files make of it. MMEngine evaluates the innermost file first, so that a
    variable that an outer file sets again has no effect on these entries. Here options have
    priority, then the outermost file. All files are evaluated with that value.

    Args:
        path: the config file, of any format but pure Python.

    Raises:
        FileNotFoundError: a file that it builds on is missing.
        ValueError: a file is no Python.
    """

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        try:
            self.files = tuple(files_of(self.path))
        except SyntaxError as error:
            raise ValueError(f'{error.filename}: line {error.lineno}: {error.msg}') from error
        self.variables = {name for file in self.files for name in file.names} - READ_BY_MMENGINE
        self.results = FileResults(self.files)

    @cached_property
    def setters(self) -> dict[str, list[ConfigFile]]:
        """Variable -> the files that set it, the outermost first."""
        by_depth = sorted(self.files, key=lambda file: file.depth)
        return {n: [file for file in by_depth if n in file.names] for n in self.variables}

    def evaluate(self, values: Mapping[str, Any], path: str | None = None) -> Config:
        """Return the config, or that of one of its files, with these values of its variables."""
        with variables_set_to(values, self.results):
            return Config.fromfile(path or self.path)

    def complete(self, options: Mapping[str, Any]) -> tuple[Config, dict[str, Any]]:
        """Return the config, and the values that were handed on to inner files.

        Args:
            options: variable -> value; those of the files give way to it.
        """
        values, pending = dict(options), []
        for name in sorted(self.variables - values.keys()):
            outermost = self.setters[name][0]
            if len(self.setters[name]) == 1 or any(name in file.changed for file in self.files):
                continue
            if name in outermost.literals:
                values[name] = outermost.literals[name]
            elif not (name in outermost.own_reads and outermost.makes_dicts(name)):
                pending.append((outermost.depth, name))
        config = self.evaluate(values)
        for depth in sorted({depth for depth, _ in pending}):
            names = [name for at, name in pending if at == depth and name in config]
            found = {name: without_types(config[name]) for name in names}
            values.update({name: value for name, value in found.items() if is_plain(value)})
            config = self.evaluate(values)
        return config, values

    def check_names(self) -> None:
        """Check that the names that a file sets on top of others are read.

        Raises:
            ValueError: names the file, the variable and the nearest one that is known.
        """
        read = {name for file in self.files for name in file.own_reads | file.base_reads}
        top = self.files[0]
        runs = any('model' in file.names for file in self.files)  # else a part for other configs
        for file in self.files:
            inner = [other for other in self.files if other.depth > file.depth]
            known = {name for other in inner for name in other.names} | READ_BY_MMENGINE
            idle = sorted(file.names - known - read)
            if not inner:
                if file is top and runs and idle:
                    print_log(
                        f'{file.path}: nothing reads {idle}; {SET_ENTRIES}',
                        'current',
                        logging.WARNING,
                    )
                continue
            for name in idle:
                if (file is top and runs) or get_close_matches(name, known, 1, CLOSE):
                    raise ValueError(f'{file.path}: nothing reads {name!r}{nearest(name, known)}')

    def check_effects(
        self, config: Config, values: Mapping[str, Any], options: Mapping[str, Any]
    ) -> None:
        """Check that each variable that the options or the outermost file set changes something.

        Args:
            config: as completed with the options.
            values: as they were handed on then.
            options: variable -> value.

        Raises:
            ValueError: names the variables that do not.
        """
        idle = []
        for name, value in options.items():
            if not same_entries(config, self.evaluate(leave_out(values, name))):
                continue  # it has an effect, even beside variables that may be made of it
            without, _ = self.complete(leave_out(options, name))
            if same_entries(config, without) and not same(without.get(name), value):
                idle.append(name)
        if idle:
            raise ValueError(
                f'{self.path}: nothing reads the variables {sorted(idle)}; {SET_ENTRIES}'
            )
        top = self.files[0]
        mine = {name for name in top.names & self.variables if len(self.setters[name]) > 1}
        mine -= top.own_reads | options.keys()
        self.check_own_effects(config, values, options, sorted(mine))

    def check_own_effects(
        self,
        config: Config,
        values: Mapping[str, Any],
        options: Mapping[str, Any],
        names: Iterable[str],
    ) -> None:
        """Raise ValueError for the first variable that the outermost file sets without effect."""
        bases = [self.evaluate({}, file.path) for file in self.files if file.depth == 1]
        before = {key: value for base in bases for key, value in base.items()}
        for name in names:
            former = without_types(before[name])
            if same(former, config.get(name)) or not is_plain(former):
                continue
            if not same_entries(config, self.evaluate({**values, name: former})):
                continue
            without, _ = self.complete({**options, name: former})
            if same_entries(config, without):
                raise ValueError(
                    f'{self.path}: {name} is set, but its files have used another value before; '
                    'set the entries that are made of it, such as train_dataloader.dataset.pipeline'
                )


def load_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """Load a config file and set options in it.

    A variable, such as ``data_root`` or ``max_iters``, takes effect in everything that is made of
    it, whether an option sets it, the file itself, or a file between that and the one that
    uses it. All other options are merged into the finished config as MMEngine does it, and so are
    all in a config in pure Python (``read_base``), which is evaluated as a whole.

    Args:
        path: the config file; Python, json or yaml.
        options: key -> value, as :class:`OptionAction` parses ``--cfg-options``.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: a file or an option sets something that nothing reads.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such config file; see configs/ for those that exist')
    options = {key: str(v) if isinstance(v, Path) else v for key, v in (options or {}).items()}
    if is_pure_python(str(path)):
        return load_pure_python(path, options)
    chain = ConfigChain(path)
    chain.check_names()
    variables = {key: value for key, value in options.items() if key in chain.variables}
    for key, value in variables.items():
        if not is_plain(value):
            raise ValueError(f'{path}: {key}={value!r} is no plain value')
    config, values = chain.complete(variables)
    chain.check_effects(config, values, variables)
    merge_entries(
        config, {k: v for k, v in options.items() if k not in variables}, path, chain.variables
    )
    object.__setattr__(config, '_complete', True)
    return config


def is_pure_python(path: str) -> bool:
    """Whether a config file is in MMEngine's newer style, which imports its base files.

    Raises:
        ValueError: it is no Python.
    """
    try:
        return Config._is_lazy_import(path)
    except SyntaxError as error:
        raise ValueError(f'{path}: line {error.lineno}: {error.msg}') from error


def load_pure_python(path: Path, options: Mapping[str, Any]) -> Config:
    """Load a config in pure Python, and set options in the result.

    Raises:
        ValueError: an option, or the file itself, sets a variable that nothing reads any more.
    """
    tree = ast.parse(path.read_text(encoding='utf-8'))
    file = ConfigFile(str(path), 0, tree)
    builds_on = any(isinstance(node, ast.With) for node in tree.body)
    idle = [key for key in options if '.' not in key and key not in READ_BY_MMENGINE]
    idle += sorted(file.names - READ_BY_MMENGINE - file.own_reads) if builds_on else []
    config = Config.fromfile(path)
    if idle:
        known = {*config.keys(), *READ_BY_MMENGINE} - {*idle}
        raise ValueError(
            f'{path}: a config in pure Python is evaluated before {idle} are set, and '
            'nothing reads them afterwards; set the entries made of them, such as '
            'test_dataloader.dataset.data_root, or inherit from the config and set them there'
            f'{nearest(idle[0], known)}'
        )
    merge_entries(config, options, path, set())
    object.__setattr__(config, '_complete', True)
    return config


def merge_entries(
    config: Config, options: Mapping[str, Any], path: Path, variables: set[str]
) -> None:
    """Merge options into the entries of a finished config, in place.

    Args:
        config: is changed.
        options: key -> value, the key with a dot for each level.
        path: of the config, for messages.
        variables: names that were used up when the config was evaluated.

    Raises:
        ValueError: nothing reads an option, or the config has no such place.
    """
    for key in options:
        root = key.partition('.')[0]
        if root in variables:
            raise ValueError(
                f'{path}: {key}: {root!r} is a variable, whose parts nothing reads; {SET_ENTRIES}'
            )
        if root not in READ_BY_MMENGINE:
            raise ValueError(
                f'{path}: nothing reads {key!r}{nearest(root, variables | READ_BY_MMENGINE)}'
            )
        check_place(config, key, path)
    try:
        config.merge_from_dict(dict(options))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: {sorted(options)}: {str(error.args[0])[:90]}') from error


def check_place(config: Config, key: str, path: Path) -> None:
    """Check that no part of an option's key is a slip of the pen.

    Raises:
        ValueError: names the part and the known name close to it.
    """
    place: Any = config
    for part in key.split('.'):
        if isinstance(place, list) and part.isdigit() and int(part) < len(place):
            place = place[int(part)]
        elif isinstance(place, (Mapping, Config)):
            if part not in place:
                names = [str(name) for name in place]
                if get_close_matches(part, names, 1, CLOSE):
                    raise ValueError(f'{path}: nothing reads {key!r}{nearest(part, names)}')
                return
            place = place[part]
        else:
            return


def check_complete(config: Config, entries: Iterable[str] = READ_BY_MMENGINE) -> None:
    """Check that a config's variables are those that its entries were made with.

    MMEngine alone lets a variable take effect only in the file that sets it and in outer ones: a
    child config or an option comes too late.

    Args:
        config: of a run; one from :func:`load_config` is complete.
        entries: those that will be used.

    Raises:
        ValueError: names the variables that were set too late and the remedy.
    """
    path = config.filename
    if not path or '_complete' in vars(config) or not Path(path).is_file():
        return
    if is_pure_python(path):
        return
    chain = ConfigChain(Path(path))
    plain = Config.fromfile(path)
    wanted = {
        name: without_types(config[name])
        for name in chain.variables
        if name in config and not same(config[name], plain.get(name))
    }
    wanted = {name: value for name, value in wanted.items() if is_plain(value)}
    complete, values = chain.complete(wanted)
    if not same_entries(complete, plain, entries):
        top = chain.files[0]
        late = sorted(wanted) or sorted(values.keys() & top.names) or sorted(values)
        raise ValueError(
            f'{path}: MMEngine sets {late} only after other values were used; start the run with '
            "rocovis_mm's own tools, load the config by rocovis_mm.utils.load_config, or set the "
            'entries that are made of them'
        )


def without_variables(config: Config) -> Config:
    """Return a complete config without its variables, whose values its entries have."""
    entries = {key: value for key, value in config.items() if key in READ_BY_MMENGINE}
    kept = config.copy()
    object.__setattr__(kept, '_cfg_dict', type(config._cfg_dict)(entries))
    return kept


def leave_out(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return all values but one."""
    return {key: value for key, value in values.items() if key != name}


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message, with the known name that is closest."""
    found = get_close_matches(name, list(known), 1, 0.6)
    return f'; did you mean {found[0]!r}?' if found else ''


def same_entries(one: Config, other: Config, entries: Iterable[str] = READ_BY_MMENGINE) -> bool:
    """Whether two configs are alike in the entries, by default in all that MMEngine reads."""
    return all(same(one.get(key), other.get(key)) for key in entries)


def same(one: Any, other: Any) -> bool:
    """Whether two values are alike; a list is like a tuple, and a mark of scope is nothing.

    MMEngine adds ``_scope_`` to the dicts of a packaged config, but not to each copy of a dict.
    """
    plain, other_plain = (without_types(value, list, {'_scope_'}) for value in (one, other))
    return repr(plain) == repr(other_plain)


def without_types(value: Any, sequence: type | None = None, left_out: Collection[str] = ()) -> Any:
    """Return a value of a config in plain dicts, lists and tuples, without the keys left out."""
    if isinstance(value, Mapping):
        return {
            key: without_types(value[key], sequence, left_out)
            for key in value
            if key not in left_out
        }
    if isinstance(value, (list, tuple)):
        return (sequence or type(value))(without_types(part, sequence, left_out) for part in value)
    return value


def is_plain(value: Any) -> bool:
    """Whether a value can be written down in a config file."""
    try:
        return ast.literal_eval(repr(value)) == value
    except (SyntaxError, TypeError, ValueError):
        return False
