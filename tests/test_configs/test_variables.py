"""The settings of the templates take effect alike from a child, a copy, an option and a package."""

from __future__ import annotations

import functools
import shutil
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.config import config as mmengine_config

from rocovis_mm.utils import check_complete, load_config
from rocovis_mm.utils.config import ConfigChain, same, same_entries
from tests.conftest import REPOSITORY
from tests.test_configs.reduced_configs import CONFIGS, parts_of, read_config

DATA = dict(
    data_root='some where',
    train_ann='a.json',
    val_ann='b.json',
    train_images='pictures',
    classes=('traffic light', 'cat', 'dog'),
    num_frames=2,
    frame_range=3,
    batch_size=1,
    num_workers=3,
)
"""Set in every template for own data."""
OWN = [name for name in CONFIGS if '_custom' in name]
SHIPPED = [*OWN, *(name for name in CONFIGS if name.startswith(('rocovis_demo', 'rocovis_swin')))]
"""All kinds of configs; MinVIS' and GenVIS' are put together like these."""
TINY = dict(DATA, max_iters=40, event_prob=0, input_size=(64, 64), test_size=(96, 64), base_lr=1e-4)


def unscoped(value):
    """A value of a config without the scope that MMEngine notes in what comes from a package."""
    if isinstance(value, dict):
        return {key: unscoped(part) for key, part in value.items() if key != '_scope_'}
    return [unscoped(part) for part in value] if isinstance(value, (list, tuple)) else value


def lines(values):
    return ''.join(f'{name} = {value!r}\n' for name, value in values.items())


def found(config):
    """What a run would do with the settings of `DATA`, read off the entries."""
    train, val = config.train_dataloader, config.val_dataloader
    later = [hook for hook in config.get('custom_hooks', []) if 'switch_batch_size' in hook]
    clips = later[0].switch_pipeline if later else train  # after a part with single frames
    clip = next(part for part in parts_of(clips) if str(part.get('type')).endswith('SampleClip'))
    return dict(
        data_root=train.dataset.data_root,
        train_ann=train.dataset.ann_file,
        val_ann=val.dataset.ann_file,
        train_images=train.dataset.data_prefix.img,
        classes=train.dataset.metainfo.classes,
        num_frames=clip.num_frames,
        frame_range=clip.frame_range,
        batch_size=later[0].switch_batch_size if later else train.batch_size,
        num_workers=train.num_workers,
    )


@pytest.mark.parametrize('name', SHIPPED)
def test_a_shipped_config_is_the_same_for_mmengine_alone(name):
    assert same_entries(load_config(CONFIGS[name]), read_config(name))


@pytest.mark.parametrize('name', OWN)
def test_each_template_follows_its_settings(name, tmp_path):
    read_config(name)
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = {str(CONFIGS[name])!r}\n{lines(DATA)}')
    config, _ = ConfigChain(path).complete({})
    assert found(config) == DATA
    assert config.val_evaluator.ann_file == 'some where/b.json'
    assert config.model.track_head.num_classes == 3
    optioned, _ = ConfigChain(CONFIGS[name]).complete(DATA)
    assert same_entries(config, optioned)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder that MMEngine takes for that of the installed package."""
    (tmp_path / 'package/.mim').mkdir(parents=True)
    for part in ('configs', 'model-index.yml'):
        (tmp_path / 'package/.mim' / part).symlink_to(REPOSITORY / part)
    monkeypatch.setattr(mmengine_config, 'is_installed', lambda _: True)
    monkeypatch.setattr(mmengine_config, 'get_installed_path', lambda _: str(tmp_path / 'package'))


SET = {
    'rocovis/rocovis_tiny_custom': TINY,
    'rocovis/rocovis_r50_custom_epoch': dict(max_epochs=4, event_prob=0.1, base_lr=1e-3),
    'rocovis/rocovis_r50_custom_scratch': dict(max_iters=9, train_scales=[(9, 9)], warmup=3),
    'rocovis/rocovis_swin-l_ovis': dict(data_root='o', test_scale=(99, 99), max_tracks=3),
    'rocovis/rocovis_demo_coco-joint': dict(data_root='e', pseudo_scales=[(9, 9)]),
    'rocovis/rocovis_demo_direct': dict(propagation_strides=(8,), memory_frames=1),
}


@functools.cache
def as_options(name: str) -> Config:
    return load_config(REPOSITORY / 'configs' / f'{name}.py', SET[name])


@pytest.mark.parametrize('kind', ['child', 'copy', 'package'])
@pytest.mark.parametrize('name', SET)
def test_all_ways_to_set_them_are_one(name, kind, tmp_path, package):
    configs = Path(shutil.copytree(REPOSITORY / 'configs', tmp_path / 'configs'))
    template = configs / f'{name}.py'
    values, expected = SET[name], as_options(name)
    mine = template.with_name('mine.py')
    if kind == 'copy':
        own = {k for k in values if f'\n{k} = ' in template.read_text()}
        mine.write_text(  # the copy's own lines are edited, the others added on top
            lines({k: v for k, v in values.items() if k not in own})
            + ''.join(
                lines({k: values[k] for k in own if line.startswith(f'{k} = ')}) or line
                for line in template.read_text().splitlines(True)
            )
        )
    else:
        base = f'./{template.name}' if kind == 'child' else f'rocovis_mm::{name}.py'
        mine.write_text(f"_base_ = '{base}'\n{lines(values)}")
    config = load_config(mine)
    for key in ('model', 'train_dataloader', 'test_dataloader', 'train_cfg', 'param_scheduler',
                'optim_wrapper', 'custom_hooks', 'val_evaluator'):  # fmt: skip
        assert same(unscoped(config.get(key)), unscoped(expected.get(key))), key
    assert not same_entries(config, read_config(template.stem))


def test_a_child_of_a_packaged_config_is_complete_for_mmengine_alone(package, tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text("_base_ = 'rocovis_mm::rocovis/rocovis_demo.py'\n")
    check_complete(Config.fromfile(path))
    path.write_text(f'{path.read_text()}base_lr = 0.5\n')
    with pytest.raises(ValueError, match='base_lr'):
        check_complete(Config.fromfile(path))


def stages(config):
    """First iterations of full clips, of full size, and of the last part."""
    hooks = {hook.type.rpartition('.')[2]: hook for hook in config.custom_hooks}
    curriculum = hooks['CurriculumHook']
    last = curriculum.get('augment_until')
    if last is not None:
        assert hooks['NormEvalHook'].begin == last
        switch = hooks.get('IterPipelineSwitchHook')
        assert switch is None or switch.switch_iter == last
    return curriculum.single_frames_until, curriculum.get('half_size_until', 0), last


@pytest.mark.parametrize('length', [3, 4, 12, 40, 480, 6600, 20000])
@pytest.mark.parametrize('method', ['rocovis', 'minvis', 'genvis'])
def test_a_tiny_run_of_any_length_has_all_its_stages(method, length):
    config = load_config(CONFIGS[f'{method}_tiny_custom'], dict(max_iters=length))
    clips, full, last = stages(config)
    assert 0 < clips == full < last < length
    assert last >= 2 * clips or length < 4
    assert abs(clips - length * 5 / 66) <= 1 and abs(last - length * 10 / 11) <= 2
    if length == 6600:
        assert (clips, last) == (500, 6000)
    warmup, cosine = config.param_scheduler
    assert warmup.end <= clips + length // 4 and sum(cosine.periods) + cosine.begin == length


@pytest.mark.parametrize('method', ['rocovis', 'minvis', 'genvis'])
def test_a_tiny_run_may_leave_out_its_single_frames(method):
    assert load_config(CONFIGS[f'{method}_tiny_custom'], dict(single_frames_until=0))


def test_a_child_puts_named_hooks_together(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(
        f'_base_ = {str(CONFIGS["rocovis_demo"])!r}\n'
        'custom_hooks = [*_base_.runtime_hooks, dict(_base_.curriculum, single_frames_until=200)]\n'
    )
    *shared, curriculum = load_config(path).custom_hooks
    assert curriculum == dict(type='rocovis_mm.CurriculumHook', single_frames_until=200)
    assert shared == load_config(CONFIGS['rocovis_r50_custom']).custom_hooks


@pytest.mark.parametrize('method', ['rocovis', 'minvis', 'genvis'])
def test_the_share_of_pasted_clips_is_a_setting(method):
    config = load_config(CONFIGS[f'{method}_tiny_custom'], dict(copy_paste_prob=0.0))
    assert config.model.clip_augment == dict(type='rocovis_mm.ClipCopyPaste', prob=0.0)


LENGTHS = [
    ('rocovis_r50_custom', 'max_iters', 90000, [50000]),
    ('rocovis_r50_ovis', 'max_iters', 140000, [100000]),
    ('rocovis_r50_hq-ytvis', 'max_iters', 15000, [10000]),
    ('rocovis_r50_custom_epoch', 'max_epochs', 12, [8, 11]),
]


@pytest.mark.parametrize(
    ('name', 'length', 'full', 'drops', 'part'),
    [(*case, part) for case in LENGTHS for part in (1, 10, 1000) if case[2] // part >= 2],
)
def test_the_learning_rate_falls_at_the_same_share_of_any_run(name, length, full, drops, part):
    steps = load_config(CONFIGS[name], {length: full // part}).param_scheduler[1]
    assert steps.end == full // part
    expected = [drop / part for drop in drops]
    assert [abs(a - b) <= 1 for a, b in zip(steps.milestones, expected)] == [True] * len(drops)
    if part == 1:
        assert steps.milestones == drops


@pytest.mark.parametrize(
    ('name', 'option'),
    [
        ('rocovis_swin-l_ovis', dict(num_queries=50)),
        ('rocovis_r50_custom_epoch', dict(max_iters=50)),
        ('rocovis_r50_ovis', dict(results='elsewhere')),  # its masks are scored
    ],
)
def test_a_setting_that_a_config_does_not_follow_is_refused(name, option):
    with pytest.raises(ValueError, match=f'nothing reads the variables .*{next(iter(option))}'):
        load_config(CONFIGS[name], option)
