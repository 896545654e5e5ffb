"""The packages that rocovis_mm needs: their versions, checked at the first import.

``rocovis_mm.compat.checked`` runs the check for every package of rocovis_mm that needs torch.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

# import name: (accepted distributions, lowest, first one no longer accepted, how to install)
REQUIREMENTS = {
    'torch': (('torch',), '2.0', None, "pip install 'torch>=2.0'"),
    'mmengine': (
        ('mmengine', 'mmengine-lite', 'onedl-mmengine'),
        '0.10.0',
        '0.11.0',
        "pip install 'mmengine>=0.10,<0.11'",
    ),
    'mmcv': (
        ('mmcv', 'mmcv-lite', 'onedl-mmcv'),
        '2.0.0',
        None,
        "pip install 'mmcv-lite>=2.0,<2.2' (or the full mmcv for its CUDA kernels)",
    ),
    'mmdet': (
        ('mmdet', 'onedl-mmdetection'),
        '3.1.0',
        None,
        "pip install 'mmdet>=3.1,<3.4'",
    ),
}
# The maintained forks have later versions; upstream stops before these.
UPSTREAM_BELOW = {'mmcv': '2.2.0', 'mmcv-lite': '2.2.0', 'mmdet': '3.4.0'}
# Versions that MMTracking 1.0.0rc1 needs (mmtrack/__init__.py:10) and was tested with:
# lowest, first one no longer accepted. Allowed where mmtrack is installed.
MMTRACK_RANGES = {
    'mmcv': ('2.0.0rc4', '2.0.0'),
    'mmcv-lite': ('2.0.0rc4', '2.0.0'),
    'mmdet': ('3.0.0rc5', '3.0.0rc6'),
}


def find_distributions(names: Sequence[str]) -> dict[str, Version]:
    """Return the installed distributions among `names` with their versions."""
    found = {}
    for name in names:
        try:
            found[name] = Version(version(name))
        except PackageNotFoundError:
            continue
    return found


def in_mmtrack_range(name: str, installed: Version) -> bool:
    """Whether MMTracking is installed, and this is a version that it works with."""
    lowest, below = MMTRACK_RANGES.get(name, ('0', '0'))
    if not Version(lowest) <= installed < Version(below):
        return False
    mmtrack = find_distributions(['mmtrack']).get('mmtrack')
    return mmtrack is not None and mmtrack >= Version('1.0.0rc1')


def hosted_by_mmtrack() -> bool:
    """Whether MMDetection here is the version that MMTracking 1.0.0rc1 needs.

    It has neither the base class nor the data samples of videos: ``rocovis_mm.compat``
    gives them.
    """
    mmdet = find_distributions(['mmdet']).get('mmdet')
    return mmdet is not None and in_mmtrack_range('mmdet', mmdet)


def check_dependencies() -> None:
    """Check that every package that rocovis_mm needs is installed and in range.

    Older versions of MMDetection and mmcv are accepted beside the MMTracking that needs
    them, see ``MMTRACK_RANGES``.

    Raises:
        ImportError: names the package, the version found, the range accepted
            and the command that installs it.

    Warns:
        UserWarning: where two distributions that write the same files are
            installed together (say mmcv and mmcv-lite).
    """
    for module, (names, lowest, below, remedy) in REQUIREMENTS.items():
        found = find_distributions(names)
        if not found and importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(
                f'rocovis_mm needs {module}, which is not installed. Run: {remedy}', name=module
            )
        if len(found) > 1:
            warnings.warn(
                f'{" and ".join(found)} are installed together and overwrite each other as the '
                f'package {module}; uninstall them all, then install one'
            )
        for name, installed in found.items():  # none where built from source without metadata
            limit = UPSTREAM_BELOW.get(name, below)
            too_old = installed < Version(lowest) and not in_mmtrack_range(name, installed)
            if too_old or (limit and installed >= Version(limit)):
                wanted = f'>={lowest}' + (f',<{limit}' if limit else '')
                raise ImportError(
                    f'rocovis_mm needs {name}{wanted}, but {installed} is installed. Run: {remedy}'
                )
    check_mmcv_of_mmdet()


def check_mmcv_of_mmdet() -> None:
    """Check the pairs within the ranges that do not go together.

    Upstream's MMDetection asserts on import ``mmcv < 2.1.0`` in 3.1 and ``mmcv < 2.2.0`` in 3.2
    and 3.3 (``mmdet/__init__.py:8``), whichever distribution brings it. onedl-mmdetection takes
    any.

    Raises:
        ImportError: names both versions and the commands to choose from.
    """
    mmdet = find_distributions(['mmdet']).get('mmdet')
    if mmdet is None or mmdet < Version('3.1.0'):
        return
    limit = '2.1.0' if mmdet < Version('3.2.0') else '2.2.0'
    for name, installed in find_distributions(['mmcv', 'mmcv-lite', 'onedl-mmcv']).items():
        if installed < Version(limit):
            continue
        remedy = f"pip install 'mmdet>=3.2,<3.4', or pip install '{name}<2.1'"
        if name == 'onedl-mmcv':
            remedy = 'pip uninstall mmdet && pip install onedl-mmdetection'
        raise ImportError(
            f'mmdet {mmdet} works with mmcv<{limit}, but {name} {installed} is installed. '
            f'Run: {remedy}'
        )
