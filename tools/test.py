"""Test a model: score it, write its results, draw them.

python tools/test.py CONFIG CHECKPOINT [--out RESULTS.json] [--show-dir DIR] [--format-only]
"""

from __future__ import annotations

import argparse

import rocovis_mm.registry  # noqa: F401  (before any part of mmdet: makes mmcv-lite enough)

# isort: split
from mmdet.engine.hooks.utils import trigger_visualization_hook
from mmengine.config import Config
from mmengine.runner import Runner

from rocovis_mm.console import print_anything
from rocovis_mm.utils import (
    add_run_arguments,
    check_annotation_files,
    check_checkpoint,
    check_fit,
    load_run_config,
    write_results_to,
)
from rocovis_mm.utils.launch import run_tool


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Test a model')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of logs and figures')
    parser.add_argument(
        '--out', help='write the results in YouTube-VIS submission form, as .json and .zip'
    )
    parser.add_argument(
        '--format-only',
        action='store_true',
        help='write the results without scoring them (to --out, or into the work folder)',
    )
    parser.add_argument('--show', action='store_true', help='show the results in a window')
    parser.add_argument(
        '--show-dir', help='draw every frame into this folder, as <video id>/<frame>.jpg'
    )
    parser.add_argument('--wait-time', type=float, default=0.1, help='seconds a frame is shown for')
    add_run_arguments(parser)
    return parser.parse_args()


def prepare(args: argparse.Namespace) -> Config:
    """Return the run's config, checked.

    Raises:
        FileNotFoundError: config, checkpoint or annotation file is missing.
        ValueError: the arguments and the config do not go together.
    """
    config = load_run_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    write_results_to(config, args.out, args.format_only)
    check_checkpoint(args.checkpoint)
    check_fit(config, args.allow_missing)
    config.load_from = args.checkpoint
    config.resume = False
    if args.show or args.show_dir:
        config = trigger_visualization_hook(config, args)
    check_annotation_files(config, ['test'])
    return config


def main() -> None:
    """Test."""
    print_anything()
    run_tool(parse_args(), prepare, Runner.test)


if __name__ == '__main__':
    main()
