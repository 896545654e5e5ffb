"""Checkpoints of this code base and of others, and their conversion."""

from rocovis_mm.checkpoints.any_sizes import KINDS, fitting_config, read_sizes
from rocovis_mm.checkpoints.conversion import to_detectron2, to_mm
from rocovis_mm.checkpoints.files import convert_file, write_checkpoint
from rocovis_mm.checkpoints.publishing import publish_file, slim_checkpoint
from rocovis_mm.checkpoints.reading import read_checkpoint
from rocovis_mm.checkpoints.sizes import ModelSizes
from rocovis_mm.compat import checked  # noqa: F401

__all__ = [
    'KINDS',
    'ModelSizes',
    'convert_file',
    'fitting_config',
    'publish_file',
    'read_checkpoint',
    'read_sizes',
    'slim_checkpoint',
    'to_detectron2',
    'to_mm',
    'write_checkpoint',
]
