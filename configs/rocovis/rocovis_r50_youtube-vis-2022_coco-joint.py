# RoCoVIS, ResNet-50, YouTube-VIS 2022 with pseudo-videos of COCO: docs/joint_training.md.
_base_ = ['./rocovis_r50_youtube-vis-2022.py', '../_base_/datasets/coco_joint.py']

image_ratio = 1.0  # clips of COCO : of videos, as VITA and GenVIS train
video_ratio = 0.75

pseudo_clip = dict(_base_.pseudo_clip, num_frames=_base_.num_frames)
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
        datasets=[_base_.train_dataloader.dataset, coco_dataset],
        ratios=[video_ratio, image_ratio],
    )
)
