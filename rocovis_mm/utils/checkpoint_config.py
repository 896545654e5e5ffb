"""Reads the config that training put into a checkpoint, without running code of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from mmengine.config import Config

from rocovis_mm.checkpoints.reading import read_checkpoint


def checkpoint_config(path: str | Path) -> Config:
    """Return the config of a checkpoint's training, as MMEngine writes it into ``meta.cfg``.

    Only literals and ``dict(...)`` are read, so a file from elsewhere cannot run code.

    Args:
        path: of the checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it has no config, or one with other expressions.
    """
    text = (read_checkpoint(path).get('meta') or {}).get('cfg')
    if not isinstance(text, str):
        raise ValueError(f'{path}: contains no config (meta.cfg); give the config file')
    try:
        return Config(parse_assignments(text))
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f'{path}: its config (meta.cfg) cannot be read: {error}; give the config file'
        ) from error


def parse_assignments(text: str) -> dict[str, Any]:
    """Return the names that a text of ``name = value`` lines sets.

    Raises:
        SyntaxError: the text is not Python.
        ValueError: a statement or value is something else.
    """
    values = {}
    for statement in ast.parse(text).body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise ValueError(f'line {statement.lineno} is no `name = value`')
        values[statement.targets[0].id] = value_of(statement.value)
    return values


def value_of(node: ast.expr) -> Any:
    """Return the value of an expression of literals, their containers and ``dict(...)``.

    Raises:
        ValueError: it is another expression.
    """
    if isinstance(node, ast.Call):
        named = [word.arg for word in node.keywords]
        if not isinstance(node.func, ast.Name) or node.func.id != 'dict' or node.args:
            raise ValueError(f'line {node.lineno} calls {ast.unparse(node.func)}')
        if None in named:
            raise ValueError(f'line {node.lineno} has **')
        return {word.arg: value_of(word.value) for word in node.keywords}
    if isinstance(node, ast.Dict):
        if None in node.keys:
            raise ValueError(f'line {node.lineno} has **')
        return {value_of(k): value_of(v) for k, v in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(value_of(element) for element in node.elts)
    return ast.literal_eval(node)
