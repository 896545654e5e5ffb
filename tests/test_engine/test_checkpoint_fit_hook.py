"""What of a checkpoint fits its model decides whether a run may begin with it."""

from __future__ import annotations

import copy
import logging
import re
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.logging import MMLogger
from mmengine.runner import BaseLoop
from tiny_mask2former import tiny_mask2former
from tiny_model import tiny_model
from torch import nn

from rocovis_mm.checkpoints.fitting import MisfitError
from rocovis_mm.engine.hooks import CheckpointFitHook

CLASS_LAYER = 'track_head.query_decoder.cls_embed'


class Loop(BaseLoop):
    """Stands for a training loop that train() has built."""

    def __init__(self) -> None:
        pass

    def run(self) -> None:
        """Do nothing."""


def load(model: nn.Module, checkpoint: dict, use: str = 'test', **options: bool) -> dict:
    """Let a run load a checkpoint; return what the hook leaves to the runner."""
    runner = SimpleNamespace(
        model=model,
        _load_from='w.pth',
        _resume=use == 'resume',
        _train_loop=dict() if use == 'test' else Loop(),
    )
    CheckpointFitHook(**options).after_load_checkpoint(runner, checkpoint)
    return checkpoint


built = cache(tiny_model)


def fresh_model(**options: object) -> nn.Module:
    """Return a model of which nothing was loaded yet."""
    return copy.deepcopy(built(seed=2, **options))


def weights_of(**options: object) -> dict[str, torch.Tensor]:
    """Return the weights of another model of the same kind."""
    return dict(built(seed=1, **options).state_dict())


@pytest.fixture
def lines():
    """The warnings of the log."""
    logger, found = MMLogger.get_current_instance(), []
    handler = logging.Handler(level='WARNING')
    handler.emit = lambda record: found.append(record.getMessage())
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


@pytest.mark.parametrize('use', ['test', 'train', 'resume'])
@pytest.mark.parametrize('form', ['entry', 'alone', 'data-parallel', 'with averages'])
def test_a_checkpoint_that_fits_is_loaded_whole_and_silently(use, form, lines):
    weights = weights_of()
    if form == 'data-parallel':
        checkpoint = {'state_dict': {f'module.{name}': x for name, x in weights.items()}}
    elif form == 'with averages':
        averages = {f'module.{name}': x for name, x in weights.items()}
        checkpoint = {'state_dict': weights, 'ema_state_dict': averages, 'meta': {}}
    else:
        checkpoint = {'state_dict': weights, 'meta': {}} if form == 'entry' else dict(weights)
    model = fresh_model()
    left = load(model, checkpoint, use)['state_dict']
    assert set(left) == set(weights)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name]) and torch.equal(left[name], weights[name])
    assert not lines


SPOILED = {
    'nothing in common': (
        lambda w: {f'net.{name}': x for name, x in w.items()},
        r'0 of the \d+ tensors of the model were loaded, 0\.0 % of its numbers; \d+ missing: '
        r'(\S+, ){4}\.\.\. \(\d+ in all\); \d+ without a place in the model: net\.',
    ),
    'a missing tensor': (
        lambda w: {name: x for name, x in w.items() if name != f'{CLASS_LAYER}.bias'},
        rf'; 1 missing: {CLASS_LAYER}\.bias; the class layer is among them',
    ),
    'other classes': (
        lambda w: {**w, f'{CLASS_LAYER}.bias': torch.zeros(9)},
        rf'; 1 of another shape: {CLASS_LAYER}\.bias \(\(9\) there, \(6\) here\)',
    ),
    'no statistics of a norm': (
        lambda w: {name: x for name, x in w.items() if name != 'backbone.bn1.running_var'},
        r'; 1 missing: backbone\.bn1\.running_var',
    ),
}


@pytest.mark.parametrize('use', ['test', 'resume'])
@pytest.mark.parametrize('case', SPOILED)
def test_a_test_and_a_resumed_run_need_every_weight(case, use):
    change, said = SPOILED[case]
    match = rf'w\.pth: is of another model than the config: .*{said}'
    with pytest.raises(MisfitError, match=match) as caught:
        load(fresh_model(), {'state_dict': change(weights_of())}, use)
    text = str(caught.value)
    assert '\n' not in text and len(text) < 1500
    assert ('--allow-missing' if use == 'test' else 'load_from') in text


@pytest.mark.parametrize('case', SPOILED)
def test_those_who_mean_it_go_on_and_are_told(case, lines):
    change, said = SPOILED[case]
    model = fresh_model()
    load(model, {'state_dict': change(weights_of())}, allow_missing=True)
    (line,) = lines
    assert re.search(said, line)


def test_counters_and_indices_that_a_model_works_out_may_lack(lines):
    weights = {name: x for name, x in weights_of().items() if 'num_batches' not in name}
    load(fresh_model(), {'state_dict': weights})
    assert not lines


def test_weights_without_a_place_are_listed_in_a_test_and_end_a_resumed_run(lines):
    weights = {**weights_of(), 'of.another': torch.zeros(2)}
    load(fresh_model(), {'state_dict': dict(weights)})
    assert '1 without a place in the model: of.another' in lines[0]
    with pytest.raises(MisfitError, match='1 without a place in the model: of'):
        load(fresh_model(), {'state_dict': dict(weights)}, 'resume')


@pytest.mark.parametrize('case', ['other classes', 'no propagation', 'minvis', 'averages'])
def test_a_start_that_has_most_of_the_model_is_taken_and_the_rest_listed(case, lines):
    weights = weights_of()
    if case == 'other classes':
        weights = weights_of(num_classes=9)
    elif case == 'minvis':
        weights = weights_of(method='minvis')
    elif case == 'no propagation':  # what the first version's weights lack is of that kind
        weights = {name: x for name, x in weights.items() if '.propagation.' not in name}
    model = fresh_model()
    before = copy.deepcopy(model.state_dict())
    load(model, {'state_dict': dict(weights)}, 'train')
    after = model.state_dict()
    fitting = {n for n, x in after.items() if n in weights and weights[n].shape == x.shape}
    for name in after:
        assert torch.equal(after[name], (weights if name in fitting else before)[name]), name
    lost = [name for name in after if name not in fitting]
    if case == 'averages':
        assert not lost and not lines
        return
    (line,) = lines
    assert lost and lost[0] in line and 'left at random' in line
    assert ('the class layer is among them' in line) == (case == 'other classes')


@pytest.mark.parametrize('method', ['rocovis', 'minvis', 'genvis'])
@pytest.mark.parametrize('classes', [5, 9])
def test_a_coco_mask2former_starts_every_method(method, classes, lines):
    theirs = tiny_mask2former(num_classes=classes)
    model = fresh_model(method=method)
    load(model, {'state_dict': theirs.state_dict()}, 'train')
    found = model.state_dict()['track_head.query_decoder.mask_embed.0.weight']
    assert torch.equal(found, theirs.panoptic_head.mask_embed[0].weight)
    assert bool(lines) == (classes == 9 or method != 'minvis')
    if classes == 9 and method == 'minvis':
        assert f'2 missing: {CLASS_LAYER}.weight, {CLASS_LAYER}.bias' in lines[0]
        with pytest.raises(MisfitError, match='the class layer is among them'):
            load(fresh_model(method=method), {'state_dict': theirs.state_dict()})


def test_a_start_with_little_in_common_is_refused_with_its_share():
    weights = weights_of()
    numbers = {name: x.numel() for name, x in weights.items() if 'num_batches' not in name}
    few = list(numbers)[:20]
    percent = 100 * sum(numbers[name] for name in few) / sum(numbers.values())
    assert 0 < percent < 20
    match = rf'too little fits .* 20 of the {len(numbers)} tensors .* {percent:.1f} % of its'
    with pytest.raises(MisfitError, match=match):
        load(fresh_model(), {'state_dict': {name: weights[name] for name in few}}, 'train')


def test_a_start_of_another_backbone_is_refused_unless_that_has_its_own_weights():
    heads = {name: x for name, x in weights_of().items() if not name.startswith('backbone.')}
    model = fresh_model()
    with pytest.raises(MisfitError, match='nothing of the backbone fits'):
        load(model, {'state_dict': dict(heads)}, 'train')
    model.backbone.init_cfg = dict(type='Pretrained', checkpoint='r18.pth')
    load(model, {'state_dict': dict(heads)}, 'train')


def test_a_backbone_alone_is_led_to_where_it_belongs():
    prefix = 'backbone.'
    alone = {n[len(prefix) :]: x for n, x in weights_of().items() if n.startswith(prefix)}
    with pytest.raises(MisfitError, match=r"give it as model\.backbone\.init_cfg=dict\(type='Pre"):
        load(fresh_model(), {'state_dict': alone}, 'train')


NAMES = {
    'mask2former': 'sem_seg_head.predictor.query_feat.weight',
    'a backbone': 'backbone.stem.conv1.weight',
    'a stage': 'backbone.res4.0.conv1.weight',
    'genvis': 'vita_module.fq_pos.weight',
    'another code': 'transformer.encoder.weight',
}


@pytest.mark.parametrize('use', ['test', 'train', 'resume'])
@pytest.mark.parametrize('name', NAMES.values(), ids=NAMES)
def test_a_file_of_detectron2_is_named_as_such(name, use):
    match = r'w\.pth: is a checkpoint of Detectron2.*detectron2_to_mm\.py w\.pth w_mm\.pth$'
    checkpoint = {'model': {name: torch.zeros(2)}, 'iteration': 3}
    with pytest.raises(MisfitError, match=match):
        load(fresh_model(), checkpoint, use, allow_missing=True)


def test_names_of_detectron2_in_another_entry_are_known_too():
    weights = {f'module.{NAMES["mask2former"]}': torch.zeros(2)}
    with pytest.raises(MisfitError, match=r'w_mm\.pth --entry state_dict$'):
        load(fresh_model(), {'state_dict': weights})
    with pytest.raises(MisfitError, match=r'detectron2_to_mm\.py w\.pth w_mm\.pth$'):
        load(fresh_model(), weights)


@pytest.mark.parametrize('checkpoint', [{}, {'state_dict': {}}, {'epoch': 3, 'weights': {}}])
def test_a_file_without_weights_is_named(checkpoint):
    with pytest.raises(MisfitError, match=r'w\.pth: holds no weights'):
        load(fresh_model(), checkpoint, 'train', allow_missing=True)


def test_the_hook_comes_before_the_averages():
    assert CheckpointFitHook.priority == 'VERY_HIGH' and EMAHook.priority == 'NORMAL'
