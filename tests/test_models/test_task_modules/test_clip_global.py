"""The clip-global assignment against every possible assignment, and in the recurrence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_model import box_tubes, clip_sample, images, tiny_config, tiny_model

from rocovis_mm.models import ClipGlobalAssigner, UVLAAssigner
from rocovis_mm.models.task_modules.points import draw_points
from rocovis_mm.structures import ClipTargets

CLASSES, POINTS, SEED = 4, 40, 5
COSTS = tiny_config().track_head.assigner.match_costs
ABSENT = pytest.mark.parametrize('absent', ['no_object', 'nothing'])


def random_clip(seed: int, queries: int | None = None):
    """Return predictions (T, L, N, ...) and targets with a generator; few of everything."""
    rng = torch.Generator().manual_seed(seed)
    frames, instances = (int(torch.randint(low, 5, (), generator=rng)) for low in (1, 0))
    queries = queries or int(torch.randint(2, 6, (), generator=rng))
    classes = torch.randn(frames, 2, queries, CLASSES + 1, generator=rng) * 2
    masks = torch.randn(frames, 2, queries, 6, 8, generator=rng) * 3
    there = torch.rand(instances, frames, generator=rng) < 0.6
    tubes = (torch.rand(instances, frames, 12, 16, generator=rng) < 0.4) & there[..., None, None]
    labels = torch.randint(CLASSES, (instances,), generator=rng)
    points = torch.Generator().manual_seed(SEED)
    return classes, masks, ClipTargets(labels, tubes, torch.arange(instances), points)


def run_clip(assigner, classes, masks, targets):
    """Return what the assigner knows after each frame."""
    queries = classes.shape[2]
    owners = torch.full((classes.shape[1], queries), -1)
    for t in range(len(classes)):
        owners = assigner.assign(classes[t], masks[t], targets, t, owners)
        yield owners


def plain_costs(classes, masks, targets, absent: str) -> np.ndarray:
    """Return the costs (N, G) of the last layer, summed over the frames, by their formulas."""
    points = torch.Generator().manual_seed(SEED)
    total = np.zeros((classes.shape[2], len(targets)))
    for t in range(len(classes)):
        places = 2 * draw_points([(1, points)], POINTS, torch.device('cpu'))[:, None] - 1
        at = dict(mode='bilinear', align_corners=False)
        logits = F.grid_sample(masks[None, t, -1], places, **at)[0, :, 0].double().numpy()
        wanted = F.grid_sample(targets.masks[None, :, t].float(), places, **at)[0, :, 0].numpy()
        probability = 1 / (1 + np.exp(-logits))
        share = classes[t, -1].double().softmax(-1).numpy()
        for n, g in itertools.product(*map(range, total.shape)):
            if not targets.masks[g, t].any():
                total[n, g] -= 2 * share[n, CLASSES] if absent == 'no_object' else 0
                continue
            x, y, p = logits[n], wanted[g], probability[n]
            crossed = (np.logaddexp(0, x) - y * x).mean()
            dice = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
            total[n, g] += -2 * share[n, targets.labels[g]] + 5 * crossed + 5 * dice
    return total


def least(total: np.ndarray, instances: list[int]) -> float:
    """Return the least sum of costs over all ways to give queries to instances."""
    number = min(len(total), len(instances))
    return min(
        sum(total[n, g] for n, g in zip(queries, chosen))
        for chosen in itertools.combinations(instances, number)
        for queries in itertools.permutations(range(len(total)), number)
    )


@ABSENT
@pytest.mark.parametrize('seed', range(20))
@pytest.mark.filterwarnings('ignore:.*new instances')
def test_no_assignment_costs_less_over_the_clip(seed, absent):
    classes, masks, targets = random_clip(seed)
    assigner = ClipGlobalAssigner(COSTS, POINTS, absent)
    *_, found = run_clip(assigner, classes, masks, targets)
    total = plain_costs(classes, masks, targets, absent)
    assert np.allclose(found.total, total, atol=1e-4)
    seen = targets.present.any(1).nonzero().flatten().tolist()
    owners = found.owners[-1]
    owned = owners >= 0
    given = owners[owned].tolist()
    assert len(set(given)) == len(given) == min(len(seen), len(owners)) and set(given) <= set(seen)
    cost = total[owned.nonzero().flatten().tolist(), given].sum()
    assert cost == pytest.approx(least(total, seen), abs=1e-4)
    assert (found.owners == owners).all()  # of every layer


@pytest.mark.parametrize('seed', range(5))
def test_all_frames_learn_the_same_owner(seed):
    classes, masks, targets = random_clip(seed, queries=5)
    assigner = ClipGlobalAssigner(COSTS, POINTS)
    *_, found = run_clip(assigner, classes, masks, targets)
    for t in range(len(classes)):
        frame = assigner.supervise(found, targets, t, CLASSES)
        for n, g in enumerate(found.owners[-1].tolist()):
            there = g >= 0 and bool(targets.present[g, t])
            assert frame.labels[:, n].tolist() == [targets.labels[g] if there else CLASSES] * 2
            assert frame.instances[:, n].tolist() == [g if there else -1] * 2
        assert frame.keep.tolist() == [1] * 5


@pytest.mark.parametrize('seed', range(5))
def test_a_single_frame_is_the_hungarian_matching(seed):
    classes, masks, targets = random_clip(seed, queries=6)
    frame = ClipTargets(
        targets.labels, targets.masks[:, :1], targets.ids, torch.Generator().manual_seed(SEED)
    )
    (found,) = run_clip(ClipGlobalAssigner(COSTS, POINTS), classes[:1], masks[:1], frame)
    frame.generator.manual_seed(SEED)
    matched = UVLAAssigner(COSTS, POINTS, births='last_layer')
    (expected,) = run_clip(matched, classes[:1], masks[:1], frame)
    assert found.owners.tolist() == expected.tolist()


def test_a_good_start_does_not_bind_to_a_bad_query():
    """Query 0 is a little better at first and wrong afterwards: UVLA is bound to it."""
    square = torch.zeros(1, 3, 8, 8, dtype=torch.bool)
    square[..., :4] = True
    targets = ClipTargets(torch.tensor([1]), square, torch.tensor([0]))
    right = torch.where(square[0, 0], 4.0, -4.0)
    masks = torch.stack([torch.stack([right * factor, right]) for factor in (1, -1, -1)])
    classes = torch.zeros(3, 1, 2, CLASSES + 1)
    classes[0, 0, 0, 1] = 1  # its label
    *_, found = run_clip(ClipGlobalAssigner(COSTS, 200), classes, masks[:, None], targets)
    *_, bound = run_clip(UVLAAssigner(COSTS, 200), classes, masks[:, None], targets)
    assert found.owners.tolist() == [[-1, 0]] and bound.tolist() == [[0, -1]]


def test_absence_prefers_a_query_that_says_so_only_if_it_counts():
    """Both queries fit in frame 0; query 1 says "no object" in frame 1, where nothing is."""
    there = torch.zeros(1, 2, 4, 4, dtype=torch.bool)
    there[:, 0] = True
    targets = ClipTargets(torch.tensor([0]), there, torch.tensor([0]))
    masks, classes = torch.full((2, 1, 2, 4, 4), 5.0), torch.zeros(2, 1, 2, CLASSES + 1)
    classes[0, 0, 0, 0], classes[1, 0, 1, CLASSES] = 0.1, 6.0
    for absent, query in (('no_object', 1), ('nothing', 0)):
        *_, found = run_clip(ClipGlobalAssigner(COSTS, 20, absent), classes, masks, targets)
        assert found.owners[0].argmax() == query


def test_unknown_costs_of_absence_are_refused():
    with pytest.raises(ValueError, match="absent='zero': choose one of"):
        ClipGlobalAssigner(COSTS, absent='zero')
    with pytest.raises(ValueError, match='needs an mmdet.ClassificationCost'):
        ClipGlobalAssigner(COSTS[1:])


def test_the_recurrence_learns_from_the_whole_clips_decision(monkeypatch):
    """The supervision of every frame is that of the last one's costs, and gradients flow."""
    presence = [[1, 1, 1], [1, 0, 1], [0, 1, 1]]
    tubes = box_tubes(presence)
    model = tiny_model(assigner='rocovis_mm.ClipGlobalAssigner', layers=2).train()
    head, learned, known = model.track_head, [], []
    assign = head.assigner.assign
    monkeypatch.setattr(
        head.assigner, 'assign', lambda *args: known.append(assign(*args)) or known[-1]
    )
    head.criterion.register_forward_pre_hook(lambda _, args: learned.append(args[1]))
    losses = model.loss({'img': images(3)[None]}, [clip_sample(tubes, [0, 1, 2])])
    (frames,) = learned
    owners = known[-1].owners
    assert sorted(owners[-1].tolist()) == [-1, -1, -1, 0, 1, 2]
    for t, (frame,) in enumerate(frames):
        there = (owners >= 0) & torch.tensor(presence)[owners, t].bool()
        assert torch.equal(frame.instances, owners.where(there, torch.tensor(-1)))
    sum(losses.values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
