# SeqFormer as its first release has it (github wjf5203/SeqFormer), whose weights are published.
# Its class outputs are YouTube-VIS category ids: 0 and 41 are never used. Frames are not padded,
# and the best pairs of a query and a class become tracks.
_base_ = './seqformer_r50.py'

model = dict(
    num_labels=40,
    data_preprocessor=dict(pad_size_divisor=1),
    track_head=dict(num_classes=42, first_class=1),
    track_rule=dict(keep='pairs', max_tracks=10, resize='direct', drop_empty=True),
)
