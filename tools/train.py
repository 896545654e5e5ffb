"""Train a model.

python tools/train.py CONFIG [--work-dir DIR] [--resume [CHECKPOINT]] [--cfg-options KEY=VALUE ...]
"""

from __future__ import annotations

import argparse

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
from mmengine.config import Config
from mmengine.runner import Runner

from rocovis_mm.console import print_anything
from rocovis_mm.utils import (
    add_run_arguments,
    check_annotation_files,
    check_checkpoint,
    check_fit,
    check_shards,
    load_run_config,
    resume_from,
    use_mixed_precision,
    warn_of_frozen_noise,
)
from rocovis_mm.utils.launch import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--amp-dtype',
        choices=['float16', 'bfloat16'],
        help='of --amp, which it implies; else float16 on a GPU, bfloat16 on the CPU',
    )
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help="scale the lr to the run's batch size"
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='resume from this checkpoint; from the last whole one in the work folder if none '
        'is named',
    )
    add_run_arguments(parser)
    return parser.parse_args()


def prepare(args: argparse.Namespace) -> Config:
    """Return the run's config, checked.

    Raises:
        FileNotFoundError: config, checkpoint or annotation file is missing.
        ValueError: the arguments and the config do not go together.
    """
    config = load_run_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    if args.amp or args.amp_dtype:
        use_mixed_precision(config, args.amp_dtype)
    if args.auto_scale_lr:
        if 'base_batch_size' not in config.get('auto_scale_lr', {}):
            raise ValueError(f'--auto-scale-lr: {args.config} has no auto_scale_lr.base_batch_size')
        config.auto_scale_lr.enable = True
    resume_from(config, args.resume)
    if config.get('load_from'):
        check_checkpoint(config.load_from)
    check_fit(config, args.allow_missing)
    check_annotation_files(config, ['train', 'val'])
    check_shards(config)
    warn_of_frozen_noise(config)
    return config


def main() -> None:
    """Train."""
    print_anything()
    run_tool(parse_args(), prepare, Runner.train)


if __name__ == '__main__':
    main()
