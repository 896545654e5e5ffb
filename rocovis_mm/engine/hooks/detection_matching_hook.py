"""The first part of a DVIS training, in which its detector decides what its tracker learns."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from rocovis_mm.registry import HOOKS


@HOOKS.register_module()
class DetectionMatchingHook(Hook):
    """Lets DVIS match instances with its detector's predictions at first, as published.

    A tracker that starts from random weights predicts nothing that an instance could be matched
    with. The released code counts iterations from 0 again in a resumed run
    (dvis/meta_architecture.py:652). Here the iteration of the whole run counts.

    Args:
        share: of a run's iterations, after which the tracker's own predictions are matched.

    Raises:
        ValueError: `share` is none.
    """

    priority = 'VERY_HIGH'

    def __init__(self, share: float = 0.5) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f'DetectionMatchingHook: share={share}: give a number from 0 to 1')
        self.share = share

    def before_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        """Set ``match_detections`` of the model, and log its changes."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        match_detections = runner.iter < self.share * runner.max_iters
        if match_detections != model.match_detections:
            who = 'detector' if match_detections else 'tracker'
            runner.logger.info(f'iteration {runner.iter}: the {who} is matched with instances')
            model.match_detections = match_detections
