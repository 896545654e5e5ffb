"""Clips made visible as a model gets them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData

from rocovis_mm.models import ClipCopyPaste, VISDataPreprocessor
from rocovis_mm.visualization.clips import (
    FOOTER,
    clip_sheet,
    draw_clip,
    inference_clip,
    training_clips,
)
from rocovis_mm.visualization.palette import identity_color

FRAMES = 3


def make_item(height: int, width: int, video: int, with_truth: bool = True, unit: int = 1) -> dict:
    """An item of a data set: random BGR frames; object 7 in all frames, object 9 in the last."""
    rng = np.random.default_rng(video)
    images = torch.from_numpy(rng.integers(0, 256, (FRAMES, 3, height, width), dtype=np.uint8))
    frames = []
    for t in range(FRAMES):
        frame = DetDataSample(
            metainfo=dict(img_shape=(height, width), frame_id=10 + t, video_id=video, flip=True)
        )
        if with_truth:
            ids = [7, 9] if t == 2 else [7]
            masks = np.zeros((len(ids), height, width), dtype=np.uint8)
            masks[0, 4 * unit : 14 * unit, 4 * unit : 14 * unit] = 1
            masks[1:, 16 * unit : 24 * unit, 20 * unit : 28 * unit] = 1
            frame.gt_instances = InstanceData(
                labels=torch.tensor([0, 1])[: len(ids)],
                instances_ids=torch.tensor(ids),
                masks=BitmapMasks(masks, height, width),
            )
        frames.append(frame)
    sample = TrackDataSample()
    sample.video_data_samples = frames
    return dict(inputs=dict(img=images), data_samples=sample)


def collate(items: list[dict]) -> dict:
    return dict(
        inputs=dict(img=[item['inputs']['img'] for item in items]),
        data_samples=[item['data_samples'] for item in items],
    )


@pytest.mark.parametrize('bgr_to_rgb', [True, False])
def test_images_are_those_of_the_data_set_in_rgb(bgr_to_rgb):
    items = [make_item(32, 40, 1), make_item(26, 64, 2)]
    clips = training_clips(collate(items), VISDataPreprocessor(bgr_to_rgb=bgr_to_rgb))
    for clip, item, size in zip(clips, items, ((32, 40), (26, 64))):
        assert clip.images.shape == (FRAMES, 32, 64, 3)  # the batch's common size
        assert clip.sizes == [size] * FRAMES
        rgb = item['inputs']['img'].flip(1).permute(0, 2, 3, 1).numpy()
        assert np.array_equal(clip.images[:, : size[0], : size[1]], rgb)
        assert clip.ids == [7, 9] and clip.labels == [0, 1]
        assert clip.present.tolist() == [[True] * 3, [False, False, True]]
    assert clips[1].title.startswith('video 2   64x26   flipped')
    assert clips[0].names == ['frame 10', 'frame 11', 'frame 12']


def test_what_the_models_augmentation_pastes_is_shown():
    batch = collate([make_item(32, 64, 1), make_item(32, 64, 2)])
    clips = training_clips(batch, VISDataPreprocessor(), ClipCopyPaste(prob=1.0, max_instances=1))
    assert all(len(clip.ids) == 3 and clip.ids[-1] in (-8, -10) for clip in clips)


def test_frames_for_testing_have_no_instances():
    items = [make_item(26, 40, 5, with_truth=False) for _ in range(2)]
    clip = inference_clip(items, VISDataPreprocessor())
    assert clip.images.shape == (2 * FRAMES, 32, 64, 3)
    assert clip.masks.shape == (0, 2 * FRAMES, 32, 64)
    assert len(list(draw_clip(clip, ()))) == 2 * FRAMES


def test_padding_is_striped_and_ids_keep_their_colours():
    item = make_item(104, 160, 1, unit=4)
    clip = training_clips(collate([item]), VISDataPreprocessor(pad_size_divisor=64))[0]
    clip.images[:] = 0
    frames = list(draw_clip(clip, ('cat', 'dog'), width=192))
    assert {frame.shape for frame in frames} == {(128 + FOOTER, 192, 3)}
    for frame in frames:
        assert set(np.unique(frame[:128, 160:])) == {130, 200}
        assert set(np.unique(frame[104:128])) == {130, 200}
        assert not frame[:104, 130:160].any()
        assert np.array_equal(frame[48, 36], np.round(0.45 * np.array(identity_color(0))))
    assert np.array_equal(frames[2][80, 96], np.round(0.45 * np.array(identity_color(1))))
    assert not frames[0][64:96, 80:112].any()


def test_absent_instances_are_named_below_the_frame():
    clip = training_clips(collate([make_item(32, 64, 1)]), VISDataPreprocessor())[0]
    frames = [frame[-FOOTER:] for frame in draw_clip(clip, ('cat', 'dog'), width=400)]
    color = np.array(identity_color(1))
    shows = [(np.abs(frame.astype(int) - color).max(-1) < 8).any() for frame in frames]
    assert shows == [True, True, False]


def test_a_sheet_holds_all_frames():
    clip = training_clips(collate([make_item(32, 64, 1)]), VISDataPreprocessor())[0]
    frames = list(draw_clip(clip, (), width=64))
    wide, high = clip_sheet(clip, frames, columns=4), clip_sheet(clip, frames, columns=1)
    assert wide.shape[1] > 3 * 64 and high.shape[0] > 3 * 32 and high.shape[1] < 2 * 64
