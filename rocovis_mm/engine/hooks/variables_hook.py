"""Refuses a run whose config sets a variable too late."""

from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner

from rocovis_mm.registry import HOOKS
from rocovis_mm.utils.config import check_complete


@HOOKS.register_module()
class VariablesHook(Hook):
    """Refuses a run whose config sets a variable that its entries were not made with.

    The tools of rocovis_mm let variables take effect (:func:`rocovis_mm.utils.load_config`).
    MMEngine's ``Config.fromfile``, and so MMDetection's own tools, cannot: there a child
    config's ``data_root = ...`` changes nothing.
    """

    priority = 'VERY_HIGH'

    def before_run(self, runner: Runner) -> None:
        """Check the run's config.

        Raises:
            ValueError: names the variables and the remedy.
        """
        check_complete(runner.cfg)
