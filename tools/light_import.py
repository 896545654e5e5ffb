"""Lets a tool import the numpy half of rocovis_mm without torch, in a tenth of the time.

Importing a package of rocovis_mm registers what is in it and with it imports torch and mmcv, which
takes seconds; scoring, converting and checking need neither.
`prepare` puts bare packages in their place, so that modules such as those of
``rocovis_mm.evaluation.functional`` are found without running the packages' start-up. It also makes
the tools work in a checkout that is not installed. Where rocovis_mm is already imported, or does
not lie beside the tools (as with those that an installation carries), nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    'rocovis_mm',
    'rocovis_mm.apis',
    'rocovis_mm.datasets',
    'rocovis_mm.evaluation',
    'rocovis_mm.visualization',
)


def prepare() -> None:
    """Put the bare packages in place, and let stdout take characters of any script."""
    if 'rocovis_mm' not in sys.modules and (ROOT / 'rocovis_mm').is_dir():
        for name in PACKAGES:
            package = ModuleType(name)
            package.__path__ = [str(ROOT.joinpath(*name.split('.')))]
            sys.modules[name] = package
    from rocovis_mm.console import print_anything

    print_anything()


@contextmanager
def borrowed() -> Iterator[None]:
    """Import modules without torch in a ``with`` block; its end takes them and the packages back.

    After the block the packages can be imported as they are, with torch.
    """
    if 'rocovis_mm' in sys.modules:
        yield
        return
    prepare()
    try:
        yield
    finally:
        for name in filter(is_ours, list(sys.modules)):
            del sys.modules[name]


def is_ours(name: str) -> bool:
    """Whether a module is a part of rocovis_mm."""
    return name.partition('.')[0] == 'rocovis_mm'
