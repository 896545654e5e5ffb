# The generated data set as the demo sees it: a little larger than drawn.
_base_ = './embedded_vis.py'

input_size = (208, 128)  # width, height: masks are predicted at a quarter of it
resize = dict(type='rocovis_mm.AlignedResize', scale=input_size, keep_ratio=False)

train_pipeline = [*_base_.train_pipeline]
train_pipeline[1].transforms.insert(2, resize)
test_pipeline = [_base_.test_pipeline[0], resize, _base_.test_pipeline[1]]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
