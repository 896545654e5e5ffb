"""IDOL's association against a plain one with dictionaries, over videos with deaths and returns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from plain_tracker import PlainTracker, iou, random_video

from rocovis_mm.models.task_modules.association import IDOLAssociator
from rocovis_mm.structures import FramePrediction, StreamState

QUERIES, CLASSES, CHANNELS = 12, 3, 6


def box_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return the IoU of two boxes (x, y, w, h)."""
    sides = [
        max(min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2)
            - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2), 0)
        for i in (0, 1)
    ]  # fmt: skip
    shared = sides[0] * sides[1]
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


class PlainIDOL(PlainTracker):
    """What differs from CTVIS, after the digest."""

    def __init__(self, new: float, nms: float) -> None:
        super().__init__(select=0.1, nms=nms, match=0.5, begin=0.2, cache=3, dead=9)
        self.new = new

    def candidates(self, logits: np.ndarray, boxes: np.ndarray) -> list[int]:
        scores = 1 / (1 + np.exp(-logits))
        labels, best = scores.argmax(1), scores.max(1)
        good = [q for q in np.argsort(-best, kind='stable').tolist() if best[q] > self.select]
        if not good:
            return [int(best.argmax())]
        kept: list[int] = []
        for q in good:
            if all(labels[q] != labels[k] or box_iou(boxes[q], boxes[k]) <= 0.9 for k in kept):
                kept.append(q)
        return kept

    def frame_ids(self, logits, masks, embeds, boxes) -> list[int]:
        scores = (1 / (1 + np.exp(-logits.astype(float)))).max(1)
        kept: list[int] = []
        for q in self.candidates(logits.astype(float), boxes):
            if all(iou(masks[q] > 0, masks[k] > 0) <= self.nms for k in kept):
                kept.append(q)
        least = self.new if self.tracks else self.begin
        given = self.matched(kept, embeds)  # float32: a single query has values of 0.5 + p / 2
        for q in kept:
            if q not in given and scores[q] > least:
                given[q] = self.made
                self.made += 1
        for q in (q for q in kept if q in given):
            self.add(given[q], embeds[q].astype(float), scores[q])
        self.tracks = {i: x for i, x in self.tracks.items() if self.frame - x['last'] < 10}
        self.frame += 1
        return [given.get(q, -1) for q in range(len(scores))]

    def add(self, identity: int, embed: np.ndarray, score: float) -> None:
        track = self.tracks.setdefault(identity, {'raw': [], 'frames': 0})
        track['raw'] = [*track['raw'], (embed, score)][-3:]
        weights = [s + (k + 1) / len(track['raw']) for k, (_, s) in enumerate(track['raw'])]
        summed = sum(w * e for w, (e, _) in zip(weights, track['raw']))
        track['mean'] = (summed / sum(weights)).astype(np.float32)
        track['frames'] += 1
        track['last'] = self.frame


@pytest.mark.parametrize('seed, new, nms', [(0, 0.2, 0.5), (1, 0.3, 0.3), (2, 0.2, 0.5)])
def test_identities(seed, new, nms):
    associator = IDOLAssociator(new_score=new, nms_iou=nms)
    plain, state, counts = PlainIDOL(new, nms), StreamState(), []
    rng = np.random.default_rng(seed)
    alive = set()
    for t, (logits, masks, embeds) in enumerate(random_video(60, QUERIES, CLASSES, CHANNELS, seed)):
        logits = logits[:, :CLASSES] - 3  # of noise below the candidates' score, of objects above
        if 25 <= t < 28:
            logits = logits - 8  # nothing is there: the best query alone is looked at
        centres = rng.random((QUERIES, 2)).repeat(2, 0)[:QUERIES]  # pairs of boxes
        boxes = np.concatenate([centres, np.full((QUERIES, 2), 0.2)], 1).astype(np.float32)
        boxes[1::2, 0] += 0.005 * (t % 4)
        tensors = [torch.from_numpy(x) for x in (logits, masks, embeds, boxes)]
        rows = associator.candidates(tensors[0], tensors[3])
        assert rows.tolist() == plain.candidates(logits.astype(float), boxes)
        prediction = FramePrediction(*((x[None],) for x in tensors[:2]), tensors[2][None])
        prediction, state = associator(prediction, [rows], state)
        assert prediction.identities[0].tolist() == plain.frame_ids(logits, masks, embeds, boxes)
        assert state.tracks[0].ids.tolist() == sorted(plain.tracks)
        alive |= set(plain.tracks)
        counts.append(len(plain.tracks))
    assert len(alive) > max(counts) > 1  # some died


def test_autocast_changes_nothing():
    """Candidates, identities and the memory of a video with an overlapping pair in each frame."""
    associator, states = IDOLAssociator(), [StreamState(), StreamState()]
    boxes = torch.rand(QUERIES, 4, generator=torch.Generator().manual_seed(0)) / 2 + 0.2
    boxes[1::2] = boxes[::2] + 0.002
    for logits, masks, embeds in random_video(12, QUERIES, CLASSES, CHANNELS, 3):
        logits, masks, embeds = (torch.from_numpy(x)[None] for x in (logits, masks, embeds))
        prediction = FramePrediction((logits[..., :CLASSES] - 3,), (masks,), embeds)
        found = []
        for place, enabled in enumerate((False, True)):
            with torch.autocast('cpu', torch.bfloat16, enabled=enabled):
                rows = associator.candidates(prediction.class_logits[0][0], boxes)
                linked, states[place] = associator(prediction, [rows], states[place])
            found.append((rows, linked.identities, states[place].tracks[0].memory))
        assert all(map(torch.equal, *found))
    assert states[0].tracks[0].next_id > 1
