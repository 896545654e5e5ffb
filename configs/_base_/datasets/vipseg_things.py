# VIPSeg-things: the 58 thing classes of VIPSeg as instances, written by
# tools/dataset_converters/vipseg_to_vis.py in 720p.
_base_ = './benchmark_vis.py'

data_root = 'data/vipseg_things/'
train_ann = 'train.json'
val_ann = 'val.json'
images = 'images'

benchmark = 'vipseg_things'
num_classes = 58
max_tracks = 20  # of a video; the paper does not say, its videos hold as many things as OVIS'

source = dict(data_root=data_root, metainfo=dict(benchmark=benchmark))
train_dataloader = dict(dataset=dict(source, ann_file=train_ann, data_prefix=dict(img=images)))
val_dataloader = dict(dataset=dict(source, ann_file=val_ann, data_prefix=dict(img=images)))
test_dataloader = val_dataloader

join = __import__('os').path.join  # a folder ends with a slash or without
val_evaluator = dict(ann_file=join(data_root, val_ann))
test_evaluator = val_evaluator
