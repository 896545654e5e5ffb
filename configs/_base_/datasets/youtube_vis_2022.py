# YouTube-VIS 2022: trained on 2021's videos; 2021's validation videos and 71 long ones, apart.
_base_ = './youtube_vis_2021.py'

val_root = 'data/youtube_vis_2022/'
val_ann = 'valid.json'  # all 492 videos
val_images = 'valid/JPEGImages'
short_ann = 'valid_short.json'  # 2021's 421 videos with masks, ids as in val_ann: scored as AP, ...
long_ann = 'valid_long.json'  # the 71 long videos with masks: scored as long/AP, ...
val_has_masks = False  # True where the two files above are there
results = 'work_dirs/youtube_vis_2022/results'

benchmark = 'youtube_vis_2022'

train_dataloader = dict(dataset=dict(metainfo=dict(benchmark=benchmark)))
val_dataloader = dict(
    dataset=dict(
        data_root=val_root,
        ann_file=val_ann,
        data_prefix=dict(img=val_images),
        metainfo=dict(benchmark=benchmark),
    )
)
test_dataloader = val_dataloader

join = __import__('os').path.join  # a folder ends with a slash or without
if val_has_masks:
    metric = dict(type='rocovis_mm.VISMetric', other_videos='ignore')
    val_evaluator = [
        dict(**metric, ann_file=join(val_root, short_ann)),
        dict(**metric, ann_file=join(val_root, long_ann), prefix='long'),
    ]
else:
    val_evaluator = dict(ann_file=join(val_root, val_ann), outfile_prefix=results)
test_evaluator = val_evaluator
