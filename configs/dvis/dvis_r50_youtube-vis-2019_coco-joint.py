# DVIS (online), ResNet-50, YouTube-VIS 2019 and pseudo-videos of COCO, as published.
_base_ = ['./dvis_r50_youtube-vis-2019.py', '../_base_/datasets/coco_joint.py']

image_ratio = 1.0  # clips of COCO : of videos
video_ratio = 0.75
pseudo_scales = [(768, side) for side in _base_.clip_sides['r50']]
pseudo_crop_prob = 0.5

pseudo_clip = dict(
    _base_.pseudo_clip,
    num_frames=_base_.clip_frames,
    scales=pseudo_scales,
    crop_prob=pseudo_crop_prob,
    smooth=True,  # angles ascend or descend over a clip
    pan=_base_.clip_crop_pan,
)
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
