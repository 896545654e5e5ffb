"""Tracks of a video against brute force over the frames it was given."""

from __future__ import annotations

import itertools
import json

import numpy as np
import plain_reference as plain
import pytest
from pycocotools import mask as coco_mask

from rocovis_mm.models.vis.track_recorder import TrackRecorder, TrackRule, encode_mask

QUERIES, CLASSES, SIZE = 4, 3, (5, 7)


def random_video(seed: int, frames: int = 5):
    """Return per frame (class logits, slots, masks, inside)."""
    rng = np.random.default_rng(seed)
    video = []
    for _ in range(frames):
        classes = np.log(rng.dirichlet(np.ones(CLASSES + 1), QUERIES)) + rng.normal()
        slots = np.flatnonzero(rng.random(QUERIES) < 0.6)
        masks = rng.random((len(slots), *SIZE)) < 0.4
        masks[:, 0, 0] = True
        inside = np.zeros((QUERIES, 2))
        inside[slots, 1] = masks.sum((1, 2))
        inside[:, 0] = inside[:, 1] * rng.random(QUERIES)
        video.append((classes, slots, masks, inside))
    return video


def record(video, **rule):
    recorder = TrackRecorder(QUERIES, CLASSES, TrackRule(**rule))
    for frame in video:
        recorder.add(*frame)
    return recorder


def expected_score(video, query: int, label: int, reduce: str, mask_scoring: bool) -> float:
    logits = [classes[query] for classes, *_ in video]
    if reduce == 'mean_logits':
        score = plain.softmax(sum(logits) / len(logits))[label]
    else:
        values = [plain.softmax(x)[label] for x in logits]
        score = max(values) if reduce == 'max' else sum(values) / len(values)
    if mask_scoring:
        total = sum(inside[query, 0] for *_, inside in video)
        area = sum(inside[query, 1] for *_, inside in video)
        score *= total / area if area else 0.0
    return score


@pytest.mark.parametrize('max_tracks', [1, 5, 10, 40])
@pytest.mark.parametrize('mask_scoring', [False, True])
@pytest.mark.parametrize('reduce', ['max', 'mean', 'mean_logits'])
@pytest.mark.parametrize('seed', range(3))
def test_tracks_are_the_best_query_class_pairs(seed, reduce, mask_scoring, max_tracks):
    video = random_video(seed)
    tracks = record(video, reduce=reduce, mask_scoring=mask_scoring, max_tracks=max_tracks).finish(
        video_id=9
    )
    by_class = sorted(
        (
            (expected_score(video, q, k, reduce, False), q, k)
            for q, k in itertools.product(range(QUERIES), range(CLASSES))
        ),
        reverse=True,
    )[:max_tracks]
    scored = sorted(
        ((expected_score(video, q, k, reduce, mask_scoring), q, k) for _, q, k in by_class),
        reverse=True,
    )
    assert (tracks.video_id, tracks.length) == (9, len(video))
    np.testing.assert_allclose(tracks.scores, [score for score, *_ in scored], atol=1e-12)
    scores = {(q, k): score for score, q, k in scored}
    for score, slot, label in zip(tracks.scores, tracks.slots, tracks.labels):
        assert scores.get((slot, label), score) == pytest.approx(score)
    pairs = list(zip(tracks.slots.tolist(), tracks.labels.tolist()))
    assert len(pairs) == len(set(pairs)) == min(max_tracks, QUERIES * CLASSES)


@pytest.mark.parametrize('seed', range(3))
def test_segmentations_decode_to_the_masks(seed):
    video = random_video(seed)
    tracks = record(video, max_tracks=12).finish(0)
    for slot, segmentations in zip(tracks.slots, tracks.segmentations):
        assert len(segmentations) == len(video)
        for rle, (_, slots, masks, _) in zip(segmentations, video):
            if slot not in slots:
                assert rle is None
                continue
            assert rle['size'] == list(SIZE)
            decoded = coco_mask.decode(json.loads(json.dumps(rle))).astype(bool)
            assert np.array_equal(decoded, masks[slots.tolist().index(slot)])


@pytest.mark.parametrize('reduce', ['max', 'mean', 'mean_logits'])
def test_scores_so_far_are_those_of_the_frames_so_far(reduce):
    video = random_video(7)
    recorder = TrackRecorder(QUERIES, CLASSES, TrackRule(reduce=reduce))
    for t, frame in enumerate(video):
        recorder.add(*frame)
        for q, k in itertools.product(range(QUERIES), range(CLASSES)):
            expected = expected_score(video[: t + 1], q, k, reduce, False)
            assert recorder.scores[q, k] == pytest.approx(expected)


def test_what_is_added_is_neither_changed_nor_shared():
    video = random_video(1)
    copies = [[np.copy(x) for x in frame] for frame in video]
    recorder = record(video)
    before = recorder.finish(0).scores.copy()
    for frame, copy in zip(video, copies):
        assert all(np.array_equal(x, y) for x, y in zip(frame, copy))
        frame[0][:] = 1
    assert np.array_equal(recorder.finish(0).scores, before)


def test_a_video_without_any_mask_still_has_tracks():
    frame = (np.zeros((QUERIES, CLASSES + 1)), np.zeros(0, int), np.zeros((0, *SIZE), bool))
    recorder = record([(*frame, np.zeros((QUERIES, 2)))], mask_scoring=True)
    tracks = recorder.finish(1)
    assert (tracks.scores == 0).all()
    assert all(segmentations == [None] for segmentations in tracks.segmentations)


@pytest.mark.parametrize('order', ['C', 'F'])
def test_encode_mask_takes_any_memory_layout(order):
    mask = np.asarray(np.random.default_rng(0).random(SIZE) < 0.5, order=order)
    for view in (mask, mask.T, mask[::2, ::-1]):
        assert np.array_equal(coco_mask.decode(encode_mask(view)).astype(bool), view)


@pytest.mark.parametrize(
    ('rule', 'message'),
    [
        (dict(reduce='median'), r"reduce='median'.*'max', 'mean'"),
        (dict(max_tracks=0), 'max_tracks=0'),
    ],
)
def test_impossible_rules_are_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        TrackRule(**rule)
