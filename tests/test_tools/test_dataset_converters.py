"""The converters as programs: what they print, their exit status, and no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.formats.converters.coco_categories import COCO_NAMES
from tests.conftest import REPOSITORY
from tests.test_datasets.drawn_scene import vis_json, write_images, write_json

TOOLS = REPOSITORY / 'tools/dataset_converters'
CATEGORIES = [dict(id=4, name='cat'), dict(id=9, name='dog')]
CODE = (
    'import runpy, sys; sys.argv = sys.argv[1:];\n'
    'try: runpy.run_path(sys.argv[0], run_name="__main__")\n'
    'except SystemExit as exit: assert "torch" not in sys.modules; raise'
)


def run(folder, name, *arguments):
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    return subprocess.run(
        [sys.executable, '-c', CODE, str(TOOLS / name), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def data(tmp_path):
    write_json(tmp_path / 'vis.json', vis_json(CATEGORIES, dict(red=4, blue=9, green=9)))
    write_images(tmp_path / 'imgs', ['one'])
    (tmp_path / 'panomasks/one').mkdir(parents=True)
    for t in range(4):
        ids = np.full((20, 32), 61, np.uint16)
        ids[:5] = 6100
        Image.fromarray(ids).save(tmp_path / f'panomasks/one/{t:05d}.png')
        ids = (ids > 61).astype(np.uint8)
        (tmp_path / 'masks/one').mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids).save(tmp_path / f'masks/one/{t:05d}.png')
    (tmp_path / 'train.txt').write_text('one\n')
    write_json(
        tmp_path / 'coco.json',
        dict(
            images=[dict(id=1, file_name='1.jpg', height=4, width=4)],
            annotations=[dict(id=1, image_id=1, category_id=17)],
            categories=[dict(id=key, name=name) for key, name in COCO_NAMES.items()],
        ),
    )
    note = dict(id=1, image_id=1, category_id=4, segmentation=[[1, 1, 3, 1, 3, 3]])
    write_json(
        tmp_path / 'cvat.json',
        dict(
            images=[dict(id=1, file_name='frame_000000.PNG', height=4, width=4)],
            annotations=[dict(note, attributes=dict(track_id=0))],
            categories=CATEGORIES,
        ),
    )
    return tmp_path


COMMANDS = {
    'vipseg_to_vis.py': (
        ['.', 'out', '--splits', 'train', '--height', '10', '--jobs', '2'],
        ['out/train.json', 'out/images/one/00003.jpg'],
        'out/train.json: 1 videos, 2 things',
    ),
    'davis_to_vis.py': (
        ['imgs', 'masks', 'out.json', '--split', 'train.txt'],
        ['out.json'],
        'out.json: 1 videos, 1 objects',
    ),
    'coco_to_vis_categories.py': (
        ['coco.json', 'ovis', 'out.json'],
        ['out.json'],
        'out.json: 1 of 1 annotations in 1 of 1 images',
    ),
    'cocovid_to_vis.py': (
        ['vis.json', 'out.json', '--reverse'],
        ['out.json'],
        '2 videos, 8 images, 8 annotations, 3 tracks -> out.json',
    ),
    'cvat_to_vis.py': (
        ['cvat.json', 'out.json'],
        ['out.json'],
        '1 videos, 1 annotations -> out.json',
    ),
    'split_dataset.py': (
        ['vis.json', '--fraction', '0.5'],
        ['vis_train.json', 'vis_val.json'],
        'vis_train.json: 1 videos',
    ),
    'cut_videos.py': (
        ['vis.json', '2', 'vis_2.json'],
        ['vis_2.json'],
        ' annotations -> vis_2.json',
    ),
}


@pytest.mark.parametrize('name', COMMANDS)
def test_a_run_and_a_second_one(data, name):
    arguments, files, line = COMMANDS[name]
    done = run(data, name, *arguments)
    assert done.returncode == 0, done.stderr
    assert line in done.stdout
    before = {file: (data / file).read_bytes() for file in files}
    assert all(before.values())
    done = run(data, name, *arguments)
    assert done.returncode == 0, done.stderr
    assert {file: (data / file).read_bytes() for file in files} == before
    assert not [path for path in data.rglob('.*')]  # nothing half done lies about


@pytest.mark.parametrize('name', COMMANDS)
def test_an_error_is_one_line_and_status_2(data, name):
    arguments = list(COMMANDS[name][0])
    arguments[0] = 'gone'
    done = run(data, name, *arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith('error: ') and 'gone' in done.stderr
    assert 'Traceback' not in done.stderr


def test_there_and_back(data):
    run(data, 'cocovid_to_vis.py', 'vis.json', 'coco_out.json', '--reverse')
    assert run(data, 'cocovid_to_vis.py', 'coco_out.json', 'back.json').returncode == 0
    before, after = (json.loads((data / f'{name}.json').read_text()) for name in ('vis', 'back'))
    for old, new in zip(before['annotations'], after['annotations']):
        assert old == {key: new[key] for key in old}
