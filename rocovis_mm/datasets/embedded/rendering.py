"""Rendering a planned scene as frames with exact visible masks.

Letters: K objects · T frames · H, W height and width.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

from rocovis_mm.datasets.embedded.scenes import Actor, Scene

MIN_VISIBLE = 12
"""An object with fewer visible pixels in a frame is not drawn in it."""

MAX_REACH = 1.75
"""Largest radius of a deformed outline, in units of its size."""

SHADOW_REACH = 9
"""Largest distance of a shadow from its outline, in pixels."""


@dataclass(frozen=True)
class Placement:
    """An actor in one frame; h, w: the window's height and width.

    Attributes:
        window: rows and columns of the frame that it can touch.
        distance: (h, w) distance of a pixel's centre from the outline, positive inside.
        own: (2, h, w) x, y of the pixel's centre in the actor's coordinates.
    """

    window: tuple[slice, slice]
    distance: np.ndarray
    own: np.ndarray


@dataclass(frozen=True)
class RenderedVideo:
    """Frames and their ground truth.

    Attributes:
        frames: (T, H, W, 3) uint8, BGR.
        masks: (K, T, H, W) bool, visible pixels; no two objects share one.
        extents: (K, T) int, pixels within the frame of each object's shape, visible or hidden.
        labels: (K,) int.
    """

    frames: np.ndarray
    masks: np.ndarray
    extents: np.ndarray
    labels: np.ndarray


def render_video(scene: Scene, height: int, width: int) -> RenderedVideo:
    """Render every frame of `scene` at (height, width) pixels.

    A pixel belongs to the nearest object whose outline contains its centre. Scenery hides objects
    like they hide each other, but has no masks.
    """
    num_frames, num_actors = len(scene.camera), len(scene.actors)
    canvas = paint_background(np.random.default_rng(scene.background_seed), height, width)
    frames = np.empty((num_frames, height, width, 3), dtype=np.uint8)
    masks = np.zeros((num_actors, num_frames, height, width), dtype=bool)
    extents = np.zeros((num_actors, num_frames), dtype=np.int64)
    for t in range(num_frames):
        placed = [place_actor(actor, scene.camera, t, height, width) for actor in scene.actors]
        wholes = np.zeros((num_actors, height, width), dtype=bool)
        for whole, placement in zip(wholes, placed):
            whole[placement.window] = placement.distance >= 0
        extents[:, t] = wholes.sum((1, 2))
        masks[:, t] = visible_masks(wholes)
        image = move_camera(canvas, scene.camera[t], height, width)
        for k in reversed(range(num_actors)):
            if masks[k, t].any():
                paint_actor(image, scene.actors[k], placed[k])
        frames[t] = image.round().clip(0, 255)
    labels = np.array([actor.label for actor in scene.actors], dtype=np.int64)
    noted = np.array([not actor.scenery for actor in scene.actors])
    return RenderedVideo(frames, masks[noted], extents[noted], labels[noted])


def place_actor(actor: Actor, camera: np.ndarray, t: int, height: int, width: int) -> Placement:
    """Return the placement of an actor in frame `t` of (height, width) pixels."""
    pan, zoom = camera[t, :2], camera[t, 2]
    centre_x = width / 2 + zoom * ((actor.path[t, 0] - 0.5) * width - pan[0] * height)
    centre_y = height / 2 + zoom * ((actor.path[t, 1] - 0.5) * height - pan[1] * height)
    size = zoom * actor.size[t] * height
    reach = MAX_REACH * size + SHADOW_REACH
    columns, rows = _span(centre_x, reach, width), _span(centre_y, reach, height)
    x = (np.arange(width, dtype=np.float32)[columns] + 0.5 - centre_x)[None, :] / size
    y = (np.arange(height, dtype=np.float32)[rows] + 0.5 - centre_y)[:, None] / size
    cosine, sine = np.cos(actor.angle[t]), np.sin(actor.angle[t])
    own = np.stack((cosine * x + sine * y, cosine * y - sine * x)).astype(np.float32)
    deformation = actor.deformation[t].astype(np.float32)
    distance = actor.shape.inside(own[0], own[1], deformation) * size
    return Placement((rows, columns), distance, own)


def _span(centre: float, reach: float, length: int) -> slice:
    """Return the pixels within `reach` of `centre` on an axis of `length` pixels."""
    low, high = np.clip((centre - reach, centre + reach + 1), 0, length).astype(int)
    return slice(low, high)


def visible_masks(wholes: np.ndarray) -> np.ndarray:
    """Return the visible masks of objects, (K, H, W) bool, of which no two overlap.

    Objects with less than `MIN_VISIBLE` pixels are not visible and hide nothing.

    Args:
        wholes: (K, H, W) bool, each object's whole shape, the nearest first.
    """
    covered = np.zeros(wholes.shape[1:], dtype=bool)
    shown = np.zeros_like(wholes)
    for whole, visible in zip(wholes, shown):
        np.logical_and(whole, ~covered, out=visible)
        if np.count_nonzero(visible) < MIN_VISIBLE:
            visible[:] = False
        else:
            covered |= whole
    return shown


def paint_actor(image: np.ndarray, actor: Actor, placement: Placement) -> None:
    """Paint an actor with shadow, texture and shading onto `image` (H, W, 3) float."""
    distance, (x, y) = placement.distance, placement.own
    patch = image[placement.window]
    shadow = cv2.GaussianBlur((distance > -1).astype(np.float32), (0, 0), 2.2)
    patch[2:, 1:] *= 1 - 0.35 * shadow[:-2, :-1, None]  # light from the upper left
    texture = actor.shape.texture(x, y) * np.float32(actor.contrast)
    base, accent = hsv(actor.hue, 0.85, 225), hsv(actor.hue + 22, 0.45, 250)
    if actor.scenery:
        base, accent = hsv(actor.hue, 0.2, 150), hsv(actor.hue + 40, 0.3, 90)
    color = base + texture[..., None] * (accent - base)
    rim = np.clip(distance / 3, 0, 1)  # darker towards the outline
    light = (0.62 + 0.38 * rim) * (1.08 - 0.18 * np.hypot(x, y))
    alpha = np.clip(distance + 0.5, 0, 1)[..., None]
    patch += alpha * (color * light[..., None] - patch)


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """Return a BGR colour (3,) in 0..255 for a hue in degrees."""
    red, green, blue = colorsys.hsv_to_rgb(hue / 360 % 1, saturation, 1)
    return np.array((blue, green, red), dtype=np.float32) * np.float32(value)


def paint_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Paint a textured canvas (2H, 2W, 3) in muted colours, so that objects are salient."""
    canvas = np.zeros((2 * height, 2 * width, 3), dtype=np.float32)
    tint = hsv(rng.uniform(0, 360), rng.uniform(0.05, 0.3), 1)
    for cell, strength in ((height // 2, 34), (height // 6, 20), (height // 16, 12), (2, 5)):
        shape = (2 * height // cell + 2, 2 * width // cell + 2)
        noise = rng.normal(0, 1, shape).astype(np.float32)
        noise = cv2.resize(noise, canvas.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        canvas += strength * noise[..., None]
    return ((canvas + rng.uniform(85, 135)) * tint).astype(np.float32)


def move_camera(canvas: np.ndarray, camera: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the camera's view (pan x, y in heights, zoom) of the canvas, float (H, W, 3)."""
    pan, zoom = camera[:2] * height, camera[2]
    # output pixel -> canvas pixel, both by their centres
    offset = (
        np.array((width, height)) + pan - np.array((width, height)) / 2 / zoom - 0.5 + 0.5 / zoom
    )
    matrix = np.array([[1 / zoom, 0, offset[0]], [0, 1 / zoom, offset[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        canvas, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT
    )
