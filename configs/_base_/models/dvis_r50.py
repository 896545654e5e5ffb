# DVIS, online (Zhang et al. 2023): MinVIS' detector, and a tracker that refers its queries to the
# tracks of the frame before.
_base_ = './mask2former_r50.py'

published = True  # with the three faults of the released code, see docs/peers/dvis.md
freeze_detector = True  # as published: it starts from a trained MinVIS, see docs/peers/dvis.md

model = dict(
    type='rocovis_mm.DVIS',
    freeze_detector=freeze_detector,
    track_head=dict(
        type='rocovis_mm.DVISHead',
        published=published,
        tracker=dict(feedforward_channels=2048, num_layers=6),
        object_assigner=dict(
            type='rocovis_mm.DVISAssigner',
            match_costs=_base_.model.track_head.assigner.match_costs,
            num_points=_base_.model.track_head.assigner.num_points,
        ),
        object_loss=dict(type='rocovis_mm.DVISLoss', **_base_.set_losses),
    ),
    track_rule=dict(reduce='mean_logits'),
)
