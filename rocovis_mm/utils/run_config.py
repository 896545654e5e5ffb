"""A runner's config as the tools need it, checked before anything is built."""

from __future__ import annotations

import argparse
import logging
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from rocovis_mm.checkpoints.fitting import weights_in
from rocovis_mm.checkpoints.reading import glance, is_archive
from rocovis_mm.checkpoints.resuming import check_resumable, find_whole_checkpoint
from rocovis_mm.formats.benchmarks import expand_benchmark
from rocovis_mm.utils.config import load_config, without_variables
from rocovis_mm.utils.options import OptionAction


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that ``tools/train.py`` and ``tools/test.py`` share."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        help='override settings of the config: key=value, lists as key="[a,b]"',
    )
    parser.add_argument(
        '--allow-missing',
        action='store_true',
        help='continue with a checkpoint that lacks weights of the model: they stay random',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    # torchrun passes --local-rank, the older launcher --local_rank
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def load_run_config(
    path: str | Path,
    options: Mapping[str, Any] | None = None,
    work_dir: str | None = None,
    launcher: str = 'none',
) -> Config:
    """Read a config as ``tools/train.py`` and ``tools/test.py`` do.

    It has no variables left, and so has the copy that a run leaves in its work folder: nothing
    would read them there.

    Args:
        path: of the config file.
        options: as ``--cfg-options`` gives them; see :func:`load_config`.
        work_dir: where logs and checkpoints go; else the config's own, else
            ``work_dirs/<name of the config>``.
        launcher: of distributed runs.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: a file or an option sets something that nothing reads.
    """
    config = load_config(path, options)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs', Path(path).stem))
    if 'results' not in (options or {}):
        # a benchmark's config names one place for all methods, for tools without work folders
        for metric in [*metrics_of(config, 'val'), *metrics_of(config, 'test')]:
            if metric.get('outfile_prefix') and metric.outfile_prefix == config.get('results'):
                metric.outfile_prefix = str(Path(config.work_dir, 'results'))
    return without_variables(config)


def check_checkpoint(path: str) -> None:
    """Check that a checkpoint exists, is whole, and is MMEngine's; a URL is not checked.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: its end is missing, it cannot be read, has no weights, or Detectron2's.
    """
    if '://' in path:
        return
    if not Path(path).is_file():
        raise FileNotFoundError(
            f'{path}: no such checkpoint; training writes them into its --work-dir, and '
            'docs/install.md says how to get a COCO Mask2Former to start from'
        )
    if is_archive(path) and not zipfile.is_zipfile(path):  # its directory is at the end
        raise ValueError(f'{path}: the checkpoint is cut short; copy or download it again')
    weights_in(glance(path), path)


def check_fit(config: Config, allow_missing: bool = False) -> None:
    """Let a run refuse a checkpoint that does not fit its model, or only list the misfits.

    Configs of ``default_runtime.py`` have the hook already. Others get it here, in place.
    """
    hooks = config.setdefault('default_hooks', {})
    hook = hooks.setdefault('checkpoint_fit', dict(type='rocovis_mm.CheckpointFitHook'))
    if allow_missing:
        hook['allow_missing'] = True


def resume_from(config: Config, resume: str | None) -> None:
    """Let a run resume from a checkpoint, in place.

    Args:
        config: of the run; its own ``resume=True`` counts as 'auto'.
        resume: the checkpoint; 'auto' takes the last whole one in the work folder. Where
            there is none, the config's ``load_from`` stays the start.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: it is damaged or no state of a run, or all of 'auto' are.
    """
    if resume is None and config.get('resume') and not config.get('load_from'):
        resume = 'auto'
    if resume is None:
        return
    if resume == 'auto':
        found, problems = find_whole_checkpoint(config.work_dir)
        if os.environ.get('RANK', '0') == '0':
            for problem in problems:
                print_log(f'not resumed from: {problem}', 'current', logging.WARNING)
        config.resume = found is not None
        config.load_from = found or config.get('load_from')
    else:
        check_checkpoint(resume)
        if '://' not in resume:
            check_resumable(resume)
        config.resume, config.load_from = True, resume


def use_mixed_precision(config: Config, dtype: str | None = None) -> None:
    """Let a run compute in half precision where that is safe, in place.

    The `dtype` is 'float16' or 'bfloat16'; None chooses by the device.
    """
    config.optim_wrapper.update(type='rocovis_mm.MixedPrecisionOptimWrapper', dtype=dtype)


def warn_of_frozen_noise(config: Config) -> None:
    """Log a warning where a backbone is frozen in part but nothing is loaded into it."""
    backbone = config.model.get('backbone') or {}
    frozen = backbone.get('norm_eval') or not (backbone.get('norm_cfg') or {}).get(
        'requires_grad', True
    )
    if frozen and not (config.get('load_from') or config.get('resume') or 'init_cfg' in backbone):
        print_log(
            'The backbone has frozen norms, but starts from random weights: set load_from to a '
            'COCO Mask2Former of MMDetection (docs/install.md says how to get one), or take a '
            'config made for a start from nothing, such as rocovis_r50_custom_scratch.py',
            logger='current',
            level=logging.WARNING,
        )


def check_shards(config: Config) -> None:
    """Check that a run with a model in shards (FSDP) learns the same as any other run.

    Raises:
        ValueError: names the key of the config and the remedy.
    """
    if kind_of(config.get('strategy')) not in ('ExperimentalShardedStrategy', 'FSDPStrategy'):
        return
    if kind_of(dict(type=config.get('runner_type'))) != 'FlexibleRunner':
        raise ValueError("strategy: only a run with runner_type = 'FlexibleRunner' has one")
    if any(kind_of(hook) == 'EMAHook' for hook in config.get('custom_hooks') or ()):
        raise ValueError(
            'custom_hooks: EMAHook averages the shard of one process and saves it '
            'as the model; leave it out'
        )
    clip = config.optim_wrapper.get('clip_grad') or dict(type='value')
    sharded = kind_of(config.optim_wrapper) == 'ExperimentalShardedOptimWrapper'
    if clip.get('type', 'norm') == 'norm' and not sharded:
        raise ValueError(
            'optim_wrapper: each process would clip its shard by its own norm; '
            "set optim_wrapper.type to 'rocovis_mm.ExperimentalShardedOptimWrapper'"
        )


def kind_of(entry: Mapping[str, Any] | None) -> str:
    """Return the name of a config entry's type, without scope or module."""
    kind = (entry or {}).get('type') or ''
    return getattr(kind, '__name__', str(kind)).rpartition('.')[2]


def check_annotation_files(config: Config, splits: Sequence[str]) -> None:
    """Check that the annotation files of a run exist.

    Args:
        config: of the run.
        splits: any of 'train', 'val' and 'test'.

    Raises:
        FileNotFoundError: names the file, the key of the config and the remedy.
    """
    for split in splits:
        key = f'{split}_dataloader'
        for dataset in datasets_of((config.get(key) or {}).get('dataset')):
            ann_file = Path(dataset.get('data_root') or '', dataset.ann_file)
            if not ann_file.is_file():
                raise FileNotFoundError(
                    f'{ann_file}: no such annotation file ({key}.dataset.ann_file); make or '
                    f'download the data, or set {key}.dataset.data_root'
                )
        for number, metric in enumerate(metrics_of(config, split)):
            ann_file = metric.get('ann_file')
            if ann_file and not Path(ann_file).is_file():
                raise FileNotFoundError(
                    f'{ann_file}: no such annotation file ({split}_evaluator, metric {number}: '
                    'ann_file)'
                )


def datasets_of(dataset: Any) -> Iterator[Any]:
    """Yield the data set configs with an ``ann_file`` inside any wrappers."""
    if isinstance(dataset, Mapping):
        if dataset.get('ann_file'):
            yield dataset
        yield from datasets_of(dataset.get('dataset'))
        yield from datasets_of(dataset.get('datasets'))
    elif isinstance(dataset, (list, tuple)):
        for part in dataset:
            yield from datasets_of(part)


def config_classes(path: str) -> tuple[list[tuple[str, ...]], int | None]:
    """Return the class lists of a config's data sets, each once, and its model's `num_classes`.

    A data set that takes the file's own categories has none.
    """
    config = load_config(path)
    lists = []
    for split in ('train', 'val', 'test'):
        for dataset in datasets_of((config.get(f'{split}_dataloader') or {}).get('dataset')):
            classes = expand_benchmark(dataset.get('metainfo')).get('classes')
            if classes is not None and tuple(classes) not in lists:
                lists.append(tuple(classes))
    head = (config.get('model') or {}).get('track_head') or {}
    return lists, head.get('num_classes')


def metrics_of(config: Config, split: str) -> list[Any]:
    """Return the metric configs of a split's evaluator."""
    evaluator = config.get(f'{split}_evaluator') or []
    return list(evaluator) if isinstance(evaluator, (list, tuple)) else [evaluator]


def is_of_rocovis_mm(kind: str | type) -> bool:
    """Whether a config's ``type``, a name or in pure Python the class, is one of ours."""
    return (kind if isinstance(kind, str) else kind.__module__).startswith('rocovis_mm.')


def write_results_to(config: Config, out: str | None, format_only: bool) -> None:
    """Let the test evaluator write the submission, in place.

    Args:
        config: of the run; its metrics of ``rocovis_mm`` are changed.
        out: path ending in .json or .zip; both are written. None takes
            ``<work_dir>/results`` where `format_only` needs a place.
        format_only: write only, do not score.

    Raises:
        ValueError: another ending, or no metric of ``rocovis_mm`` to write it.
    """
    if out is None and not format_only:
        return
    out = out or str(Path(config.work_dir, 'results.json'))
    if not out.endswith(('.json', '.zip')):
        raise ValueError(f'--out {out}: the submission is a .json or .zip file')
    metrics = [m for m in metrics_of(config, 'test') if is_of_rocovis_mm(m.type)]
    if not metrics:
        raise ValueError(
            "--out and --format-only need a metric of rocovis_mm in the config's test_evaluator, "
            "such as dict(type='rocovis_mm.VISMetric', ann_file=...)"
        )
    metrics[0].outfile_prefix = out.rpartition('.')[0]
    for metric in metrics:
        metric.format_only = format_only or metric.get('format_only', False)
        if metric.format_only and not metric.get('outfile_prefix'):
            metric.outfile_prefix = metrics[0].outfile_prefix
