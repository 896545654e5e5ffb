"""Run-length arrays against decoded masks and pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as mask_utils
from vis_reference import brute_force_iou, random_mask, to_rle

from rocovis_mm.evaluation.functional.tube_iou import mask_tube_iou
from rocovis_mm.formats.run_lengths import (
    CountsError,
    Runs,
    Tube,
    decode_counts,
    difference,
    encode_mask,
    intersect,
    tube_runs,
)

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')  # of pycocotools


def random_tube(seed):
    rng = np.random.default_rng(seed)
    height, width, length = (int(n) for n in rng.integers(1, 20, 3))
    masks = [None if rng.random() < 0.3 else random_mask(rng, height, width) for _ in range(length)]
    counts = [None if mask is None else to_rle(mask)['counts'] for mask in masks]
    dense = np.stack([np.zeros((height, width), bool) if m is None else m for m in masks])
    return Tube.from_counts(height, width, counts), dense


def paint(runs, length):
    line = np.zeros(length, bool)
    for start, end in zip(runs.starts, runs.ends):
        line[start:end] = True
    return line


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_tube_runs_and_areas_equal_decoded_masks(seed):
    tube, dense = random_tube(seed)
    runs = tube_runs(tube)
    flat = dense.transpose(0, 2, 1).ravel()
    assert (paint(runs, flat.size) == flat).all()
    assert (runs.starts < runs.ends).all() and (runs.ends[:-1] < runs.starts[1:]).all()
    assert (tube.areas == dense.sum(axis=(1, 2))).all()
    assert runs.area == tube.area == dense.sum()


def plain_code(lengths):
    """COCO's code of run lengths: from the third on their differences, in signed base 32."""
    code = ''
    for index, length in enumerate(lengths):
        number = length - lengths[index - 2] if index > 2 else length
        more = True
        while more:
            digit, number = number & 31, number >> 5
            more = number != (-1 if digit & 16 else 0)
            code += chr(48 + digit + 32 * more)
    return code


NUMBERS = st.integers(0, 2**31) | st.integers(0, 2**23 - 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(NUMBERS, min_size=2, max_size=40) | st.lists(st.integers(0, 2**23 - 1), min_size=2))
def test_any_run_lengths_survive_the_code(lengths):
    frame_area = sum(lengths)
    code = plain_code(lengths)
    if max(lengths) < 2**23:  # pycocotools has room for less than six digits a number
        plain = {'size': [1, 1], 'counts': lengths}
        assert code == mask_utils.frPyObjects(plain, 1, 1)['counts'].decode()
    if frame_area >= 2**32:  # pycocotools counts in 32 bits
        return
    pairs, first_rows = decode_counts([code, code], frame_area)
    expected = [*lengths, *([0] * (len(lengths) % 2))]
    assert first_rows.tolist() == [0, len(expected) // 2]
    assert pairs.ravel().tolist() == expected * 2


@pytest.mark.parametrize(
    ('counts', 'words'),
    [
        ('', 'empty'),
        ('4 4', 'outside'),
        ('4\u00e94', 'outside'),
        ('4\u4e00', 'outside'),
        ('4Q', 'break off'),
        ('N<', 'negative'),
        ('44', 'add up to 8 pixels, the frame has 9'),
        ('PPPPPPPP09', 'a number of 9 digits'),
    ],
)
def test_malformed_counts_are_named_by_frame(counts, words):
    with pytest.raises(CountsError, match=words) as caught:
        Tube.from_counts(3, 3, [None, '9', counts, None])
    assert caught.value.index == 2


def test_runs_that_touch_are_merged_and_empty_ones_dropped():
    plain = {'size': [3, 3], 'counts': [1, 2, 0, 3, 1, 0, 2]}
    code = mask_utils.frPyObjects(plain, 3, 3)['counts'].decode()
    runs = tube_runs(Tube.from_counts(3, 3, [code]))
    assert (runs.starts.tolist(), runs.ends.tolist()) == ([1], [6])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 2**32))
def test_empty_runs_inside_do_not_confuse_pycocotools(lengths, seed):
    """Its own overlaps stop where both masks have an empty run at the same place."""
    lengths = [*lengths, 1]
    area = sum(lengths)
    code = mask_utils.frPyObjects({'size': [area, 1], 'counts': lengths}, area, 1)
    tube = Tube.from_counts(area, 1, [None, code['counts'].decode()])
    mask = np.repeat(np.arange(len(lengths)) % 2, lengths).astype(bool)
    assert (mask_utils.decode(code)[:, 0] == mask).all()
    other = np.random.default_rng(seed).random(area) < 0.5
    second = Tube.from_counts(area, 1, [None, to_rle(other[:, None])['counts']])
    for first in (tube, second):
        assert mask_tube_iou([first], [tube])[0, 0] == brute_force_iou(
            mask if first is tube else other, mask
        )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.booleans(), max_size=60), st.lists(st.booleans(), max_size=60))
def test_intersect_equals_set_intersection(first, second):
    def to_runs(bits):
        edges = np.flatnonzero(np.diff(np.r_[0, np.array(bits, int), 0]))
        return Runs(edges[::2], edges[1::2])

    common = intersect(to_runs(first), to_runs(second))
    length = max(len(first), len(second))
    line = np.zeros((2, length), bool)
    line[0, : len(first)], line[1, : len(second)] = first, second
    assert (paint(common, length) == line.all(axis=0)).all()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_a_difference_equals_that_of_decoded_masks(seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((2, *rng.integers(1, 9, 2))) < rng.choice([0, 0.1, 0.5, 0.9, 1])
    masks[0] |= masks[1] & (rng.random() < 0.5)
    assert difference(*map(encode_mask, masks)) == encode_mask(masks[0] ^ masks[1])
