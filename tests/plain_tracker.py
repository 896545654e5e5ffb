"""A plain second implementation of the association by a memory bank: one query at a time.

It follows the digest of CTVIS with dictionaries and float64, and shares no code with the library.
"""

from __future__ import annotations

import numpy as np


def softmax(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the softmax along an axis."""
    powers = np.exp(values - values.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def unit(vector: np.ndarray) -> np.ndarray:
    """Return a vector of length 1."""
    return vector / max(np.linalg.norm(vector), 1e-12)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Return the IoU of two masks; two empty ones have 1."""
    return ((a & b).sum() + 1e-6) / ((a | b).sum() + 1e-6)


class PlainTracker:
    """Tracks of one video as dictionaries: identity -> everything about it."""

    def __init__(
        self,
        select: float = 0.01,
        nms: float = 0.6,
        match: float = 0.3,
        begin: float = 0.01,
        cache: int = 10,
        dead: int = 20,
    ) -> None:
        self.select, self.nms, self.match, self.begin = select, nms, match, begin
        self.cache, self.dead = cache, dead
        self.tracks: dict[int, dict] = {}
        self.made = 0
        self.frame = 0

    def step(self, logits: np.ndarray, masks: np.ndarray, embeds: np.ndarray) -> list[int]:
        """Return the identity of each query of the next frame, -1 for none."""
        scores = softmax(logits.astype(float), 1)[:, :-1].max(1)
        kept: list[int] = []
        order = sorted(range(len(scores)), key=lambda q: -scores[q])
        for q in [q for q in order if scores[q] > self.select] or order[:1]:
            if all(iou(masks[q] > 0, masks[k] > 0) <= self.nms for k in kept):
                kept.append(q)
        given = self.matched(kept, embeds.astype(float))
        for q in kept:
            if q not in given and scores[q] > self.begin:
                given[q] = self.made
                self.made += 1
        for q in kept:
            if q in given:
                self.update(given[q], embeds[q].astype(float))
        self.tracks = {
            i: track for i, track in self.tracks.items() if self.frame - track['last'] <= self.dead
        }
        self.frame += 1
        return [given.get(q, -1) for q in range(len(scores))]

    def matched(self, kept: list[int], embeds: np.ndarray) -> dict[int, int]:
        """Return query -> identity of the tracks that go on."""
        ids = list(self.tracks)
        if not ids:
            return {}
        products = np.array([[embeds[q] @ self.tracks[i]['mean'] for i in ids] for q in kept])
        values = (softmax(products, 1) + softmax(products, 0)) / 2
        given = {}
        for row, q in enumerate(kept):
            above = values[row] > self.match
            weighted = values[row].copy()
            if above.sum() > 1:
                frames = np.array([self.tracks[i]['frames'] for i in ids], float)
                weighted[above] *= frames[above]
                weighted[~above] *= frames[above].mean()
            best = int(weighted.argmax())
            if weighted[best] > self.match:
                given[q] = ids[best]
                values[np.arange(len(kept)) != row, best] = 0
        return given

    def update(self, identity: int, embed: np.ndarray) -> None:
        """Add an embedding to a track."""
        track = self.tracks.setdefault(identity, {'raw': [], 'frames': 0, 'mean': embed})
        if track['raw']:
            similarity = np.mean([unit(e) @ unit(embed) for e in track['raw']])
            share = max(0.0, float(similarity))
            track['mean'] = (1 - share) * track['mean'] + share * embed
        track['raw'] = [*track['raw'], embed][-self.cache :]
        track['frames'] += 1
        track['last'] = self.frame


def random_video(
    frames: int, queries: int, classes: int, channels: int, seed: int, objects: int = 4
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return a video's class logits (N, K + 1), mask logits (N, 12, 16) and embeddings (N, C).

    Objects come and go for long times, at any query. Other queries are noise.
    """
    rng = np.random.default_rng(seed)
    prototypes = rng.normal(size=(objects, channels))
    video = []
    for t in range(frames):
        logits = rng.normal(size=(queries, classes + 1)) + 5 * np.eye(classes + 1)[-1]
        masks = np.full((queries, 12, 16), -1.0)
        embeds = rng.normal(size=(queries, channels))
        places = rng.permutation(queries)
        for k in range(objects):
            seen = np.sin(2 * np.pi * (t / (20 + 25 * k) + k / 5)) > -0.2
            if seen and rng.random() < 0.8:
                q = places[k]
                logits[q, k % classes] += 6
                masks[q, 2 * k : 2 * k + 4, 3 * k : 3 * k + 5] = 1 + rng.random()
                embeds[q] = prototypes[k] * 1.5 + 0.7 * rng.normal(size=channels)
        twin = places[-1]  # a worse copy of the first object's mask
        masks[twin] = masks[places[0]]
        video.append(tuple(np.asarray(x, dtype=np.float32) for x in (logits, masks + 0.1, embeds)))
    return video
