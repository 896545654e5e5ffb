# By epochs, for data sets that are counted in them. An epoch shows each training video once: a
# config that takes this one sets train_dataloader=dict(sampler=dict(infinite=False)), as
# configs/rocovis/rocovis_r50_custom_epoch.py does; an epoch of the endless sampler has no end.
_base_ = './schedule_iter.py'
max_epochs = 12
lr_epochs = [max(max_epochs * 2 // 3, 1), max(max_epochs * 11 // 12, 2)]

train_cfg = dict(
    _delete_=True, type='rocovis_mm.EpochTrainLoop', max_epochs=max_epochs, val_interval=1
)
param_scheduler = [
    _base_.warmup_scheduler,
    dict(
        type='MultiStepLR',
        by_epoch=True,
        begin=0,
        end=max_epochs,
        milestones=lr_epochs,
        gamma=0.1,
    ),
]
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=1))
log_processor = dict(by_epoch=True)
