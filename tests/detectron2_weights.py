"""Weights of the published models, made by the rule of the shared fixtures."""

from __future__ import annotations

import sys
from pathlib import Path

TOOLS = str(Path(__file__).resolve().parents[1] / 'tools' / 'analysis_tools')
sys.path.insert(0, TOOLS)
try:
    from published_fixtures import (  # noqa: F401
        HEADS,
        MEAN,
        STD,
        build,
        facts,
        normalized,
        outputs,
        set_heads,
        weight,
        weights,
    )
finally:
    sys.path.remove(TOOLS)

FOLDER = 'fixtures/detectron2'
