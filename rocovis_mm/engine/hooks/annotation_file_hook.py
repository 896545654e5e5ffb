"""Detects that a run is resumed on other annotations than it began with."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from rocovis_mm.checkpoints.reading import file_hash
from rocovis_mm.registry import HOOKS

RECORD = 'annotation_files'
"""Key of path -> sha256 in the message hub, and so in checkpoints."""


@HOOKS.register_module()
class AnnotationFileHook(Hook):
    """Keep the hashes of the annotation files, and compare them when a run is resumed.

    Args:
        on_change: 'error' refuses to resume where a file of the same path has other
            content; 'warn' logs a warning and continues.

    Raises:
        ValueError: `on_change` is something else.
    """

    def __init__(self, on_change: str = 'error') -> None:
        if on_change not in ('error', 'warn'):
            raise ValueError(
                f"AnnotationFileHook: on_change is {on_change!r}; choose 'error' or 'warn'"
            )
        self.on_change = on_change

    def before_train(self, runner: Runner) -> None:
        """Compare the files with those of the run that is resumed; remember them.

        Raises:
            ValueError: a file has changed.
        """
        loops = (runner.train_loop, runner.val_loop)
        datasets = [loop.dataloader.dataset for loop in loops if loop is not None]
        files = sorted({path for dataset in datasets for path in annotation_files(dataset)})
        found = {path: file_hash(path) for path in files}
        recorded = runner.message_hub.runtime_info.get(RECORD, {})
        for path, digest in found.items():
            if recorded.get(path, digest) != digest:
                self.report(path)
        runner.message_hub.update_info(RECORD, found)

    def report(self, path: str) -> None:
        """Log that a file has changed, or raise."""
        message = (
            f'{path}: not the annotation file that this run was trained with so far; restore that '
            'file or start anew in another --work-dir'
        )
        if self.on_change == 'error':
            raise ValueError(
                f'{message}, or continue with the new file by --cfg-options '
                'default_hooks.annotations.on_change=warn'
            )
        print_log(message, logger='current', level=logging.WARNING)


def annotation_files(dataset: Any) -> Iterator[str]:
    """Yield the annotation files of a data set, inside any wrappers."""
    path = getattr(dataset, 'ann_file', None)
    if path and Path(path).is_file():
        yield str(path)
    parts = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for part in parts:
        if part is not None:
            yield from annotation_files(part)
