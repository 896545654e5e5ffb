"""Every command and program of README and docs runs, page by page, in a copy of the checkout.

The commands are those of the page, in their order, in one shell; data, models and numbers are
small (desk.py, short_python.py).
"""

from __future__ import annotations

import time

import pytest

from tests.docs_snippets import REPOSITORY, blocks_of, pages
from tests.test_docs.desk import OTHER_CONFIGS, set_up
from tests.test_docs.test_blocks import PROGRAMS

NOT_RUN = {
    'pip install -r requirements/backbones.txt': 'fetches packages that are not pinned',
    'pip install --no-deps mmpretrain': 'fetches packages that are not pinned',
    'pip install -r requirements/mim.txt': 'fetches packages that are not pinned',
    'mim ': 'tests/test_packaging/test_installation.py runs mim on an installed wheel',
    'python3.11 -m venv work_dirs/mmtrack': 'an environment of its own: `make mmtrack`',
    'work_dirs/mmtrack/bin/': 'an environment of its own: `make mmtrack`',
    'python tools/train.py configs/hosts/mmtrack': 'an environment of its own: `make mmtrack`',
    'python tools/test.py configs/hosts/mmtrack': 'an environment of its own: `make mmtrack`',
}
"""How a command begins that is not run -> why."""
COMMANDS = {
    str(page.relative_to(REPOSITORY)): [b.text for b in blocks_of(page) if b.language == 'bash']
    for page in pages()
}
TRAINED = ('last_checkpoint', 'iter_*.pth', '*/vis_data/scalars.json')
DRAWN = ('overlay.mp4', 'overlay.gif', 'contact_sheet.png')
DEMO = (*TRAINED, *DRAWN, 'results.json', 'results.zip', 'metrics.json', 'curves.png')
DATA = ('train.json', 'val.json', 'JPEGImages/val_0001/*')
COMPARED = tuple(f'comparison.{ending}' for ending in ('md', 'json', 'png'))
PROMISED = {
    'README.md': {
        'work_dirs/demo': DEMO,
        'work_dirs/mine': TRAINED,
        '.': ('overlay.mp4', 'tracks.json', 'metrics.json', 'report.html'),
    },
    'docs/benchmarks.md': {
        'data/youtube_vis_2021': ('train_train.json', 'train_val.json'),
        'data/vipseg_things': ('train.json', 'val.json'),
        'work_dirs/check_ovis': ('problems.txt', 'summary.json', '*.png'),
    },
    'docs/checkpoints.md': {'.': ('rocovis_r50_ytvis21-????????.pth',)},
    'docs/comparison.md': {'work_dirs/compare': COMPARED, 'work_dirs/compare_mine': COMPARED},
    'docs/data.md': {'data/embedded': DATA, 'data/embedded_hard': DATA},
    'docs/formats.md': {'work_dirs/mots': ('val_0001.txt',), 'work_dirs': ('from_mots.json',)},
    'docs/joint_training.md': {'data/embedded': DATA},
    'docs/metrics.md': {'plots': ('ap_vs_iou.png', 'precision_recall_*.png')},
    'docs/own_data.md': {
        'data/my_videos': DATA,
        'data/embedded': DATA,
        'work_dirs/demo': TRAINED,
        'work_dirs/mine': TRAINED,
        'work_dirs/mine/frames': ('1/*.jpg', '2/*.jpg'),
        'work_dirs/mine/pictures': (*DRAWN, 'curves.png'),
    },
    'docs/streaming.md': {'work_dirs/demo': DEMO},
    'docs/training.md': {'work_dirs/ovis': TRAINED},
    'docs/visualization.md': {
        'data/embedded': DATA,
        'shown': ('1/*.jpg', '2/*.jpg'),
        'work_dirs/rocovis_demo/*/vis_data/vis_image': ('*',),
    },
}  # fmt: skip
"""Page -> folder -> what the page says that its commands leave there."""
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
    'README.md': FRAMES,
    'docs/compatibility.md': '',
    'docs/formats.md': '',
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
    'docs/model_zoo.md': 'mkdir -p work_dirs && ln -s rocovis_r50_ovis work_dirs/NAME',
}
"""Page -> the command before its own."""
AFTERWARDS = {
    'README.md': 'assert now.masks.shape[1:] == (64, 96) and len(now.ids) == len(now.masks)',
    'docs/compatibility.md': """
from pathlib import Path
from mmengine.config import Config
Path('heir.py').write_text("_base_ = 'rocovis_mm::rocovis/rocovis_r50_ovis.py'")
heir = Config.fromfile('heir.py')
assert Path(_base_).is_file()
assert heir.model.type == config.model.type == 'rocovis_mm.RoCoVIS'
""",
    'docs/formats.md': "assert Path('from_detections.json').stat().st_size and len(lines) == 1",
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


@pytest.fixture(scope='module')
def first_desk(tmp_path_factory):
    return set_up(tmp_path_factory.mktemp('desks') / 'first')


def script_of(page: str) -> str:
    """Return the commands of a page that are run."""
    text = '\n'.join([BEFORE.get(page, ''), *COMMANDS[page]]).replace('\\\n', ' ')
    lines = [line for line in text.splitlines() if not line.startswith(tuple(NOT_RUN))]
    for number, line in enumerate(lines):  # two machines run at once
        if 'NODE_RANK=0' in line:
            lines[number] = f'{{\n{line}\n}} & first=$!'
        elif 'NODE_RANK=1' in line:
            lines[number] = f'{line}\nwait $first'
    return '\n'.join(lines)


def program_of(page: str) -> str:
    """Return the programs of a page as one, with what its text takes for granted."""
    texts = [b.text for b in PROGRAMS if b.page == page]
    text = '\n'.join([PREPARED.get(page, ''), *texts, AFTERWARDS.get(page, '')])
    for there, here in TAKEN.items():
        text = text.replace(there, here)
    return text


@pytest.mark.slow
@pytest.mark.parametrize('page', [page for page in COMMANDS if COMMANDS[page] or page in PREPARED])
def test_the_commands_and_programs_of_a_page_run(page, first_desk, tmp_path):
    if 'export.txt' in script_of(page):
        pytest.importorskip('onnxruntime', reason='not pinned for this Python')
    if 'to_detections' in program_of(page):
        pytest.importorskip('supervision', reason='not pinned for this Python')
    desk, begin = first_desk.copy(tmp_path / 'desk'), int(time.time())
    config = OTHER_CONFIGS.get(page, 'configs/rocovis/rocovis_demo.py')
    done = desk.run(f'set -ex\n{script_of(page)}', CONFIG_OF_PAGE=config)
    assert done.returncode == 0 and 'Traceback' not in done.stdout, done.stdout[-6000:]
    for folder, names in PROMISED.get(page, {}).items():
        for name in names:
            new = [p for p in desk.folder.glob(f'{folder}/{name}') if p.stat().st_mtime >= begin]
            assert any(p.stat().st_size or p.name == 'problems.txt' for p in new), (folder, name)
    (desk.folder / 'program.py').write_text(program_of(page))
    done = desk.run('python program.py')
    assert done.returncode == 0, done.stdout[-6000:]


def test_the_tables_speak_of_what_is_there():
    """No line of a table is idle, and what is not run is little."""
    lines = [line for blocks in COMMANDS.values() for text in blocks for line in text.splitlines()]
    for start in NOT_RUN:
        assert any(line.startswith(start) for line in lines), start
    assert sum(line.startswith(tuple(NOT_RUN)) for line in lines) <= 15
    assert {*PROMISED, *BEFORE, *OTHER_CONFIGS} <= {page for page in COMMANDS if COMMANDS[page]}
    assert {block.page for block in PROGRAMS} == set(PREPARED) == set(AFTERWARDS)
    assert len(PROGRAMS) >= 9
