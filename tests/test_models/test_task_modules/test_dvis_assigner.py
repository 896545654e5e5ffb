"""DVIS' matching of first appearances: what the published code gives, and what is mended."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import torch
from test_uvla import targets_of
from tiny_model import tiny_config

from rocovis_mm.models import DVISAssigner
from rocovis_mm.models.task_modules.assigners import uvla
from rocovis_mm.structures import ClipTargets

UNMATCHED = partial(torch.full, fill_value=-1)


def follow(assigner, class_logits, mask_logits, targets) -> torch.Tensor:
    """Return the slots (1, G) of a clip after each of its frames, (T, 1, G)."""
    slots, history = UNMATCHED((1, len(targets))), []
    for t in range(len(class_logits)):
        slots = assigner.assign(class_logits[t, None], mask_logits[t, None], targets, t, slots)
        history.append(slots)
    return torch.stack(history)


@pytest.mark.parametrize('published', [True, False])
def test_the_published_matches(published, shared_dir, monkeypatch):
    """No query is taken twice in the fixture, so that both ways give its matches."""
    path = shared_dir / 'fixtures/peers/dvis_matcher'
    sizes = json.loads(path.with_suffix('.json').read_text())['overrides']
    with np.load(path.with_suffix('.npz')) as arrays:
        fixture = {key: torch.from_numpy(arrays[key]) for key in arrays}
    costs = tiny_config(method='dvis').track_head.assigner.match_costs
    assigner = DVISAssigner(costs, fixture['points'].shape[1], published)
    drawn = iter(fixture['points'])
    monkeypatch.setattr(uvla, 'draw_points', lambda *_: next(drawn)[None])
    for clip in range(sizes['clips']):
        ids, masks = fixture[f'ids{clip}'], fixture[f'masks{clip}'].bool()
        targets = ClipTargets(fixture[f'labels{clip}'], masks, torch.arange(len(ids)))
        assert torch.equal(targets.present, ids != -1)
        rows = slice(clip * sizes['frames'], (clip + 1) * sizes['frames'])
        logits = fixture['pred_logits'][rows], fixture['pred_masks'][rows]
        history = follow(assigner, *logits, targets)
        expected = UNMATCHED((len(ids),))
        expected[fixture[f'slots{clip}']] = fixture[f'queries{clip}']
        appeared = targets.present.cumsum(1).T > 0  # (T, G)
        assert torch.equal(history[:, 0], torch.where(appeared, expected, -1))
    assert next(drawn, None) is None  # one draw for each frame of a first appearance


class Known(DVISAssigner):
    """Query 0 costs least, for every instance in every frame."""

    def cost(self, class_logits, mask_logits, targets, frame):
        return torch.arange(3.0)[None, :, None].expand(1, 3, len(targets))


@pytest.mark.parametrize(('published', 'expected'), [(True, [0, 0, 1]), (False, [0, 1, 2])])
def test_a_query_that_is_taken_is_taken_again_only_as_published(published, expected):
    """Also where the instance that has it is still visible."""
    targets = targets_of(np.array([[1, 1], [0, 1], [0, 1]]))
    logits = torch.zeros(2, 3, 4), torch.zeros(2, 3, 2, 2)
    history = follow(Known([], 1, published), *logits, targets)
    assert history[0, 0].tolist() == [0, -1, -1]
    assert sorted(history[1, 0].tolist()) == sorted(expected) and history[1, 0, 0] == 0
