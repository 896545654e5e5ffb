"""How two results differ, in words that a test's own assert can show."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Values = Any
"""A tensor, an array, a number, or lists of them."""


def difference(found: Values, expected: Values, atol: float, rtol: float = 0.0) -> str:
    """Return what differs between two results; nothing, if shapes, types and values agree.

    Args:
        found: what is tested.
        expected: what it should be; lists must be as long.
        atol: how far a value may be off.
        rtol: how far beyond that, as a part of the expected value.
    """
    found, expected = as_tensors(found), as_tensors(expected)
    try:
        torch.testing.assert_close(found, expected, atol=atol, rtol=rtol)
    except AssertionError as error:
        return str(error)
    return ''


def as_tensors(values: Values) -> Tensor | list:
    """Return arrays and numbers as tensors, in the lists that hold them."""
    if isinstance(values, (list, tuple)):
        return [as_tensors(value) for value in values]
    return torch.as_tensor(values)
