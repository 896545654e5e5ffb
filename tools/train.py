"""Train a model.

python tools/train.py CONFIG [--work-dir DIR] [--resume [CHECKPOINT]] [--cfg-options KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
import os
import sys

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from rocovis_mm.utils import (
    add_run_arguments,
    check_annotation_files,
    check_checkpoint,
    load_run_config,
    warn_of_frozen_noise,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Train a model')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help="scale the lr to the run's batch size"
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from this checkpoint; from the latest in the work folder if none is named',
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
    if args.amp:
        if get_device() == 'cpu':
            raise ValueError('--amp needs a GPU; leave it out to train on the CPU')
        config.optim_wrapper.type = 'AmpOptimWrapper'
        config.optim_wrapper.loss_scale = 'dynamic'
    if args.auto_scale_lr:
        if 'base_batch_size' not in config.get('auto_scale_lr', {}):
            raise ValueError(f'--auto-scale-lr: {args.config} has no auto_scale_lr.base_batch_size')
        config.auto_scale_lr.enable = True
    if args.resume == 'auto':
        # without a checkpoint to go on from, the config's own load_from stays the start
        config.resume = find_latest_checkpoint(config.work_dir) is not None
        if config.resume:
            config.load_from = None
    elif args.resume is not None:
        config.resume, config.load_from = True, args.resume
    if config.get('load_from'):
        check_checkpoint(config.load_from)
    check_annotation_files(config, ['train', 'val'])
    warn_of_frozen_noise(config)
    return config


def main() -> None:
    """Train."""
    args = parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    setup_cache_size_limit_of_dynamo()
    try:
        config = prepare(args)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f'error: {error}')
    runner = RUNNERS.build(config) if 'runner_type' in config else Runner.from_cfg(config)
    runner.train()


if __name__ == '__main__':
    main()
