# The generated data set as the demo sees it: a little larger than drawn.
_base_ = './embedded_vis.py'

input_size = (208, 128)  # width, height: masks are predicted at a quarter of it
resize = dict(type='rocovis_mm.AlignedResize', scale=input_size, keep_ratio=False)

train_pipeline = [
    _base_.sample_clip,
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            _base_.load_frame,
            _base_.load_annotations,
            resize,
            _base_.flip,
            _base_.jitter,
        ],
    ),
    _base_.pack,
]
test_pipeline = [_base_.load_frame, resize, _base_.pack]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
