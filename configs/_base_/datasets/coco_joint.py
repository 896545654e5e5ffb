# COCO's images as pseudo-videos, to be trained on together with a benchmark's videos. This
# file is used with the config of a benchmark, as in configs/rocovis/rocovis_r50_ovis_coco-joint.py,
# which adds the length of a clip and the map of the categories.
coco_root = 'data/coco/'
coco_ann = 'annotations/instances_train2017.json'
coco_images = 'train2017'

pseudo_scales = [(768, side) for side in range(288, 513, 32)]  # longest, shortest side of a frame
pseudo_crop_prob = 0.5  # share of the clips whose frames are cropped
pseudo_crop_scales = [(1333, side) for side in (400, 500, 600)]  # of the image to crop from
pseudo_crop_range = (384, 600)  # sides of the crop
pseudo_angle = 15.0  # degrees by which a frame is turned, at most

load_image = [
    dict(type='rocovis_mm.LoadVISFrame'),
    dict(type='rocovis_mm.LoadVISAnnotations'),
]
pseudo_clip = dict(
    type='rocovis_mm.PseudoClip',
    scales=pseudo_scales,
    crop_prob=pseudo_crop_prob,
    crop_scales=pseudo_crop_scales,
    crop_range=pseudo_crop_range,
    max_angle=pseudo_angle,
)
finish_pseudo_clip = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[dict(type='mmdet.RandomFlip', prob=0.5)],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
coco_dataset = dict(
    type='rocovis_mm.COCOPseudoVideos',
    data_root=coco_root,
    ann_file=coco_ann,
    data_prefix=dict(img=coco_images),
    filter_cfg=dict(filter_empty_gt=True),
    pipeline=[*load_image, pseudo_clip, *finish_pseudo_clip],
)
