# CTVIS, Swin-L, OVIS, with pseudo-videos of COCO as published.
_base_ = ['./ctvis_r50_ovis.py', '../_base_/models/swin_l.py']

num_frames = 6  # of a training clip
frame_range = 10

model = _base_.swin_l

sample_clip = dict(_base_.sample_clip, num_frames=num_frames, frame_range=frame_range)
pseudo_clip = dict(_base_.pseudo_clip, num_frames=num_frames)
video_dataset = dict(_base_.video_dataset, pipeline=[sample_clip, *_base_.clip_steps])
coco_dataset = dict(
    _base_.coco_dataset,
    pipeline=[*_base_.load_image, pseudo_clip, *_base_.finish_pseudo_clip],
)
train_dataloader = dict(dataset=dict(datasets=[video_dataset, coco_dataset]))
