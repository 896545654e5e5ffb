"""Tracks by identity equal those of a plain bookkeeping that keeps everything until the end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask

from rocovis_mm.streaming import identity_recorder
from rocovis_mm.streaming.frame_masks import frame_masks
from rocovis_mm.streaming.identity_recorder import IdentityRecorder, IdentityRule

SIZES = SimpleNamespace(batch_input_shape=(32, 64), img_shape=(30, 50), ori_shape=(45, 75))
CLASSES, FRAMES, ABSENT = 3, 30, 5
RULE = IdentityRule(
    'mean_logits', max_tracks=5, mask_scoring=True, scoring_size='frame', ends_after=ABSENT
)


def video(seed: int = 0):
    """Return (class logits, mask logits, identities) of frames; none comes back when dead."""
    rng = np.random.default_rng(seed)
    last: dict[int, int] = {}
    frames, newest = [], 0
    for t in range(FRAMES):
        alive = [i for i, seen in last.items() if t - seen <= ABSENT]
        chosen = [i for i in alive if rng.random() < 0.3 + 0.5 * (i % 2)]
        new = list(range(newest, newest + int(rng.integers(0, 3))))
        newest += len(new)
        ids = rng.permutation(np.array(chosen + new, dtype=int))
        last.update(dict.fromkeys(ids.tolist(), t))
        classes = torch.from_numpy(rng.normal(size=(len(ids), CLASSES + 1)) * 2).float()
        masks = torch.from_numpy(rng.normal(size=(len(ids), 8, 16)) * 3).float()
        masks[ids % 5 == 0] = -1.0  # present, but an empty mask
        frames.append((classes, masks, torch.from_numpy(ids)))
    return frames


def plain_lists(frames, rule: IdentityRule) -> dict[int, list]:
    """Return identity -> (class logits, mask logits) or None of each frame, noise removed."""
    lists: dict[int, list] = {}
    for t, (classes, masks, ids) in enumerate(frames):
        for row, identity in enumerate(ids.tolist()):
            lists.setdefault(identity, [None] * t).append((classes[row], masks[row]))
        for entries in lists.values():
            entries += [None] * (t + 1 - len(entries))
        if t > rule.noise_frames:
            for identity, entries in list(lists.items()):
                none = next((k for k, x in enumerate(entries[::-1]) if x is not None), t)
                seen = sum(x is not None for x in entries)
                if none >= rule.absent_frames and seen < rule.min_frames:
                    del lists[identity]
    return lists


def class_scores(entries: list, rule: IdentityRule) -> torch.Tensor:
    """Return the class probabilities (K,) of a track."""
    logits = torch.stack([x[0] for x in entries if x is not None])
    if rule.reduce == 'mean_logits':
        return logits.mean(0).softmax(-1)[:-1]
    probabilities = logits.softmax(-1)[:, :-1]
    return probabilities.mean(0) if rule.reduce == 'mean' else probabilities.amax(0)


def plain_masks(entries: list, rule: IdentityRule) -> tuple[float, np.ndarray]:
    """Return the mean probability inside the masks of a track, and the masks (T, H, W)."""
    masks, total, count = [], 0.0, 0.0
    for entry in entries:
        logits = torch.full((8, 16), -1.0) if entry is None else entry[1]
        big = F.interpolate(logits[None, None], SIZES.batch_input_shape, mode='bilinear')
        big = big[..., : SIZES.img_shape[0], : SIZES.img_shape[1]]
        own = F.interpolate(big, SIZES.ori_shape, mode='bilinear')
        scored = own if rule.scoring_size == 'frame' else big
        total += float((scored.sigmoid() * (scored > 0)).sum())
        count += float((scored > 0).sum())
        masks.append((own[0, 0] > 0).numpy())
    return total / max(count, 1) if rule.mask_scoring else 1.0, np.array(masks)


def plain_tracks(frames, rule: IdentityRule):
    """Return (score, label, identity, masks (T, H, W)) of the best, with lists as published."""
    lists, pairs = plain_lists(frames, rule), []
    for identity, entries in lists.items():
        scores = class_scores(entries, rule).tolist()
        pairs += [(score, identity, label) for label, score in enumerate(scores)]
    tracks = []
    for score, identity, label in sorted(pairs, reverse=True)[: rule.max_tracks]:
        sure, masks = plain_masks(lists[identity], rule)
        tracks.append((score * sure, label, identity, masks))
    return sorted(tracks, key=lambda track: -track[0])


def record(frames, rule: IdentityRule, **options) -> IdentityRecorder:
    """Return the recorder after all frames."""
    recorder = IdentityRecorder(CLASSES, rule, **options)
    for classes, masks, ids in frames:
        scoring = rule.mask_scoring, rule.scoring_size
        recorder.add_frame(frame_masks(classes, masks, torch.ones(len(ids)), SIZES, *scoring, ids))
    return recorder


def decoded(segmentations) -> np.ndarray:
    """Return the masks (T, H, W) of one track."""
    empty = np.zeros(SIZES.ori_shape, dtype=bool)
    return np.array([empty if x is None else coco_mask.decode(x) > 0 for x in segmentations])


def check(recorder: IdentityRecorder, expected) -> None:
    """Compare the tracks of a recorder with plain ones."""
    found = recorder.finish(7)
    scores, labels, identities, masks = zip(*expected)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    assert found.labels.tolist() == list(labels)
    assert found.identities.tolist() == list(identities)
    for segmentations, plain in zip(found.segmentations, masks):
        assert np.array_equal(decoded(segmentations), plain)
    standing = recorder.standing()
    assert [(x.identity, x.label) for x in standing] == list(zip(identities, labels))


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'reduce': 'max', 'mask_scoring': False},
        {'reduce': 'mean', 'scoring_size': 'input'},
        {'min_frames': 6, 'noise_frames': 2, 'absent_frames': 1},
        {'ends_after': None},
    ],
)
def test_plain_bookkeeping(options):
    frames = video()
    rule = IdentityRule(**{**vars(RULE), **options})
    recorder = record(frames, rule)
    check(recorder, plain_tracks(frames, rule))
    known = {identity for *_, ids in frames for identity in ids.tolist()}
    assert 0 < len(recorder.tracks) < len(known), 'noise must have been removed'


def test_what_is_held_does_not_depend_on_when_masks_are_made(monkeypatch):
    """Ended tracks that cannot be among the best are dropped, and the result stays."""
    frames = video(1)
    expected = plain_tracks(frames, RULE)
    later = record(frames, RULE)
    check(later, expected)
    assert not later.ended and len(later.waiting) == FRAMES
    monkeypatch.setattr(identity_recorder, 'WAITING_FRAMES', 3)
    recorder = record(frames, RULE)
    check(recorder, expected)
    assert len(recorder.waiting) == 3
    assert len(recorder.ended) == RULE.max_tracks
    assert all(FRAMES - 1 - x.last <= ABSENT + 3 for x in recorder.tracks.values())


class Walked(list):
    """Counts how often all its entries are looked at."""

    walks = 0

    def __iter__(self):
        Walked.walks += 1
        return super().__iter__()


@pytest.mark.parametrize('release_after', [None, 2])
def test_the_work_for_a_frame_does_not_grow(release_after, monkeypatch):
    """Without a limit all ended tracks stay, and none is looked at before the results are."""
    rule = IdentityRule('mean', max_tracks=10**6, ends_after=3, min_frames=2, absent_frames=4)
    recorder = IdentityRecorder(CLASSES, rule, False, release_after)
    recorder.ended = Walked()
    monkeypatch.setattr(Walked, 'walks', 0)
    rng = np.random.default_rng(0)
    frames = []
    for t in range(90):  # an identity of three frames begins at each, one of a single frame too
        ids = torch.tensor([*(3 * k for k in range(max(0, t - 2), t + 1)), 3 * t + 1])
        classes = torch.from_numpy(rng.normal(size=(len(ids), CLASSES + 1))).float()
        frames.append((classes, torch.full((len(ids), 2, 4), -1.0), ids))
        recorder.give_back(recorder.absent_slots())
        recorder.add_frame(
            frame_masks(*frames[-1][:2], torch.ones(len(ids)), SIZES, False, identities=ids)
        )
        assert len(recorder.tracks) + len(recorder.brief) < 30
    assert Walked.walks == 0
    lists = plain_lists(frames, rule)
    assert len(recorder.ended) >= CLASSES * 80
    assert {x.identity for x in recorder.standing()} == set(lists)
    assert Walked.walks


def test_release_after_gives_identities_up():
    """A stream that gives identities up early has their tracks with what they had so far."""
    recorder, seen = IdentityRecorder(CLASSES, RULE, release_after=2), []
    used: set[int] = set()
    for t, (classes, masks, ids) in enumerate(video(2)):
        gone = recorder.absent_slots()
        last = {x.identity: x.last for x in recorder.tracks.values()}
        assert set(gone.tolist()) == {i for i, seen in last.items() if t - 1 - seen >= 2}
        recorder.give_back(gone)
        kept = torch.tensor([i in recorder.tracks or i not in used for i in ids.tolist()]).bool()
        used.update(ids.tolist())
        seen.append((classes[kept], masks[kept], ids[kept]))
        frame = classes[kept], masks[kept], torch.ones(int(kept.sum())), SIZES, True, 'frame'
        recorder.add_frame(frame_masks(*frame, ids[kept]))
        assert not recorder.waiting
        if t in (7, 9, FRAMES - 1):
            check(recorder, plain_tracks(seen, RULE))
    assert len(recorder.ended) == RULE.max_tracks
    with pytest.raises(ValueError, match='release_after'):
        IdentityRecorder(CLASSES, RULE, release_after=0)


def test_snapshot_and_streams_without_masks():
    """A frame's instances have their scores so far; sums are known where masks are not kept."""
    frames = video(3)
    kept, streamed = IdentityRecorder(CLASSES, RULE), IdentityRecorder(CLASSES, RULE, False)
    for t, (classes, masks, ids) in enumerate(frames[:11]):
        arguments = classes, masks, torch.ones(len(ids)), SIZES, True, 'frame', ids
        found = []
        for recorder in (kept, streamed):
            frame = frame_masks(*arguments)
            recorder.add_frame(frame)
            found.append(recorder.snapshot(frame).instances())
        assert set(found[0]['instances_id']) == {i for i in ids.tolist() if i % 5}
        everything = IdentityRule(**{**vars(RULE), 'max_tracks': 10**6})
        best: dict[int, float] = {}
        for score, _, identity, _ in plain_tracks(frames[: t + 1], everything):
            best.setdefault(identity, score)
        expected = [best[i] for i in found[0]['instances_id'].tolist()]
        for instances in found:
            np.testing.assert_allclose(instances['scores'], expected, atol=1e-5)
    with pytest.raises(ValueError, match='not kept'):
        streamed.finish(1)
    assert not any(track.masks for track in streamed.tracks.values())


def test_nothing_was_found():
    nothing = torch.zeros(0, CLASSES + 1), torch.zeros(0, 8, 16), torch.zeros(0).long()
    recorder = record([nothing] * 3, RULE)
    tracks = recorder.finish(1)
    assert (len(tracks.scores), tracks.length, recorder.standing()) == (0, 3, [])
