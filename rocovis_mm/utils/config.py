"""Configs whose top-level values can be set from the command line."""

from __future__ import annotations

import ast
import tempfile
from inspect import signature
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

READ_BY_MMENGINE = {
    *signature(Runner).parameters,
    'activation_checkpointing',
    'compile',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'model_wrapper_cfg',
    'runner_type',
    'strategy',
    'sync_bn',
}
"""Top-level names of a config that its runner takes (mmengine 0.10.7, ``runner/runner.py``)."""


class SetVariables:
    """Rewrites config files, and the files they build on, with other top-level values.

    Args:
        values: variable -> value, put in wherever a file sets it to a plain value.
        folder: where the rewritten files go.
    """

    def __init__(self, values: dict[str, Any], folder: str | Path) -> None:
        self.values = values
        self.folder = Path(folder)
        self.replaced: set[str] = set()
        self.read: set[str] = set()

    def rewrite(self, path: Path) -> str:
        """Write the changed copy of a config file and return its path."""
        tree = ast.parse(path.read_text(encoding='utf-8'), filename=str(path))
        self.read |= {name for node in ast.walk(tree) for name in read_names(node)}
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.set_value(node, node.targets[0].id, path.parent)
        copy = Path(tempfile.mkdtemp(dir=self.folder), path.name)
        copy.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding='utf-8')
        return str(copy)

    def set_value(self, node: ast.Assign, name: str, folder: Path) -> None:
        """Replace the value of one assignment, if it is to be replaced."""
        if name == '_base_':
            bases = ast.literal_eval(node.value)
            bases = [bases] if isinstance(bases, str) else bases
            node.value = as_literal(
                [
                    base if '::' in base else self.rewrite((folder / base).resolve())
                    for base in bases
                ]
            )
        elif name in self.values and is_literal(node.value):
            node.value = as_literal(self.values[name])
            self.replaced.add(name)


def read_names(node: ast.AST) -> set[str]:
    """Return the variable that a node reads, by its name or as ``_base_.name``."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return {node.id}
    if isinstance(node, ast.Attribute) and getattr(node.value, 'id', None) == '_base_':
        return {node.attr}
    return set()


def as_literal(value: Any) -> ast.expr:
    """Return the expression that a plain value is written as."""
    return ast.parse(repr(value), mode='eval').body


def is_literal(node: ast.expr) -> bool:
    """Whether an expression is a plain value: a number, a text, a list of them, ..."""
    if isinstance(node, ast.ListComp):  # a list that is written short
        return True
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Load a config file and set options in it.

    MMEngine sets an option in the finished config, where a value that was used
    to work out others no longer reaches them. Here an option that names a plain
    top-level variable of the file or of one it builds on (``data_root``) is set *before*
    the file is evaluated, so that everything below it follows. All others are
    merged afterwards as MMEngine does it, and so are all in a config in pure Python
    (``read_base``), which is evaluated as a whole.

    Args:
        path: the config file.
        options: key -> value, as ``DictAction`` parses ``--cfg-options``.

    Raises:
        FileNotFoundError: no such config; the message says what was looked for.
        ValueError: an option sets a variable that nothing reads, as in the config that
            a run leaves in its work folder.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such config file; see configs/ for those that exist')
    options = dict(options or {})
    if path.suffix == '.py' and Config._is_lazy_import(str(path)):
        return load_pure_python(path, options)
    with tempfile.TemporaryDirectory() as folder:
        setter = SetVariables(options, folder)
        rewritten = setter.rewrite(path.resolve())
        idle = setter.replaced - setter.read - READ_BY_MMENGINE
        if idle:
            raise ValueError(
                f'{path}: nothing reads the variables {sorted(idle)}; set the entries they stand '
                'for, such as test_dataloader.dataset.data_root, or give the config they came from'
            )
        config = Config.fromfile(rewritten if setter.replaced else path)
    object.__setattr__(config, '_filename', str(path))  # what names the work folder
    rest = {key: value for key, value in options.items() if key not in setter.replaced}
    config.merge_from_dict(rest)
    return config


def load_pure_python(path: Path, options: dict[str, Any]) -> Config:
    """Load a config in pure Python, and set options in what comes out.

    Raises:
        ValueError: an option sets a variable that nothing reads any more.
    """
    config = Config.fromfile(path)
    idle = [key for key in options if '.' not in key and key not in READ_BY_MMENGINE]
    if idle:
        raise ValueError(
            f'{path}: a config in pure Python is evaluated before {sorted(idle)} are set, and '
            'nothing reads them afterwards; set the entries they stand for, such as '
            'test_dataloader.dataset.data_root, or inherit from the config and set them there'
        )
    config.merge_from_dict(options)
    return config
