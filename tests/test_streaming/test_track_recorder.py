"""Tracks of a video against brute force over the frames it was given."""

from __future__ import annotations

import itertools
import json

import numpy as np
import plain_reference as plain
import pytest
from pycocotools import mask as coco_mask

from rocovis_mm.streaming.track_recorder import TrackRecorder, TrackRule, encode_mask

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
    for score, slot, label in zip(tracks.scores, tracks.identities, tracks.labels):
        assert scores.get((slot, label), score) == pytest.approx(score)
    pairs = list(zip(tracks.identities.tolist(), tracks.labels.tolist()))
    assert len(pairs) == len(set(pairs)) == min(max_tracks, QUERIES * CLASSES)


@pytest.mark.parametrize('seed', range(3))
def test_segmentations_decode_to_the_masks(seed):
    video = random_video(seed)
    tracks = record(video, max_tracks=12).finish(0)
    for slot, segmentations in zip(tracks.identities, tracks.segmentations):
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


def lifetimes(video, release_after: int) -> list[list[tuple[int, int]]]:
    """Return for each slot the frames [first, end) of its identities, worked out afresh."""
    spans = []
    for query in range(QUERIES):
        present = [
            query in slots and plain.softmax(classes[query])[-1] < 0.5
            for classes, slots, *_ in video
        ]
        starts, seen = [0], None
        for t in range(len(video)):
            if seen is not None and t - 1 - seen >= release_after:
                starts.append(t)
                seen = None
            seen = t if present[t] else seen
        spans.append(list(zip(starts, [*starts[1:], len(video)])))
    return spans


@pytest.mark.parametrize('max_tracks', [2, 7, 400])
@pytest.mark.parametrize('mask_scoring', [False, True])
@pytest.mark.parametrize('reduce', ['max', 'mean', 'mean_logits'])
@pytest.mark.parametrize('seed', range(2))
def test_slots_given_back_hold_tracks_of_their_own(seed, reduce, mask_scoring, max_tracks):
    """Each identity is scored as if the video had its frames alone."""
    video, release_after = random_video(seed, frames=25), 2
    rule = TrackRule(reduce=reduce, mask_scoring=mask_scoring, max_tracks=max_tracks)
    recorder = TrackRecorder(QUERIES, CLASSES, rule, release_after=release_after)
    begun = {}  # identity -> slot, first frame
    for t, frame in enumerate(video):
        recorder.give_back(recorder.absent_slots())
        for slot, identity in enumerate(recorder.identities.tolist()):
            assert begun.setdefault(identity, (slot, t))[0] == slot  # no number twice
        recorder.add(*frame)
    spans = lifetimes(video, release_after)
    assert sorted(begun.values()) == sorted(
        (slot, first) for slot in range(QUERIES) for first, _ in spans[slot]
    )
    assert len(begun) > QUERIES + 5
    ends = {(slot, first): end for slot in range(QUERIES) for first, end in spans[slot]}
    by_class, scores = {}, {}
    for identity, (slot, first) in begun.items():
        part = video[first : ends[slot, first]]
        for label in range(CLASSES):
            pair = (identity, label)
            by_class[pair] = expected_score(part, slot, label, reduce, False)
            scores[pair] = expected_score(part, slot, label, reduce, mask_scoring)
    kept = sorted(by_class, key=by_class.get, reverse=True)[:max_tracks]
    tracks = recorder.finish(0)
    found = dict(zip(zip(tracks.identities.tolist(), tracks.labels.tolist()), tracks.scores))
    assert found.keys() == set(kept) and list(tracks.scores) == sorted(tracks.scores)[::-1]
    for pair in kept:
        assert found[pair] == pytest.approx(scores[pair])
    for identity, segmentations in zip(tracks.identities.tolist(), tracks.segmentations):
        slot, first = begun[identity]
        there = [
            first <= t < ends[slot, first] and slot in slots
            for t, (_, slots, *_) in enumerate(video)
        ]
        assert [x is not None for x in segmentations] == there
    assert len(recorder.masks) <= QUERIES + max_tracks


def test_masks_that_are_not_kept_cannot_be_asked_for():
    recorder = TrackRecorder(QUERIES, CLASSES, TrackRule(), keep_masks=False)
    for frame in random_video(0):
        recorder.add(*frame)
    assert recorder.masks == {} and len(recorder.standing()) == 10
    with pytest.raises(ValueError, match='not kept'):
        recorder.finish(0)
