# YouTube-VIS 2021. The validation masks are on its server: results are written, not scored.
_base_ = './benchmark_vis.py'

data_root = 'data/youtube_vis_2021/'
train_ann = 'train.json'
train_images = 'train/JPEGImages'
val_ann = 'valid.json'
val_images = 'valid/JPEGImages'
val_has_masks = False  # True scores: set it with a val_ann of your own, see docs/benchmarks.md
results = 'work_dirs/youtube_vis_2021/results'  # .json and .zip, where nothing can be scored

benchmark = 'youtube_vis_2021'
num_classes = 40
max_tracks = 10  # of a video, as the benchmark's results are made

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
