"""Work shared among processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')


def map_items(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    cost: Callable[[Item], int],
    jobs: int = 1,
) -> list[Result]:
    """Return `function` of each item, in their order.

    Args:
        function: from a module, or a `functools.partial` of such a function.
        items: the argument of each call.
        cost: of an item; the processes get shares of about the same sum.
        jobs: processes, this one among them; forked ones need no copies of the items.
    """
    jobs = min(jobs, len(items))
    if jobs < 2:
        return [function(item) for item in items]
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context('fork' if 'fork' in methods else None)
    shares = _deal_out([cost(item) for item in items], jobs)
    workers = []
    for share in shares[1:]:
        receiver, sender = context.Pipe(duplex=False)
        own = [items[index] for index in share]
        worker = context.Process(target=_work, args=(sender, function, own), daemon=True)
        worker.start()
        sender.close()
        workers.append((share, receiver, worker))
    results = {index: function(items[index]) for index in shares[0]}
    for share, receiver, worker in workers:
        try:
            results.update(zip(share, receiver.recv()))
        except EOFError:
            raise ChildProcessError('a scoring process died; try again with one job') from None
        worker.join()
    return [results[index] for index in range(len(items))]


def _work(sender: Connection, function: Callable[[Any], Any], items: Sequence[Any]) -> None:
    sender.send([function(item) for item in items])


def _deal_out(costs: Sequence[int], shares: int) -> list[list[int]]:
    """Return the indices of the costs in shares of about the same sum, the dearest first."""
    dealt: list[list[int]] = [[] for _ in range(shares)]
    sums = [0] * shares
    for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
        least = sums.index(min(sums))
        dealt[least].append(index)
        sums[least] += costs[index]
    return dealt
