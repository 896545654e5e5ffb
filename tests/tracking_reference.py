"""Tracks that tie and collide, and a slow, plain implementation of HOTA, CLEAR and Identity."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from pycocotools import mask as mask_utils
from scipy.optimize import linear_sum_assignment

ALPHAS = [0.05 * step for step in range(1, 20)]
SLACK = 1e-12
"""Differences of similarities and thresholds that are rounding."""


def crowded_files(seed, videos=2, tracks=12, predictions=25):
    """An annotation file and a results file of many small boxes on one spot, with many ties.

    There are two classes with ground truth and one without, null frames, masks without a pixel,
    crowds, and predictions under two classes. The generator is the one that numpy has frozen.
    """
    rng = np.random.RandomState(seed)
    truth = dict(
        videos=[], annotations=[], categories=[dict(id=k, name=f'c{k}') for k in (1, 2, 7)]
    )
    results = []
    for video in range(1, videos + 1):
        length = rng.randint(3, 12)
        truth['videos'].append(dict(id=video, height=8, width=12, length=length))
        tubes = [_boxes(rng, length) for _ in range(rng.randint(tracks))]
        for number, tube in enumerate(tubes):
            truth['annotations'].append(
                dict(
                    id=100 * video - number,
                    video_id=video,
                    category_id=rng.randint(1, 3),
                    iscrowd=int(rng.rand() < 0.2),
                    segmentations=tube,
                    areas=[None] * length,
                )
            )
        for _ in range(rng.randint(predictions)):
            tube = _boxes(rng, length)
            if tubes and rng.rand() < 0.5:
                copied = tubes[rng.randint(len(tubes))]
                tube = [a if rng.rand() < 0.7 else b for a, b in zip(copied, tube)]
            score = rng.randint(1, 5) / 4
            for category in ([1], [2], [7], [1, 2])[rng.randint(4)]:
                results.append(
                    dict(video_id=video, category_id=category, score=score, segmentations=tube)
                )
    return truth, results


def _boxes(rng, length):
    tube = []
    y, x = rng.randint(0, 6, 2)
    for _ in range(length):
        if rng.rand() < 0.2:
            tube.append(None)
            continue
        if rng.rand() < 0.3:
            y, x = rng.randint(0, 6, 2)
        mask = np.zeros((8, 12), np.uint8)
        mask[y : y + rng.randint(0, 4), x : x + 3] = 1
        code = mask_utils.encode(np.asfortranarray(mask))
        tube.append(dict(size=[8, 12], counts=code['counts'].decode()))
    return tube


def decode(segmentations):
    """The masks of a track as bool arrays, None for a frame without one."""
    return [
        None if code is None else mask_utils.decode(code).astype(bool) for code in segmentations
    ]


def mask_iou(first, second):
    """Common pixels over united pixels; 0 for two masks without a pixel."""
    united = (first | second).sum()
    return float((first & second).sum() / united) if united else 0.0


def boundary_iou(first, second):
    """The lower one of the masks' IoU and their boundaries' IoU."""
    return min(mask_iou(first, second), mask_iou(_boundary(first), _boundary(second)))


def _boundary(mask):
    width = max(1, round(0.02 * np.hypot(*mask.shape)))
    padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inner = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    return mask & ~inner.astype(bool)


def plain_scores(truths, found, similarity=mask_iou):
    """The scores of one video and class.

    Args:
        truths: G lists of masks, one for each frame, None for no mask.
        found: D such lists.
        similarity: of two masks.
    """
    truths = [tube for tube in truths if any(mask is not None for mask in tube)]
    found = [tube for tube in found if any(mask is not None for mask in tube)]
    length = max((len(tube) for tube in truths + found), default=0)
    frames = []  # (indices of truths, indices of predictions, similarities)
    for t in range(length):
        rows = [g for g, tube in enumerate(truths) if tube[t] is not None]
        columns = [d for d, tube in enumerate(found) if tube[t] is not None]
        matrix = [[similarity(truths[g][t], found[d][t]) for d in columns] for g in rows]
        frames.append((rows, columns, np.array(matrix).reshape(len(rows), len(columns))))
    own = [sum(mask is not None for mask in tube) for tube in truths]
    other = [sum(mask is not None for mask in tube) for tube in found]
    return {
        **plain_hota(frames, own, other),
        **plain_clear(frames, own, other),
        **plain_identity(frames, own, other),
    }


def plain_hota(frames, own, other):
    """Equations 1 to 9 of the paper, and its section on the matching that HOTA is defined with."""
    fit = np.zeros((len(own), len(other)))
    for rows, columns, matrix in frames:
        for (i, g), (j, d) in itertools.product(enumerate(rows), enumerate(columns)):
            rivals = matrix[:, j].sum() + matrix[i].sum() - matrix[i, j]
            fit[g, d] += matrix[i, j] / rivals if rivals else 0
    pairs = []
    for rows, columns, matrix in frames:
        value = np.zeros_like(matrix)
        for (i, g), (j, d) in itertools.product(enumerate(rows), enumerate(columns)):
            value[i, j] = matrix[i, j] * fit[g, d] / (own[g] + other[d] - fit[g, d])
        for i, j in zip(*linear_sum_assignment(value, maximize=True)):
            pairs.append((rows[i], columns[j], matrix[i, j]))
    scores = {name: [] for name in ('HOTA', 'DetA', 'AssA', 'AssRe', 'AssPr', 'LocA')}
    for alpha in ALPHAS:
        hits = [(g, d, s) for g, d, s in pairs if s >= alpha - SLACK]
        detection = len(hits) / max(1, sum(own) + sum(other) - len(hits))
        shares = []
        for g, d, _ in hits:
            common = sum(hit[:2] == (g, d) for hit in hits)
            shares.append(
                (common / (own[g] + other[d] - common), common / own[g], common / other[d])
            )
        association = np.mean(shares, axis=0) if shares else np.zeros(3)
        scores['HOTA'].append(np.sqrt(detection * association[0]))
        scores['DetA'].append(detection)
        for name, value in zip(('AssA', 'AssRe', 'AssPr'), association):
            scores[name].append(value)
        scores['LocA'].append(np.mean([s for *_, s in hits]) if hits else 1)
    return scores


def plain_clear(frames, own, other):
    """Switches, fragments and coverage, frame after frame."""
    last, before, seen, begun = {}, {}, dict.fromkeys(range(len(own)), 0), {}
    hits = switches = 0
    total = 0.0
    for rows, columns, matrix in frames:
        if not rows or not columns:
            continue
        value = np.zeros_like(matrix)
        for (i, g), (j, d) in itertools.product(enumerate(rows), enumerate(columns)):
            if matrix[i, j] >= 0.5 - SLACK:
                value[i, j] = matrix[i, j] + 1000 * (before.get(g) == d)
        now = {}
        for i, j in zip(*linear_sum_assignment(value, maximize=True)):
            if value[i, j]:
                now[rows[i]] = columns[j]
                total += matrix[i, j]
        for g, d in now.items():
            hits += 1
            seen[g] += 1
            switches += last.get(g, d) != d
            begun[g] = begun.get(g, 0) + (g not in before)
        last.update(now)
        before = now
    shares = [seen[g] / number for g, number in enumerate(own)]
    return dict(
        MOTA=(hits - (sum(other) - hits) - switches) / max(1, sum(own)),
        MOTP=total / max(1, hits),
        IDSW=switches,
        Frag=sum(number - 1 for number in begun.values()),
        MT=sum(share > 0.8 for share in shares),
        PT=sum(0.2 <= share <= 0.8 for share in shares),
        ML=sum(share < 0.2 for share in shares),
    )


def plain_identity(frames, own, other):
    """The best of all one-to-one assignments of tracks, each tried."""
    shown = np.zeros((len(own), len(other)), int)
    for rows, columns, matrix in frames:
        for (i, g), (j, d) in itertools.product(enumerate(rows), enumerate(columns)):
            shown[g, d] += matrix[i, j] >= 0.5
    if len(own) > len(other):
        shown = shown.T
    choices = itertools.permutations(range(shown.shape[1]), shown.shape[0])
    hits = max((sum(shown[i, j] for i, j in enumerate(choice)) for choice in choices), default=0)
    return dict(
        IDF1=2 * hits / max(1, sum(own) + sum(other)),
        IDP=hits / max(1, sum(other)),
        IDR=hits / max(1, sum(own)),
    )
