"""Leaves out of MMEngine's runs what takes seconds and changes nothing that is tested.

- Two seconds of waiting after each pass over the training data (`mmengine/runner/loops.py`,
  ``_InfiniteDataloaderIterator``), which let the workers of a large loader end.
- The layout of a config's text by yapf, for each log, file and checkpoint that it goes into.
"""

import time
from types import SimpleNamespace

from mmengine.config import config
from mmengine.runner import loops


def sleep(seconds: float) -> None:
    time.sleep(min(seconds, 0.1))


def leave_as_it_is(text: str, **options: object) -> tuple[str, bool]:
    return text, True


loops.time = SimpleNamespace(sleep=sleep)
config.FormatCode = leave_as_it_is
