# DVIS, online (Zhang et al. 2023): MinVIS' detector, and a tracker that refers its queries to the
# tracks of the frame before.
_base_ = './mask2former_tiny.py'

published = False  # the three faults of the released code are mended, see docs/peers/dvis.md
freeze_detector = False  # it starts from random weights

model = dict(
    type='rocovis_mm.DVIS',
    freeze_detector=freeze_detector,
    track_head=dict(
        type='rocovis_mm.DVISHead',
        published=published,
        tracker=dict(feedforward_channels=2 * _base_.width, num_layers=3),
        object_assigner=dict(
            type='rocovis_mm.DVISAssigner',
            match_costs=_base_.model.track_head.assigner.match_costs,
            num_points=_base_.num_points,
        ),
        object_loss=dict(
            {**_base_.set_losses, 'num_points': _base_.num_points}, type='rocovis_mm.DVISLoss'
        ),
    ),
    track_rule=dict(reduce='mean_logits'),
)
