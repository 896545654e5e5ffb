# How offline models are tested: one whole video at a time. The config adds data set and pipeline.
whole_videos = dict(
    batch_size=1,
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=False, round_up=False),
)
