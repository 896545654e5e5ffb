# GenVIS, online (Heo et al. 2023): objects decoded from the frames' queries and their past.
_base_ = './mask2former_tiny.py'

memory_frames = None  # past frames an instance reads; None is all of them, as published
reuse_disappeared = True  # a new instance may take an absent one's query, as published
freeze_detector = False  # it starts from random weights

model = dict(
    type='rocovis_mm.GenVIS',
    freeze_detector=freeze_detector,
    track_head=dict(
        type='rocovis_mm.GenVISHead',
        memory_frames=memory_frames,
        frame_layers=1,
        object_decoder=dict(
            num_queries=_base_.num_queries,
            embed_dims=_base_.width,
            num_heads=4,
            feedforward_channels=2 * _base_.width,
            encoder_layers=1,
            decoder_layers=2,
        ),
        object_assigner=dict(
            type='rocovis_mm.GenVISAssigner',
            reuse_disappeared=reuse_disappeared,
            match_costs=_base_.model.track_head.assigner.match_costs,
            num_points=_base_.num_points,
        ),
        object_loss=dict(
            {**_base_.set_losses, 'num_points': _base_.num_points},
            type='rocovis_mm.GenVISLoss',
            similarity_weight=0.5,
        ),
    ),
    track_rule=dict(reduce='max', mask_scoring=True),
)
