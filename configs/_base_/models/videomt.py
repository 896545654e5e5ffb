# VidEoMT from a local folder of weights (config.json and model.safetensors); docs/peers/videomt.md.
weights = 'work_dirs/videomt'

model = dict(
    type='rocovis_mm.VidEoMT',
    data_preprocessor=dict(type='rocovis_mm.VISDataPreprocessor', pad_size_divisor=1),
    track_head=dict(type='rocovis_mm.VidEoMTHead', weights=weights),
    track_rule=dict(reduce='mean_logits', max_tracks=10),  # 20 on OVIS
)
