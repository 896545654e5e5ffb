"""The files of a config, with the variables that each file sets and reads."""

from __future__ import annotations

import ast
import copy
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import mmengine
from mmengine.config import Config
from mmengine.config import config as mmengine_config
from mmengine.config.utils import RemoveAssignFromAST

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
VALUES: ContextVar[Mapping[str, Any] | None] = ContextVar('VALUES', default=None)
"""The values that config files evaluated in this thread set their variables to."""
_PATCHING = threading.Lock()


class SetVariables(RemoveAssignFromAST):
    """Lets a config file set variables to the values in ``VALUES``.

    MMEngine passes each Python config file through its base class before it evaluates the file
    (mmengine 0.10.7, ``config/config.py:942``). Each statement that sets a variable is followed by
    one more that sets it to the value wanted.
    """

    def visit_Assign(self, node: ast.Assign) -> Any:  # noqa: N802
        """Add the values after ``a = ...``, and leave out ``_base_``."""
        return super().visit_Assign(node) and self.followed(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:  # noqa: N802
        """Add the value after ``a: int = ...``."""
        return self.followed(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:  # noqa: N802
        """Add the value after ``a += ...``."""
        return self.followed(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit blocks, but no functions, whose variables are their own."""
        return node if isinstance(node, SCOPES) else super().generic_visit(node)

    def followed(self, node: ast.stmt) -> list[ast.stmt]:
        """Return a statement, followed by those that set its variables to the values wanted."""
        values = VALUES.get() or {}
        added = []
        for name in sorted(bound_names(node) & values.keys()):
            setting = ast.parse(f'{name} = {values[name]!r}').body[0]
            for part in ast.walk(setting):
                ast.copy_location(part, node)
            added.append(setting)
        return [node, *added]


@contextmanager
def variables_set_to(values: Mapping[str, Any], results: FileResults) -> Iterator[None]:
    """Let the config files that this thread evaluates set variables to `values`."""
    token = VALUES.set(values)
    try:
        with _PATCHING:
            results.evaluate = Config._file2dict  # outside the lock it may be another thread's
            with mock.patch.object(Config, '_file2dict', results.read):
                with mock.patch.object(mmengine_config, 'RemoveAssignFromAST', SetVariables):
                    yield
    finally:
        VALUES.reset(token)


class FileResults:
    """The content of each file of a config, as MMEngine reads it.

    A file is only evaluated again for other values of the variables that it or a file below it
    sets (mmengine 0.10.7, ``config/config.py:824``).

    Args:
        files: of the config, each before those that it builds on.
    """

    def __init__(self, files: Sequence[ConfigFile]) -> None:
        self.evaluate: Callable[..., Any]
        self.names: dict[str, set[str]] = {}
        self.known: dict[tuple[str, str], Any] = {}
        above: list[str] = []
        for file in files:
            above[file.depth :] = [os.path.abspath(file.path)]
            for path in above:
                self.names.setdefault(path, set()).update(file.names)

    def read(self, filename: str, *arguments: Any, **options: Any) -> Any:
        """Do what ``Config._file2dict`` does; as it is for configs that other threads load."""
        path, values = os.path.abspath(filename), VALUES.get()
        if values is None:
            return self.evaluate(filename, *arguments, **options)
        own = sorted(self.names[path] & values.keys())
        key = path, repr([(name, values[name]) for name in own])
        if key not in self.known:
            self.known[key] = self.evaluate(filename, *arguments, **options)
        return copied(self.known[key])


def copied(value: Any) -> Any:
    """Return a deep copy of a value of a config. No two parts of the copy are one object.

    ``copy.deepcopy`` takes several times as long for the dicts of MMEngine, which convert each
    value again (mmengine 0.10.7, ``config/config.py:140``).
    """
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, dict):
        new = type(value)()
        for key, part in dict.items(value):
            dict.__setitem__(new, key, copied(part))
        return new
    if type(value) in (list, tuple):
        return type(value)([copied(part) for part in value])
    return copy.deepcopy(value)


@dataclass(frozen=True)
class ConfigFile:
    """A config file as it is written.

    Attributes:
        path: of the file.
        depth: number of ``_base_`` between the outermost file and this file.
        tree: its statements; None of a json or yaml file.
        content: the entries of a json or yaml file.
    """

    path: str
    depth: int
    tree: ast.Module | None
    content: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def names(self) -> set[str]:
        """The names that it sets at its top level."""
        bound = {name for node in statements(self.tree) for name in bound_names(node)}
        return {name for name in bound | self.content.keys() if not name.startswith('_')}

    @cached_property
    def literals(self) -> dict[str, Any]:
        """The names that it sets once, to plain values, and those values."""
        found = dict(self.content)
        times: dict[str, int] = {}
        for node in statements(self.tree):
            for name in bound_names(node):
                times[name] = times.get(name, 0) + 1
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                    found[name] = literal(node.value)
        return {
            name: value
            for name, value in found.items()
            if times.get(name, 1) == 1 and value is not Ellipsis and '{{' not in repr(value)
        }

    @cached_property
    def own_reads(self) -> set[str]:
        """The names that it reads itself."""
        return {
            node.id
            for node in ast.walk(self.tree or ast.Module([], []))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }

    @cached_property
    def base_reads(self) -> set[str]:
        """The names that it reads of the files it builds on."""
        text = ast.unparse(self.tree) if self.tree else str(self.content)
        return set(re.findall(r'_base_\s*(?:\.\s*(?:get\()?|\[)\W?(\w+)', text))

    @cached_property
    def changed(self) -> set[str]:
        """The names whose values it changes in place."""
        found = set()
        for node in ast.walk(self.tree or ast.Module([], [])):
            if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
                found |= root_name(node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                found |= root_name(node.value.func)
        return found

    def makes_dicts(self, name: str) -> bool:
        """Whether an expression that sets a variable has dicts in it."""
        return any(
            isinstance(part, ast.Dict) or getattr(part, 'id', None) == 'dict'
            for node in statements(self.tree)
            if name in bound_names(node)
            for part in ast.walk(node)
        )


def files_of(path: str, depth: int = 0) -> Iterator[ConfigFile]:
    """Yield a config file and those that it builds on.

    Raises:
        FileNotFoundError: one of them is missing.
        SyntaxError: one is no Python.
    """
    if path.endswith('.py'):
        text = Path(path).read_text(encoding='utf-8')
        yield ConfigFile(path, depth, ast.parse(text, filename=path))
    else:
        yield ConfigFile(path, depth, None, mmengine.load(path))
    for base in Config._get_base_files(path):
        base_path = Config._get_cfg_path(base, path)[0]
        if not Path(base_path).is_file():
            raise FileNotFoundError(f'{base_path}: no such config file; {path} builds on it')
        yield from files_of(base_path, depth + 1)


def statements(tree: ast.AST | None) -> Iterator[ast.stmt]:
    """Yield the statements of a file, those in blocks among them, those of functions not."""
    for node in ast.iter_child_nodes(tree) if tree is not None else ():
        if isinstance(node, ast.stmt) and not isinstance(node, SCOPES):
            yield node
            yield from statements(node)


def bound_names(node: ast.stmt) -> set[str]:
    """Return the variables that an assignment sets."""
    targets = getattr(node, 'targets', None) or [getattr(node, 'target', None)]
    if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        return set()
    parts = [part for target in targets for part in ast.walk(target)]
    return {p.id for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)}


def root_name(node: ast.expr) -> set[str]:
    """Return the variable in front of attributes and indices: ``a`` of ``a.b[0].c``."""
    if not isinstance(node, (ast.Attribute, ast.Subscript)):
        return set()
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def literal(node: ast.expr) -> Any:
    """Return the plain value that an expression writes down, Ellipsis if it is none."""
    try:
        return ast.literal_eval(node)
    except (TypeError, ValueError):
        return Ellipsis
