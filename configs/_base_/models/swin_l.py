# Swin-L, as the published models take it: pretrained at 384, windows of 12, 200 queries.
swin_l = dict(
    backbone=dict(
        _delete_=True,
        type='mmdet.SwinTransformer',
        pretrain_img_size=384,
        embed_dims=192,
        depths=[2, 2, 18, 2],
        num_heads=[6, 12, 24, 48],
        window_size=12,
        mlp_ratio=4,
        qkv_bias=True,
        drop_path_rate=0.3,
        patch_norm=True,
        out_indices=(0, 1, 2, 3),
        with_cp=False,
        convert_weights=False,
        frozen_stages=-1,
        init_cfg=None,
    ),
    track_head=dict(num_queries=200),
)
