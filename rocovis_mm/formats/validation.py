"""Checks of single values of an annotation or results file, with errors that name the remedy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

MAX_SIDE = (1 << 16) - 1  # run lengths count a frame's pixels in 32 bits
MAX_LENGTH = 1 << 24


class Place:
    """The place of a value in a file, for error messages.

    Args:
        file: name of the file, as the user gave it.
        path: keys and indices inside, for example ``annotations[3].segmentations[5]``.
    """

    def __init__(self, file: str, path: str = '') -> None:
        self.file = file
        self.path = path

    def __truediv__(self, key: str | int) -> Place:
        """Return the place of an item: ``place / 'areas' / 3``."""
        if isinstance(key, int):
            return Place(self.file, f'{self.path}[{key}]')
        return Place(self.file, f'{self.path}.{key}' if self.path else key)

    def fail(self, problem: str, remedy: str) -> NoReturn:
        """Raise a ValueError that names file, place, problem and remedy."""
        where = f'{self.file}: {self.path}: ' if self.path else f'{self.file}: '
        raise ValueError(f'{where}{problem}; {remedy}') from None


def describe(value: Any) -> str:
    """Return a short, single-line text for a value in a message."""
    if isinstance(value, (dict, list)):
        return f'a {type(value).__name__} of {len(value)}'
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:37]}...'


def listed(values: Iterable[Any], most: int = 60) -> str:
    """Return the text of a list for a message: of a long list the first values and their number."""
    values = list(values)
    if len(values) <= most:
        return str(values)
    return f'{str(values[: most // 6])[:-1]}, ... {len(values)} in all]'


def require(record: Mapping[str, Any], key: str, place: Place, remedy: str) -> Any:
    """Return ``record[key]`` or fail."""
    if key not in record:
        place.fail(f"missing key '{key}'", remedy)
    return record[key]


def require_type(value: Any, kind: type, place: Place, remedy: str) -> Any:
    """Return the value if it is a `kind` (dict or list), or fail."""
    if not isinstance(value, kind):
        place.fail(f'expected a {kind.__name__}, found {describe(value)}', remedy)
    return value


def as_integer(value: Any, place: Place, remedy: str, low: int = 0, high: int | None = None) -> int:
    """Return a whole number (2.0 counts as 2) within bounds, or fail."""
    whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not (isinstance(value, int) or whole):
        place.fail(f'expected a whole number, found {describe(value)}', remedy)
    if value < low or (high is not None and value > high):
        bounds = f'at least {low}' if high is None else f'from {low} to {high}'
        place.fail(f'expected a whole number {bounds}, found {describe(value)}', remedy)
    return int(value)


def as_identifier(value: Any, place: Place, remedy: str) -> int:
    """Return an id, any whole number of 64 bits, or fail."""
    return as_integer(value, place, remedy, low=-(1 << 63), high=(1 << 63) - 1)


def as_finite(value: Any, place: Place, remedy: str) -> float:
    """Return a finite float, or fail."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        place.fail(f'expected a number, found {describe(value)}', remedy)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        place.fail(f'expected a finite number, found {describe(value)}', remedy)
    return number
