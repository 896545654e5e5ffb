"""A small scene with masks that are known by hand, and the files that hold it in each format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.test_datasets.vis_content import plain_rle

HEIGHT, WIDTH, LENGTH = 20, 32, 4

# video -> object -> box (top, left, bottom, right) in each frame, None where it is absent;
# 'blue' comes back, and hides a part of 'red' in frame 0
BOXES = dict(
    one=dict(
        red=[(2, 3, 10, 13), (2, 5, 10, 15), (2, 7, 10, 17), (2, 9, 10, 19)],
        blue=[(6, 8, 16, 20), None, None, (12, 8, 18, 20)],
    ),
    two=dict(green=[None, (0, 0, 20, 32), (5, 5, 6, 6), None]),
)


def box_mask(box, height=HEIGHT, width=WIDTH):
    mask = np.zeros((height, width), np.uint8)
    if box is not None:
        top, left, bottom, right = box
        mask[top:bottom, left:right] = 1
    return mask


def masks_of(video):
    """Visible pixels of each object, (LENGTH, H, W); later objects stand in front."""
    front = np.zeros((LENGTH, HEIGHT, WIDTH), np.uint8)
    masks = {}
    for name, boxes in reversed(BOXES[video].items()):
        whole = np.stack([box_mask(box) for box in boxes])
        masks[name] = whole * (1 - front)
        front |= whole
    return dict(reversed(masks.items()))


def write_images(folder, videos=BOXES, ending='jpg', height=HEIGHT, width=WIDTH, stem='{:05d}'):
    """Write plain images; return the file names of each video."""
    names = {}
    for number, video in enumerate(videos):
        (Path(folder) / video).mkdir(parents=True, exist_ok=True)
        names[video] = [f'{video}/{stem.format(t)}.{ending}' for t in range(LENGTH)]
        for t, name in enumerate(names[video]):
            pixels = np.full((height, width, 3), 40 * t + 60 * number, np.uint8)
            pixels[:, : t + 1] = 255
            Image.fromarray(pixels).save(Path(folder) / name)
    return names


def vis_json(categories, labels, encode=plain_rle, measured=True):
    """The scene as YouTube-VIS json.

    Args:
        categories: of the file.
        labels: object -> category id.
        encode: of a mask.
        measured: whether boxes, areas and sizes stand in annotations, as YouTube-VIS has them.
    """
    videos, annotations = [], []
    for video_id, video in enumerate(BOXES, start=1):
        names = [f'{video}/{t:05d}.jpg' for t in range(LENGTH)]
        videos.append(
            dict(id=video_id, height=HEIGHT, width=WIDTH, length=LENGTH, file_names=names)
        )
        for name, masks in masks_of(video).items():
            note = dict(
                id=len(annotations) + 1,
                video_id=video_id,
                category_id=labels[name],
                iscrowd=0,
                segmentations=[encode(mask) if mask.any() else None for mask in masks],
            )
            if measured:
                note.update(
                    height=HEIGHT,
                    width=WIDTH,
                    length=LENGTH,
                    bboxes=[box_of(mask) for mask in masks],
                    areas=[int(mask.sum()) or None for mask in masks],
                )
            annotations.append(note)
    return dict(videos=videos, annotations=annotations, categories=categories)


def box_of(mask):
    """[x, y, width, height] around a mask, None around nothing."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    left, top = int(columns.min()), int(rows.min())
    return [left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top]


def write_json(path, content):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def decode(segmentation, height=HEIGHT, width=WIDTH):
    """Mask (H, W) of a compressed or plain run-length code, decoded by hand where plain."""
    if segmentation is None:
        return np.zeros((height, width), np.uint8)
    if isinstance(segmentation['counts'], list):
        values = np.arange(len(segmentation['counts'])) % 2
        flat = np.repeat(values, segmentation['counts'])
        return flat.reshape(width, height).T.astype(np.uint8)
    from pycocotools import mask as mask_utils

    return mask_utils.decode(segmentation)


def check_tracks(content, expected, categories):
    """Compare a YouTube-VIS json with the masks it should hold.

    Args:
        content: of the json.
        expected: video -> object -> masks (T, H, W).
        categories: object -> name of its category.
    """
    names = {category['id']: category['name'] for category in content['categories']}
    ids = [note['id'] for note in content['annotations']]
    assert ids == list(range(1, len(ids) + 1))
    left = {(video, name) for video in expected for name in expected[video]}
    for video in content['videos']:
        folder = video['file_names'][0].split('/')[0]
        for note in (n for n in content['annotations'] if n['video_id'] == video['id']):
            shape = video['height'], video['width']
            masks = np.stack([decode(code, *shape) for code in note['segmentations']])
            name = next(
                name
                for name, truth in expected[folder].items()
                if truth.shape == masks.shape and (truth == masks).all()
            )
            left.remove((folder, name))
            assert names[note['category_id']] == categories[name]
            assert note['iscrowd'] == 0
            assert note['bboxes'] == [box_of(mask) for mask in masks]
            assert note['areas'] == [int(mask.sum()) or None for mask in masks]
            for mask, code in zip(masks, note['segmentations']):
                assert (code is None) == (not mask.any())
    assert not left
