# Clips as VNext trains SeqFormer on them (projects/SeqFormer/configs/base_ytvis.yaml), and whole
# videos to test. This file is used with the config of a benchmark, as in
# configs/seqformer/seqformer_r50_ovis.py.
seqformer_frames = 5  # of a training clip
seqformer_range = 10  # the clip is within so many frames to either side of a random one
seqformer_batch = 2  # clips per GPU; the published schedule counts on 16 in a step of all GPUs
seqformer_scales = [(1333, side) for side in (320, 352, 392, *range(416, 641, 32))]

seqformer_pipeline = [
    dict(type='rocovis_mm.SampleClip', num_frames=seqformer_frames, frame_range=seqformer_range),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='rocovis_mm.LoadVISFrame'),
            dict(type='rocovis_mm.LoadVISAnnotations'),
            dict(
                type='RandomChoiceResize',
                resize_type='rocovis_mm.AlignedResize',
                scales=seqformer_scales,
                keep_ratio=True,
            ),
            dict(type='mmdet.RandomFlip', prob=0.5),
        ],
    ),
    dict(type='rocovis_mm.PackVISInputs'),
]
seqformer_train_loader = dict(batch_size=seqformer_batch, dataset=dict(pipeline=seqformer_pipeline))
