"""Tracks that each format is tried with, and a comparison of what comes back."""

from __future__ import annotations

import json

import numpy as np
from pycocotools import mask as mask_utils

from rocovis_mm.formats.converters.exchange import convert
from rocovis_mm.formats.converters.vis_content import Settings

BIG = (1 << 63) - 3
"""A track's number that neither 32 bits nor a float hold."""


def encode(mask):
    code = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
    return dict(size=list(code['size']), counts=code['counts'].decode())


def decode(code):
    return mask_utils.decode(code).astype(bool)


def make_content(names=('car', 'pedestrian'), scores=True, apart=True, numbers=None, seed=0):
    """Two videos of other sizes; tracks that leave and return, with holes and several parts.

    Args:
        names: of the categories.
        scores: whether tracks have scores.
        apart: whether masks of a frame are disjoint.
        numbers: of the tracks of each video; 1001, 1002, 2001 if None.
        seed: of the masks.
    """
    random = np.random.default_rng(seed)
    videos, notes = [], []
    for video_id, (name, height, width, length) in {
        4: ('b', 19, 27, 5),
        2: ('a', 16, 23, 4),
    }.items():
        files = [f'{name}/{t:06d}.jpg' for t in range(length)]
        videos.append(
            dict(id=video_id, height=height, width=width, length=length, file_names=files)
        )
        owner = random.integers(0, 4, (length, height // 4 + 1, width // 4 + 1))
        owner = owner.repeat(4, 1).repeat(4, 2)[:, :height, :width]
        for index, number in enumerate(numbers or (1001, 1002, 2001)):
            masks = owner == index
            if not apart:
                masks |= random.random(masks.shape) < 0.2
            masks[index % length] = False
            note = dict(
                id=len(notes) + 1,
                video_id=video_id,
                category_id=7 if index < 2 else 3,
                iscrowd=0,
                track_id=number,
                segmentations=[encode(mask) if mask.any() else None for mask in masks],
            )
            notes.append({**note, **(dict(score=0.9 - 0.25 * index) if scores else {})})
    categories = [dict(id=7, name=names[0]), dict(id=3, name=names[1])]
    return dict(videos=videos, categories=categories, annotations=notes)


def write_files(folder, content):
    """Write the annotations, and the results if tracks have scores; return both paths."""
    truth, results = folder / 'truth.json', folder / 'results.json'
    plain = [{k: v for k, v in n.items() if k != 'score'} for n in content['annotations']]
    truth.write_text(json.dumps({**content, 'annotations': plain}))
    keys = ('video_id', 'category_id', 'score', 'segmentations', 'track_id')
    if all('score' in note for note in content['annotations']):
        kept = [{key: note[key] for key in keys} for note in content['annotations']]
        results.write_text(json.dumps(kept))
    return truth, results


def there_and_back(folder, form, source, truth=None, **settings):
    """Convert a json to a format and back; return what comes back and all lines."""
    settings = Settings(**settings)
    lines = convert('vis', form, source, folder / 'out', settings, truth)
    lines += convert(form, 'vis', folder / 'out', folder / 'back.json', settings, truth)
    return json.loads((folder / 'back.json').read_text()), lines


def names_of_videos(content):
    return {video['id']: video['file_names'][0].split('/')[0] for video in content['videos']}


def tracks_by_key(content, notes=None, number=True):
    """(video name, class name, number) -> masks (T, H, W), crowd, score."""
    videos = {video['id']: video for video in content['videos']}
    classes = {category['id']: category['name'] for category in content['categories']}
    found = {}
    for note in content['annotations'] if notes is None else notes:
        video = videos[note['video_id']]
        empty = np.zeros((video['height'], video['width']), bool)
        masks = np.stack([empty if c is None else decode(c) for c in note['segmentations']])
        key = (names_of_videos(content)[note['video_id']], classes[note['category_id']])
        own = note.get('track_id', note.get('cocovid', {}).get('instance_id', note.get('id')))
        key += (own if number else masks.tobytes(),)
        assert key not in found
        found[key] = masks, note.get('iscrowd', 0), note.get('score')
    return found


def assert_same_tracks(found, expected, scores=True, crowds=True):
    assert found.keys() == expected.keys()
    for key, (masks, crowd, score) in expected.items():
        np.testing.assert_array_equal(found[key][0], masks, err_msg=str(key))
        if crowds:
            assert found[key][1] == crowd
        if scores:
            assert found[key][2] == score
