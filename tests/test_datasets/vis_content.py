"""A small valid annotation file, as a dict."""

from __future__ import annotations

import numpy as np

HEIGHT, WIDTH, LENGTH = 12, 20, 4


def plain_rle(mask):
    """Uncompressed RLE of a mask (H, W), counted by hand in column-major order."""
    counts, value, run = [], 0, 0
    for pixel in mask.flatten(order='F').tolist():
        if pixel != value:
            counts.append(run)
            value, run = pixel, 0
        run += 1
    return dict(size=list(mask.shape), counts=[*counts, run])


def box_mask(top, left, bottom, right):
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


CONTENT = dict(
    videos=[
        dict(
            id=number,
            height=HEIGHT,
            width=WIDTH,
            length=LENGTH,
            file_names=[f'v{number}/{t}.png' for t in range(LENGTH)],
        )
        for number in (7, 3)
    ],
    annotations=[
        dict(
            id=11,
            video_id=7,
            category_id=5,
            iscrowd=0,
            segmentations=[
                plain_rle(box_mask(2, 3, 6, 9)),
                None,
                [[3, 2, 9, 2, 9, 6, 3, 6]],
                plain_rle(box_mask(0, 0, 12, 20)),
            ],
        ),
        dict(
            id=12,
            video_id=7,
            category_id=9,
            iscrowd=1,
            segmentations=[plain_rle(box_mask(0, 0, 3, 3))] * LENGTH,
        ),
        dict(
            id=13,
            video_id=3,
            category_id=9,
            iscrowd=0,
            segmentations=[None, plain_rle(box_mask(5, 5, 9, 9)), None, None],
        ),
    ],
    categories=[dict(id=5, name='cat'), dict(id=9, name='dog', color=[1, 2, 3])],
)
