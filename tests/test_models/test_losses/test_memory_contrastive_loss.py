"""The contrastive loss gives the published values and gradients, and a plain second version's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rocovis_mm.models.losses import MemoryContrastiveLoss


@pytest.fixture(scope='module')
def fixture(shared_dir):
    with np.load(shared_dir / 'fixtures/peers/ctvis_loss.npz') as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


@pytest.mark.parametrize(('positive', 'prob'), [('momentum', 1.0), ('last', 0.0)])
def test_published_values_and_gradients(fixture, positive, prob):
    embeddings = fixture['embeds'].clone().requires_grad_()
    queries = [
        torch.where(fixture[f'valid{b}'], fixture[f'query{b}'].T, -1)
        for b in range(embeddings.shape[1])
    ]
    criterion = MemoryContrastiveLoss(weight=2.0, aux_weight=3.0, memory_prob=prob)
    losses = criterion(embeddings.transpose(0, 1), queries, [None, None])
    sum(losses.values()).backward()
    for name, factor in (('reid', 2), ('aux_reid', 3)):
        expected = factor * fixture[f'loss_{name}_{positive}']
        torch.testing.assert_close(losses[f'loss_{name}'], expected, rtol=1e-6, atol=1e-6)
    gradient = fixture[f'grad_{positive}']
    torch.testing.assert_close(embeddings.grad, gradient, rtol=1e-5, atol=1e-6)


def plain_losses(embeddings, queries, coins, skip):
    """Return both losses of one clip, item by item, after the digest; coins (G, T) say memory."""
    length, instances = len(embeddings), len(queries)
    contrast, cosine = [], []
    for g in range(instances):
        own = [embeddings[t, q] if (q := queries[g][t]) >= 0 else None for t in range(length)]
        memory, memories = None, []
        for t in range(length):
            earlier = [x for x in own[:t] if x is not None]
            if own[t] is not None and earlier:
                alike = sum(F.cosine_similarity(x, own[t], dim=0) for x in earlier) / len(earlier)
                share = alike if alike > 0 else 0.0
                memory = (1 - share) * memory + share * own[t]
            elif own[t] is not None:
                memory = own[t]
            memories.append(memory)
        for t in range(1, length):
            if own[t] is None:
                continue
            earlier = [x for x in own[:t] if x is not None]
            later = [x for x in own[t + 1 :] if x is not None]
            nones = len(own[t + 1 :]) - len(later)
            if earlier:
                positive = memories[t - 1] if coins[g][t] else earlier[-1]
            elif later and not (skip and nones == t):
                positive = later[0]
            else:
                continue
            rows = [q for q in range(embeddings.shape[1]) if q != queries[g][t - 1]]
            negatives = [embeddings[t - 1, q] for q in rows]
            total = sum(torch.exp(x @ own[t] - positive @ own[t]) for x in negatives)
            contrast.append(torch.log(1 + total))
            parts = [(F.cosine_similarity(positive, own[t], dim=0) - 1) ** 2]
            parts += [F.cosine_similarity(x, own[t], dim=0) ** 2 for x in negatives]
            cosine.append(sum(parts) / len(parts))
    return sum(contrast) / len(contrast), sum(cosine) / len(cosine)


@pytest.mark.parametrize('skip', [True, False])
def test_plain_version(skip):
    """Births, absences and returns, with coins of the clip's own generator."""
    generator = torch.Generator().manual_seed(3)
    embeddings = torch.randn(6, 5, 4, generator=generator).double().requires_grad_()
    presence = torch.tensor(
        [[1, 1, 0, 1, 1, 1], [0, 1, 0, 1, 1, 1], [0, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 1]]
    )
    places = torch.stack([torch.randperm(5, generator=generator)[:4] for _ in range(6)], dim=1)
    queries = torch.where(presence.bool(), places, -1)
    criterion = MemoryContrastiveLoss(weight=1.0, aux_weight=1.0, skip_as_published=skip)
    coins = torch.rand(4, 6, generator=torch.Generator().manual_seed(7)) < 0.5
    expected = plain_losses(embeddings, queries.tolist(), coins.tolist(), skip)
    expected_gradient = torch.autograd.grad(sum(expected), embeddings)[0]
    losses = criterion(embeddings[None], [queries], [torch.Generator().manual_seed(7)])
    found = losses['loss_reid'], losses['loss_aux_reid']
    gradient = torch.autograd.grad(sum(found), embeddings)[0]
    for ours, theirs in zip(found, expected):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-5)
    assert (0 < coins.sum()) & (coins.sum() < coins.numel())


def test_skipped_item_is_the_published_mistake():
    """Born at frame 1 and absent in exactly one frame after it: the published code finds none."""
    embeddings = torch.randn(1, 4, 3, 4, generator=torch.Generator().manual_seed(0))
    queries = [torch.tensor([[-1, 2, -1, -1]]), torch.tensor([[-1, 2, 0, -1]])]
    found = [
        MemoryContrastiveLoss(skip_as_published=skip, memory_prob=0)(embeddings, [q], [None])
        for q in queries
        for skip in (True, False)
    ]
    assert [float(x['loss_reid']) > 0 for x in found] == [False, False, True, True]
    assert found[2]['loss_reid'] != found[3]['loss_reid']


@pytest.mark.parametrize('queries', [torch.zeros(0, 3), torch.tensor([[0, -1, -1]])])
def test_no_items(queries):
    """The loss is 0 and reaches every embedding."""
    embeddings = torch.randn(1, 3, 4, 8, requires_grad=True)
    losses = MemoryContrastiveLoss()(embeddings, [queries.long()], [None])
    sum(losses.values()).backward()
    assert all(loss == 0 for loss in losses.values())
    assert torch.equal(embeddings.grad, torch.zeros_like(embeddings))


def test_impossible_probability():
    with pytest.raises(ValueError, match='memory_prob'):
        MemoryContrastiveLoss(memory_prob=1.5)
