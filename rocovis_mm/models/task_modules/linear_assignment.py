"""The linear assignment as tensor operations, for programs that cannot call scipy.

N rows and N columns.
"""

from __future__ import annotations

import torch
from torch import Tensor


def linear_assignment(cost: Tensor) -> Tensor:
    """Return the permutation of least total cost.

    The method is that of shortest augmenting paths with prices of columns (Jonker and Volgenant,
    "A shortest augmenting path algorithm for dense and sparse linear assignment problems",
    Computing 38, 1987). The result is exact, as that of ``scipy.optimize.linear_sum_assignment``.
    Two permutations of equal cost are the exception: scipy may choose the other one. The loops
    are ``while_loop`` operators, which ``torch.export`` and the ONNX exporter keep as loops.

    Args:
        cost: (N, N). An entry that is not finite counts as 0, so that every loop ends.

    Returns:
        (N,) long, the column of each row.
    """
    cost = torch.where(cost.abs() < float('inf'), cost.double(), 0)
    start = (cheapest_columns(cost), torch.zeros_like(cost[0]))
    return while_loop(is_incomplete, match_one_row, start, (cost,))[0]


def cheapest_columns(cost: Tensor) -> Tensor:
    """Return the cheapest column (N,) of each row, -1 where another row keeps it."""
    wanted = cost.argmin(1)
    first = (wanted[:, None] == places(cost)).to(torch.uint8).argmax(0)
    return torch.where(first[wanted] == places(cost), wanted, -1)


def is_incomplete(columns: Tensor, prices: Tensor, cost: Tensor) -> Tensor:
    """Return whether a row has no column."""
    return (columns < 0).any()


def match_one_row(columns: Tensor, prices: Tensor, cost: Tensor) -> tuple[Tensor, Tensor]:
    """Match a row without a column, along the cheapest path to a free column.

    Invariant: a matched row has the column of least ``cost - prices``.

    Args:
        columns: (N,) long, the column of each row, -1 for none.
        prices: (N,), of the columns.
        cost: (N, N).

    Returns:
        the new columns and prices.
    """
    taken = columns[:, None] == places(cost)  # (N, N)
    rows = torch.where(taken.any(0), taken.to(torch.uint8).argmax(0), -1)
    slack = cost - prices
    # the first step of every path starts at the free row, whose slack may keep a constant
    slack = slack - torch.where(taken, slack, 0).sum(1, keepdim=True)
    row = columns.argmin(0, keepdim=True)  # its column is -1
    start = (
        row,
        torch.zeros_like(row),
        torch.zeros_like(prices[:1]),
        torch.full_like(prices, float('inf')),
        torch.zeros_like(rows),
        torch.zeros_like(rows, dtype=torch.bool),
    )
    _, column, length, lengths, before, reached = while_loop(
        is_searching, reach_one_column, start, (rows, slack)
    )
    prices = prices - torch.where(reached, length - lengths, 0)
    _, columns = while_loop(is_on_path, swap, (column, columns), (before,))
    return columns, prices


def is_searching(row: Tensor, *_: Tensor) -> Tensor:
    """Return whether the column reached last belongs to a row."""
    return row[0] >= 0


def reach_one_column(
    row: Tensor,
    column: Tensor,
    length: Tensor,
    lengths: Tensor,
    before: Tensor,
    reached: Tensor,
    rows: Tensor,
    slack: Tensor,
) -> tuple[Tensor, ...]:
    """Extend the shortest paths by one column, as Dijkstra does.

    Args:
        row: (1,) long, of the column reached last.
        column: (1,) long, the column reached last; it is not read.
        length: (1,), of the path to `row`.
        lengths: (N,), of the shortest known path to each column.
        before: (N,) long, the last row of that path.
        reached: (N,) bool, columns whose path is final.
        rows: (N,) long, the row of each column, -1 for none.
        slack: (N, N), the length of a step from a row to a column.

    Returns:
        the first six arguments, one column further; the row is -1 if the column is free.
    """
    through = length + slack.index_select(0, row)[0]
    shorter = (through < lengths) & ~reached
    lengths = torch.where(shorter, through, lengths)
    before = torch.where(shorter, row, before)
    column = torch.where(reached, float('inf'), lengths).argmin(0, keepdim=True)
    reached = reached | (places(rows) == column)
    length = lengths.index_select(0, column)
    return rows.index_select(0, column), column, length, lengths, before, reached


def is_on_path(column: Tensor, *_: Tensor) -> Tensor:
    """Return whether the path goes on to another column."""
    return column[0] >= 0


def swap(column: Tensor, columns: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Give a column (1,) to the row before it; return the row's old column and all columns."""
    row = before.index_select(0, column)
    return columns.index_select(0, row), torch.where(places(columns) == row, column, columns)


def places(values: Tensor) -> Tensor:
    """Return 0 to N - 1 for N `values`."""
    return torch.arange(len(values), device=values.device)


def while_loop(*arguments: object) -> tuple[Tensor, ...]:
    """Call torch's operator: condition, body, what the body changes, what it only reads."""
    return torch.ops.higher_order.while_loop(*arguments)
