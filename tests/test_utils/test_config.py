"""A variable takes effect wherever it is set, or is refused with the nearest name."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mmengine.config import Config, ConfigDict

from rocovis_mm.utils import OptionAction, check_complete, load_config
from rocovis_mm.utils.config import ConfigChain, without_variables
from rocovis_mm.utils.config_files import copied, variables_set_to

BASE = """
width = 64
scales = [(64, side) for side in range(32, 65, 32)]
model = dict(depth=18, width=width)
test_dataloader = dict(scales=scales)
"""
TEMPLATE = """
_base_ = './base.py'
classes = ('a', 'b')
num_classes = len(classes)
data_root = 'data/own/'
size = 5  # has no effect
val_dataloader = dict(size=size)
val_dataloader['size'] = 6
train_dataloader = dict(root=data_root, ann=data_root + 'train.json', n=num_classes, w=_base_.width)
"""
RESULT = dict(root='/x/', ann='/x/train.json', n=1, w=32)
"""Of the template's train_dataloader with the values of `VALUES`."""
VALUES = dict(data_root='/x/', classes=('c',), width=32)


@pytest.fixture
def template(tmp_path) -> Path:
    (tmp_path / 'base.py').write_text(BASE)
    path = tmp_path / 'template.py'
    path.write_text(TEMPLATE)
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def child(template, text, name='child.py'):
    return written(template.parent / name, f"_base_ = './template.py'\n{text}")


def test_without_options_it_is_the_file(template):
    config = load_config(template)
    assert config.to_dict() == Config.fromfile(template).to_dict()
    assert config.train_dataloader == dict(root='data/own/', ann='data/own/train.json', n=2, w=64)
    assert config.filename == str(template)


def test_other_threads_load_their_configs_meanwhile(template, tmp_path):
    """One whose files are not of the chain, and the same file without the values."""
    other = written(tmp_path / 'other.py', 'depth = 7\n')
    values = dict(width=32)
    with ThreadPoolExecutor(1) as pool:
        with variables_set_to(values, ConfigChain(template).results):
            found = [pool.submit(Config.fromfile, path).result() for path in (other, template)]
            own = Config.fromfile(template)
    assert found[0].depth == 7
    assert found[1].train_dataloader.w == 64 and own.train_dataloader.w == 32


def test_a_chain_made_while_another_thread_loads_reads_its_own_files(template, tmp_path):
    path = written(tmp_path / 'other.py', 'depth = 7\n')
    with ThreadPoolExecutor(1) as pool:
        with variables_set_to({}, ConfigChain(template).results):
            other = pool.submit(ConfigChain, path).result()
    assert other.evaluate(dict(depth=8)).depth == 8


LINES = "data_root = '/x/'\nclasses = ('c',)\nwidth = 32\n"


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('child.py', f"_base_ = './template.py'\n{LINES}"),
        ('lines_above.py', f'{LINES}{TEMPLATE}'),
        ('steps.py', "_base_ = './middle.py'\nroot = '/x'\ndata_root = root + '/'\nwidth = 32\n"),
        ('worked_out.py', f"_base_ = './template.py'\n{LINES}width = _base_.width // 4 * 2"),
        ('typed.py', f"_base_ = './template.py'\ndata_root: str = '/x/'\n{LINES}"),
        ('child.json', '{"_base_":"template.py", "data_root":"/x/", "classes":["c"], "width":32}'),
        ('child.yaml', "_base_: template.py\ndata_root: /x/\nclasses: ['c']\nwidth: 32\n"),
    ],
)  # fmt: skip
def test_variables_in_a_file_reach_all_that_is_made_of_them(template, name, text):
    child(template, "data_root = '/middle/'\nclasses = ('c',)\n", 'middle.py')
    if name == 'lines_above.py':  # the template's own lines come after those written above them
        text = ''.join(line for line in text.splitlines(True) if 'own/' not in line)
        text = text.replace("classes = ('a', 'b')\n", '')
    config = load_config(written(template.with_name(name), text))
    assert config.train_dataloader == RESULT
    assert config.model.width == 32


def test_options_do_what_a_file_does(template):
    config = load_config(template, {**VALUES, 'model.depth': 50, 'resume': True})
    assert config.train_dataloader == RESULT
    assert config.model == dict(depth=50, width=32) and config.resume is True
    heir = child(template, "data_root = '/elsewhere/'\n")
    assert load_config(heir, VALUES).train_dataloader == RESULT


def test_a_variable_that_is_worked_out_can_be_set_too(template):
    assert load_config(template, {'num_classes': 7}).train_dataloader.n == 7
    options = {'scales': [(8, 8)], 'data_root': Path('/p')}
    config = load_config(template, options)
    assert config.test_dataloader.scales == [(8, 8)] and config.train_dataloader.root == '/p'


def test_variables_of_mmengine_are_those_of_the_file(template, monkeypatch):
    monkeypatch.setenv('A_FOLDER', '/env')
    text = "data_root = '{{ fileDirname }}/data'\nwork_dir = 'w/{{ fileBasenameNoExtension }}'\n"
    heir = child(template, text + "classes = ('{{$A_FOLDER:none}}',)\nother = {{_base_.classes}}\n"
                 'val_dataloader = dict(n=other)\n')  # fmt: skip
    config = load_config(heir, {'width': 32})
    assert config.train_dataloader.root == f'{heir.parent}/data'
    assert config.work_dir == 'w/child' and config.classes == ('/env',)
    assert config.train_dataloader.n == 1 and config.train_dataloader.w == 32


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'data_rot': 'x'}, "nothing reads 'data_rot'; did you mean 'data_root'"),
        ({'model.depht': 1}, "'model.depht'; did you mean 'depth'"),
        ({'load_form': 'x'}, "did you mean 'load_from'"),
        ({'scales.0': (1, 1)}, "'scales' is a variable"),
        ({'model.depth.x': 1}, 'model.depth.x'),
        ({'test_dataloader.scales.7': 1}, 'scales.7'),
        ({'width': object()}, 'no plain value'),
    ],
)
def test_a_name_that_nothing_reads_is_refused(template, options, message):
    with pytest.raises(ValueError, match=f'template.py: .*{message}'):
        load_config(template, options)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('data_rot = 3', "child.py: nothing reads 'data_rot'; did you mean 'data_root'"),
        ('something = 3', "child.py: nothing reads 'something'"),
        ('size = 7', 'child.py: size is set, but'),
        ('def broken(:', 'child.py: line 2'),
    ],
)
def test_a_name_in_a_file_that_nothing_reads_is_refused(template, text, message):
    with pytest.raises(ValueError, match=message):
        load_config(child(template, text))


def test_a_slip_in_a_file_between_is_found(template):
    child(template, "data_roots = 'x'\n")
    with pytest.raises(ValueError, match="child.py: nothing reads 'data_roots'; did you mean"):
        load_config(written(template.with_name('heir.py'), "_base_ = './child.py'\n"))


def test_what_a_file_makes_of_its_own_names_is_its_own_business(template):
    text = 'side = 9\nscales = [dict(s=side)]\ntest_dataloader = dict(scales=scales)\n'
    assert load_config(child(template, text)).test_dataloader.scales == [dict(s=9)]


def test_what_a_run_leaves_has_no_variables(template, caplog):
    config = load_config(template, VALUES)
    dumped = template.with_name('dumped.py')
    without_variables(config).dump(dumped)
    left = load_config(dumped)
    assert set(left) == {'model', 'train_dataloader', 'val_dataloader', 'test_dataloader'}
    assert left.train_dataloader == RESULT
    with pytest.raises(ValueError, match="nothing reads 'data_root'"):
        load_config(dumped, {'data_root': '/z/'})
    assert load_config(dumped, {'train_dataloader.root': '/z/'}).train_dataloader.root == '/z/'
    config.dump(dumped)  # as MMEngine leaves it
    with pytest.raises(ValueError, match=r"dumped.py: nothing reads the variables \['data_root'\]"):
        load_config(dumped, {'data_root': '/z/'})
    assert load_config(dumped, {'data_root': '/x/'}).train_dataloader == RESULT


def test_mmengine_alone_is_found_out(template):
    heir = child(template, "data_root = '/x/'\n")
    check_complete(load_config(heir))
    check_complete(Config.fromfile(template))
    with pytest.raises(ValueError, match=r"child.py: MMEngine sets \['data_root'\] only after"):
        check_complete(Config.fromfile(heir))
    check_complete(Config.fromfile(heir), ['model'])
    late = Config.fromfile(template)
    late.merge_from_dict(dict(width=8))
    with pytest.raises(ValueError, match=r"\['width'\]"):
        check_complete(late)


def test_a_missing_config_is_named(template):
    with pytest.raises(FileNotFoundError, match='nowhere.py: no such config'):
        load_config(template.with_name('nowhere.py'))
    with pytest.raises(FileNotFoundError, match='gone.py: no such config file; .*heir.py builds'):
        load_config(written(template.with_name('heir.py'), "_base_ = './gone.py'\n"))


def options_of(*texts):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction)
    return parser.parse_args(['--cfg-options', *texts]).cfg_options


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('my data/', 'my data/'),
        ("('traffic light', 'dog')", ('traffic light', 'dog')),
        ('(traffic light, dog)', ('traffic light', 'dog')),
        ("['a, b']", ['a, b']),
        ("'3'", '3'),
        ('3', 3),
        ('1e-5', 1e-5),
        ('True', True),
        ('None', None),
        ('1,2', [1, 2]),
        ('a, b', ['a', 'b']),
        ('(16)', (16,)),
        ('()', ()),
        ('[(1,2), [c, 3.5]]', [(1, 2), ['c', 3.5]]),
        ('a=b (c', 'a=b (c'),
    ],
)
def test_values_on_the_command_line(text, value):
    assert options_of(f'key={text}') == dict(key=value)


def test_an_option_without_a_value(capsys):
    with pytest.raises(SystemExit):
        options_of('data_root', 'data/')
    assert 'give it as KEY=VALUE' in capsys.readouterr().err


def test_a_copy_equals_the_entries_and_shares_none_of_them():
    part = dict(type='A', sizes=[1, (2, {'b': None})])
    entries = dict(one=ConfigDict(part), two=[part, part], kind=Path)
    copy = copied(entries)
    assert copy == entries and type(copy['one']) is ConfigDict and type(copy['two'][0]) is dict
    copy['one'].sizes[1][1].b = copy['two'][0]['sizes'][0] = 3
    assert copy['two'][1] == part == entries['two'][0] == dict(
        type='A', sizes=[1, (2, {'b': None})]
    )  # fmt: skip
    assert entries['one'].sizes[1][1].b is None
