"""The mask container without its copies behaves as MMDetection's own."""

from __future__ import annotations

import copy
import io
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks

from rocovis_mm.datasets.bitmaps import (
    count_pixels,
    share_masks,
    take_masks,
    wrap_masks,
)
from rocovis_mm.formats.boxes import boxes_of_masks


def drawn(number=4, height=7, width=9):
    masks = (np.random.default_rng(number).random((number, height, width)) > 0.7).astype(np.uint8)
    masks[1:2] = 0
    return masks


@pytest.mark.parametrize('number', [0, 4])
def test_a_wrapped_array_is_a_container_that_holds_it(number):
    masks = drawn(number)
    wrapped, usual = wrap_masks(masks), BitmapMasks(masks, 7, 9)
    assert wrapped.masks is masks
    assert (len(wrapped), wrapped.height, wrapped.width) == (number, 7, 9)
    for change in (lambda m: m.flip(), lambda m: m.resize((14, 18)), lambda m: m.pad((8, 12))):
        np.testing.assert_array_equal(change(wrapped).masks, change(usual).masks)


def test_what_is_taken_is_what_indexing_takes():
    masks = wrap_masks(drawn())
    for kept in ([], [2], [0, 3], [0, 1, 2, 3]):
        kept = np.array(kept, dtype=int)
        taken = take_masks(masks, kept)
        np.testing.assert_array_equal(taken.masks, masks[kept].masks)
        assert (taken.height, taken.width) == (7, 9)


@pytest.mark.parametrize('part', [np.s_[:], np.s_[:, 2:6, 1:8], np.s_[:, :, ::-1], np.s_[:0]])
def test_pixels_and_boxes_of_whole_arrays_and_of_windows(part):
    masks = drawn()[part]
    np.testing.assert_array_equal(count_pixels(masks), masks.sum((1, 2)))
    assert count_pixels(masks).dtype == np.int64
    covered = np.ascontiguousarray(masks[masks.any((1, 2))])
    expected = wrap_masks(covered).get_bboxes(HorizontalBoxes).tensor.numpy()
    np.testing.assert_array_equal(boxes_of_masks(covered), expected)
    assert boxes_of_masks(covered).dtype == np.float32


@pytest.mark.parametrize('number', [0, 4])
def test_shared_masks_travel_and_are_copied_whole(number):
    shared = share_masks(wrap_masks(drawn(number)))
    assert isinstance(shared, BitmapMasks)
    packed = io.BytesIO()
    ForkingPickler(packed).dump(shared)
    copies = [
        pickle.loads(packed.getvalue()),
        pickle.loads(pickle.dumps(shared)),
        copy.deepcopy(shared),
    ]
    for each in copies:
        assert type(each) is type(shared) and (each.height, each.width) == (7, 9)
        np.testing.assert_array_equal(each.masks, drawn(number))
        assert each.masks.dtype == np.uint8
        each.masks[:] = 1
    np.testing.assert_array_equal(shared.masks, drawn(number))
    big = share_masks(wrap_masks(np.ones((5, 400, 400), np.uint8)))
    packed = io.BytesIO()
    ForkingPickler(packed).dump(big)
    assert len(packed.getvalue()) < 10_000  # through a pipe goes a handle, not the pixels


def test_shared_masks_of_a_view_are_the_view():
    view = drawn()[:, ::-1, 1:8]
    shared = share_masks(wrap_masks(view))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(shared)).masks, view)
    assert torch.from_numpy(shared.masks).is_contiguous()
