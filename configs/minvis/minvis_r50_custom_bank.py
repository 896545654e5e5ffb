# MinVIS, ResNet-50, on your own data: a memory links its queries, as in CTVIS.
_base_ = ['./minvis_r50_custom.py', '../_base_/models/bank.py']

model = dict(associator=_base_.bank)
