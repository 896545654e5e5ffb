"""Generated videos with known answers."""

from rocovis_mm.datasets.embedded.embedded_dataset import (
    CLASSES,
    EmbeddedDataset,
    EmbeddedRecipe,
    make_embedded_dataset,
    make_tiny_dataset,
)
from rocovis_mm.datasets.embedded.rendering import RenderedVideo, render_video
from rocovis_mm.datasets.embedded.scenes import Scene, plan_scene

__all__ = [
    'CLASSES',
    'EmbeddedDataset',
    'EmbeddedRecipe',
    'RenderedVideo',
    'Scene',
    'make_embedded_dataset',
    'make_tiny_dataset',
    'plan_scene',
    'render_video',
]
