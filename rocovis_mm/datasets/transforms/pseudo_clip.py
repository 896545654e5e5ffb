"""Clips from single images.

Letters: n instances · T frames · H, W height and width. Points are in a continuous
plane, in which the pixel in row i and column j covers [j, j + 1) x [i, i + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes

from rocovis_mm.datasets.bitmaps import count_pixels, wrap_masks
from rocovis_mm.datasets.transforms.pan_crop import PanCrop
from rocovis_mm.formats.boxes import boxes_of_masks
from rocovis_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PseudoClip(BaseTransform):
    """Make a clip of one image, whose frames are rotated, resized and cropped views of it.

    Each frame has its own angle, scale, window size and window place. The proportions of the
    window and the size of the frames are the same over the clip. An instance is absent in frames
    where it is outside the window. Image and masks are transformed once, by the same matrix.

    The published recipes rotate, resize and crop one after the other (VITA,
    `vita/data/augmentation.py`, ``build_pseudo_augmentation``). Here the window is placed in the
    whole image, so that the corners of a rotated frame are empty only beyond the image. Empty
    parts get the mean colour and no masks.

    Required keys, of one image: ``img``, ``gt_masks``, ``gt_bboxes_labels``,
    ``gt_instances_ids``. All keys become lists of T, in the form of ``SampleClip`` and loaded
    frames. Added keys: ``frame_id``, ``video_length``, ``ori_video_length`` (T),
    ``scale_factor``, ``homography_matrix`` (3, 3), which takes the image's points to the frame's.

    Args:
        num_frames: T.
        scales: (longest, shortest) side of the frames, one of which is drawn for the clip.
        crop_prob: probability of cropping; otherwise each frame shows the whole rotated image.
        crop_scales: (longest, shortest) side of the image before cropping, one of which is drawn
            for each frame.
        crop_range: least and largest side of a window in pixels of the resized image, whose side
            replaces a larger bound.
        max_angle: largest rotation of a frame to either side, in degrees.
        mean: RGB colour outside the image, which the model's data preprocessor subtracts.
        smooth: let the views change in one direction over the clip, as a moving camera does. The
            angles ascend or descend, the window has one size and moves along a line, at random
            steps (CTVIS, `ctvis/data/pseudo_video/augmentation.py:518-610`).
        pan: largest movement of the window of a smooth clip, as a share of its room; 0 gives all
            frames one window (DVIS, `dvis/data_video/augmentation.py`, ``RandomCropClip``).

    Raises:
        ValueError: no frame or scale, a probability, an angle or a movement out of its range, or a
            `pan` for a clip that is not smooth.
    """

    def __init__(
        self,
        num_frames: int,
        scales: Sequence[tuple[int, int]],
        crop_prob: float = 0.5,
        crop_scales: Sequence[tuple[int, int]] = ((1333, 400), (1333, 500), (1333, 600)),
        crop_range: tuple[int, int] = (384, 600),
        max_angle: float = 15.0,
        mean: Sequence[float] = (123.675, 116.28, 103.53),
        smooth: bool = False,
        pan: float = 1.0,
    ) -> None:
        if num_frames < 1 or not scales or not crop_scales:
            raise ValueError(
                f'PseudoClip: num_frames={num_frames}, scales={scales}, crop_scales={crop_scales}; '
                'give at least one frame and one scale each'
            )
        if not (0 <= crop_prob <= 1 and 0 <= max_angle <= 180):
            raise ValueError(
                f'PseudoClip: crop_prob={crop_prob}, max_angle={max_angle}; give a probability '
                'from 0 to 1 and an angle from 0 to 180'
            )
        if not 0 <= pan <= 1 or (pan < 1 and not smooth):
            raise ValueError(
                f'PseudoClip: pan={pan}, smooth={smooth}; give a share from 0 to 1, and '
                'smooth=True for less than 1'
            )
        self.num_frames = num_frames
        self.scales = list(scales)
        self.crop_prob = crop_prob
        self.crop_scales = list(crop_scales)
        self.crop = PanCrop(prob=1.0, pixel_range=crop_range)
        self.max_angle = max_angle
        self.smooth = smooth
        self.pan = pan
        self.fill = tuple(round(value) for value in reversed(mean))  # BGR

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn an image's dict into a clip's dict of lists."""
        shape, matrices = self.draw_views(results['img'].shape[:2])
        views = [view_image(results, matrix, shape, self.fill) for matrix in matrices]
        clip = {key: [value] * self.num_frames for key, value in results.items()}
        for key in views[0]:
            clip[key] = [view[key] for view in views]
        clip['frame_id'] = list(range(self.num_frames))
        clip['video_length'] = clip['ori_video_length'] = [self.num_frames] * self.num_frames
        return clip

    def draw_views(self, shape: Sequence[int]) -> tuple[tuple[int, int], list[np.ndarray]]:
        """Draw the views of a clip.

        Args:
            shape: (H, W) of the image.

        Returns:
            (H, W) of the frames, and the matrix (3, 3) from the image to each of them.
        """
        whole = np.array(shape, dtype=float)
        cropped = np.random.rand() < self.crop_prob
        window = self.crop.draw_size(self.draw_shape(whole, self.crop_scales)) if cropped else whole
        frame = self.draw_shape(window, self.scales)
        if self.smooth:
            size = self.draw_window(whole, window) if cropped else whole
            moves = zip(*self.draw_moves(size / 2, whole - size / 2))
            matrices = [matrix_to_view(centre, size, angle, frame) for centre, angle in moves]
            return (int(frame[0]), int(frame[1])), matrices
        matrices = []
        for _ in range(self.num_frames):
            size = self.draw_window(whole, window) if cropped else whole
            centre = np.random.uniform(size / 2, whole - size / 2)
            angle = np.random.uniform(-self.max_angle, self.max_angle)
            matrices.append(matrix_to_view(centre, size, angle, frame))
        return (int(frame[0]), int(frame[1])), matrices

    def draw_moves(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draw the centres (T, 2) and angles (T,) of a smooth clip.

        Args:
            low: (2,) least (row, column) of a centre.
            high: (2,) largest one.
        """
        start, goal = np.random.uniform(low, high, (2, 2))
        goal = start + self.pan * (goal - start)
        steps = np.sort(np.random.rand(self.num_frames))[:, None]
        angles = np.sort(np.random.uniform(-self.max_angle, self.max_angle, self.num_frames))
        return start + steps * (goal - start), angles[:: np.random.choice((-1, 1))]

    @staticmethod
    def draw_shape(shape: np.ndarray, scales: list[tuple[int, int]]) -> np.ndarray:
        """Return (height, width) resized to one of `scales` with the same proportions."""
        scale = scales[np.random.randint(len(scales))]
        width, height = mmcv.rescale_size((shape[1], shape[0]), tuple(scale))
        return np.array((height, width))

    def draw_window(self, whole: np.ndarray, window: np.ndarray) -> np.ndarray:
        """Draw (height, width) of one frame's window in pixels of the image.

        Args:
            whole: (H, W) of the image.
            window: (height, width) with the proportions of the window.
        """
        resized = self.draw_shape(whole, self.crop_scales)
        low, high = self.crop.pixel_range
        largest = min((resized / window).min(), high / window.max())
        factor = np.random.uniform(min(low / window.min(), largest), largest)
        return np.minimum(factor * window * whole / resized, whole)


def matrix_to_view(
    centre: np.ndarray, size: np.ndarray, angle: float, frame: np.ndarray
) -> np.ndarray:
    """Return the matrix (3, 3) that takes points (x, y, 1) of an image to those of a view of it.

    Args:
        centre: (row, column) of the window's middle in the image.
        size: (height, width) of the window in the image.
        angle: clockwise rotation about the middle, in degrees.
        frame: (height, width) of the view.
    """
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array(((cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1)))
    resize = np.diag((*(frame / size)[::-1], 1))
    return shift(frame[::-1] / 2) @ resize @ turn @ shift(-centre[::-1])


def view_image(
    results: dict[str, Any], matrix: np.ndarray, shape: tuple[int, int], fill: Sequence[int]
) -> dict[str, Any]:
    """Return the keys that change in a view of an image.

    Args:
        results: of the image.
        matrix: (3, 3) from its points to the view's.
        shape: (H, W) of the view.
        fill: BGR colour outside the image.
    """
    masks = warp_masks(results['gt_masks'].masks, matrix, shape)
    kept = np.flatnonzero(count_pixels(masks))
    masks = masks[kept]
    return dict(
        img=warp(results['img'], matrix, shape, fill),
        img_shape=shape,
        gt_masks=wrap_masks(masks),
        gt_bboxes=HorizontalBoxes(torch.from_numpy(boxes_of_masks(masks))),
        gt_bboxes_labels=results['gt_bboxes_labels'][kept],
        gt_instances_ids=results['gt_instances_ids'][kept],
        scale_factor=tuple(np.linalg.norm(matrix[:2, :2], axis=1).tolist()),
        homography_matrix=matrix,
    )


def warp_masks(masks: np.ndarray, matrix: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Interpolate masks (n, H, W) like the image, and threshold them at one half.

    Only the part of a view that a mask may touch is computed.
    """
    warped = np.zeros((len(masks), *shape), dtype=np.uint8)
    for source, target in zip(masks, warped):
        left, top, width, height = cv2.boundingRect(source)
        x = np.array((left - 1, left + width + 1))
        y = np.array((top - 1, top + height + 1))
        corners = matrix[:2] @ (np.tile(x, 2), np.repeat(y, 2), np.ones(4))  # (2, 4)
        low = np.clip(np.floor(corners.min(1)), 0, shape[::-1]).astype(int)
        high = np.clip(np.ceil(corners.max(1)), 0, shape[::-1]).astype(int)
        if width == 0 or (low >= high).any():
            continue
        from_part = shift(-low) @ matrix @ shift((left, top))
        part = source[top : top + height, left : left + width] * 255
        soft = warp(part, from_part, tuple((high - low)[::-1].tolist()))
        target[low[1] : high[1], low[0] : high[0]] = soft >= 128
    return warped


def shift(step: Sequence[float]) -> np.ndarray:
    """Return the matrix (3, 3) that moves points by (x, y)."""
    matrix = np.eye(3)
    matrix[:2, 2] = step
    return matrix


TO_CENTRES, FROM_CENTRES = shift((-0.5, -0.5)), shift((0.5, 0.5))
"""OpenCV's points are the middles of pixels."""


def warp(
    image: np.ndarray, matrix: np.ndarray, shape: tuple[int, int], fill: Sequence[int] = (0,)
) -> np.ndarray:
    """Transform an image uint8 by a matrix (3, 3) of its points.

    Args:
        image: (H, W) or (H, W, 3).
        matrix: from its points to the result's.
        shape: (height, width) of the result.
        fill: value outside the image.
    """
    of_centres = TO_CENTRES @ matrix @ FROM_CENTRES
    return cv2.warpAffine(
        image, of_centres[:2], shape[::-1], flags=cv2.INTER_LINEAR, borderValue=tuple(fill)
    )
