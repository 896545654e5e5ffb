"""The docs' blocks of Python, json and yaml are such, and configs say what is so."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import mmdet.registry
import pytest
import yaml
from mmengine.config import Config
from mmengine.config import config as mmengine_config
from mmengine.registry import Registry
from mmengine.utils import get_installed_path

import rocovis_mm.registry
from tests.docs_snippets import BLOCKS, REPOSITORY, Block
from tests.test_configs.reduced_configs import parts_of

READERS = dict(
    bash=str, bibtex=str, text=str, python=ast.parse, json=json.loads, yaml=yaml.safe_load
)
GIVEN = 'train_pipeline, test_pipeline, videos, images = [], [], {}, {}\n'
"""Names that the text around a config's block introduces."""
SHOWN = ('rocovis/rocovis_r50_ovis', 'rocovis/rocovis_r50_custom')
"""Configs that docs/configs.md goes through."""


def parsable(text: str) -> str:
    """Return Python without the dots that stand for what is left out of a call or a list."""
    return re.sub(r',(\s*#[^\n]*\n)?\s*\.\.\.(?=\s*[)\]}])', r'\1', text)


def nodes_of(block: Block, kind: type[ast.AST]) -> list[Any]:
    """Return the nodes of a kind in a block of Python."""
    return [node for node in ast.walk(ast.parse(parsable(block.text))) if isinstance(node, kind)]


def is_config(block: Block) -> bool:
    """Whether a block of Python is (part of) a config: it calls nothing but `dict` and the like."""
    known = r'dict|len|read_base|\w+\.update'
    return all(re.fullmatch(known, ast.unparse(n.func)) for n in nodes_of(block, ast.Call))


CONFIGS = [block for block in BLOCKS if block.language == 'python' and is_config(block)]
PROGRAMS = [block for block in BLOCKS if block.language == 'python' and not is_config(block)]


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> Path:
    """A folder with a copy of the configs, also as a wheel has them."""
    folder = tmp_path_factory.mktemp('checkout')
    shutil.copytree(REPOSITORY / 'configs', folder / 'configs')
    shutil.copytree(REPOSITORY / 'configs', folder / 'rocovis_mm/.mim/configs')
    shutil.copy(REPOSITORY / 'model-index.yml', folder / 'rocovis_mm/.mim')
    return folder


def read_block(block: Block, checkout: Path) -> Config:
    """Read a block as the config that it is, in the folder from which its `_base_` is found."""

    def installed(package: str) -> str:
        ours = str(checkout / 'rocovis_mm')
        return ours if package.startswith('rocovis_mm') else get_installed_path(package)

    bases = re.findall(r"'((?:\.\./|configs/)?[\w./-]+\.py)'", block.text)
    folders = [checkout, *sorted(checkout.glob('configs/*/'))]
    fitting = [f for f in folders if all((f / base).is_file() for base in bases)]
    assert fitting, f'{block}: no folder from which {bases} are found'
    path = fitting[0] / f'block_{block.line}.py'
    path.write_text(GIVEN + parsable(block.text))
    with mock.patch.object(mmengine_config, 'get_installed_path', installed):
        return Config.fromfile(path)


@pytest.mark.parametrize('block', BLOCKS, ids=str)
def test_a_block_is_of_its_language(block):
    assert block.language in READERS, f'{block}: say what it is, bash or one of {list(READERS)}'
    text = parsable(block.text) if block.language == 'python' else block.text
    assert READERS[block.language](text)


@pytest.mark.parametrize('block', PROGRAMS, ids=str)
def test_a_program_imports_what_exists(block):
    for node in nodes_of(block, ast.Import):
        assert [importlib.import_module(alias.name) for alias in node.names]
    for node in nodes_of(block, ast.ImportFrom):
        module = importlib.import_module(node.module)
        assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


@pytest.mark.parametrize('block', CONFIGS, ids=str)
def test_a_config_is_read_and_its_parts_exist(block, checkout):
    config = read_block(block, checkout).to_dict()
    assert config
    named = {**vars(mmdet.registry), **vars(rocovis_mm.registry)}.values()
    registries = [each for each in named if isinstance(each, Registry)]
    for part in parts_of(config):
        kind = str(part.get('type'))
        if kind.startswith(('rocovis_mm.', 'mmdet.')):
            assert any(registry.get(kind) for registry in registries), f'{block}: {kind}'


def leaves(config: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the places of a config and their values; lists are one value."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from leaves(value, (*place, key))
    else:
        yield place, config


@cache
def said_by(name: str) -> dict[tuple[str, ...], Any]:
    """Return all values of a shipped config by place."""
    return dict(leaves(Config.fromfile(REPOSITORY / f'configs/{name}.py').to_dict()))


@pytest.mark.parametrize(
    'block',
    [b for b in CONFIGS if b.page == 'docs/configs.md' and not b.text.startswith('# pure_python')],
    ids=str,
)
def test_the_guide_shows_what_the_configs_say(block, checkout):
    """Every value on docs/configs.md is that of a config it speaks of."""
    said = [said_by(name) for name in SHOWN]
    values = dict(leaves(read_block(block, checkout).to_dict()))
    assert values
    for place, value in values.items():
        found = [each[place] for each in said if place in each]
        assert found, f'{block}: {place} is in none of {SHOWN}'
        if 'Ellipsis' in repr(value) or value == []:  # left out
            continue
        shown = [v[: len(value)] if isinstance(value, list) else v for v in found]
        assert value in shown, f'{block}: {place} is {found}, not {value}'
