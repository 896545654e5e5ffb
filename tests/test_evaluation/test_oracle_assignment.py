"""The best assignment of masks, against every assignment there is."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from rocovis_mm.evaluation.functional import oracle_assignment
from rocovis_mm.evaluation.functional.average_precision import IOU_THRESHOLDS
from rocovis_mm.evaluation.functional.oracle_assignment import (
    Limits,
    Pairs,
    assign_masks,
    count_hits,
)


def random_case(seed, truths=3, sources=3, frames=3, contested=False):
    """Pixel counts of a small video; every mask may be taken by every ground truth."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 12, (truths, frames))
    rows = []
    for source, frame in itertools.product(range(sources), range(frames)):
        area = int(rng.integers(1, 14))
        for truth in range(truths):
            most = min(area, int(sizes[truth, frame]))
            common = most if contested and rng.random() < 0.8 else int(rng.integers(0, most + 1))
            if common:
                rows.append((truth, source, frame, common, area))
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return Pairs(*columns), sizes.sum(axis=1), rng.choice([1.0, 0.5, 0.2], truths)


def brute_force(pairs, areas, weights):
    """The highest weighted sum of hits: frame by frame, all partial one-to-one assignments."""
    sums = {((0, 0),) * len(areas)}
    for frame in np.unique(pairs.frame):
        rows = [tuple(r) for r in np.array(
            [pairs.truth, pairs.source, pairs.common, pairs.area]
        ).T[pairs.frame == frame].tolist()]  # fmt: skip
        options = []
        for size in range(len(areas) + 1):
            for chosen in itertools.combinations(rows, size):
                if all(len({row[k] for row in chosen}) == size for k in (0, 1)):
                    options.append(chosen)
        grown = set()
        for before, chosen in itertools.product(sums, options):
            after = list(before)
            for truth, _, common, area in chosen:
                after[truth] = (after[truth][0] + common, after[truth][1] + area)
            grown.add(tuple(after))
        sums = grown
    return max(
        sum(w * plain_hits(c, a, int(g)) for (c, a), g, w in zip(case, areas, weights))
        for case in sums
    )


def plain_hits(common, mask, area):
    united = mask + area - common
    return sum(united > 0 and common / united >= threshold for threshold in IOU_THRESHOLDS)


@pytest.fixture(params=['search and programme', 'programme alone'])
def rounds(request, monkeypatch):
    """Solve also those groups by the programme that the search would solve."""
    if request.param == 'programme alone':
        monkeypatch.setattr(oracle_assignment, 'ROUNDS', 0)


@pytest.mark.parametrize('seed', range(16))
def test_equals_the_best_of_all_assignments(seed, rounds):
    shape = [(3, 3, 2), (2, 3, 3), (3, 2, 2), (2, 2, 3)][seed % 4]
    pairs, areas, weights = random_case(seed, *shape, contested=seed % 2 == 0)
    solved = assign_masks(pairs, areas, weights)
    assert solved.exact
    expected = brute_force(pairs, areas, weights)
    assert weights @ solved.hits == pytest.approx(expected, abs=1e-9)
    assert solved.upper == pytest.approx(expected, abs=1e-9)
    taken = pairs[solved.chosen]
    for first in (taken.truth, taken.source):
        places = list(zip(first.tolist(), taken.frame.tolist()))
        assert len(set(places)) == len(places)


@pytest.mark.parametrize('seed', range(10))
def test_bounds_hold_where_no_programme_is_started(seed):
    pairs, areas, weights = random_case(seed, frames=2, contested=True)
    bounded = assign_masks(pairs, areas, weights, Limits(variables=0))
    best = brute_force(pairs, areas, weights)
    assert weights @ bounded.hits <= best + 1e-9 <= bounded.upper + 2e-9
    assert not bounded.exact or weights @ bounded.hits == pytest.approx(best)


def test_some_small_cases_need_the_programme():
    """Otherwise the tests above would not test it."""
    cases = [random_case(seed, frames=2, contested=True) for seed in range(10)]
    solved = [assign_masks(*case, Limits(variables=0)) for case in cases]
    assert 0 < sum(not each.exact for each in solved) < len(solved)


def test_hits_at_equality():
    """An IoU that equals a threshold is a hit exactly where the official matching has one."""
    for united in range(1, 101):
        for common in range(united + 1):
            hits = int(count_hits(np.int64(common), np.int64(common), np.int64(united)))
            assert hits == plain_hits(common, common, united), Fraction(common, united)


def test_an_empty_object_is_never_hit():
    nothing = np.zeros(0, np.int64)
    solved = assign_masks(Pairs(*[nothing] * 5), np.array([0, 4]), np.ones(2))
    assert solved.exact and solved.hits.tolist() == [0, 0] and solved.upper == 0


def test_large_counts_keep_equality():
    """Two objects in 200 frames of a large video contest masks and reach IoU 0.75 exactly."""
    frames, area = 200, 2_000_000
    rows = [
        (truth, source, frame, area * 3 // 4, area * 3 // 4)
        for truth in (0, 1)
        for source in (0, 1)
        for frame in range(frames)
    ]
    pairs = Pairs(*np.array(rows, dtype=np.int64).T)
    solved = assign_masks(pairs, np.array([area * frames] * 2), np.ones(2))
    assert solved.exact and solved.hits.tolist() == [6, 6]
