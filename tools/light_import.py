"""Lets a tool import the numpy half of rocovis_mm without torch, in a tenth of the time.

``import rocovis_mm.evaluation`` registers the metrics and with them imports torch and mmcv, which
takes seconds; scoring needs neither.
`prepare` puts bare packages in place of ``rocovis_mm`` and ``rocovis_mm.evaluation``, so that
``rocovis_mm.evaluation.functional`` is found without running their start-up. It also makes
the tools work in a checkout that is not installed. Where rocovis_mm is already imported, nothing
is changed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def prepare() -> None:
    """Put the bare packages in place."""
    if 'rocovis_mm' in sys.modules:
        return
    for name in ('rocovis_mm', 'rocovis_mm.evaluation'):
        package = ModuleType(name)
        package.__path__ = [str(ROOT.joinpath(*name.split('.')))]
        sys.modules[name] = package
