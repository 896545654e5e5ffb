"""Configs whose top-level values can be set from the command line."""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path
from typing import Any

from mmengine.config import Config


class SetVariables(ast.NodeTransformer):
    """Replaces the literal values of top-level variables; keeps relative bases findable.

    Args:
        values: variable -> value.
        folder: what a relative ``_base_`` is relative to.
    """

    def __init__(self, values: dict[str, Any], folder: Path) -> None:
        self.values = values
        self.folder = folder
        self.replaced: set[str] = set()

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:  # noqa: N802 (ast's name)
        """Replace one assignment."""
        name = node.targets[0].id if isinstance(node.targets[0], ast.Name) else None
        if name == '_base_':
            bases = ast.literal_eval(node.value)
            moved = [self.locate(base) for base in ([bases] if isinstance(bases, str) else bases)]
            node.value = ast.parse(repr(moved), mode='eval').body
        elif name in self.values and is_literal(node.value):
            node.value = ast.parse(repr(self.values[name]), mode='eval').body
            self.replaced.add(name)
        return node

    def locate(self, base: str) -> str:
        """Return a base config's place as seen from anywhere."""
        relative = '::' not in base and not Path(base).is_absolute()
        return str((self.folder / base).resolve()) if relative else base


def is_literal(node: ast.expr) -> bool:
    """Whether an expression is a plain value: a number, a text, a list of them, ..."""
    try:
        ast.literal_eval(node)
    except ValueError:
        return False
    return True


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Load a config file and set options in it.

    MMEngine sets an option in the finished config, where a value that was used
    to work out others no longer reaches them. Here an option that names a plain
    top-level variable of the file (``data_root``, ``classes``) is set *before*
    the file is evaluated, so that everything below it follows. All others are
    merged afterwards as MMEngine does it.

    Args:
        path: the config file.
        options: key -> value, as ``DictAction`` parses ``--cfg-options``.

    Raises:
        FileNotFoundError: no such config; the message says what was looked for.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such config file; see configs/ for those that exist')
    options = dict(options or {})
    source = path.read_text(encoding='utf-8')
    setter = SetVariables(options, path.resolve().parent)
    tree = ast.parse(source, filename=str(path))
    tree.body = [setter.visit(n) if isinstance(n, ast.Assign) else n for n in tree.body]
    if not setter.replaced:
        config = Config.fromfile(path)
    else:
        with tempfile.TemporaryDirectory() as folder:
            rewritten = Path(folder, path.name)
            rewritten.write_text(ast.unparse(ast.fix_missing_locations(tree)), encoding='utf-8')
            config = Config.fromfile(rewritten)
        object.__setattr__(config, '_filename', str(path))  # what names the work folder
    rest = {key: value for key, value in options.items() if key not in setter.replaced}
    config.merge_from_dict(rest)
    return config
