"""mmcv without compiled ops: a placeholder for its extension.

``mmcv-lite`` has no compiled extension, and ``import mmdet.models`` fails for want of
``mmcv._ext`` although nothing here calls it (mmdet 3.3.0, ``models/layers/bbox_nms.py:5``
imports ``mmcv.ops``).

``import rocovis_mm`` runs `stand_in_for_compiled_ops`, which imports nothing.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn

EXTENSION = 'mmcv._ext'


class MissingExtension(ModuleType):
    """A placeholder for ``mmcv._ext`` where mmcv was installed without compiled ops.

    Every attribute is a function that raises when called, never before: mmcv
    looks its ops up by name at import (``mmcv/utils/ext_loader.py:12``).
    """

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        """Return a placeholder op called `name`."""
        if name.startswith('__'):
            raise AttributeError(name)

        def placeholder(*args: object, **kwargs: object) -> NoReturn:
            raise RuntimeError(
                f'the compiled op {name} of mmcv was called, but mmcv is installed without '
                'compiled ops (mmcv-lite). RoCoVIS itself does not need it; for a model that '
                'does, install the full mmcv: pip uninstall mmcv-lite && pip install mmcv'
            )

        return placeholder


class MissingExtensionFinder(MetaPathFinder, Loader):
    """Finds `MissingExtension` where no other finder finds ``mmcv._ext``.

    It is the last on ``sys.meta_path``, so that a real extension is always found first,
    and nothing is imported before mmcv itself asks.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for ``mmcv._ext`` alone."""
        return ModuleSpec(fullname, self) if fullname == EXTENSION else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the placeholder module."""
        return MissingExtension(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def stand_in_for_compiled_ops() -> None:
    """Let ``mmcv.ops`` be imported where its extension is missing, and only there."""
    if not any(isinstance(finder, MissingExtensionFinder) for finder in sys.meta_path):
        sys.meta_path.append(MissingExtensionFinder())


def has_compiled_ops() -> bool:
    """Whether mmcv has its real extension. Imports mmcv."""
    return not isinstance(importlib.import_module(EXTENSION), MissingExtension)
