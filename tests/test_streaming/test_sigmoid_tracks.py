"""Tracks of sigmoid probabilities equal those of IDOL's bookkeeping, done plainly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as coco_mask
from test_identity_recorder import ABSENT, CLASSES, FRAMES, SIZES, plain_lists, video

from rocovis_mm.streaming.frame_masks import frame_masks
from rocovis_mm.streaming.identity_recorder import IdentityRecorder, IdentityRule

RULE = IdentityRule(
    'mean',
    max_tracks=1000,
    resize='nearest',
    ends_after=ABSENT,
    activation='sigmoid',
    min_score=0.5,
)


def sigmoid_video(seed: int):
    """Return frames whose class logits have no "no object"."""
    return [(classes[:, :CLASSES], masks, ids) for classes, masks, ids in video(seed)]


def recorded(frames, rule: IdentityRule, release_after: int | None = None):
    recorder = IdentityRecorder(CLASSES, rule, release_after=release_after)
    for classes, masks, ids in frames:
        options = rule.mask_scoring, rule.scoring_size, ids, rule.resize
        recorder.add_frame(frame_masks(classes, masks, torch.ones(len(ids)), SIZES, *options))
    return recorder.finish(1)


@pytest.mark.parametrize('seed', range(3))
def test_tracks_are_those_of_the_plain_bookkeeping(seed):
    frames = sigmoid_video(seed)
    expected = {}
    for identity, entries in plain_lists(frames, RULE).items():
        present = [x for x in entries if x is not None]
        scores = torch.stack([classes.sigmoid() for classes, _ in present]).mean(0)
        for label in (scores > 0.5).nonzero().flatten().tolist():
            expected[identity, label] = scores[label].item(), entries
    tracks = recorded(frames, RULE)
    pairs = list(zip(tracks.identities.tolist(), tracks.labels.tolist()))
    assert len(pairs) == len(set(pairs)) and set(pairs) == set(expected)
    assert 0 < len(pairs) < CLASSES * len({i for _, _, ids in frames for i in ids.tolist()})
    assert (np.diff(tracks.scores) <= 0).all()
    for pair, score, segmentations in zip(pairs, tracks.scores, tracks.segmentations):
        wanted, entries = expected[pair]
        assert score == pytest.approx(wanted, abs=1e-6)
        for t in range(FRAMES):
            mask = np.zeros(SIZES.ori_shape, bool)
            if entries[t] is not None:
                logits = F.interpolate(entries[t][1][None, None], SIZES.batch_input_shape,
                                       mode='bilinear')[..., :30, :50]  # fmt: skip
                rows = [int(i * 30 / 45) for i in range(45)]
                columns = [int(j * 50 / 75) for j in range(75)]
                mask = (logits.sigmoid()[0, 0][rows][:, columns] > 0.5).numpy()
            found = segmentations[t]
            assert np.array_equal(
                mask, np.zeros_like(mask) if found is None else coco_mask.decode(found) > 0
            )


def test_masks_that_do_not_wait_are_the_same():
    frames = sigmoid_video(0)
    whole, settled = recorded(frames, RULE), recorded(frames, RULE, release_after=FRAMES)
    assert np.array_equal(whole.scores, settled.scores)
    assert whole.segmentations == settled.segmentations


def test_impossible_rules_are_refused():
    with pytest.raises(ValueError, match="track_rule.activation='relu': choose one of"):
        replace(RULE, activation='relu')
    with pytest.raises(ValueError, match="track_rule.resize='cubic': choose one of"):
        replace(RULE, resize='cubic')
