"""Overlays, contact sheets and curves; the visualizer and hook that a runner builds."""

from rocovis_mm.visualization.compositions import (
    compared_frames,
    contact_sheet,
    mosaic_frames,
    write_pictures,
)
from rocovis_mm.visualization.curves import draw_curves, find_scalars, read_scalars
from rocovis_mm.visualization.fonts import use_font
from rocovis_mm.visualization.live import IdentityImages, LiveOverlay, identity_map
from rocovis_mm.visualization.media import read_image, write_gif, write_image, write_mp4
from rocovis_mm.visualization.overlay import draw_overlay
from rocovis_mm.visualization.palette import identity_color
from rocovis_mm.visualization.trails import Trails
from rocovis_mm.visualization.video_results import DrawnVideo, load_drawn_videos
from rocovis_mm.visualization.vis_visualization_hook import VISVisualizationHook
from rocovis_mm.visualization.vis_visualizer import VISLocalVisualizer

__all__ = [
    'DrawnVideo',
    'IdentityImages',
    'LiveOverlay',
    'Trails',
    'VISLocalVisualizer',
    'VISVisualizationHook',
    'compared_frames',
    'contact_sheet',
    'draw_curves',
    'draw_overlay',
    'find_scalars',
    'identity_color',
    'identity_map',
    'load_drawn_videos',
    'mosaic_frames',
    'read_image',
    'read_scalars',
    'use_font',
    'write_gif',
    'write_image',
    'write_mp4',
    'write_pictures',
]
