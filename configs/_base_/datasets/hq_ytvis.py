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

train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=train_ann,
        data_prefix=dict(img=images),
        metainfo=dict(benchmark=benchmark),
        refined_masks=True,  # segmentations_refined, where an annotation has them
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=val_ann,
        data_prefix=dict(img=images),
        metainfo=dict(benchmark=benchmark),
    )
)
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file=test_ann,
        data_prefix=dict(img=images),
        metainfo=dict(benchmark=benchmark),
    )
)

join = __import__('os').path.join  # a folder ends with a slash or without
val_evaluator = dict(
    type='rocovis_mm.VISMetric', ann_file=join(data_root, val_ann), mask_source=mask_source
)
test_evaluator = dict(
    type='rocovis_mm.VISMetric', ann_file=join(data_root, test_ann), mask_source=mask_source
)
