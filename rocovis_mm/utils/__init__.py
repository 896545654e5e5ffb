"""Helpers of the command-line tools."""

from rocovis_mm.compat import checked  # noqa: F401
from rocovis_mm.utils.config import check_complete, load_config
from rocovis_mm.utils.options import OptionAction
from rocovis_mm.utils.run_config import (
    add_run_arguments,
    check_annotation_files,
    check_checkpoint,
    check_fit,
    check_shards,
    load_run_config,
    resume_from,
    use_mixed_precision,
    warn_of_frozen_noise,
    write_results_to,
)

__all__ = [
    'OptionAction',
    'add_run_arguments',
    'check_annotation_files',
    'check_checkpoint',
    'check_fit',
    'check_complete',
    'check_shards',
    'load_config',
    'load_run_config',
    'resume_from',
    'use_mixed_precision',
    'warn_of_frozen_noise',
    'write_results_to',
]
