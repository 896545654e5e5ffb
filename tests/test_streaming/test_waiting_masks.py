"""Masks that are made at a video's end, those of its tracks alone, are the same to the last bit."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

import rocovis_mm.streaming.track_recorder as track_recorder
from rocovis_mm.evaluation.metrics.track_collector import TrackCollector
from rocovis_mm.models.vis.runner_frame import LaterInstances
from rocovis_mm.streaming.engine import VideoInProgress
from rocovis_mm.streaming.frame_masks import MaskLogits, frame_masks
from rocovis_mm.streaming.track_recorder import TrackRecorder, TrackRule, highest

QUERIES, CLASSES, LENGTH = 37, 4, 5
SIZES = dict(
    equal=((64, 96), (64, 96), (64, 96)),
    enlarged=((64, 96), (64, 80), (100, 133)),
    reduced=((64, 96), (48, 96), (30, 41)),
)
RULES = [
    TrackRule('max', 5, mask_scoring=True),
    TrackRule('mean', 10, mask_scoring=True),
    TrackRule('mean_logits', 3),
]


def video(sizes: str, scaled: bool = False, seed: int = 0):
    """Frames of smooth random logits; some queries never have a mask."""
    generator = torch.Generator().manual_seed(seed)
    shapes = dict(zip(('batch_input_shape', 'img_shape', 'ori_shape'), SIZES[sizes]))
    for t in range(LENGTH):
        coarse = torch.randn(1, QUERIES, 4, 6, generator=generator)
        logits = F.interpolate(coarse, (16, 24), mode='bilinear')[0]
        logits[::7] -= 9
        classes = torch.randn(QUERIES, CLASSES + 1, generator=generator)
        foreground = classes.sigmoid()[:, 0] if scaled else torch.ones(QUERIES)
        if t % 2:
            logits = logits.bfloat16()  # as under autocast
        yield classes, logits, foreground, SimpleNamespace(**shapes)


def record(rule: TrackRule, frames, wait: bool, **options) -> TrackRecorder:
    recorder = TrackRecorder(QUERIES, CLASSES, rule, **options)
    for classes, logits, foreground, sizes in frames:
        masks = frame_masks(classes, logits, foreground, sizes, rule.mask_scoring)
        if wait:
            recorder.add_frame(masks)
        else:
            recorder.add(masks.class_logits, masks.slots, masks.masks, masks.inside)
    return recorder


def assert_same_tracks(one, other):
    for name in ('scores', 'labels', 'identities'):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert one.segmentations == other.segmentations
    assert one.length == other.length == LENGTH


@pytest.mark.parametrize(
    ('room', 'scaled'), [(0, False), (100_000, True), (100_000, False), (1 << 30, False)]
)
@pytest.mark.parametrize('rule', RULES, ids=lambda rule: rule.reduce)
@pytest.mark.parametrize('sizes', SIZES)
def test_tracks_are_those_of_masks_made_at_once(sizes, rule, room, scaled, monkeypatch):
    monkeypatch.setattr(track_recorder, 'WAITING_BYTES', room)
    expected = record(rule, video(sizes, scaled), wait=False)
    waited = record(rule, video(sizes, scaled), wait=True)
    tracks = waited.finish(3)
    assert_same_tracks(tracks, expected.finish(3))
    assert any(mask for masks in tracks.segmentations for mask in masks)
    assert_same_tracks(waited.finish(3), tracks)  # asked again
    assert waited.masks == expected.masks and not waited.waiting  # of all identities
    assert np.array_equal(waited.scores, expected.scores)
    assert_same_tracks(waited.finish(3), tracks)


@pytest.mark.parametrize('number', [1, 2, 3, 4, 15, 16, 17, 18, 19, 20, 35])
def test_a_mask_does_not_depend_on_those_it_is_made_with(number):
    """Not to the last bit: resizing rounds three images otherwise, and a sum one row."""
    logits = torch.randn(number, 16, 24, generator=torch.Generator().manual_seed(number))
    shapes = dict(zip(('batch_input_shape', 'img_shape', 'ori_shape'), SIZES['enlarged']))
    arguments = (logits, torch.ones(number), SimpleNamespace(**shapes), True)
    whole = MaskLogits(*arguments)
    slots, masks = whole.make(range(number))
    for part in range(1, min(number, 9)):
        chosen = np.sort(np.random.default_rng(part).permutation(number)[:part])
        some = MaskLogits(*arguments)
        assert np.array_equal(some.make(chosen)[1], masks[np.isin(slots, chosen)])
        assert np.array_equal(some.inside(chosen), whole.inside(chosen))
        assert np.array_equal(MaskLogits(*arguments).inside(chosen), whole.inside(chosen))


def test_the_masks_of_tracks_alone_are_made(monkeypatch):
    made, make = [], MaskLogits.make
    monkeypatch.setattr(
        MaskLogits, 'make', lambda self, queries: made.append(list(queries)) or make(self, queries)
    )
    recorder = record(RULES[0], video('equal'), wait=True)
    assert made == []
    tracks = recorder.finish(0)
    assert made == [sorted(set(tracks.identities.tolist()))] * LENGTH and len(made[0]) <= 5


def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(track_recorder, 'WAITING_BYTES', 60_000)
    recorder = TrackRecorder(QUERIES, CLASSES, RULES[0])
    sizes = []
    for classes, logits, foreground, shapes in video('equal'):
        recorder.add_frame(frame_masks(classes, logits, foreground, shapes, True))
        sizes.append(sum(each.num_bytes for each in recorder.waiting))
    assert 0 < max(sizes) <= 60_000
    whole = next(video('equal'))[1]
    assert whole.untyped_storage().nbytes() > recorder.waiting[-1].num_bytes  # empty ones go


@pytest.mark.parametrize('options', [dict(keep_masks=False), dict(release_after=2)])
def test_streams_without_an_end_keep_no_logits(options):
    recorder = record(RULES[0], video('equal'), wait=True, **options)
    expected = record(RULES[0], video('equal'), wait=False, **options)
    assert recorder.waiting == []
    assert recorder.standing() == expected.standing() and recorder.masks == expected.masks
    assert recorder.last_seen.tolist() == expected.last_seen.tolist()


def later_and_at_once():
    """Each frame's instances, looked at after the video's end, and as they were at each frame."""
    later, expected = [], []
    waiting = VideoInProgress(TrackRecorder(QUERIES, CLASSES, RULES[0]))
    recorder = TrackRecorder(QUERIES, CLASSES, RULES[0])
    for classes, logits, foreground, shapes in video('enlarged'):
        masks = frame_masks(classes, logits, foreground, shapes, True)
        waiting.advance(masks, waiting.state)
        later.append(LaterInstances(waiting.recorder.snapshot(masks).instances))
        masks = frame_masks(classes, logits, foreground, shapes, True)
        recorder.add(masks.class_logits, masks.slots, masks.masks, masks.inside)
        scores = recorder.scores[masks.slots]
        expected.append((masks.slots, scores.argmax(-1), scores.max(-1), masks.masks))
    waiting.recorder.finish(0)
    return later, expected


def test_instances_that_are_looked_at_later_are_those_of_their_frame():
    for found, expected in zip(*later_and_at_once()):
        assert isinstance(found, InstanceData) and '_make' in vars(found)
        names = ('instances_id', 'labels', 'scores', 'masks')
        for name, value in zip(names, expected):
            assert np.array_equal(getattr(found, name).numpy(), value), name
        assert set(found.keys()) == set(names) and '_make' not in vars(found)


USES = dict(
    length=len,
    names=lambda found: sorted(found.keys()),
    inside=lambda found: ('masks' in found, 'boxes' in found),
    part=lambda found: found[found.scores > 0.2].labels.tolist(),
    item=lambda found: found[0].instances_id.tolist(),
    copied=lambda found: copy.deepcopy(found).scores.tolist(),
    cloned=lambda found: found.clone().scores.tolist(),
    pickled=lambda found: pickle.loads(pickle.dumps(found)).labels.tolist(),
    moved=lambda found: found.to('cpu').numpy().masks.sum(),
    dictionary=lambda found: sorted(found.to_dict()),
    absent=lambda found: (hasattr(found, 'bboxes'), found.get('bboxes', 3)),
    more=lambda found: (setattr(found, 'bboxes', torch.zeros(len(found), 4)), len(found.bboxes)),
    printed=lambda found: 'masks' in repr(found),
)


@pytest.mark.parametrize('use', USES)
def test_they_do_what_others_do(use):
    later, expected = later_and_at_once()
    names = ('instances_id', 'labels', 'scores', 'masks')
    plain = InstanceData(**dict(zip(names, map(torch.from_numpy, expected[2]))))
    assert USES[use](later[2]) == USES[use](plain)


def test_a_metric_that_gets_tracks_looks_at_no_frame():
    def fail() -> None:
        pytest.fail('it was looked at')

    frame = DetDataSample(metainfo=dict(video_id=4, frame_id=1))
    frame.pred_track_instances = LaterInstances(fail)
    (record,) = TrackCollector().records(dict(video_data_samples=[frame]))
    assert (record.video_id, record.frame_id, record.masks) == (4, 1, None)
    truth = SimpleNamespace(name='gt', videos={4: SimpleNamespace(length=2)})
    with pytest.raises(ValueError, match='video 4: .* test each video to its last frame'):
        TrackCollector.merge([record], truth, [1])


@pytest.mark.parametrize('number', [1, 3, 10, 40])
def test_the_highest_are_those_of_a_stable_sort(number):
    rng = np.random.default_rng(number)
    for ties in (2, 5, 1000):
        scores = rng.integers(0, ties, (6, 5)) / ties
        scores[0, 0] = np.nan if ties == 5 else 0
        order = np.argsort(-scores, axis=None, kind='stable')[:number]
        rows, columns = highest(scores, number)
        assert (rows * 5 + columns).tolist() == order.tolist()
