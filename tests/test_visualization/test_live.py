"""Overlays of a running stream, trails, and images of identities."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.visualization.geometry import centroid
from rocovis_mm.visualization.live import IdentityImages, LiveOverlay, identity_map
from rocovis_mm.visualization.overlay import draw_overlay
from rocovis_mm.visualization.palette import identity_color
from rocovis_mm.visualization.trails import Trails

HEIGHT, WIDTH = 60, 120


def square(left: int, top: int = 20, side: int = 20) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def grey() -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


def test_centres_are_means_of_the_pixels():
    mask = np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.7
    rows, columns = np.nonzero(mask)
    expected = ((columns.mean() + 0.5) / WIDTH, (rows.mean() + 0.5) / HEIGHT)
    assert centroid(mask) == pytest.approx(expected)
    assert centroid(np.zeros((4, 5), dtype=bool)) is None


def test_a_trail_holds_the_last_frames_and_goes_with_its_identity():
    trails = Trails(5)
    for frame in range(9):
        trails.update([7], [square(frame * 5)])
    assert [point[0] for point in trails.points[7]] == [3, 4, 5, 6, 7, 8]
    for _ in range(5):
        trails.update([], [])
    assert [point[0] for point in trails.points[7]] == [8]
    trails.update([7], [np.zeros((HEIGHT, WIDTH), dtype=bool)])
    assert trails.points == {}


def test_what_trails_hold_is_bounded_by_their_length():
    trails = Trails(4)
    for frame in range(500):
        trails.update([frame, frame + 1], [square(10), square(40)])
    assert len(trails.points) <= 6
    assert sum(map(len, trails.points.values())) <= 2 * 5


def test_a_trail_is_open_where_its_identity_was_absent():
    trails = Trails(20)
    for left in (0, 10, None, 70, 80):
        trails.update([1], [np.zeros((HEIGHT, WIDTH), bool) if left is None else square(left)])
    canvas = grey()
    trails.draw(canvas)
    changed = (canvas != 90).any(axis=(0, 2))
    assert changed[12:18].all() and changed[82:88].all()  # centres 10 to 20, and 80 to 90
    assert not changed[26:74].any()


def test_trails_follow_frames_of_changing_size():
    trails = Trails(5)
    for left in (20, 30):
        trails.update([1], [square(left)])
    canvas = np.zeros((2 * HEIGHT, 2 * WIDTH, 3), np.uint8)
    trails.draw(canvas)
    rows, columns = np.nonzero(canvas.any(axis=2))
    assert abs(rows.mean() - 60) < 3 and 55 <= columns.min() and columns.max() <= 86


def test_trails_need_a_length():
    with pytest.raises(ValueError, match='at least 1'):
        Trails(0)


def test_a_live_frame_is_the_overlay_of_what_is_confident():
    masks = np.stack([square(5), square(60)])
    overlay = LiveOverlay(('cat', 'dog'), score_threshold=0.5, trail_length=0)
    found = overlay.draw(grey(), masks, [3, 8], [1, 0], [0.9, 0.4])
    expected = draw_overlay(grey(), masks[:1], [3], ['dog #3 0.90'], scale=1)
    assert np.array_equal(found, expected)


def test_captions_and_scores_may_be_missing():
    overlay = LiveOverlay(captions=False, trail_length=0, alpha=1.0)
    found = overlay.draw(grey(), square(5)[None], [40])
    assert tuple(found[30, 15]) == identity_color(40)
    with pytest.raises(ValueError, match='1 masks for 2 identities'):
        overlay.draw(grey(), square(5)[None], [1, 2])


def test_live_trails_grow_behind_an_identity_until_reset():
    overlay = LiveOverlay(captions=False, trail_length=10, alpha=0.0)
    for left in (0, 15, 30, 45, 60, 75):
        drawn = overlay.draw(grey(), square(left)[None], [2], scores=[0.9])
    assert tuple(drawn[30, 60]) == identity_color(2)  # on the way, outside of the mask
    assert len(overlay.trails.points[2]) == 6
    overlay.reset()
    assert overlay.trails.points == {}


def test_frames_without_instances_pass():
    overlay = LiveOverlay()
    for masks in (np.zeros((0, HEIGHT, WIDTH), bool), []):
        assert np.array_equal(overlay.draw(grey(), masks, [], [], []), grey())


def test_the_higher_score_holds_a_shared_pixel():
    masks = np.stack([square(0), square(10)])
    assert identity_map(masks, [4, 9], [0.9, 0.3])[30, 15] == 5
    assert identity_map(masks, [4, 9], [0.3, 0.9])[30, 15] == 10
    assert identity_map(masks, [4, 9])[30, 15] == 10
    assert not identity_map(np.zeros((0, 3, 4)), []).any()
    with pytest.raises(ValueError, match='2 identities'):
        identity_map(masks[0], [4, 9])


def test_pixels_of_identity_images_are_identities_in_the_colours_of_overlays(tmp_path):
    masks = np.stack([square(0), square(60)])
    path = IdentityImages(tmp_path / 'masks').write(7, masks, [0, 254])
    assert path.name == '00007.png' and [file.name for file in path.parent.iterdir()] == [path.name]
    with Image.open(path) as picture:
        assert picture.mode == 'P'
        assert np.array_equal(np.asarray(picture), identity_map(masks, [0, 254]))
        colors = np.asarray(picture.convert('RGB'))
    assert tuple(colors[30, 10]) == identity_color(0)
    assert tuple(colors[30, 70]) == identity_color(254)
    assert not colors[0, 0].any()


def test_identities_beyond_a_palette_are_kept_in_16_bits_and_said_once(tmp_path):
    writer = IdentityImages(tmp_path)
    masks = np.stack([square(0), square(60)])
    with pytest.warns(UserWarning, match='identity 60000 is beyond'):
        path = writer.write('a', masks, [3, 60000])
    assert np.array_equal(np.asarray(Image.open(path)), identity_map(masks, [3, 60000]))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        writer.write('b', masks, [3, 60000])
    assert Image.open(writer.write('c', masks, [3, 4])).mode == 'P'


@pytest.mark.parametrize('identity', [-1, 65535])
def test_identities_that_no_image_holds_are_refused(tmp_path, identity):
    with pytest.raises(ValueError, match='0 to 65534'):
        IdentityImages(tmp_path).write(0, square(0)[None], [identity])


def test_a_failed_write_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch):
    writer = IdentityImages(tmp_path)
    kept = writer.write(0, square(0)[None], [1]).read_bytes()

    def full(self, file, **options):
        file.write(b'half')
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(Image.Image, 'save', full)
    for frame in (0, 1):
        with pytest.raises(OSError, match='No space'):
            writer.write(frame, square(0)[None], [1])
    assert [file.name for file in tmp_path.iterdir()] == ['00000.png']
    assert (tmp_path / '00000.png').read_bytes() == kept
