# The demo's tiny model on the embedded data set's videos and on single frames of them as
# pseudo-videos; docs/joint_training.md says how to make those.
_base_ = ['./rocovis_demo.py', '../_base_/datasets/coco_joint.py']

image_ratio = 1.0
video_ratio = 1.0
coco_root = _base_.data_root
coco_ann = 'images.json'
coco_images = 'JPEGImages'
pseudo_scales = [_base_.input_size]
pseudo_crop_scales = [_base_.input_size]
pseudo_crop_range = (80, 128)

pseudo_clip = dict(
    _base_.pseudo_clip,
    num_frames=_base_.num_frames,
    scales=pseudo_scales,
    crop_scales=pseudo_crop_scales,
    crop_range=pseudo_crop_range,
)
coco_dataset = dict(
    _base_.coco_dataset,
    data_root=coco_root,
    ann_file=coco_ann,
    data_prefix=dict(img=coco_images),
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
