# How queries of frames are linked to tracks through a memory, with the values of CTVIS.
bank = dict(
    type='rocovis_mm.BankAssociator',
    select_score=0.01,  # least class probability of a query that counts
    nms_iou=0.6,
    match_score=0.3,
    init_score=0.01,  # least class probability of a new track
    memory='similarity_guided',
    cached_frames=10,
    dead_frames=20,  # a track that was not seen for more frames never comes back
)
