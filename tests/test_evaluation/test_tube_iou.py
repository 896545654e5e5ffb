"""Tube IoUs against brute force on decoded masks."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from vis_reference import brute_force_iou, naive_boundary, random_mask, shifted, to_rle

from rocovis_mm.evaluation.functional.tube_iou import limit_by_boundary, mask_tube_iou
from rocovis_mm.formats.run_lengths import Tube


def random_tubes(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(1, 50, 2))
    length = int(rng.integers(1, 4))
    truths = [[random_mask(rng, height, width) for _ in range(length)] for _ in range(3)]
    found = [[shifted(rng, mask) for mask in truth] for truth in truths]
    found.append([random_mask(rng, height, width) for _ in range(length)])
    for masks in [*truths, *found]:
        masks[rng.integers(length)] &= rng.random() < 0.7  # sometimes an empty frame
    return found, truths


def to_tube(masks):
    height, width = masks[0].shape
    counts = [to_rle(mask)['counts'] if mask.any() else None for mask in masks]
    return Tube.from_counts(height, width, counts)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
def test_equal_to_brute_force(seed):
    found, truths = random_tubes(seed)
    tubes = [to_tube(masks) for masks in found], [to_tube(masks) for masks in truths]
    masks = mask_tube_iou(*tubes)
    crowd = [False, True, False]
    limited = limit_by_boundary(masks, *tubes, crowd, floor=0.5)
    for i, prediction in enumerate(found):
        for j, truth in enumerate(truths):
            pair = np.stack(prediction), np.stack(truth)
            assert masks[i, j] == brute_force_iou(*pair)
            outlines = [np.stack([naive_boundary(mask) for mask in tube]) for tube in pair]
            expected = min(masks[i, j], brute_force_iou(*outlines))
            if crowd[j] or masks[i, j] < 0.5:
                expected = masks[i, j]
            assert limited[i, j] == expected


def test_no_tracks_on_either_side():
    tube = to_tube([np.ones((3, 4), bool)])
    assert mask_tube_iou([], [tube]).shape == (0, 1)
    assert mask_tube_iou([tube], []).shape == (1, 0)
    assert mask_tube_iou([], []).shape == (0, 0)


def test_two_empty_tubes_have_no_overlap():
    empty = Tube.from_counts(3, 4, [None, None])
    assert mask_tube_iou([empty], [empty]).tolist() == [[0.0]]
    assert limit_by_boundary(np.ones((1, 1)), [empty], [empty], [False], 0.5).tolist() == [[0.0]]


def test_exact_where_rounding_could_show():
    """Whole pixel counts come back from quotients of large areas."""
    rng = np.random.default_rng(0)
    masks = [[rng.random((720, 1280)) < share] for share in (0.5, 0.501, 0.9999)]
    tubes = [to_tube(tube) for tube in masks]
    expected = [[brute_force_iou(np.stack(a), np.stack(b)) for b in masks] for a in masks]
    assert (mask_tube_iou(tubes, tubes) == expected).all()
