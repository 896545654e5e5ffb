# HQ-YTVIS: YouTube-VIS 2019's training videos with finer masks, split in train, val and test.
_base_ = './benchmark_vis.py'

data_root = 'data/hq_ytvis/'
train_ann = 'ytvis_hq-train.json'
val_ann = 'ytvis_hq-val.json'
test_ann = 'ytvis_hq-test.json'
images = 'JPEGImages'  # of YouTube-VIS 2019's training set, for all three
mask_source = 'official'  # boundaries from segmentations_refined, masks from segmentations

benchmark = 'hq_ytvis'
num_classes = 40
max_tracks = 10  # of a video, as the benchmark's results are made

source = dict(data_root=data_root, data_prefix=dict(img=images), metainfo=dict(benchmark=benchmark))
train_dataloader = dict(
    dataset=dict(
        source,
        ann_file=train_ann,
        refined_masks=True,  # segmentations_refined, where an annotation has them
    )
)
val_dataloader = dict(dataset=dict(source, ann_file=val_ann))
test_dataloader = dict(dataset=dict(source, ann_file=test_ann))

join = __import__('os').path.join  # a folder ends with a slash or without
val_evaluator = dict(ann_file=join(data_root, val_ann), mask_source=mask_source)
test_evaluator = dict(ann_file=join(data_root, test_ann), mask_source=mask_source)
