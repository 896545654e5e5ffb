"""Reading and writing in threads beside the model, by queues of bounded size."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

PATIENCE = 0.1
"""Seconds between looks at whether the other side is still there."""
JOIN = 5.0
"""Seconds that a thread is given to end. One that waits for a camera may need longer."""


class _End:
    """The end of the items, with the error that caused it, if any."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetch:
    """Makes items in a thread, ahead of their consumer.

    An error in the making of an item is raised after the items before it.

    Args:
        items: made in the thread, one after another.
        size: items that may wait.
        newest: whether the oldest waiting item is dropped where the consumer is too slow
            (for live sources); else the thread waits.
    """

    def __init__(self, items: Iterable[Any], size: int = 4, newest: bool = False) -> None:
        self.waiting: queue.Queue = queue.Queue(size)
        self.newest = newest
        self.dropped = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(items,), daemon=True)
        self.thread.start()

    def _run(self, items: Iterable[Any]) -> None:
        end = _End()
        try:
            for item in items:
                if self.newest and self.waiting.full():
                    self._drop()
                if not self._put(item):
                    return
        except BaseException as error:
            end = _End(error)
        self._put(end)

    def _drop(self) -> None:
        try:
            self.waiting.get_nowait()
        except queue.Empty:
            return
        self.dropped += 1

    def _put(self, item: Any) -> bool:
        """Put an item as soon as there is room; return False after :meth:`stop`."""
        while not self.stopped.is_set():
            try:
                self.waiting.put(item, timeout=PATIENCE)
            except queue.Full:
                continue
            return True
        return False

    def __iter__(self) -> Iterator[Any]:
        while not self.stopped.is_set():
            try:
                item = self.waiting.get(timeout=PATIENCE)
            except queue.Empty:
                continue
            if isinstance(item, _End):
                self.stopped.set()
                if item.error is not None:
                    raise item.error
                return
            yield item

    def stop(self) -> None:
        """End the items after the present one. It may be called from any thread."""
        self.stopped.set()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self.stop()
        self.thread.join(JOIN)


class Background:
    """Calls a function with items in a thread.

    An error of the function is raised by the next :meth:`put`, or by :meth:`close`;
    items after it are dropped.

    Args:
        consume: is called with one item at a time.
        size: items that may wait; :meth:`put` waits for room.
    """

    def __init__(self, consume: Callable[[Any], None], size: int = 4) -> None:
        self.consume = consume
        self.waiting: queue.Queue = queue.Queue(size)
        self.error: BaseException | None = None
        self.raised = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not isinstance(item := self.waiting.get(), _End):
            if self.error is None:
                try:
                    self.consume(item)
                except BaseException as error:
                    self.error = error

    def put(self, item: Any) -> None:
        """Add an item."""
        if self.error is not None:
            self.raised = True
            raise self.error
        self.waiting.put(item)

    def close(self) -> None:
        """Wait until all items have been consumed."""
        if self.thread.is_alive():
            self.waiting.put(_End())
            self.thread.join()
        if self.error is not None and not self.raised:
            self.raised = True
            raise self.error
