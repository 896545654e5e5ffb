"""Activations that are computed again: the same losses and gradients, fewer kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tiny_model import box_tubes, clip_sample, images, tiny_model

from rocovis_mm.engine.hooks import ActivationCheckpointHook
from rocovis_mm.engine.hooks.activation_checkpoint_hook import PARTS, find_modules

OF = dict(rocovis=set(PARTS) - {'object_decoder'}, genvis=set(PARTS) - {'propagation'})


def gradients(model, dtype=None):
    """Return losses and gradients of one step, and the bytes that were kept for it."""
    tubes = box_tubes([[1, 0, 1], [0, 1, 1]])
    samples = [clip_sample(tubes, [3, 1]), clip_sample(tubes[:0], [])]
    inputs = {'img': torch.stack([images(3), images(3, seed=1)])}
    kept = {}

    def pack(tensor):
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    torch.manual_seed(0)
    model.zero_grad()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        with torch.autocast('cpu', dtype, enabled=dtype is not None):
            losses = model.loss(inputs, samples)
    sum(losses.values()).backward()
    return losses, {n: p.grad for n, p in model.named_parameters()}, sum(kept.values())


def wrap(model, modules):
    ActivationCheckpointHook(modules).before_train(SimpleNamespace(model=model))


@pytest.mark.parametrize(
    ('method', 'part'), [(method, part) for method in sorted(OF) for part in sorted(OF[method])]
)
def test_each_part_alone_changes_nothing_but_memory(method, part):
    plain, saving = (tiny_model(method=method).train() for _ in range(2))
    wrap(saving, [part])
    expected, found = gradients(plain), gradients(saving)
    for name, value in expected[0].items():
        assert torch.equal(found[0][name], value), name
    for name, value in expected[1].items():
        assert torch.allclose(found[1][name], value, rtol=1e-6, atol=1e-9), name
    assert found[2] < expected[2]


def test_all_parts_together_under_autocast():
    plain, saving = tiny_model().train(), tiny_model().train()
    wrap(saving, sorted(OF['rocovis']))
    expected, found = gradients(plain, torch.bfloat16), gradients(saving, torch.bfloat16)
    for name, value in expected[1].items():
        assert torch.allclose(found[1][name], value, rtol=1e-5, atol=1e-7), name
    assert found[2] < 0.7 * expected[2]


def test_batch_norms_count_a_batch_once():
    plain, saving = tiny_model(), tiny_model()
    for model in (plain, saving):
        model.backbone.norm_eval = False
        model.train()
    wrap(saving, 'backbone')
    gradients(plain), gradients(saving)
    buffers = dict(saving.named_buffers())
    for name, value in plain.named_buffers():
        if 'running' in name:
            assert torch.equal(buffers[name], value), name


def test_testing_is_left_alone():
    model = tiny_model()
    expected = model.extract_features(images(1))
    wrap(model, 'backbone')
    with torch.no_grad():
        found = model.extract_features(images(1))
    assert all(torch.equal(a, b) for a, b in zip(expected, found))


def test_names():
    model = tiny_model()
    assert len(find_modules(model, 'backbone')) == 4
    assert find_modules(model, 'backbone.layer2') == [model.backbone.layer2]
    assert find_modules(model, 'backbone.*') == list(model.backbone.children())
    with pytest.raises(ValueError, match="no 'object_decoder'"):
        wrap(model, ['object_decoder'])
