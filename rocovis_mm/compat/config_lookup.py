"""Lets MMEngine look up configs by names such as ``rocovis_mm::rocovis/rocovis_r50_ovis.py``."""

from mmengine.config.utils import MODULE2PACKAGE


def announce_configs() -> None:
    """Put rocovis_mm on the list of packages whose configs MMEngine looks up.

    The list maps a module to a distribution (mmengine 0.10.7, ``config/utils.py:17``). MMEngine
    takes the configs from the folder of the metadata of the distribution
    (``utils/package_utils.py:72``), which holds no module after ``pip install -e``. A name that is
    no distribution is imported, and the configs are taken from the folder of its file.
    """
    MODULE2PACKAGE['rocovis_mm'] = 'rocovis_mm.registry'
