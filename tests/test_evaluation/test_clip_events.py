from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rocovis_mm.evaluation.functional.clip_events import HEAVY_OCCLUSION, count_clip_events


def counted_by_hand(areas):
    """Follow every instance frame by frame."""
    births = disappearances = returns = occlusions = 0
    for row in areas:
        seen = row[0] > 0
        for before, now in zip(row, row[1:]):
            if now and not before:
                if seen:
                    returns += 1
                else:
                    births += 1
                seen = True
            if before and not now:
                disappearances += 1
        occlusions += any(0 < area < HEAVY_OCCLUSION * max(row) for area in row)
    return dict(
        births=births, disappearances=disappearances, returns=returns, occlusions=occlusions
    )


SHAPES = st.tuples(st.integers(0, 4), st.integers(1, 6))


@given(arrays(np.int64, SHAPES, elements=st.sampled_from([0, 3, 9, 10])))
def test_counts_equal_those_of_following_each_instance(areas):
    assert count_clip_events(areas) == counted_by_hand(areas.tolist())


def test_an_example():
    areas = np.array([[0, 9, 0, 9], [9, 9, 1, 0], [0, 0, 0, 0]])
    assert count_clip_events(areas) == dict(births=1, disappearances=2, returns=1, occlusions=1)
