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

coco_dataset = _base_.coco_dataset
coco_dataset.update(data_root=coco_root, ann_file=coco_ann, data_prefix=dict(img=coco_images))
coco_dataset.pipeline[2].update(
    num_frames=_base_.num_frames,
    scales=pseudo_scales,
    crop_scales=pseudo_crop_scales,
    crop_range=pseudo_crop_range,
)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='rocovis_mm.JointDataset',
        datasets=[_base_.train_dataloader.dataset, coco_dataset],
        ratios=[video_ratio, image_ratio],
    )
)
