from __future__ import annotations

import hashlib

import numpy as np

from rocovis_mm.datasets.embedded import plan_scene
from rocovis_mm.datasets.embedded.embedded_dataset import VERSIONS
from rocovis_mm.datasets.embedded.scenes import LOOKALIKE_HUE

PLANS = (8, '3f74e3d5f17f8f0d')
"""The generator's version and what its plans come to."""


def digest_of_plans():
    digest = hashlib.sha256()
    for seed in range(5):
        scene = plan_scene(np.random.default_rng(seed), 6)
        numbers = [scene.camera, *(np.column_stack((a.path, a.size)) for a in scene.actors)]
        for values in numbers:
            digest.update(np.round(values, 3).astype('<f4').tobytes())
        digest.update(repr((scene.events, [actor.label for actor in scene.actors])).encode())
    return digest.hexdigest()[:16]


def test_other_plans_need_another_version():
    """Where this fails: raise the version, so that older data is replaced, and note both here."""
    assert (VERSIONS['easy'], digest_of_plans()) == PLANS


def test_crossing_lookalikes_share_class_and_hue_and_meet():
    found = 0
    for seed in range(150):
        scene = plan_scene(np.random.default_rng(seed), 15)
        if 'crossing' not in scene.events:
            continue
        found += 1
        pairs = [
            (one, other)
            for position, one in enumerate(scene.actors)
            for other in scene.actors[position + 1 :]
            if one.label == other.label and abs(one.hue - other.hue) <= LOOKALIKE_HUE
        ]
        distances = [np.abs(one.path - other.path).sum(1) for one, other in pairs]
        # apart at first, together in between, apart at last
        assert any(d.min() < 0.2 and d[0] > 0.3 and d[-1] > 0.3 for d in distances)
    assert found >= 8


def test_hiding_scenes_have_a_large_object_before_a_small_one_of_another_class():
    scenes = [plan_scene(np.random.default_rng(seed), 15) for seed in range(150)]
    hiding = [scene for scene in scenes if 'hiding' in scene.events]
    assert len(hiding) >= 5
    for scene in hiding:
        sizes = [actor.size.mean() for actor in scene.actors]
        large, small = int(np.argmax(sizes)), int(np.argmin(sizes))
        assert sizes[large] > 1.3 * sizes[small]
