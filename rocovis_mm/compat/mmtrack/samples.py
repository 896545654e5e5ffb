"""MMTracking's data samples to ours and back; nothing here imports MMTracking.

Its sample holds the instances of all frames of a clip in one list, ``map_instances_to_img_idx``
tells whose they are, and metainfo of several frames is a list (mmtrack 1.0.0rc1,
``datasets/transforms/formatting.py:170``). T frames, n instances, H, W.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, mask2bbox
from mmengine.structures import BaseDataElement, InstanceData

from rocovis_mm.compat.mmtrack.structures import TrackDataSample

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
    'batch_input_shape',
)


def to_clip(sample: BaseDataElement, frames: int) -> tuple[TrackDataSample, list[int]]:
    """Return a sample of MMTracking as frames in the order of time.

    MMTracking puts the key frame first and the others behind it, wherever they belong
    (``datasets/base_video_dataset.py:529``).

    Args:
        sample: ``mmtrack.structures.TrackDataSample``.
        frames: T, key frames that were packed into its image tensor.

    Returns:
        The clip, and which of the T images belongs to each of its frames.

    Raises:
        ValueError: the sample has reference frames apart from its T frames.
    """
    if len(sample.get('ref_gt_instances', ())) or 'ref_frame_id' in sample.metainfo_keys():
        raise ValueError(
            'a clip came in two parts, key frames and reference frames; set num_key_frames of '
            'PackTrackInputs to 1 + num_ref_imgs of ref_img_sampler, so that it is one'
        )
    numbers = frame_values(sample, 'frame_id', frames)
    order = sorted(range(frames), key=lambda t: numbers[t])
    clip = TrackDataSample()
    clip.video_data_samples = [frame_sample(sample, t, frames) for t in order]
    return clip, order


def frame_values(sample: BaseDataElement, key: str, frames: int) -> list[Any]:
    """Return a piece of metainfo for each of T frames: of one frame it is no list."""
    value = sample.metainfo[key]
    return list(value) if frames > 1 else [value]


def frame_sample(sample: BaseDataElement, t: int, frames: int) -> DetDataSample:
    """Return frame t of the T frames that a sample of MMTracking holds."""
    keys = [key for key in META_KEYS if key in sample.metainfo_keys()]
    meta = {key: frame_values(sample, key, frames)[t] for key in keys}
    frame = DetDataSample(metainfo=dict(meta, ori_video_length=meta['video_length']))
    instances = sample.get('gt_instances')
    if instances is not None and 'instances_id' in instances:
        frame.gt_instances = frame_instances(instances, t, meta['batch_input_shape'])
    return frame


def frame_instances(instances: InstanceData, t: int, shape: tuple[int, int]) -> InstanceData:
    """Return frame t's instances that are to be seen in it.

    Args:
        instances: of all frames.
        t: index of a frame.
        shape: (H, W) that images are padded to, and masks here.
    """
    bitmaps = instances.masks.masks
    belongs = instances.map_instances_to_img_idx.cpu().numpy() == t
    rows = np.flatnonzero(belongs & bitmaps.reshape(len(bitmaps), -1).any(1))
    masks = np.zeros((len(rows), *shape), dtype=np.uint8)
    masks[:, : bitmaps.shape[1], : bitmaps.shape[2]] = bitmaps[rows]
    kept = torch.from_numpy(rows).to(instances.labels.device)
    return InstanceData(
        labels=instances.labels[kept].long(),
        instances_ids=instances.instances_id[kept].long(),
        masks=BitmapMasks(masks, *shape),
    )


def hand_back(clip: TrackDataSample, sample: BaseDataElement) -> None:
    """Write the prediction of a clip of one frame into the sample it came from.

    Args:
        clip: with ``pred_track_instances`` of its frame and, at a video's end, ``video_tracks``.
        sample: ``mmtrack.structures.TrackDataSample``; it also gets the boxes of the masks, which
            MMTracking's metric asks for.
    """
    found = clip[-1].pred_track_instances
    found.bboxes = mask2bbox(found.masks)
    sample.pred_track_instances = found
    if 'video_tracks' in clip:
        sample.set_field(clip.video_tracks, 'video_tracks')
