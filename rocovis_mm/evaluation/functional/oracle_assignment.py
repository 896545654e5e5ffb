"""The best assignment of a video's predicted masks to its objects.

Letters: G ground truths · S sources (predicted tubes) · T frames · L thresholds · P pairs.

A pair is a mask and a ground truth that may take it. All pixel counts stay whole numbers,
so a tube IoU that equals a threshold is compared as in the official matching.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linear_sum_assignment, milp
from scipy.sparse import coo_array, csr_array, hstack, vstack
from scipy.sparse.csgraph import connected_components

from rocovis_mm.evaluation.functional.average_precision import IOU_THRESHOLDS

STEPS = np.rint(20 * IOU_THRESHOLDS).astype(np.int64)
"""(L,) n of each threshold n / 20."""
STRICT = (IOU_THRESHOLDS > STEPS / 20).astype(np.int64)
"""(L,) 1 where the float of a threshold is above the quotient, so that equality is no hit."""
ROUNDS = 40
"""Weightings that the search for a feasible assignment tries before the integer programme."""


@dataclass(frozen=True)
class Pairs:
    """The masks that ground truths may take.

    Attributes:
        truth: (P,) int64, index of the ground truth.
        source: (P,) int64, index of the predicted tube.
        frame: (P,) int64.
        common: (P,) int64, pixels of the mask on the ground truth.
        area: (P,) int64, pixels of the mask.
    """

    truth: np.ndarray
    source: np.ndarray
    frame: np.ndarray
    common: np.ndarray
    area: np.ndarray

    def __getitem__(self, chosen: np.ndarray) -> Pairs:
        """Return some of the pairs."""
        return Pairs(*(column[chosen] for column in self.columns()))

    def columns(self) -> tuple[np.ndarray, ...]:
        """Return the five arrays in their order."""
        return self.truth, self.source, self.frame, self.common, self.area

    def gains(self) -> np.ndarray:
        """Return (L, P) int64, the number that a pair adds to the left side of :func:`required`."""
        return np.multiply.outer(20 + STEPS, self.common) - np.multiply.outer(STEPS, self.area)

    def helpful(self) -> np.ndarray:
        """Return (P,) bool: the mask raises the tube IoU at some threshold, compared with no mask.

        The gain falls as the threshold rises, so the lowest threshold decides.
        """
        return (20 + STEPS[0]) * self.common > STEPS[0] * self.area


@dataclass(frozen=True)
class Limits:
    """When an integer programme is too large.

    Attributes:
        seconds: for one programme.
        variables: of one programme; a larger one is not started.
        total: seconds for all videos of a results file; later, no programme is started.
    """

    seconds: float = 10.0
    variables: int = 20_000
    total: float = 60.0


@dataclass(frozen=True)
class Assignment:
    """An assignment of masks to ground truths and a bound on all others.

    Attributes:
        chosen: (P,) bool, the pairs in use.
        hits: (G,) int64, number of thresholds that the tube IoU of each ground truth reaches.
        upper: at least the highest weighted sum of hits.
        exact: whether no assignment has a higher weighted sum of hits.
    """

    chosen: np.ndarray
    hits: np.ndarray
    upper: float
    exact: bool


def required(areas: np.ndarray) -> np.ndarray:
    """Return (L, G) int64: the sum of gains from which a ground truth reaches each threshold.

    With common pixels I, the area A of the ground truth and the area B of its masks, the tube IoU
    ``I / (A + B - I)`` is at least ``n / 20`` where ``(20 + n) I - n B >= n A``.

    Args:
        areas: (G,) int64, pixels of each ground truth in all frames.
    """
    return np.maximum(np.multiply.outer(STEPS, areas) + STRICT[:, None], 1)


def count_hits(common: np.ndarray, masks: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return the number of thresholds that tubes reach, for pixel counts of one shape (int64).

    Args:
        common: pixels that a tube and its ground truth share.
        masks: pixels of the tube.
        areas: pixels of the ground truth.
    """
    common, masks, areas = np.broadcast_arrays(common, masks, areas)
    gains = np.multiply.outer(20 + STEPS, common) - np.multiply.outer(STEPS, masks)
    return (gains >= required(areas.ravel()).reshape(gains.shape)).sum(axis=0)


def assign_masks(
    pairs: Pairs,
    areas: np.ndarray,
    weights: np.ndarray,
    limits: Limits | None = None,
    deadline: float = math.inf,
) -> Assignment:
    """Assign masks so that the weighted sum of hits is highest.

    A ground truth takes at most one mask in a frame. A mask is taken by at most one ground truth.
    Ground truths that compete for masks form groups, and each group is solved apart: by the best
    masks of each ground truth on its own if they do not conflict, else by a search with weights,
    else by an integer programme.

    Args:
        pairs: the masks that may be taken.
        areas: (G,) int64, pixels of each ground truth in all frames.
        weights: (G,) float64 above 0, value of a hit.
        limits: of an integer programme.
        deadline: time of `time.monotonic` from which no programme goes on.

    Returns:
        The best assignment. Where a programme is too large, the best that was found, and a bound.
    """
    limits = limits or Limits()
    chosen = np.zeros(len(pairs.truth), dtype=bool)
    upper, exact = 0.0, True
    reachable = _independent(pairs, required(areas))[1]
    useful = np.flatnonzero(pairs.helpful() & (reachable[pairs.truth] > 0))
    for members in _groups(pairs[useful], len(areas)):
        rows = useful[np.isin(pairs.truth[useful], members)]
        own = pairs[rows]
        local = np.searchsorted(members, own.truth)
        own = Pairs(local, own.source, own.frame, own.common, own.area)
        solved = _solve_group(own, areas[members], weights[members], limits, deadline)
        chosen[rows] = solved.chosen
        upper += solved.upper
        exact &= solved.exact
    return Assignment(chosen, _hits_of(pairs, chosen, areas), upper, exact)


def _hits_of(pairs: Pairs, chosen: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Return (G,) int64, the hits of an assignment."""
    sums = np.zeros((2, len(areas)), dtype=np.int64)
    np.add.at(sums[0], pairs.truth[chosen], pairs.common[chosen])
    np.add.at(sums[1], pairs.truth[chosen], pairs.area[chosen])
    return count_hits(sums[0], sums[1], areas)


def _groups(pairs: Pairs, number: int) -> Iterator[np.ndarray]:
    """Yield the ground truths (ascending) of each group that competes for masks."""
    if not len(pairs.truth):
        return
    slots = _slots(pairs)
    use = csr_array(
        (np.ones(len(slots)), (pairs.truth, slots)), shape=(number, int(slots.max()) + 1)
    )
    labels = connected_components(use @ use.T, directed=False)[1]
    for label in np.unique(labels[pairs.truth]):
        yield np.flatnonzero(labels == label)


def _slots(pairs: Pairs) -> np.ndarray:
    """Return (P,) int64, the number of each pair's mask, from 0."""
    frames = int(pairs.frame.max(initial=0)) + 1
    return np.unique(pairs.source * frames + pairs.frame, return_inverse=True)[1]


def _places(pairs: Pairs) -> np.ndarray:
    """Return (P,) int64, the number of each pair's ground truth in its frame, from 0."""
    frames = int(pairs.frame.max(initial=0)) + 1
    return np.unique(pairs.truth * frames + pairs.frame, return_inverse=True)[1]


def _independent(pairs: Pairs, needed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Let each ground truth take its best masks as if the others took none.

    Returns:
        (P,) bool, the pairs in use, and (G,) int64, the hits: the highest that each can have.
    """
    sums = np.zeros(needed.shape, dtype=np.int64)
    places, gains = _places(pairs), pairs.gains()
    count = int(places.max(initial=-1)) + 1
    owner = np.zeros(count, dtype=np.int64)
    owner[places] = pairs.truth
    best = np.zeros((len(STEPS), count), dtype=np.int64)
    for level in range(len(STEPS)):
        np.maximum.at(best[level], places, gains[level])
        np.add.at(sums[level], owner, best[level])
    hits = (sums >= needed).sum(axis=0)
    level = np.maximum(hits - 1, 0)[pairs.truth]
    gain = gains[level, np.arange(len(places))]
    rows = np.flatnonzero((gain > 0) & (gain == best[level, places]) & (hits[pairs.truth] > 0))
    chosen = np.zeros(len(places), dtype=bool)
    chosen[rows[np.unique(places[rows], return_index=True)[1]]] = True
    return chosen, hits


def _solve_group(
    pairs: Pairs, areas: np.ndarray, weights: np.ndarray, limits: Limits, deadline: float
) -> Assignment:
    chosen, most = _independent(pairs, required(areas))
    upper = float(weights @ most)
    slots = _slots(pairs)
    if len(np.unique(slots[chosen])) == chosen.sum():
        return Assignment(chosen, most, upper, exact=True)
    chosen, hits = _search(pairs, areas, weights, most)
    if (hits == most).all():
        return Assignment(chosen, hits, upper, exact=True)
    seconds = min(limits.seconds, deadline - time.monotonic())
    if len(pairs.truth) + most.sum() > limits.variables or seconds <= 0:
        return Assignment(chosen, hits, upper, exact=False)
    return _programme(pairs, areas, weights, most, chosen, seconds)


def _search(
    pairs: Pairs, areas: np.ndarray, weights: np.ndarray, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Assign the masks of each frame by weighted gains; raise the weights of who missed.

    Args:
        pairs: of one group.
        areas: (G,) of the ground truths.
        weights: (G,) value of a hit.
        most: (G,) the highest hits that each can have.

    Returns:
        (P,) bool and (G,) hits of the best assignment found.
    """
    number = np.arange(len(pairs.truth))
    level = np.maximum(most - 1, 0)[pairs.truth]
    share = pairs.gains()[level, number] / np.maximum(1, areas)[pairs.truth]
    factors = np.ones(len(areas))
    best, most_value = (np.zeros(len(number), dtype=bool), np.zeros_like(most)), -1.0
    frames = [np.flatnonzero(pairs.frame == frame) for frame in np.unique(pairs.frame)]
    for _ in range(ROUNDS):
        chosen = np.zeros(len(number), dtype=bool)
        for rows in frames:
            sources, column = np.unique(pairs.source[rows], return_inverse=True)
            value = np.zeros((len(areas), len(sources)))
            value[pairs.truth[rows], column] = np.maximum(0, (share * factors[pairs.truth])[rows])
            index = np.full(value.shape, -1)
            index[pairs.truth[rows], column] = rows
            taken = linear_sum_assignment(value, maximize=True)
            chosen[index[taken][value[taken] > 0]] = True
        hits = _hits_of(pairs, chosen, areas)
        if weights @ hits > most_value:
            best, most_value = (chosen, hits), float(weights @ hits)
        if (hits == most).all():
            break
        factors[hits < most] *= 1.25
    return best


def _programme(
    pairs: Pairs,
    areas: np.ndarray,
    weights: np.ndarray,
    most: np.ndarray,
    found: np.ndarray,
    seconds: float,
) -> Assignment:
    """Solve a group by an integer programme; its variables are the pairs and the hits.

    Args:
        pairs: of one group.
        areas: (G,) of the ground truths.
        weights: (G,) value of a hit.
        most: (G,) the highest hits that each can have.
        found: (P,) bool, an assignment that counts if the programme finds no better one.
        seconds: after which the programme stops.
    """
    owner = np.repeat(np.arange(len(areas)), most)  # of each hit
    level = np.concatenate([np.arange(count) for count in most])
    number = len(pairs.truth)
    value = np.concatenate([np.zeros(number), weights[owner] / weights.max()])
    result = milp(
        -value,
        integrality=np.ones(len(value)),
        bounds=Bounds(0, 1),
        constraints=[_once(pairs, len(owner)), _reach(pairs, areas, owner, level)],
        options={'time_limit': seconds, 'mip_rel_gap': 0.0},
    )
    hits = _hits_of(pairs, found, areas)
    upper = float(weights @ most)
    if result.mip_dual_bound is not None and np.isfinite(result.mip_dual_bound):
        upper = min(upper, -result.mip_dual_bound * float(weights.max()))
    if result.x is not None:
        chosen = result.x[:number] > 0.5
        if weights @ _hits_of(pairs, chosen, areas) > weights @ hits:
            found, hits = chosen, _hits_of(pairs, chosen, areas)
    reached = float(weights @ hits)
    exact = upper <= reached + 1e-6 * float(weights.max())
    return Assignment(found, hits, reached if exact else upper, exact)


def _once(pairs: Pairs, others: int) -> LinearConstraint:
    """Return that each mask, and each ground truth in a frame, is in one pair at most."""
    number = len(pairs.truth)
    blocks = []
    for key in (_slots(pairs), _places(pairs)):
        rows = np.bincount(key)[key] > 1  # a single pair needs no constraint
        key = np.unique(key[rows], return_inverse=True)[1]
        shape = (int(key.max(initial=-1)) + 1, number)
        blocks.append(coo_array((np.ones(len(key)), (key, np.flatnonzero(rows))), shape=shape))
    matrix = vstack(blocks, format='csr')
    return LinearConstraint(hstack([matrix, csr_array((matrix.shape[0], others))]), ub=1)


def _reach(
    pairs: Pairs, areas: np.ndarray, owner: np.ndarray, level: np.ndarray
) -> LinearConstraint:
    """Return that a hit counts only where the gains reach the requirement of its threshold.

    The rows are divided by the requirement, so that all numbers are near 1.

    Args:
        pairs: of one group.
        areas: (G,) of the ground truths.
        owner: (Z,) the ground truth of each hit.
        level: (Z,) its threshold.
    """
    gains, needed = pairs.gains(), required(areas)[level, owner].astype(np.float64)
    hit, pair = np.nonzero(owner[:, None] == pairs.truth)
    factor = gains[level[hit], pair] / needed[hit]
    number = len(pairs.truth)
    shape = (len(owner), number)
    left = coo_array((factor, (hit, pair)), shape=shape)
    # without the hit, masks may lower the sum of gains by this much at most
    least = -np.bincount(hit, np.maximum(0, -factor), len(owner))
    right = coo_array((least - 1, (np.arange(len(owner)), np.arange(len(owner)))))
    return LinearConstraint(hstack([left, right], format='csr'), lb=least)
