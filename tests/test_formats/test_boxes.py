from __future__ import annotations

import numpy as np
import pytest

from rocovis_mm.formats.boxes import bounding_box, boxes_of_codes, boxes_of_masks
from rocovis_mm.formats.run_lengths import encode_mask


def test_boxes_of_masks_and_of_their_codes_are_one():
    rng = np.random.default_rng(0)
    masks = np.zeros((30, 11, 17), dtype=bool)
    for mask in masks:
        mask[rng.integers(0, 11, 3), rng.integers(0, 17, 3)] = True
    found = boxes_of_masks(masks)
    assert found.dtype == np.float32
    for mask, box in zip(masks, found):
        rows, columns = np.nonzero(mask)
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_array_equal(boxes_of_codes([encode_mask(mask) for mask in masks]), found)
    np.testing.assert_array_equal(boxes_of_masks(masks.view(np.uint8)), found)


@pytest.mark.parametrize('boxes', [boxes_of_masks, boxes_of_codes])
def test_no_masks_have_no_boxes(boxes):
    assert boxes([]).shape == (0, 4)


def test_an_empty_mask_has_no_box():
    assert bounding_box(np.zeros((3, 4), dtype=bool)) is None
