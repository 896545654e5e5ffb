"""CTVIS' head learns, and the bank links the queries of any model of independent frames."""

from __future__ import annotations

import copy

import pytest
import torch
from plain_tracker import PlainTracker
from tiny_model import BASES, box_tubes, clip_sample, images, tiny_config, tiny_model

from rocovis_mm.models import MinVIS, RoCoVIS
from rocovis_mm.models.tracking_heads.ctvis_head import CTVISHead, queries_of_instances
from rocovis_mm.registry import MODELS
from rocovis_mm.streaming.identity_recorder import IdentityRule
from rocovis_mm.structures import ClipTargets, StreamState, TrainingStage
from rocovis_mm.utils import load_config

PRESENCE = [[1, 1, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1]]


@pytest.fixture(scope='module')
def model():
    return tiny_model(method='ctvis')


def test_queries_of_instances():
    tubes = torch.from_numpy(box_tubes(PRESENCE))
    target = ClipTargets(torch.arange(3), tubes, torch.arange(3))
    # frame by frame the owner of each of 5 queries, counted among the present instances
    owners = [[1, -1, 0, -1, -1], [-1, 2, 0, 1, -1], [-1, -1, -1, 1, 0], [0, 1, 2, -1, -1]]
    queries = queries_of_instances([torch.tensor(x) for x in owners], target)
    assert queries.tolist() == [[2, 2, -1, 0], [-1, 3, 4, 1], [0, 1, 3, 2]]


def losses_of(model, presence) -> dict[str, torch.Tensor]:
    """Return the losses of two clips of four frames."""
    samples = []
    for seed in (0, 1):
        sample = clip_sample(box_tubes(presence), list(range(len(presence))))
        sample.video_data_samples[0].set_metainfo(dict(draw_key=(seed,)))
        samples.append(sample)
    frames = torch.stack([images(4, seed=seed) for seed in (0, 1)])
    return model.loss({'img': frames}, samples)


def test_gradients_reach_every_parameter(model):
    model.zero_grad()
    losses = losses_of(model, PRESENCE)
    assert {'loss_reid', 'loss_aux_reid', 'loss_cls', 'd0.loss_dice'} <= set(losses)
    assert losses['loss_reid'] > 0 and losses['loss_aux_reid'] > 0
    sum(losses.values()).backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not without
    model.zero_grad()


@pytest.mark.parametrize('presence', [[[0, 0, 0, 0]], [[0, 0, 1, 0]]])
def test_nothing_to_contrast(model, presence):
    losses = losses_of(model, presence)
    assert losses['loss_reid'] == losses['loss_aux_reid'] == 0
    assert all(loss.isfinite() for loss in losses.values())


def test_single_frames_have_no_past(model):
    model.training_stage = TrainingStage(single_frames=True)
    losses = losses_of(model, PRESENCE)
    model.training_stage = TrainingStage()
    assert losses['loss_reid'] == 0 < losses['loss_cls']


def test_the_embedding_learns_to_tell_instances_apart(model):
    """Its layers alone, on fixed queries that are similar within each instance."""
    learner = copy.deepcopy(model.track_head)
    generator = torch.Generator().manual_seed(0)
    own = torch.randn(1, 6, 32, generator=generator)
    queries = own + 0.7 * torch.randn(4, 6, 32, generator=generator)
    places = torch.where(torch.tensor(PRESENCE).bool(), torch.arange(3)[:, None], -1)
    optimizer = torch.optim.AdamW(learner.reid_embed.parameters(), lr=1e-2)
    history = []
    for _ in range(12):
        losses = learner.reid_criterion(learner.embed(queries)[None], [places], [None])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append(float(sum(losses.values())))
    assert history[-1] < 0.6 * history[0]


def bank_of_the_config() -> dict:
    """Return the associator of MinVIS' config with one."""
    path = BASES.parents[1] / 'minvis/minvis_r50_custom_bank.py'
    return load_config(path, dict(classes=('a', 'b'))).model.associator


@torch.no_grad()
def test_the_bank_links_the_queries_of_minvis():
    """By a plain second version; alone, MinVIS keeps its own matching."""
    config = tiny_config(method='minvis')
    config.associator = bank_of_the_config()
    linked = MODELS.build(config).eval()
    linked.load_state_dict(tiny_model(method='minvis').state_dict())
    assert isinstance(linked, MinVIS) and isinstance(linked.track_rule, IdentityRule)
    assert linked.track_rule.ends_after == config.associator.dead_frames == 20
    plain, state, seen = PlainTracker(), StreamState(), set()
    for frame in images(6, seed=4):
        prediction, state = linked.step(frame[None], state)
        alone = linked.track_head.decode(linked.extract_features(frame[None]), StreamState())
        parts = alone.class_logits[-1], alone.mask_logits[-1], alone.queries
        ids = plain.step(*(x[0].numpy() for x in parts))
        assert prediction.identities[0].tolist() == ids
        seen.update(ids)
    assert len(seen - {-1}) > 1 and state.queries is None


def test_models_whose_queries_are_tracks_take_no_associator():
    config = tiny_config()
    config.associator = bank_of_the_config()
    assert config.type == 'rocovis_mm.RoCoVIS' and RoCoVIS.__name__ == 'RoCoVIS'
    with pytest.raises(TypeError, match='associator'):
        MODELS.build(config)


def test_an_embedding_without_layers_is_the_query_itself():
    config = tiny_config(method='ctvis')
    config.track_head.reid_layers = 0
    head = MODELS.build(config).track_head
    assert isinstance(head, CTVISHead)
    queries = torch.randn(2, 6, head.query_decoder.transformer_decoder.embed_dims)
    normed = head.query_decoder.transformer_decoder.post_norm(queries)
    assert torch.equal(head.embed(queries), normed)
    config.track_head.reid_layers = -1
    with pytest.raises(ValueError, match='reid_layers'):
        MODELS.build(config)
