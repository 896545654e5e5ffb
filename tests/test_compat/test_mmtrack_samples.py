"""MMTracking's data samples become clips in the order of time, and get predictions back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import BaseDataElement, InstanceData

from rocovis_mm.compat.mmtrack.samples import hand_back, to_clip
from rocovis_mm.compat.mmtrack.structures import TrackDataSample

H, W, PADDED = 4, 6, (8, 8)
FRAMES = [5, 2, 9]  # the key frame comes first


def packed_clip(frames=FRAMES) -> BaseDataElement:
    """What MMTracking's PackTrackInputs and data preprocessor make of some frames.

    Instance 7 is in every frame, in column `frame`; instance 8 only in frame 2; instance 9 has an
    empty mask in frame 9.
    """
    several = len(frames) > 1
    sample = BaseDataElement(
        metainfo={
            key: values if several else values[0]
            for key, values in dict(
                frame_id=list(frames),
                video_id=[3] * len(frames),
                video_length=[12] * len(frames),
                img_id=[100 + frame for frame in frames],
                img_path=[f'{frame}.jpg' for frame in frames],
                ori_shape=[(40, 60)] * len(frames),
                img_shape=[(H, W)] * len(frames),
                batch_input_shape=[PADDED] * len(frames),
                flip=[False] * len(frames),
            ).items()
        }
    )
    ids, where, masks = [], [], []
    for index, frame in enumerate(frames):
        mask = np.zeros((H, W), np.uint8)
        mask[:, frame % W] = 1
        ids.append(7), where.append(index), masks.append(mask)
        if frame == 2:
            ids.append(8), where.append(index), masks.append(np.ones((H, W), np.uint8))
        if frame == 9:
            ids.append(9), where.append(index), masks.append(np.zeros((H, W), np.uint8))
    sample.gt_instances = InstanceData(
        labels=torch.tensor([i - 7 for i in ids], dtype=torch.int32),
        instances_id=torch.tensor(ids, dtype=torch.int32),
        map_instances_to_img_idx=torch.tensor(where, dtype=torch.int32),
        masks=BitmapMasks(np.stack(masks), H, W),
    )
    sample.ref_gt_instances = InstanceData()
    return sample


def test_frames_come_in_the_order_of_time_with_their_own_instances():
    clip, order = to_clip(packed_clip(), 3)
    assert order == [1, 0, 2]
    assert [frame.frame_id for frame in clip] == [2, 5, 9]
    assert [frame.img_path for frame in clip] == ['2.jpg', '5.jpg', '9.jpg']
    assert [frame.gt_instances.instances_ids.tolist() for frame in clip] == [[7, 8], [7], [7]]
    assert clip[0].gt_instances.labels.tolist() == [0, 1]
    assert clip[0].ori_video_length == 12
    for frame in clip:
        masks = frame.gt_instances.masks.masks
        assert masks.shape[1:] == PADDED
        assert (masks[0].nonzero()[1] == frame.frame_id % W).all() and masks[0].sum() == H


def test_a_single_frame_has_metainfo_without_lists():
    clip, order = to_clip(packed_clip([2]), 1)
    assert order == [0] and len(clip) == 1
    assert clip[0].ori_shape == (40, 60) and clip[0].batch_input_shape == PADDED


def test_a_clip_in_two_parts_is_refused():
    sample = packed_clip()
    sample.ref_gt_instances = InstanceData(labels=torch.zeros(2))
    with pytest.raises(ValueError, match='set num_key_frames of PackTrackInputs'):
        to_clip(sample, 3)


def test_a_prediction_goes_back_with_boxes_and_tracks():
    masks = torch.zeros(2, 40, 60, dtype=torch.bool)
    masks[0, 3:9, 10:20] = True
    frame = DetDataSample()
    frame.pred_track_instances = InstanceData(
        instances_id=torch.tensor([0, 4]), labels=torch.tensor([1, 0]), masks=masks,
        scores=torch.tensor([0.5, 0.25]),
    )  # fmt: skip
    clip = TrackDataSample()
    clip.video_data_samples = [frame]
    clip.set_field('the tracks', 'video_tracks')
    sample = packed_clip([2])
    hand_back(clip, sample)
    assert sample.pred_track_instances.bboxes.tolist() == [[10, 3, 20, 9], [0, 0, 0, 0]]
    assert sample.video_tracks == 'the tracks'


def test_the_sample_of_a_video_is_as_mmdetections():
    clip, _ = to_clip(packed_clip(), 3)
    assert len(clip) == 3 and len(TrackDataSample()) == 0
    moved = clip.to(torch.float64)
    assert [frame.frame_id for frame in moved] == [2, 5, 9]
    assert moved[0].gt_instances.labels.dtype == torch.float64
