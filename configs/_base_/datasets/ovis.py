# OVIS: 25 classes, long videos, heavy occlusion. Its authors hand out the validation masks.
_base_ = './benchmark_vis.py'

data_root = 'data/ovis/'
train_ann = 'annotations_train.json'
train_images = 'train'
val_ann = 'validGT.json'  # or annotations_valid.json, which has no masks
val_images = 'valid'
val_has_masks = True  # False with annotations_valid.json: results are written, not scored
results = 'work_dirs/ovis/results'  # .json and .zip, where nothing can be scored

benchmark = 'ovis'
num_classes = 25
max_tracks = 20  # of a video, as the benchmark's results are made

source = dict(data_root=data_root, metainfo=dict(benchmark=benchmark))
train_dataloader = dict(
    dataset=dict(source, ann_file=train_ann, data_prefix=dict(img=train_images))
)
val_dataloader = dict(dataset=dict(source, ann_file=val_ann, data_prefix=dict(img=val_images)))
test_dataloader = val_dataloader

join = __import__('os').path.join  # a folder ends with a slash or without
val_evaluator = dict(
    ann_file=join(data_root, val_ann),
    format_only=not val_has_masks,
    outfile_prefix=None if val_has_masks else results,
)
test_evaluator = val_evaluator
