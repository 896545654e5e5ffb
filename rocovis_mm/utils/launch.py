"""From a tool's arguments to a run, in one process or several."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from mmdet import utils as mmdet_utils
from mmengine.config import Config
from mmengine.dist import barrier, is_distributed
from mmengine.logging import MMLogger, print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from rocovis_mm.checkpoints.fitting import MisfitError
from rocovis_mm.utils.divergence import DivergenceError
from rocovis_mm.utils.said_once import warnings_said_once


def run_tool(
    args: argparse.Namespace,
    prepare: Callable[[argparse.Namespace], Config],
    run: Callable[[Runner], object],
) -> None:
    """Prepare a config, build its runner and run it.

    Args:
        args: with those of ``add_run_arguments``.
        prepare: returns the config; its FileNotFoundError or ValueError ends the process with
            one line on stderr.
        run: runs the runner; a checkpoint that does not fit, a training that diverges and
            Ctrl-C end the process with one line too.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    # MMDetection 3.0.0rc5, which MMTracking needs, has no such function
    getattr(mmdet_utils, 'setup_cache_size_limit_of_dynamo', lambda: None)()
    with warnings_said_once() as once:
        MMLogger.get_current_instance().addFilter(once)
        try:
            config = prepare(args)
        except (FileNotFoundError, ValueError) as error:
            sys.exit(f'error: {error}')
        try:
            with process_group(config):
                sharded = 'runner_type' in config
                runner = RUNNERS.build(config) if sharded else Runner.from_cfg(config)
                runner.logger.addFilter(once)
                run(runner)
        except MisfitError as error:
            sys.exit(f'error: {error}')
        except DivergenceError as error:
            if once.is_new(str(error)):  # all ranks may find it
                print(f'error: {error}', file=sys.stderr, flush=True)
            sys.exit(1)
        except (Exception, KeyboardInterrupt) as error:
            if not comes_of_interrupt(error):
                raise
            if once.is_new('interrupted'):
                print('interrupted', file=sys.stderr, flush=True)
            sys.exit(130)


def comes_of_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C led to an error; MMEngine turns it into others in places."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


@contextmanager
def process_group(config: Config) -> Iterator[None]:
    """Join the other processes of a distributed run, and leave them in order at its end.

    A process that ends while threads of the group still run may be aborted. One that fails
    leaves at once: whoever launched the run then ends the others, which could wait for it
    in a collective call.

    Args:
        config: of the run; changed in place where there is no GPU.
    """
    if config.launcher != 'none' and not torch.cuda.is_available():
        join_on_cpu(config)
    yield
    if is_distributed():
        barrier()
        torch.distributed.destroy_process_group()


def join_on_cpu(config: Config) -> None:
    """Join by gloo where there is no GPU.

    MMEngine would look for one (mmengine 0.10.7, ``dist/utils.py:132`` and
    ``runner/runner.py:900``).

    Raises:
        ValueError: the launcher is not torchrun.
    """
    if config.launcher != 'pytorch':
        raise ValueError(
            f'--launcher {config.launcher} needs GPUs; on CPUs start the run with '
            'tools/dist_train.sh, tools/dist_test.sh or torchrun'
        )
    settings = config.setdefault('env_cfg', {}).setdefault('dist_cfg', {})
    if settings.get('backend', 'nccl') == 'nccl':
        if os.environ.get('RANK', '0') == '0':
            print_log('no GPU here: gloo joins the processes in place of nccl', logger='current')
        settings['backend'] = 'gloo'
    timeout = settings.get('timeout')
    torch.distributed.init_process_group(
        settings['backend'], timeout=timedelta(seconds=timeout) if timeout else None
    )
    config.setdefault(
        'model_wrapper_cfg',
        dict(
            type='MMDistributedDataParallel',
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=config.get('find_unused_parameters', False),
        ),
    )
