"""Loading the image and masks of a frame.

Letters: n instances · H, W height and width.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from mmengine import fileio

from rocovis_mm.datasets.bitmaps import wrap_masks
from rocovis_mm.formats.boxes import boxes_of_codes
from rocovis_mm.formats.frame_files import turned_note
from rocovis_mm.formats.images import decode_image
from rocovis_mm.formats.run_lengths import decode_counts
from rocovis_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadVISFrame(BaseTransform):
    """Load one frame, BGR uint8, and check it against its video.

    OpenCV fills the missing part of a truncated image with grey without an error. Here such files
    are errors, and so are unreadable files and files of another size than the video in the json.

    Required keys: ``img_path``, ``video_id``, ``height``, ``width``, ``ann_file``.

    Added keys: ``img`` (H, W, 3), ``img_shape`` and ``ori_shape`` (H, W).

    Args:
        backend_args: of :func:`mmengine.fileio.get`, for remote files.

    Raises:
        ValueError: names json, video, frame and remedy.
    """

    def __init__(self, backend_args: dict[str, Any] | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the image to the frame's dict."""
        path = results['img_path']
        where = f'{results["ann_file"]}: video {results["video_id"]}, frame {path}'
        try:
            content = fileio.get(path, backend_args=self.backend_args)
        except OSError as error:
            raise ValueError(f'{where}: cannot be read ({error}); put the image there') from error
        try:
            image = decode_image(content)
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from None
        if image is None:
            raise ValueError(
                f'{where}: is not a whole image ({len(content)} bytes); copy or extract it again'
            )
        if image.shape[:2] != (results['height'], results['width']):
            raise ValueError(
                f'{where}: has height and width {image.shape[:2]}{turned_note(content)} but the '
                f'json says {(results["height"], results["width"])}; correct the json or the image'
            )
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadVISAnnotations(BaseTransform):
    """Decode the masks of the instances that are present in a frame.

    Required keys: ``instances`` (each with ``id``, ``label``, ``segmentation``),
    ``height``, ``width``.

    Added keys: ``gt_masks`` BitmapMasks (n, H, W), ``gt_bboxes`` HorizontalBoxes
    (n, 4) around the masks, ``gt_bboxes_labels`` and ``gt_instances_ids`` (n,)
    int64.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace ``instances`` by arrays."""
        instances = results.pop('instances')
        height, width = results['height'], results['width']
        codes = [instance['segmentation'] for instance in instances]
        masks = np.zeros((0, height, width), dtype=np.uint8)
        boxes = np.zeros((0, 4), dtype=np.float32)
        if codes:
            masks = decode_masks(codes, height, width)
            boxes = boxes_of_codes(codes)
        results['gt_masks'] = wrap_masks(masks)
        results['gt_bboxes'] = HorizontalBoxes(torch.from_numpy(boxes))
        for key, name in (('gt_bboxes_labels', 'label'), ('gt_instances_ids', 'id')):
            results[key] = np.array([instance[name] for instance in instances], dtype=np.int64)
        return results


def decode_masks(codes: list[dict[str, Any]], height: int, width: int) -> np.ndarray:
    """Decode compressed run lengths to (n, H, W), uint8 of 0 and 1, rows in order.

    Only the columns that a mask touches are written, which are few in most images.
    """
    masks = np.zeros((len(codes), height, width), dtype=np.uint8)
    pairs, first_rows = decode_counts([code['counts'] for code in codes], height * width)
    for runs, mask in zip(np.split(pairs, first_rows[1:]), masks):
        draw_runs(runs, mask)
    return masks


def draw_runs(runs: np.ndarray, mask: np.ndarray) -> None:
    """Draw a mask's runs into an empty one, in place.

    Args:
        runs: (R, 2) lengths of background and of foreground runs, column after column.
        mask: (H, W) uint8 of 0.
    """
    ends = runs.ravel().cumsum()
    height = len(mask)
    covered = np.flatnonzero(runs[:, 1])
    if not len(covered):
        return
    left = ends[2 * covered[0]] // height
    right = -(-ends[2 * covered[-1] + 1] // height)
    lengths = np.diff(ends.clip(left * height, right * height), prepend=left * height)
    values = np.resize(np.array((0, 1), dtype=np.uint8), len(lengths))
    cv2.transpose(np.repeat(values, lengths).reshape(-1, height), dst=mask[:, left:right])
