# SeqFormer, Swin-L, YouTube-VIS 2019.
_base_ = ['./seqformer_r50_youtube-vis-2019.py', '../_base_/models/swin_l.py']

model = dict(
    backbone=_base_.swin_l.backbone,
    track_head=dict(strides=[4, 8, 16, 32]),  # the finest map is not read
)
