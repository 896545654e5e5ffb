"""The hard data set on disk, judged by its files."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pycocotools.mask as mask_utils
import pytest
from scipy.optimize import linear_sum_assignment

from rocovis_mm.datasets.embedded import EmbeddedRecipe, make_embedded_dataset
from rocovis_mm.datasets.embedded.hard_scenes import plan_hard_scene
from rocovis_mm.datasets.embedded.rendering import MIN_VISIBLE
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.evaluation.functional.video_groups import group_videos
from rocovis_mm.formats.vis_annotations import read_vis_annotations

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')  # of pycocotools

SIZES = dict(train_videos=2, train_frames=20, val_videos=24)
LENGTH = 60


@pytest.fixture(scope='module')
def hard(tmp_path_factory):
    recipe = EmbeddedRecipe.of_difficulty('hard', **SIZES)
    return make_embedded_dataset(tmp_path_factory.mktemp('hard') / 'data', recipe)


@pytest.fixture(scope='module')
def content(hard):
    return json.loads(hard.val_json.read_text())


def tracks_of(content, video):
    return [a for a in content['annotations'] if a['video_id'] == video['id']]


def test_it_is_read_like_any_other(hard, content):
    lengths = [video.length for video in read_vis_annotations(hard.val_json).videos]
    assert lengths == [LENGTH] * SIZES['val_videos']
    assert [video.length for video in read_vis_annotations(hard.train_json).videos] == [20] * 2
    assert EmbeddedRecipe.of_difficulty('hard').val_videos >= 80
    keys = set(content['info'])
    assert {'seed', 'difficulty', 'version'} <= keys and content['info']['difficulty'] == 'hard'


def test_the_masks_are_what_a_painter_leaves_visible(content):
    """Painted from the farthest to the nearest, without windows; slivers are left out."""
    video = next(v for v in content['videos'] if {'hidden', 'occluder'} <= {*v['tags']})
    scene = plan_hard_scene(np.random.default_rng((0, 1, video['id'])), LENGTH)
    tracks = tracks_of(content, video)
    y, x = np.mgrid[:96, :160] + 0.5
    exact = 0
    for t in range(0, LENGTH, 3):
        canvas = np.full((96, 160), -1)
        for k in reversed(range(len(scene.actors))):
            canvas[whole_shape(scene.actors[k], scene.camera[t], t, x, y)] = k
        noted = [k for k, actor in enumerate(scene.actors) if not actor.scenery]
        for track, k in zip(tracks, noted, strict=True):
            code = track['segmentations'][t]
            mask = np.zeros((96, 160), bool) if code is None else mask_utils.decode(code) > 0
            wrong = np.count_nonzero(mask != (canvas == k))
            assert wrong < MIN_VISIBLE * len(scene.actors)
            exact += wrong < 3
    assert exact > 0.8 * len(tracks) * 20


def whole_shape(actor, camera, t, x, y):
    pan_x, pan_y, zoom = camera
    centre_x = 80 + zoom * ((actor.path[t, 0] - 0.5) * 160 - pan_x * 96)
    centre_y = 48 + zoom * ((actor.path[t, 1] - 0.5) * 96 - pan_y * 96)
    turned = ((x - centre_x) + 1j * (y - centre_y)) * np.exp(-1j * actor.angle[t])
    own = turned / (zoom * actor.size[t] * 96)
    return actor.shape.inside(own.real, own.imag, actor.deformation[t]) >= 0


def test_hidden_by_the_masks_alone(content):
    """Away for 8 frames or more, last and first seen inside the frame or beside a tag's cover."""
    found = 0
    for video in content['videos']:
        inside = over_border = False
        for track in tracks_of(content, video):
            seen = [t for t, code in enumerate(track['segmentations']) if code]
            for last, again in zip(seen, seen[1:]):
                if again - last <= 8:
                    continue
                boxes = np.array([track['bboxes'][t] for t in (last, again)])
                low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
                touches = (low <= 1).any(1) | (high >= np.array([160, 96]) - 1).any(1)
                over_border |= touches.any()
                inside |= not touches.any()
        if inside:
            assert 'hidden' in video['tags']
            found += 1
        elif 'hidden' in video['tags']:
            assert over_border
    assert found >= 5


def test_crossing_by_the_masks_alone(hard, content):
    crossing = {v['id'] for v in content['videos'] if 'crossing' in v['tags']}
    assert len(crossing) >= 5
    assert crossing <= set(group_videos(load_ground_truth(hard.val_json))['crossing'])


def test_the_degraded_frames_are_those_that_look_like_it(hard, content):
    """A frame of a slow video is like the one before it unless one of the two is degraded."""
    marked = 0
    for video in content['videos']:
        frames = [cv2.imread(str(hard.images / name)).astype(float) for name in video['file_names']]
        step = [np.abs(one - other).mean() for one, other in zip(frames, frames[1:])]
        bad = set(video['degraded'])
        assert ('degraded' in video['tags']) == bool(bad)
        calm = [d for t, d in enumerate(step) if not bad & {t, t + 1}]
        jumps = [d for t, d in enumerate(step) if len(bad & {t, t + 1}) == 1]
        assert not bad or min(jumps) > max(calm)
        marked += len(bad)
    assert 0.18 < marked / (SIZES['val_videos'] * LENGTH) < 0.32


def test_the_seed_decides_everything(tmp_path):
    sizes = dict(train_videos=1, train_frames=20, val_videos=1, val_frames=20)
    data = [
        make_embedded_dataset(
            tmp_path / name,
            EmbeddedRecipe.of_difficulty('hard', seed=seed, height=48, width=80, **sizes),
        )
        for name, seed in (('a', 3), ('b', 3), ('c', 4))
    ]
    first, again, other = ([path.read_bytes() for path in files_of(d.root)] for d in data)
    assert len(first) == 43 and first == again
    assert sum(one != two for one, two in zip(first, other)) == 43


def files_of(root):
    return sorted(path for path in root.rglob('*') if path.is_file())


def link(tracks, length, memory):
    """Link perfect masks by overlap and class: (n, T) identities.

    Each frame is linked to the one before or, with a memory, to the last mask of each identity.
    """
    identities = np.full((len(tracks), length), -1)
    last, free = {}, 0  # identity -> track and frame of its last mask
    for t in range(length):
        here = [k for k, track in enumerate(tracks) if track['segmentations'][t]]
        if here and last:
            masks = [tracks[k]['segmentations'][t] for k in here]
            before = [tracks[k]['segmentations'][s] for k, s in last.values()]
            classes = [[tracks[k]['category_id'] for k in group]
                       for group in (here, [k for k, _ in last.values()])]  # fmt: skip
            same = np.equal.outer(*classes)
            iou = mask_utils.iou(masks, before, [0] * len(before))
            for row, column in zip(*linear_sum_assignment(iou + same, maximize=True)):
                if same[row, column]:
                    identities[here[row], t] = list(last)[column]
        if not memory:
            last = {}
        for k in here:
            if identities[k, t] < 0:
                identities[k, t], free = free, free + 1
            last[identities[k, t]] = k, t
    return identities


def linked_tracks(content, memory):
    """Return the results of linking perfect masks and classes, and the identity switches."""
    linked, switches = [], 0
    for video in content['videos']:
        tracks = tracks_of(content, video)
        identities = link(tracks, video['length'], memory)
        for row in identities:
            switches += np.count_nonzero(np.diff(row[row >= 0]))
        for identity in np.unique(identities[identities >= 0]):
            masks = [None] * video['length']
            for k, t in np.argwhere(identities == identity):
                masks[t] = tracks[k]['segmentations'][t]
            score = sum(mask is not None for mask in masks) / video['length']
            label = tracks[np.argwhere(identities == identity)[0, 0]]['category_id']
            linked.append(
                dict(
                    video_id=video['id'], category_id=label, score=score, segmentations=masks
                )
            )  # fmt: skip
    return linked, switches


def test_a_perfect_tracker_of_single_frames_does_not_solve_it(hard, content):
    """Perfect masks and classes, linked from frame to frame, lose identities; the past has them."""
    truth = load_ground_truth(hard.val_json)
    perfect = [{**track, 'score': 1.0} for track in content['annotations']]
    assert average_precision(truth, perfect) == pytest.approx(1)
    linked, switches = linked_tracks(content, memory=False)
    remembered, few_switches = linked_tracks(content, memory=True)
    assert average_precision(truth, linked) < 0.75
    assert average_precision(truth, remembered) > average_precision(truth, linked) + 0.1
    assert switches > 20 > 4 * few_switches


def average_precision(truth, results):
    scores = evaluate_tracks(truth, load_predictions(results, truth), kinds=('segm',))
    return scores['segm'].stats()['AP']
