# GenVIS, online (Heo et al. 2023): objects decoded from the frames' queries and their past.
_base_ = './mask2former_r50.py'

memory_frames = None  # past frames an instance reads; None is all of them, as published
reuse_disappeared = True  # a new instance may take an absent one's query, as published
freeze_detector = True  # as published: it starts from a trained VITA, see docs/checkpoints.md

model = dict(
    type='rocovis_mm.GenVIS',
    freeze_detector=freeze_detector,
    track_head=dict(
        type='rocovis_mm.GenVISHead',
        memory_frames=memory_frames,
        frame_layers=3,
        object_decoder=dict(
            num_queries=100,
            embed_dims=256,
            num_heads=8,
            feedforward_channels=2048,
            encoder_layers=6,  # these two as VITA is published (its vita/config.py:37-38)
            decoder_layers=3,
        ),
        object_assigner=dict(
            type='rocovis_mm.GenVISAssigner',
            reuse_disappeared=reuse_disappeared,
            match_costs=_base_.model.track_head.assigner.match_costs,
            num_points=_base_.model.track_head.assigner.num_points,
        ),
        object_loss=dict(type='rocovis_mm.GenVISLoss', similarity_weight=0.5, **_base_.set_losses),
    ),
    track_rule=dict(reduce='max', mask_scoring=True),
)
