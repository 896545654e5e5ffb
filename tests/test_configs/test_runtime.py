"""What every config has in its runtime."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from rocovis_mm.utils import load_config
from tests.test_configs.reduced_configs import CONFIGS

LOOPS = ('IterTrainLoop', 'EpochTrainLoop', 'IterBasedTrainLoop')


def kind(entry) -> str:
    return getattr(entry['type'], '__name__', entry['type']).rpartition('.')[2]


@pytest.mark.parametrize('name', CONFIGS)
def test_early_lines_steps_in_iterations_and_loops_that_can_be_ended(name):
    config: Config = load_config(CONFIGS[name])
    logger = config.default_hooks['logger']
    assert kind(logger) == 'EarlyLoggerHook' and logger['log_metric_by_epoch'] is False
    assert kind(config.train_cfg) in LOOPS
