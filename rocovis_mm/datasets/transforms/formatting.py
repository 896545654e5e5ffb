"""Packing dicts of lists into tensors and data samples.

Letters: n instances · T frames · H, W height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.datasets.bitmaps import count_pixels, share_masks, take_masks
from rocovis_mm.evaluation.functional.clip_events import count_clip_events
from rocovis_mm.registry import TRANSFORMS

META_KEYS = (
    'img_path',
    'img_id',
    'ori_shape',
    'img_shape',
    'scale_factor',
    'flip',
    'flip_direction',
    'frame_id',
    'video_id',
    'video_length',
    'ori_video_length',
)

UNTRANSFORMED = dict(scale_factor=(1.0, 1.0), flip=False, flip_direction=None)
"""Metainfo of a frame that no transform changed."""


@TRANSFORMS.register_module()
class PackVISInputs(BaseTransform):
    """Pack a clip, or a single frame, for the model.

    The result is ``dict(inputs=dict(img=...), data_samples=...)``, with a uint8 tensor
    (T, 3, H, W) and a ``TrackDataSample`` of T ``DetDataSample``. In training each
    ``gt_instances`` holds ``labels`` and ``instances_ids`` (n,) long, ``masks``
    BitmapMasks (n, H, W) and ``bboxes`` (n, 4) of the instances whose mask is not
    empty after all transforms. The first frame's metainfo gets ``clip_events``, the result of
    :func:`count_clip_events` for the transformed clip.

    Args:
        meta_keys: of each frame's metainfo, if available.
        in_dict: whether ``inputs`` is a dict; otherwise it is the tensor itself, as for
            MMDetection's ``Mask2FormerVideo``.
        key_frame: whether to mark the first frame as the key frame and the others as its
            references, which MMDetection's ``MaskTrackRCNN`` needs in training.
    """

    def __init__(
        self, meta_keys: Sequence[str] = META_KEYS, in_dict: bool = True, key_frame: bool = False
    ) -> None:
        self.meta_keys = tuple(meta_keys)
        self.in_dict = in_dict
        self.key_frame = key_frame

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack a dict of lists (a clip) or of single values (a frame)."""
        if not isinstance(results['img'], list):
            results = {key: [value] for key, value in results.items()}
        length = len(results['img'])
        frames = [{key: values[t] for key, values in results.items()} for t in range(length)]
        samples = [self._pack_frame(frame) for frame in frames]
        if 'gt_masks' in results:
            for sample, instances in zip(samples, pack_instances(frames)):
                sample.gt_instances = instances
            events = count_clip_events(visible_areas(samples))
            samples[0].set_metainfo(dict(clip_events=events))
        track_sample = TrackDataSample()
        # the property's setter prints all samples each time (mmdet 3.3.0,
        # structures/track_data_sample.py:119), which takes longer than loading a frame
        track_sample.set_field(samples, '_video_data_samples', dtype=list)
        track_sample._data_fields.add('video_data_samples')  # their name in to_dict()
        if self.key_frame:
            references = list(range(1, length))
            track_sample.set_metainfo(dict(key_frames_inds=[0], ref_frames_inds=references))
        images = stack_images(results['img'])
        return dict(inputs=dict(img=images) if self.in_dict else images, data_samples=track_sample)

    def _pack_frame(self, frame: dict[str, Any]) -> DetDataSample:
        sample = DetDataSample()
        meta = {key: frame[key] for key in self.meta_keys if key in frame}
        for key, value in {**UNTRANSFORMED, **meta}.items():  # set_metainfo() copies all deeply
            sample.set_field(value, key, field_type='metainfo')
        return sample


def pack_instances(frames: list[dict[str, Any]]) -> list[InstanceData]:
    """Return each frame's instances whose mask is not empty."""
    kept = [np.flatnonzero(count_pixels(frame['gt_masks'].masks)) for frame in frames]
    labels, ids = (
        join_memory([frame[key][rows] for frame, rows in zip(frames, kept)])
        for key in ('gt_bboxes_labels', 'gt_instances_ids')
    )
    boxes = join_memory([boxes_of(frame)[rows] for frame, rows in zip(frames, kept)])
    masks = [share_masks(take_masks(f['gt_masks'], rows)) for f, rows in zip(frames, kept)]
    return [
        InstanceData(labels=labels[t], instances_ids=ids[t], bboxes=boxes[t], masks=masks[t])
        for t in range(len(frames))
    ]


def boxes_of(frame: dict[str, Any]) -> np.ndarray:
    """Return the boxes (n, 4), which are an array in MMDetection's ``LoadTrackAnnotations``."""
    boxes = frame['gt_bboxes']
    return boxes if isinstance(boxes, np.ndarray) else boxes.tensor.numpy()


def join_memory(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    """Return the arrays as tensors that share one piece of memory.

    A worker process needs a file and a connection for each piece. For a few numbers this takes as
    long as resizing an image, and the number of files is limited.
    """
    joined = torch.from_numpy(np.concatenate(arrays))
    return list(joined.split([len(array) for array in arrays]))


def visible_areas(samples: list[DetDataSample]) -> np.ndarray:
    """Return the visible pixels (n, T) of the instances of T samples."""
    ids = sorted({int(i) for sample in samples for i in sample.gt_instances.instances_ids})
    rows = {instance: row for row, instance in enumerate(ids)}
    areas = np.zeros((len(ids), len(samples)), dtype=np.int64)
    for column, sample in enumerate(samples):
        instances = sample.gt_instances
        covered = count_pixels(instances.masks.masks)
        for instance, area in zip(instances.instances_ids.tolist(), covered):
            areas[rows[instance], column] = area
    return areas


def stack_images(images: list[np.ndarray]) -> torch.Tensor:
    """Stack T images (H, W, 3), uint8 or float in 0..255, to uint8 (T, 3, H, W).

    Raises:
        ValueError: they differ in size.
    """
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise ValueError(
            f'frames of one clip have the shapes {sorted(shapes)}; let its transforms share their '
            'random parameters (TransformBroadcaster with share_random_params=True)'
        )
    height, width, channels = images[0].shape
    stacked = np.empty((len(images), channels, height, width), dtype=np.uint8)
    for image, planes in zip(images, stacked):
        if image.dtype != np.uint8:
            image = image.round().clip(0, 255).astype(np.uint8)
        cv2.split(image, list(planes))  # in place, much faster than a transposed copy
    return torch.from_numpy(stacked)
