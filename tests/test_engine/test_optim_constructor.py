"""Learning rate and weight decay of every parameter, against the published recipes.

Published (Mask2Former's ``train_net.py``, as MinVIS, VITA and GenVIS have it): the backbone learns
at a tenth of the rate; norms, embeddings, absolute positions and the tables of relative ones do
not decay; everything else does, biases too.
"""

from __future__ import annotations

import re

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope, init_default_scope
from torch import nn

from rocovis_mm.engine import DecayByKindConstructor
from rocovis_mm.registry import MODELS
from tests.conftest import REPOSITORY
from tests.pure_python import write_pure_python
from tests.test_configs.reduced_configs import CONFIGS, read_config, reduce_model

PUBLISHED = [
    *(name for name, path in CONFIGS.items() if path.parent.name == 'backbones'),
    *('rocovis_r50_ovis', 'rocovis_swin-l_hq-ytvis', 'rocovis_r50_youtube-vis-2022_coco-joint'),
    *('minvis_r50_youtube-vis-2019', 'genvis_r50_vipseg-things', 'genvis_swin-l_ovis'),
    *('rocovis_r50_custom_epoch', 'rocovis_r50_custom_scratch', 'rocovis_r50_youtube-vis-2019'),
]
ALIKE = {
    'idol_r50_ovis': 1e-4, 'idol_swin-l_youtube-vis-2019': 1e-4, 'seqformer_r50_ovis': 2e-4,
    'vmt_r50_hq-ytvis': 2e-4,
}  # fmt: skip
"""Configs of VNext's models, whose weights all decay alike, and their learning rates."""
TINY = ['rocovis_demo', 'genvis_demo', 'minvis_tiny_custom', 'rocovis_tiny_custom']
NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)
BARE = (
    r'(relative_position_bias_table|pos_embed|cls_token|background|age|log_width|gate|gamma'
    r'|ls\d?\.weight)$'
)
"""Names of parameters that no linear map, convolution, norm or embedding has."""


def build(config: Config) -> nn.Module:
    """Return a config's model, reduced; nothing of it is frozen but what the config freezes."""
    reduce_model(config.model)
    init_default_scope('mmdet')
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(config.model)


def groups_of(model: nn.Module, optim_wrapper: ConfigDict) -> dict[str, tuple[float, float]]:
    """Return learning rate and weight decay by parameter."""
    wrapper = build_optim_wrapper(model, optim_wrapper)
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {}
    for group in wrapper.optimizer.param_groups:
        (parameter,) = group['params']
        found[names[parameter]] = (group['lr'], group['weight_decay'])
    return found


def recipe(
    model: nn.Module, lr: float, backbone: float, biases: float
) -> dict[str, tuple[float, float]]:
    """Return the same by the published recipe; a parameter of no known kind is an error."""
    wanted = {}
    for path, module in model.named_modules():
        for leaf, parameter in module.named_parameters(recurse=False):
            name = f'{path}.{leaf}'
            if isinstance(module, (*NORMS, nn.Embedding)) or re.search(BARE, name):
                decay = 0.0
            elif '.propagation.' in name and (parameter.ndim < 2 or leaf == 'age_embedding'):
                decay = 0.0
            else:
                known = isinstance(module, (nn.Linear, nn.Conv2d, nn.MultiheadAttention))
                assert known or '.propagation.' in name, f'{name}: of which kind is it?'
                decay = biases if leaf.endswith('bias') else 0.05
            if parameter.requires_grad:
                wanted[name] = (lr * backbone if path.startswith('backbone') else lr, decay)
    return wanted


def differences(found: dict, wanted: dict) -> list[str]:
    """Return what differs, name by name."""
    assert set(found) == set(wanted)
    return [
        f'{n}: {found[n]}, not {wanted[n]}' for n in found if found[n] != pytest.approx(wanted[n])
    ]


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_schedules_are_the_published_recipe(name):
    config = read_config(name)
    model = build(config)
    scratch = name.endswith('scratch')
    wanted = recipe(model, 2e-4 if scratch else 5e-5, 1.0 if scratch else 0.1, biases=0.05)
    assert not differences(groups_of(model, config.optim_wrapper), wanted)
    decays = {name: decay for name, (_, decay) in wanted.items()}
    if 'swin' in name and not name.startswith('genvis'):  # GenVIS' backbone is frozen
        tables = [each for each in decays if each.endswith('bias_table')]
        assert tables and not any(decays[each] for each in tables)
    assert len(decays) == sum(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize('name', ALIKE)
def test_all_weights_of_vnexts_models_decay_alike(name):
    """Also norms and embeddings (VNext, projects/IDOL/configs/ytvis19_r50.yaml)."""
    config = read_config(name)
    model = build(config)
    found = groups_of(model, config.optim_wrapper)
    assert set(found) == {each for each, p in model.named_parameters() if p.requires_grad}
    for each, group in found.items():
        rate = ALIKE[name] * (0.1 if each.startswith('backbone') else 1.0)
        assert group == pytest.approx((rate, 1e-4)), each


@pytest.mark.parametrize(
    ('name', 'backbone'),
    [*((name, 1.0) for name in TINY), ('rocovis_lite0_custom', 0.1), ('rocovis_edge_custom', 0.1)],
)
def test_a_tiny_model_lets_no_bias_decay_and_spares_a_pretrained_backbone(name, backbone):
    config = read_config(name)
    model = build(config)
    wanted = recipe(model, config.optim_wrapper.optimizer.lr, backbone, biases=0.0)
    assert not differences(groups_of(model, config.optim_wrapper), wanted)


def test_a_schedule_in_pure_python_has_the_same_groups(tmp_path):
    demo = REPOSITORY / 'configs/rocovis/rocovis_demo.py'
    python = Config.fromfile(write_pure_python(demo, tmp_path / 'demo.py'))
    text = read_config('rocovis_demo')
    assert python.optim_wrapper.constructor is DecayByKindConstructor
    model = build(text)
    expected = groups_of(model, text.optim_wrapper)
    assert groups_of(model, python.optim_wrapper) == expected


def test_no_other_config_sets_its_own_groups():
    """A new place with parameter options has to join the tests above."""
    paths = (REPOSITORY / 'configs').rglob('*.py')
    own = {path.stem for path in paths if 'paramwise_cfg' in path.read_text()}
    mmtrack = REPOSITORY / 'configs/hosts/mmtrack/rocovis_r50_youtube-vis-2019.py'
    options = read_config('rocovis_r50_custom').optim_wrapper.paramwise_cfg
    assert own == {
        'schedule_idol', 'schedule_iter', 'schedule_seqformer', 'schedule_tiny',
        'lite0_custom', 'rocovis_r50_custom_scratch', mmtrack.stem,
    }  # fmt: skip
    text = re.search(r'paramwise_cfg=(dict\(.*?\n    \))', mmtrack.read_text(), re.DOTALL)[1]
    assert ConfigDict(eval(text)) == options


class Parts(nn.Module):
    """A parameter of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.embedding = nn.Embedding(3, 4)
        self.linear = nn.Linear(4, 4)
        self.depthwise = nn.Conv2d(4, 4, 3, groups=4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.gate = nn.Parameter(torch.zeros(()))
        self.table = nn.Parameter(torch.zeros(2, 4))
        self.frozen = nn.Linear(2, 2).requires_grad_(False)
        self.shared = self.linear


def options(**paramwise: object) -> dict[str, tuple[float, float]]:
    """Return (learning rate, weight decay) of each parameter in units of 1 and 1."""
    wrapper = dict(
        constructor='rocovis_mm.DecayByKindConstructor',
        optimizer=dict(type='SGD', lr=1.0, weight_decay=1.0),
        paramwise_cfg=paramwise,
    )
    return groups_of(Parts(), wrapper)


def test_each_multiplier_reaches_its_kind_alone():
    one = (1.0, 1.0)
    names = {name for name, p in Parts().named_parameters() if p.requires_grad}
    reached = {
        'norm_decay_mult': {'norm.weight', 'norm.bias'},
        'embedding_decay_mult': {'embedding.weight', 'gate', 'table'},
        'bias_decay_mult': {
            'linear.bias', 'depthwise.bias', 'attention.in_proj_bias', 'attention.out_proj.bias'
        },
        'dwconv_decay_mult': {'depthwise.weight', 'depthwise.bias'},
        'decay_mult': names,
    }  # fmt: skip
    reached['flat_decay_mult'] = {*reached['norm_decay_mult'], *reached['bias_decay_mult'], 'gate'}
    for multiplier, kind in reached.items():
        found = options(**{multiplier: 0.5})
        assert set(found) == names
        assert {name for name in names if found[name] != one} == kind, multiplier
        assert all(found[name] == (1.0, 0.5) for name in kind)
    found = options(bias_lr_mult=2.0)
    assert {n for n in names if found[n] == (2.0, 1.0)} == reached['bias_decay_mult']


def test_a_key_decides_what_it_names_and_nothing_else():
    found = options(
        custom_keys={'linear': dict(lr_mult=0.1), 'lin': dict(lr_mult=9.0, decay_mult=0.5)},
        bias_decay_mult=0.0,
        norm_decay_mult=0.0,
    )
    assert found['linear.weight'] == (0.1, 0.5) and found['linear.bias'] == (0.1, 0.0)
    assert found['norm.weight'] == (1.0, 0.0) and found['table'] == (1.0, 1.0)
    found = options(custom_keys={'norm': dict(norm_decay_mult=1.0)}, norm_decay_mult=0.0)
    assert found['norm.weight'] == (1.0, 1.0)


def test_other_settings_of_a_key_reach_the_optimizer():
    config = dict(optimizer=dict(type='SGD', lr=1.0, weight_decay=1.0))
    keys = {'table': dict(momentum=0.3)}
    wrapper = DecayByKindConstructor(config, dict(custom_keys=keys))(Parts())
    momenta = [group['momentum'] for group in wrapper.optimizer.param_groups]
    assert sorted(momenta) == [0] * (len(momenta) - 1) + [0.3]


def test_an_unknown_option_is_named():
    with pytest.raises(ValueError, match='does not know norm_decay_mul, but custom_keys'):
        options(norm_decay_mul=0.0)
