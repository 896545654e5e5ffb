from __future__ import annotations

import pytest

from rocovis_mm.utils import load_config

BASE = """
width = 64
scales = [(64, side) for side in range(32, 65, 32)]
shared = dict(depth=18, width=width)
resize = dict(scales=scales)
"""
CHILD = """
_base_ = './base.py'
classes = ('a', 'b')
num_classes = len(classes)
data_root = 'data/own/'
train = dict(root=data_root, ann=data_root + 'train.json', n=num_classes)
"""


@pytest.fixture
def config_file(tmp_path):
    (tmp_path / 'base.py').write_text(BASE)
    path = tmp_path / 'child.py'
    path.write_text(CHILD)
    return path


def test_without_options_it_is_the_file(config_file):
    config = load_config(config_file)
    assert config.train == dict(root='data/own/', ann='data/own/train.json', n=2)
    assert config.shared.depth == 18


def test_a_top_level_variable_reaches_all_that_follows_from_it(config_file):
    config = load_config(config_file, {'data_root': '/x/', 'classes': ['c'], 'shared.depth': 50})
    assert config.train == dict(root='/x/', ann='/x/train.json', n=1)
    assert config.shared.depth == 50
    assert config.filename == str(config_file)


def test_a_variable_of_a_base_is_set_there(config_file):
    config = load_config(config_file, {'width': 32})
    assert config.shared == dict(depth=18, width=32)


def test_a_list_that_is_written_short_is_a_value_too(config_file):
    assert load_config(config_file).resize.scales == [(64, 32), (64, 64)]
    assert load_config(config_file, {'scales': [(8, 8)]}).resize.scales == [(8, 8)]


def test_a_nested_option_and_a_derived_variable_are_merged_as_mmengine_does(config_file):
    config = load_config(config_file, {'train.root': '/y/', 'num_classes': 7})
    assert config.train.root == '/y/'
    assert config.train.ann == 'data/own/train.json'
    assert (config.num_classes, config.train.n) == (7, 2)


def test_a_variable_that_nothing_reads_is_an_error(config_file, tmp_path):
    dumped = tmp_path / 'dumped.py'
    load_config(config_file).dump(dumped)
    with pytest.raises(ValueError, match=r"dumped.py: nothing reads the variables \['data_root'\]"):
        load_config(dumped, {'data_root': '/z/'})
    assert load_config(dumped, {'train.root': '/z/'}).train.root == '/z/'


def test_a_variable_that_the_runner_reads_may_be_set(tmp_path):
    path = tmp_path / 'distributed.py'
    path.write_text('find_unused_parameters = True\nmax_keep = 3\n')
    assert load_config(path, {'find_unused_parameters': False}).find_unused_parameters is False
    with pytest.raises(ValueError, match=r"nothing reads the variables \['max_keep'\]"):
        load_config(path, {'max_keep': 2})


def test_a_missing_config_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.py: no such config'):
        load_config(tmp_path / 'nowhere.py')
