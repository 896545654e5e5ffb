"""The plans of hard videos hold what they promise, at any resolution."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from itertools import combinations

import numpy as np
import pytest

from rocovis_mm.datasets.embedded.embedded_dataset import VERSIONS, name_hard_tags
from rocovis_mm.datasets.embedded.hard_scenes import MIN_FRAMES, SLOWNESS, plan_hard_scene
from rocovis_mm.datasets.embedded.rendering import render_video
from rocovis_mm.datasets.embedded.scenes import LOOKALIKE_HUE

PLANS = (4, '75050ca726a33dfa')
"""The generator's version and what its hard plans come to."""


@pytest.fixture(scope='module')
def scenes():
    return [plan_hard_scene(np.random.default_rng(seed), 40 * SLOWNESS) for seed in range(60)]


def identical(one, other):
    """Whether two actors differ in their way alone."""
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        for field in fields(one)
        if field.name != 'path'
    )


def twins_of(scene):
    return [pair for pair in combinations(scene.actors, 2) if identical(*pair)]


def share(scenes, event):
    return np.mean([event in scene.events for scene in scenes])


def test_other_plans_need_another_version():
    """Where this fails: raise the version, so that older data is replaced, and note both here."""
    digest = hashlib.sha256()
    for seed in range(5):
        scene = plan_hard_scene(np.random.default_rng(seed), 22)
        for values in (scene.camera, *(np.column_stack((a.path, a.size)) for a in scene.actors)):
            digest.update(np.round(values, 3).astype('<f4').tobytes())
        facts = [(actor.label, actor.scenery) for actor in scene.actors]
        digest.update(repr((scene.events, facts)).encode())
    assert (VERSIONS['hard'], digest.hexdigest()[:16]) == PLANS


def test_each_difficulty_is_in_a_good_part_of_the_scenes(scenes):
    assert share(scenes, 'crossing') == pytest.approx(0.6, abs=0.08)  # as documented
    assert share(scenes, 'hiding') == pytest.approx(0.5, abs=0.08)
    assert 0.25 < share(scenes, 'twins') < 0.5
    assert 0.25 < share(scenes, 'occluder') < 0.75
    assert all(sum(not actor.scenery for actor in scene.actors) <= 7 for scene in scenes)


def test_twins_are_the_same_in_everything_but_their_way(scenes):
    for scene in scenes:
        pairs = twins_of(scene)
        assert bool(pairs) == ('twins' in scene.events)
        for one, other in pairs:
            assert np.abs(one.path - other.path).max() > 0.2
    scene = next(scene for scene in scenes if twins_of(scene))
    one, other = twins_of(scene)[0]
    alone = replace(scene, actors=[one])
    moved = replace(scene, actors=[replace(other, path=one.path)])
    drawn, again = (render_video(part, 48, 80) for part in (alone, moved))
    np.testing.assert_array_equal(drawn.frames, again.frames)


def test_crossing_lookalikes_meet_and_part_once_in_twenty_frames_of_the_plan(scenes):
    for scene in scenes:
        if 'crossing' not in scene.events:
            continue
        near, far = scene.actors[:2]
        assert near.label == far.label and abs(near.hue - far.hue) <= LOOKALIKE_HUE
        apart = np.hypot(*((near.path - far.path) * (160 / 96, 1)).T)
        close = apart < 0.8 * (near.size + far.size).mean()
        meetings = (np.diff(np.r_[0, close.astype(int), 0]) == 1).sum()
        assert meetings >= 2 and not close[0] and not close[-1]


@pytest.mark.parametrize(
    ('num_frames', 'size'), [(MIN_FRAMES, (96, 160)), (66, (48, 80)), (40, (64, 64))]
)
def test_hiding_objects_are_out_of_sight_long_enough_and_come_back(num_frames, size):
    hiding = 0
    for seed in range(5):
        scene = plan_hard_scene(np.random.default_rng(seed), num_frames)
        if 'hiding' in scene.events:
            hiding += 1
            assert 'hidden' in name_hard_tags(render_video(scene, *size), ())
    assert hiding >= 2


def test_of_two_lookalikes_one_at_most_is_out_of_sight(scenes):
    """Otherwise nobody could tell who comes back."""
    checked = 0
    for scene in scenes[:8]:
        noted = [actor for actor in scene.actors if not actor.scenery]
        seen = render_video(scene, 48, 80).masks.any((2, 3))
        begun = np.logical_or.accumulate(seen, axis=1)
        remains = np.logical_or.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
        away = ~seen & begun & remains  # between two sights
        for i, j in combinations(range(len(noted)), 2):
            one, other = noted[i], noted[j]
            if one.label == other.label and abs(one.hue - other.hue) <= LOOKALIKE_HUE:
                checked += 1
                assert not (away[i] & away[j]).any()
    assert checked >= 4


def test_a_long_video_moves_as_little_as_a_third_of_its_plan_in_a_frame():
    for seed in range(10):
        plan, video = (
            plan_hard_scene(np.random.default_rng(seed), frames)
            for frames in (MIN_FRAMES, SLOWNESS * MIN_FRAMES)
        )
        assert plan.events == video.events and len(plan.actors) == len(video.actors)
        pairs = [(plan.camera, video.camera)]
        for planned, actor in zip(plan.actors, video.actors):
            for each in fields(actor):
                pair = getattr(planned, each.name), getattr(actor, each.name)
                if isinstance(pair[0], np.ndarray):
                    pairs.append(pair)
                else:
                    assert pair[0] == pair[1]
        assert len(pairs) == 1 + 4 * len(plan.actors)
        for few, many in pairs:
            assert len(few) == MIN_FRAMES and len(many) == SLOWNESS * MIN_FRAMES
            np.testing.assert_allclose(many[[0, -1]], few[[0, -1]])
            steps = [np.abs(np.diff(values, axis=0)).max() for values in (few, many)]
            assert steps[1] <= steps[0] * (MIN_FRAMES - 1) / (SLOWNESS * MIN_FRAMES - 1) + 1e-9


def test_too_short_a_video():
    with pytest.raises(ValueError, match='20 frames or more, not 19'):
        plan_hard_scene(np.random.default_rng(0), MIN_FRAMES - 1)
