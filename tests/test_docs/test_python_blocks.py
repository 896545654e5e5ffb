"""The docs' blocks of Python: programs run, configs are read, and what they say is so."""

from __future__ import annotations

import ast
import builtins
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmdet.registry
import pytest
import yaml
from mmengine.config import Config
from mmengine.registry import Registry

import rocovis_mm.registry
from tests.test_configs.reduced_configs import parts_of
from tests.test_docs.commands import REPOSITORY, Block, all_blocks
from tests.test_docs.desk import Desks

READERS = {'python': ast.parse, 'json': json.loads, 'yaml': yaml.safe_load}
FREE = {'train_pipeline': [], 'test_pipeline': [], 'videos': {}, 'images': {}}
"""Names of the text around a config's block, and what may stand for them."""
TAKEN = {
    'cv2.VideoCapture(0)': "cv2.VideoCapture('video.mp4')",
    "'work_dirs/demo/best.pth'": "'checkpoint.pth'",
}
"""What stands in programs -> what is there."""
FRAMES = """
import cv2
import numpy as np
frames = [np.full((64, 96, 3), 20 * number, np.uint8) for number in range(3)]
"""
PREPARED = {
    'README.md': f'{FRAMES}\ncamera = frames',
    'docs/compatibility.md': 'import rocovis_mm',
    'docs/method.md': """
import torch
from mmengine.config import Config
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState
model = MODELS.build(Config.fromfile('configs/rocovis/rocovis_demo.py').model).eval()
head, state = model.track_head, StreamState()
features = model.extract_features(torch.rand(1, 3, 64, 96))
keep = torch.ones(1, head.num_queries)
""",
    'docs/speed.md': f'{FRAMES}\nframe = frames[0]',
    'docs/streaming.md': """
import cv2
cameras = [cv2.VideoCapture('video.mp4') for _ in range(4)]
""",
    'docs/visualization.md': f"""{FRAMES}
classes = ('ball', 'star')
def predict(frame):
    return np.ones((2, 64, 96), bool), np.arange(2), np.arange(2), np.full(2, 0.9)
""",
}
"""Page -> what its text takes for granted before its programs."""
BEFORE = {
    'docs/compatibility.md': 'mkdir rocovis_mm/.mim && cp -r configs tools model-index.yml '
    'rocovis_mm/.mim',  # as a wheel has them
    'docs/speed.md': 'python tools/deployment/export.py configs/rocovis/rocovis_demo.py CHECKPOINT '
    '--size 64 96 --out model.onnx',
}
"""Page -> the command before its programs."""
AFTERWARDS = {
    'README.md': 'assert now.masks.shape[1:] == (64, 96) and len(now.ids) == len(now.masks)',
    'docs/compatibility.md': """
from pathlib import Path
from mmengine.config import Config
Path('heir.py').write_text("_base_ = 'rocovis_mm::rocovis/rocovis_r50_ovis.py'")
heir = Config.fromfile('heir.py')
assert heir.model.type == config.model.type == 'rocovis_mm.RoCoVIS'
""",
    'docs/method.md': 'assert len(state.memory) == 1 and state.queries is not None',
    'docs/speed.md': 'assert masks.masks.shape[1:] == (64, 96) and tracks.length == 3',
    'docs/streaming.md': """
from pathlib import Path
assert all(Path(name).stat().st_size for name in ('tracks.json', 'drawn.mp4'))
assert found.frame == 0 and isinstance(tracks, list) and line['frame'] == 5
""",
    'docs/visualization.md': """
from pathlib import Path
assert shown.shape == (64, 96, 3) and len(list(Path('masks').glob('*.png'))) == 3
""",
}
"""Page -> what its programs leave behind."""
BLOCKS = all_blocks()
IN_WHEEL = REPOSITORY / 'rocovis_mm/.mim'
SHOWN = ('rocovis/rocovis_r50_ovis', 'rocovis/rocovis_r50_custom')
"""Configs that docs/configs.md goes through."""


def parsable(text: str) -> str:
    """Return Python without the dots that stand for what is left out of a call or a list."""
    return re.sub(r',(\s*#[^\n]*\n)?\s*\.\.\.(?=\s*[)\]}])', r'\1', text)


def is_config(block: Block) -> bool:
    """Whether a block of Python is (part of) a config: it calls nothing but `dict` and the like."""
    calls = [
        node for node in ast.walk(ast.parse(parsable(block.text))) if isinstance(node, ast.Call)
    ]
    known = r'dict|len|read_base|\w+\.update'
    return all(re.fullmatch(known, ast.unparse(call.func)) for call in calls)


CONFIGS = [block for block in BLOCKS if block.language == 'python' and is_config(block)]
PROGRAMS = [block for block in BLOCKS if block.language == 'python' and not is_config(block)]


def free_names(text: str) -> set[str]:
    """Return the names that a block reads and never sets."""
    names = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    imported = {alias.name for node in imports for alias in node.names}
    return {n.id for n in names} - stored - set(dir(builtins)) - {'_base_'} - imported


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> Path:
    """A folder with a copy of the configs."""
    folder = tmp_path_factory.mktemp('checkout')
    shutil.copytree(REPOSITORY / 'configs', folder / 'configs')
    return folder


def bases_of(text: str) -> list[str]:
    """Return what the first `_base_` of a config names."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '_base_':
            bases = ast.literal_eval(node.value)
            return [bases] if isinstance(bases, str) else bases
    return []


def read_block(block: Block, checkout: Path) -> Config:
    """Read a block as the config that it is, from the place that its `_base_` speaks of."""
    text = parsable(block.text)
    if 'import *' not in text:
        unknown = free_names(text) - set(FREE)
        assert not unknown, f'{block}: {unknown} are set nowhere'
        text = ''.join(f'{name} = {FREE[name]!r}\n' for name in free_names(text)) + text
    bases = bases_of(text)
    if any(base.startswith('rocovis_mm::') for base in bases) and not IN_WHEEL.is_dir():
        pytest.skip('found by name in an installed wheel; see the programs of its page')
    bases = [base for base in bases if '::' not in base]
    folders = [checkout, *sorted((checkout / 'configs').iterdir())]
    fitting = [f for f in folders if f.is_dir() and all((f / base).is_file() for base in bases)]
    assert fitting, f'{block}: no folder from which {bases} are found'
    path = fitting[0] / f'block_{block.line}.py'
    path.write_text(text)
    return Config.fromfile(path)


@pytest.mark.parametrize('block', BLOCKS, ids=str)
def test_a_block_is_of_its_language(block):
    assert block.language in READERS, f'{block}: say what it is, bash or one of {list(READERS)}'
    text = parsable(block.text) if block.language == 'python' else block.text
    assert READERS[block.language](text)


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
    """Yield the places of a config, and what stands there; lists are one value."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from leaves(value, (*place, key))
    else:
        yield place, config


@pytest.mark.parametrize(
    'block',
    [b for b in CONFIGS if b.page == 'docs/configs.md' and not b.text.startswith('# pure_python')],
    ids=str,
)
def test_the_guide_shows_what_the_configs_say(block, checkout):
    """Every value on docs/configs.md is that of a config it speaks of."""
    configs = [Config.fromfile(REPOSITORY / f'configs/{name}.py').to_dict() for name in SHOWN]
    said = [dict(leaves(config)) for config in configs]
    values = dict(leaves(read_block(block, checkout).to_dict()))
    assert values
    for place, value in values.items():
        found = [each[place] for each in said if place in each]
        assert found, f'{block}: {place} is in none of {SHOWN}'
        if 'Ellipsis' in repr(value) or value == []:  # left out
            continue
        shown = [v[: len(value)] if isinstance(value, list) else v for v in found]
        assert value in shown, f'{block}: {place} is {found}, not {value}'


def test_every_program_has_a_page_that_prepares_it():
    pages = {block.page for block in PROGRAMS}
    assert pages == set(PREPARED) == set(AFTERWARDS)
    assert len(PROGRAMS) >= 9 and len(CONFIGS) >= 20


@pytest.fixture(scope='module')
def desks(tmp_path_factory):
    return Desks(tmp_path_factory.mktemp('desks'))


@pytest.mark.slow
@pytest.mark.parametrize('page', sorted(PREPARED))
def test_the_programs_of_a_page_run(page, desks):
    """All programs of a page, one after the other, as one."""
    if 'deployment' in BEFORE.get(page, ''):
        pytest.importorskip('onnxruntime')
    desk = desks.of(page)
    if page in BEFORE:
        desk.must_run(BEFORE[page])
    texts = [PREPARED[page], *(b.text for b in PROGRAMS if b.page == page), AFTERWARDS[page]]
    text = '\n'.join(texts)
    for there, here in TAKEN.items():
        text = text.replace(there, here)
    (desk.folder / 'program.py').write_text(text)
    done = desk.run('python program.py')
    assert done.returncode == 0, done.stdout[-4000:]
