"""Jitter and flicker on made tracks, and against an implementation on images."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from vis_reference import to_rle

from rocovis_mm.evaluation.functional.boundary import boundary_width
from rocovis_mm.evaluation.functional.consistency import (
    flicker_of,
    jitter_of,
    summarize_consistency,
    track_consistency,
)
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.formats.run_lengths import Tube

HEIGHT, WIDTH, LENGTH = 60, 90, 8
BLOB = np.hypot(*(np.mgrid[:15, :15] - 7)) < 7.2
BLOB[7:, 9:] = False  # not symmetric
SHAKE = np.array([0, 2, -1, 2, 0, -2, 1, -2])


def film(places, shape=BLOB):
    """Masks (H, W) of a shape at the places (y, x) of its corner; None for no mask."""
    masks = []
    for place in places:
        mask = np.zeros((HEIGHT, WIDTH), bool)
        if place is not None:
            y, x = place
            mask[y : y + shape.shape[0], x : x + shape.shape[1]] = shape
        masks.append(mask)
    return masks


def path(speed=(0, 0), start=(20, 20), shake=0, offset=(0, 0)):
    """Places of a shape that moves at a speed, with a sideways shake of so many pixels."""
    return [
        (start[0] + offset[0] + speed[0] * t, start[1] + offset[1] + speed[1] * t + shake * s)
        for t, s in zip(range(LENGTH), SHAKE)
    ]


def tube(masks):
    return Tube.from_counts(
        *masks[0].shape, [to_rle(m)['counts'] if m.any() else None for m in masks]
    )


def jitter(prediction, truth):
    return jitter_of(tube(prediction), tube(truth))


SPEEDS = [(0, 0), (0, 5), (2, -2), (-2, 7)]


@pytest.mark.parametrize('speed', SPEEDS)
def test_a_steady_copy_has_none(speed):
    copy = film(path(speed))
    assert jitter(copy, copy) == 0
    assert jitter(film(path(speed, offset=(3, -2))), copy) == 0
    grown = film(path(speed, offset=(-1, -1)), np.pad(BLOB, 1, mode='edge'))
    assert jitter(grown, copy) == 0


def test_a_shaking_mask_has_the_same_at_any_speed():
    values = [jitter(film(path(s, shake=1)), film(path(s))) for s in SPEEDS]
    assert values[0] > 0.2 and len(set(values)) == 1
    larger = jitter(film(path(shake=2)), film(path()))
    assert larger > values[0]


def test_moving_the_whole_video_changes_nothing():
    still = jitter(film(path(shake=1)), film(path()))
    moved = dict(start=(30, 35))
    assert jitter(film(path(shake=1, **moved)), film(path(**moved))) == still


def test_a_deforming_copy_has_none():
    """The ground truth's own change is subtracted."""
    rng = np.random.default_rng(0)
    masks = [m & (rng.random(m.shape) < 0.9) for m in film(path((1, 2)))]
    assert jitter(masks, masks) == 0
    assert jitter(film(path((1, 2))), masks) == 0  # steadier than the ground truth


def images_jitter(prediction, truth):
    """The definition on images: erode, move on a large canvas, compare."""
    width = boundary_width(*truth[0].shape)

    def boundary(mask, shift=(0, 0)):
        edge = mask & ~binary_erosion(mask, np.ones((3, 3)), iterations=width)
        canvas = np.pad(edge, ((HEIGHT, HEIGHT), (WIDTH, WIDTH)))
        return np.roll(canvas, shift, axis=(0, 1))

    excess = []
    for t in range(1, len(truth)):
        if not all(m[k].any() for m in (prediction, truth) for k in (t - 1, t)):
            continue
        centres = [np.argwhere(truth[k]).mean(axis=0) for k in (t - 1, t)]
        shift = tuple(np.rint(centres[1] - centres[0]).astype(int))
        change = []
        for masks in (truth, prediction):
            first, second = boundary(masks[t - 1], shift), boundary(masks[t])
            change.append((first & second).sum() / (first | second).sum())
        excess.append(max(0, change[0] - change[1]))
    return np.mean(excess) if excess else -1


@pytest.mark.parametrize('seed', range(12))
def test_equals_the_definition_on_images(seed):
    """Shapes that leave the image, change, split and disappear."""
    rng = np.random.default_rng(seed)

    def masks():
        result = []
        for _ in range(LENGTH):
            y, x = np.ogrid[:HEIGHT, :WIDTH]
            mask = np.zeros((HEIGHT, WIDTH), bool)
            for _ in range(rng.integers(0, 4)):
                cy, cx = rng.integers(-5, HEIGHT + 5), rng.integers(-5, WIDTH + 5)
                mask |= (y - cy) ** 2 + (x - cx) ** 2 < rng.integers(2, 30) ** 2
            result.append(mask)
        return result

    truth = masks()
    prediction = [m ^ n if rng.random() < 0.8 else n for m, n in zip(truth, masks())]
    assert jitter(prediction, truth) == pytest.approx(images_jitter(prediction, truth), abs=1e-12)


def test_a_boundary_that_jumps_away_has_the_most():
    truth = film([(20, 20)] * 2)
    assert jitter(film([(5, 5), (40, 60)]), truth) == 1
    assert jitter(truth, film([(0, 0), (40, 60)])) == images_jitter(truth, film([(0, 0), (40, 60)]))


def test_jitter_needs_two_consecutive_frames():
    places = path()
    truth = film([p if t % 2 else None for t, p in enumerate(places)])
    assert jitter(film(places), truth) == -1


def flicker(prediction, truth):
    return flicker_of(tube(film(prediction)), tube(film(truth)))


def test_flicker_counts_frames_lost_inside_the_life():
    truth = path((0, 4))
    assert flicker(truth, truth) == (0.0, 0)
    dropped = [*truth[:3], None, None, *truth[5:]]
    assert flicker(dropped, truth) == (2 / 8, 2)
    elsewhere = [*truth[:3], (40, 0), *truth[4:]]  # a mask beside the object
    assert flicker(elsewhere, truth) == (1 / 8, 1)
    late = [None, *truth[1:3], None, *truth[4:6], None, None]  # life of frames 1 to 5
    assert flicker(late, truth) == (1 / 5, 1)
    absent = [*truth[:3], None, *truth[4:]]
    assert flicker(absent, absent) == (0.0, 0)  # the object is away
    assert flicker([None] * LENGTH, truth) == (0.0, 0)


def files(annotations, results):
    truth = load_ground_truth(
        {
            'videos': [
                {'id': video, 'height': HEIGHT, 'width': WIDTH, 'length': LENGTH}
                for video in (1, 2)
            ],
            'categories': [{'id': 1, 'name': 'cat'}, {'id': 2, 'name': 'dog'}],
            'annotations': [
                dict(id=i, video_id=v, category_id=c, iscrowd=crowd, segmentations=codes(masks))
                for i, (v, c, crowd, masks) in enumerate(annotations, 1)
            ],
        }
    )
    predictions = [
        dict(video_id=v, category_id=c, score=0.5, segmentations=codes(masks))
        for v, c, masks in results
    ]
    return truth, load_predictions(predictions, truth)


def codes(masks):
    return [to_rle(mask) if mask.any() else None for mask in masks]


def test_only_matched_tracks_count_and_a_dropped_frame_raises_flicker_alone():
    steady = film(path((0, 3)))
    dropped = film([*path((0, 3))[:4], None, *path((0, 3))[5:]])
    other = film(path(start=(40, 0)))
    annotations = [(1, 1, 0, steady), (1, 1, 1, other), (2, 1, 0, steady), (2, 2, 0, other)]
    found = [(1, 1, steady), (1, 1, other), (2, 1, steady), (2, 1, other), (2, 2, other)]
    perfect = summarize_consistency(track_consistency(*files(annotations, found)))
    assert perfect['matched_tracks'] == 3 and perfect['jitter'] == perfect['flicker'] == 0
    found[2] = (2, 1, dropped)
    rows = track_consistency(*files(annotations, found))
    assert [(row.video_id, row.truth, row.prediction) for row in rows] == [
        (1, 0, 0), (2, 2, 2), (2, 3, 4)]  # fmt: skip
    lost = summarize_consistency(rows)
    assert lost['jitter'] == 0 and lost['lost_frames'] == 1
    assert lost['flicker'] == pytest.approx(1 / 8 / 3)
    assert lost['flicker_videos'] == pytest.approx(1 / 8 / 2 / 2)
    assert [video['flicker'] for video in lost['videos']] == [0, pytest.approx(1 / 16)]


def test_jitter_is_that_of_the_refined_masks_where_tube_boundary_ap_takes_them():
    steady, shaking = film(path()), film(path(shake=1))
    refined = film(path(shake=1), np.pad(BLOB, 1, mode='edge'))
    truth, found = files([(1, 1, 0, steady)], [(1, 1, shaking)])
    (row,) = track_consistency(truth, found)
    assert row.jitter == pytest.approx(images_jitter(shaking, steady)) and row.jitter > 0.2
    truth = replace(truth, tracks=[replace(truth.tracks[0], boundary_tube=tube(refined))])
    (row,) = track_consistency(truth, found)
    assert row.jitter == pytest.approx(images_jitter(shaking, refined)) and row.jitter < 0.1
    assert row.flicker == 0


def test_nothing_matched():
    steady = film(path())
    summary = summarize_consistency(track_consistency(*files([(1, 1, 0, steady)], [])))
    assert summary['jitter'] == summary['flicker'] == summary['jitter_videos'] == -1
    assert summary['matched_tracks'] == 0 and summary['videos'] == []
