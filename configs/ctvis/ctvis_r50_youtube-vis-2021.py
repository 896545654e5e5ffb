# CTVIS, ResNet-50, YouTube-VIS 2021, with pseudo-videos of COCO as published.
_base_ = [
    '../_base_/models/ctvis_r50.py',
    '../_base_/datasets/youtube_vis_2021.py',
    '../_base_/datasets/ctvis_clips.py',
    '../_base_/schedules/schedule_ctvis.py',
]

load_from = None  # a Mask2Former trained on COCO is the published start: docs/checkpoints.md

num_frames = 10  # of a training clip
frame_range = 20  # the clip is within so many frames to either side of a random one
image_ratio = 1.0  # clips of COCO : of videos
video_ratio = 0.8

model = dict(
    track_head=dict(num_classes=_base_.num_classes),
    track_rule=dict(max_tracks=_base_.num_classes),  # as published, whatever the benchmark's limit
)

sample_clip = dict(type='rocovis_mm.SampleClip', num_frames=num_frames, frame_range=frame_range)
pseudo_clip = dict(_base_.pseudo_clip, num_frames=num_frames)
video_dataset = dict(_base_.train_dataloader.dataset, pipeline=[sample_clip, *_base_.clip_steps])
coco_dataset = dict(
    _base_.coco_dataset,
    metainfo=dict(benchmark=_base_.benchmark),
    category_map=_base_.benchmark,
    pipeline=[*_base_.load_image, pseudo_clip, *_base_.finish_pseudo_clip],
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='rocovis_mm.JointDataset',
        datasets=[video_dataset, coco_dataset],
        ratios=[video_ratio, image_ratio],
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.clip_test_pipeline))
test_dataloader = val_dataloader
