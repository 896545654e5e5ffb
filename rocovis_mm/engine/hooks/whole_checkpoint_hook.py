"""Checkpoints that are there whole or not at all."""

from __future__ import annotations

import operator
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from rocovis_mm.checkpoints.resuming import POINTER
from rocovis_mm.formats.whole_files import sync_folder, write_whole
from rocovis_mm.registry import HOOKS
from rocovis_mm.utils.divergence import check_weights

UNFINISHED = '.unfinished'
"""Ending of a checkpoint while it is written."""
NOTHING = (0, -1)
"""Figures that make no checkpoint the best: nothing was found, there was nothing to find."""
INTERRUPTED = 'interrupted_ckpt'
"""Where the checkpoint of an interrupted epoch is named in the message hub."""


class WholeFiles:
    """A runner whose checkpoints get their name once they are whole on the disk.

    Everything else is the runner's own.

    Args:
        runner: to stand for.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        """Return what the runner has."""
        return getattr(self._runner, name)

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Write a checkpoint beside its place, then move it there.

        Raises:
            OSError: it could not be written; what was there before is untouched.
        """
        path, unfinished = Path(out_dir, filename), Path(out_dir, f'.{filename}{UNFINISHED}')
        try:
            self._runner.save_checkpoint(out_dir, unfinished.name, *args, **kwargs)
            if is_main_process():
                with unfinished.open('rb') as file:
                    os.fsync(file.fileno())
                os.replace(unfinished, path)
                sync_folder(path.parent)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise OSError(
                f'{path}: the checkpoint could not be written ({error}); earlier ones are whole. '
                'Make room and go on from the last one with --resume'
            ) from error


class LateRemovals:
    """A file backend that removes files only when it is told to.

    Args:
        backend: does everything else.
    """

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self._outdated: list[str] = []

    def __getattr__(self, name: str) -> Any:
        """Return what the backend has."""
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        """Remember to remove a file."""
        self._outdated.append(path)

    def finish(self, kept: str | None) -> None:
        """Remove the files, all but one."""
        for path in self._outdated:
            if path != kept:
                Path(path).unlink(missing_ok=True)


@HOOKS.register_module()
class WholeCheckpointHook(CheckpointHook):
    """MMEngine's checkpoints, safe against a crash at any moment.

    MMEngine writes into the final file, having removed the older ones before (mmengine
    0.10.7, ``hooks/checkpoint_hook.py:374``): a run that is killed meanwhile leaves half a
    checkpoint and none to go back to. Here each is written beside its place, forced onto
    the disk and then renamed; ``last_checkpoint`` follows, and only then are outdated
    ones removed. Arguments are those of :class:`mmengine.hooks.CheckpointHook`.

    Of equal figures the later one is the best, and one of 0 never is. A work folder has one best
    checkpoint for each of `save_best`: one of an earlier run in it is renamed. Weights that are
    not finite are not saved.

    Raises:
        ValueError: the checkpoints would not go to a local folder.
    """

    rule_map = {'greater': operator.ge, 'less': operator.le}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.backend_args or self.file_client_args or '://' in str(self.out_dir or ''):
            raise ValueError(
                'WholeCheckpointHook writes to a local folder; for another storage set '
                "default_hooks.checkpoint.type='CheckpointHook'"
            )

    def before_train(self, runner: Runner) -> None:
        """Prepare as MMEngine does; clear away what a killed run left unfinished."""
        super().before_train(runner)
        if is_main_process():
            unfinished = [*Path(self.out_dir).glob(f'.*{UNFINISHED}')]
            unfinished += Path(runner.work_dir).glob(f'.{POINTER}.*')
            for path in unfinished:
                path.unlink()
        if self.save_best:
            self._find_best(runner)

    def save_interrupted(self, runner: Runner, iteration: int) -> str:
        """Write the checkpoint of a run that ends after an iteration, and return its path.

        That of an interrupted epoch is called after the iteration, and is removed when the next
        epoch's is written.

        Args:
            runner: of the run.
            iteration: how many are done.
        """
        meta = dict(epoch=runner.epoch, iter=iteration)
        if self.by_epoch:
            name = f'iter_{iteration}.pth'
            older = runner.message_hub.runtime_info.get(INTERRUPTED)
            runner.message_hub.update_info(INTERRUPTED, name)
            self._write(runner, name, meta)
            if older and older != name and is_main_process():
                Path(self.out_dir, older).unlink(missing_ok=True)
        elif self.last_ckpt is None or Path(self.last_ckpt).name != self.filename_tmpl.format(
            iteration
        ):
            self._save_checkpoint_with_step(runner, iteration, meta)
        return self.last_ckpt

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Write the checkpoint of a step, point to it, then remove the outdated ones."""
        outdated: list[int] = []
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            known = [*self.keep_ckpt_ids, step]
            outdated = known[: -self.max_keep_ckpts]
            self.keep_ckpt_ids.append(step)
            # the outdated ones too: a resumed run removes what this one is killed before
            runner.message_hub.update_info('keep_ckpt_ids', known)
        interrupted = runner.message_hub.runtime_info.get(INTERRUPTED)
        self._write(runner, self.filename_tmpl.format(step), meta)
        if is_main_process():
            for old in outdated:
                Path(self.out_dir, self.filename_tmpl.format(old)).unlink(missing_ok=True)
            if interrupted:
                Path(self.out_dir, interrupted).unlink(missing_ok=True)
        if outdated:
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        if interrupted:
            runner.message_hub.update_info(INTERRUPTED, '')

    def _write(self, runner: Runner, name: str, meta: dict) -> None:
        """Write a checkpoint and point to it.

        Raises:
            DivergenceError: a weight is not finite.
        """
        check_weights(runner.model)
        self.last_ckpt = str(Path(self.out_dir, name))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        whole = runner if isinstance(runner, WholeFiles) else WholeFiles(runner)
        whole.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            **self.args,
        )
        if is_main_process():
            pointer = Path(runner.work_dir, POINTER)
            write_whole(pointer, lambda file: file.write(self.last_ckpt.encode()))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        """Write a better checkpoint before the one it replaces is removed."""
        backend, self.file_backend = self.file_backend, LateRemovals(self.file_backend)
        try:
            super()._save_best_checkpoint(WholeFiles(runner), self._that_count(runner, metrics))
            self.file_backend.finish(kept=getattr(self, 'best_ckpt_path', None))
        finally:
            self.file_backend = backend

    def _that_count(self, runner: Runner, metrics: dict) -> dict:
        """Return the figures, None in place of those that choose no checkpoint.

        Raises:
            ValueError: the validation has no such figure.
        """
        if not self.save_best or 'auto' in self.key_indicators:
            return metrics
        counted = dict(metrics)
        for key, rule in zip(self.key_indicators, self.rules):
            if key not in metrics:
                raise ValueError(
                    f'default_hooks.checkpoint.save_best: the validation has no {key!r}, but '
                    f'{", ".join(metrics)}'
                )
            if rule == 'greater' and metrics[key] in NOTHING:
                counted[key] = None
                runner.logger.info(f'{key} is {metrics[key]:g}: no best checkpoint of this one')
        return counted

    def _find_best(self, runner: Runner) -> None:
        """Find the run's best checkpoints, also in a moved folder; rename those of other runs."""
        info = runner.message_hub.runtime_info
        names = [name for name in info if name.startswith('best_ckpt')]
        for name in names:
            info[name] = str(Path(self.out_dir, Path(info[name]).name))
            if len(self.key_indicators) == 1:
                self.best_ckpt_path = info[name]
            else:
                self.best_ckpt_path_dict[name[len('best_ckpt_') :]] = info[name]
        own = {Path(info[name]).name for name in names}
        step = runner.epoch if self.by_epoch else runner.iter
        for path in Path(self.out_dir).glob('best_*.pth') if is_main_process() else ():
            number = re.fullmatch(r'best_.+_(?:iter|epoch)_(\d+)', path.stem)
            # a run that was killed while it wrote a best checkpoint writes the same one again
            if number is None or path.name in own or (step and int(number[1]) == step):
                continue
            written = datetime.fromtimestamp(path.stat().st_mtime)
            aside = path.with_name(f'earlier_{written:%Y%m%d_%H%M%S}_{path.name}')
            path.rename(aside)
            runner.logger.warning(f'{path}: the best of an earlier run, now called {aside.name}')
