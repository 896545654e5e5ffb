"""Values of ``--cfg-options``."""

from __future__ import annotations

import argparse
import ast
import copy
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction


class OptionAction(argparse.Action):
    """Reads ``key=value`` as MMEngine's ``DictAction`` does, and keeps blanks in values.

    A value in brackets that is Python is taken as such: ``classes="('traffic light', 'dog')"``.
    Otherwise ``a,b`` and ``[a, b]`` are lists, ``(a, b)`` is a tuple, and numbers, truth values and
    None are told from text (mmengine 0.10.7, ``config/config.py:1725``, which removes all blanks).
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str] | None,
        option_string: str | None = None,
    ) -> None:
        """Add the options to those that the command line named before."""
        options = copy.copy(getattr(namespace, self.dest, None) or {})
        for text in values or ():
            key, found, value = text.partition('=')
            if not found or not key.strip():
                parser.error(f'{option_string} {text}: give it as KEY=VALUE, in quotes as a whole')
            options[key.strip()] = parse_value(value)
        setattr(namespace, self.dest, options)


def parse_value(text: str) -> Any:
    """Return the value that a text of the command line means."""
    text = text.strip()
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        value = None
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, dict)) and text[0] in '([{':
        return value
    text = text.strip('\'"')
    brackets = text[:1] + text[-1:]
    if brackets in ('()', '[]'):
        parts = split_at_commas(text[1:-1])
    elif ',' in text:
        parts = split_at_commas(text)
    else:
        return DictAction._parse_int_float_bool(text)
    return (tuple if brackets == '()' else list)(parse_value(part) for part in parts)


def split_at_commas(text: str) -> list[str]:
    """Return the parts of a text between commas that are in no brackets."""
    parts, depth = [''], 0
    for letter in text:
        depth += (letter in '([') - (letter in ')]')
        if letter == ',' and depth <= 0:
            parts.append('')
        else:
            parts[-1] += letter
    return parts if parts[-1].strip() else parts[:-1]
