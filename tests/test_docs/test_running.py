"""The commands and programs of README and docs run as they are written, page by page.

They run in a copy of the checkout in which SMALL makes data and trainings small. The commands of a
page run in their order, then its programs as one. A page marks a block that does not run by the
comment ``<!-- not run: REASON -->`` above it; test_commands.py parses all commands.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import pytest

from tests.docs_snippets import BLOCKS, REPOSITORY
from tests.test_docs.test_blocks import PROGRAMS

SMALL = {
    'rocovis_mm/datasets/embedded/embedded_dataset.py': {
        'height: int = 96': 'height: int = 64',
        'width: int = 160': 'width: int = 96',
        'train_videos: int = 160': 'train_videos: int = 4',
        'train_frames: int = 14': 'train_frames: int = 8',
        'val_videos: int = 24': 'val_videos: int = 2',
        'val_frames: int = 18': 'val_frames: int = 6',
        'train_videos=240': 'train_videos=2',
        'val_videos=80': 'val_videos=1',
    },
    'configs/_base_/datasets/demo_vis.py': {'input_size = (208, 128)': 'input_size = (96, 64)'},
    'configs/_base_/datasets/custom_vis_tiny.py': {
        'input_size = (320, 192)': 'input_size = (96, 64)',
        'test_size = (448, 256)': 'test_size = (96, 64)',
    },
    'configs/_base_/schedules/schedule_tiny.py': {'max_iters = 1000': 'max_iters = 4'},
    'configs/_base_/schedules/schedule_tiny_custom.py': {'max_iters = 5000': 'max_iters = 4'},
    'configs/_base_/lite0_custom.py': {
        'input_size = (512, 288)': 'input_size = (96, 64)',
        'test_size = (640, 360)': 'test_size = (96, 64)',
        'max_iters = 4200': "load_from = 'lite0.pth'\nmax_iters = 4",
    },
    'configs/_base_/default_runtime.py': {'load_from = None': "load_from = 'start.pth'"},
    'tools/analysis_tools/benchmark_stream.py': {'[100, 1000]': '[12, 16]'},
    'tools/analysis_tools/benchmark_training.py': {
        "choices=[*ROWS], help='": "choices=[*ROWS], default=['bfloat16'], help='",
        'default=3, help=\'timed': 'default=1, help=\'timed',
        'default=2, help=\'over': 'default=1, help=\'over',
    },
}  # fmt: skip
"""File -> text of it -> the text that the copy has in its place."""
SET_UP = """
touch $(make -s --eval 'stamp: ; @echo $(INSTALLED)' stamp)
python tools/dataset_converters/generate_embedded.py data/embedded
python tools/train.py configs/rocovis/rocovis_demo.py --work-dir work_dirs/start \
    --cfg-options max_iters=60 load_from=None
mv work_dirs/start/best_AP_iter_60.pth start.pth
python tools/train.py configs/rocovis/rocovis_lite0_custom.py --work-dir work_dirs/lite0 \
    --cfg-options data_root=data/embedded classes="('ball', 'star')" max_iters=60 load_from=None
mv work_dirs/lite0/best_AP_iter_60.pth lite0.pth
make demo
mkdir work_dirs/mine
cp work_dirs/demo/results.json work_dirs/mine
python tools/dataset_converters/generate_embedded.py data/my_videos --train-videos 20
mkdir data/youtube_vis_2021 data/youtube_vis_2022
python tools/dataset_converters/split_dataset.py data/my_videos/train.json --fraction 0.5 \
    --out data/youtube_vis_2022/other.json data/youtube_vis_2021/valid.json
cp data/my_videos/train.json data/youtube_vis_2021
cp data/my_videos/train.json data/youtube_vis_2022/gt.json
python demo/video_demo.py data/embedded/JPEGImages/val_0001 configs/rocovis/rocovis_demo.py \
    start.pth --out video.mp4 --results-jsonl stream.jsonl
mkdir rocovis_mm/.mim tests
echo 'def test_nothing(): pass' > tests/test_nothing.py
cp -r configs tools demo model-index.yml rocovis_mm/.mim
"""
"""Commands in the new copy. They make the stamp of an installed environment, a model that finds
something, the demo, more data, a video and its log, the folder that a wheel has, and a test."""
GIVEN = """
import cv2, numpy as np, torch
from mmengine.config import Config
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState
frames = [np.full((360, 640, 3), 20 * number, np.uint8) for number in range(3)]
frame, classes = frames[0], ('ball', 'star')
cameras = [cv2.VideoCapture('video.mp4') for _ in range(4)]
def predict(frame):
    return np.ones((2, 360, 640), bool), np.arange(2), np.arange(2), np.full(2, 0.9)
model = MODELS.build(Config.fromfile('configs/rocovis/rocovis_demo.py').model).eval()
head, state = model.track_head, StreamState()
features = model.extract_features(torch.rand(1, 3, 64, 96))
keep = torch.ones(1, head.num_queries)
"""
"""Names that the text of a page introduces before its programs."""
ENVIRONMENT = dict(
    OMP_NUM_THREADS='1',
    MPLBACKEND='agg',
    PIP_DRY_RUN='1',
    PIP_NO_INDEX='1',
    PIP_NO_DEPS='1',
    PIP_NO_BUILD_ISOLATION='0',
    TEST_JOBS='0',
)
"""Variables by which pip installs nothing and fetches nothing."""
WRITES = (
    '--out',
    '--out-dir',
    '--show-dir',
    '--work-dir',
    '--masks',
    '--json',
    '--save',
    '--rerun',
)
LEFT_OUT = ('.*', '__pycache__', 'work_dirs', 'data', 'build', 'dist', 'tests', '*.egg-info')
RUN = [block for block in BLOCKS if block.language == 'bash' and not block.not_run]
"""The blocks of commands that run."""


def run(folder: Path, text: str) -> None:
    """Run lines of bash in a copy of the checkout; all must go well."""
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    done = subprocess.run(
        ['bash', '-exc', text],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, 'PATH': path, 'PYTHONPATH': str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0 and 'Traceback' not in done.stdout, done.stdout[-6000:]


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> Path:
    """A small copy of the checkout, with a ``.venv`` that sees the packages of this one."""
    folder = tmp_path_factory.mktemp('docs') / 'checkout'
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
    for name, changes in SMALL.items():
        text = (folder / name).read_text()
        for old, new in changes.items():
            text = text.replace(old, new)
        (folder / name).write_text(text)
    venv.create(folder / '.venv', symlinks=True)
    (site,) = (folder / '.venv/lib').glob('python*/site-packages')
    (site / 'packages.pth').write_text(sysconfig.get_path('purelib'))
    run(folder, SET_UP)
    return folder


def test_the_texts_to_change_are_there():
    for name, changes in SMALL.items():
        assert all((REPOSITORY / name).read_text().count(old) == 1 for old in changes), name


@pytest.mark.slow
@pytest.mark.parametrize('page', sorted({block.page for block in RUN + PROGRAMS}))
def test_a_page_runs(page, checkout, tmp_path):
    """All goes well, and the files that the commands name as their outputs are new."""
    folder, begin = tmp_path / 'checkout', time.time() - 1
    shutil.copytree(checkout, folder, symlinks=True)
    blocks = [block for block in RUN if block.page == page]
    script = '\n'.join(block.text for block in blocks)
    if 'export.txt' in script:
        pytest.importorskip('onnxruntime', reason='not pinned for this Python')
    if 'rerun-sdk' in script:
        pytest.importorskip('rerun', reason='not pinned for this Python')
    commands = [words for block in blocks for words in block.commands()]
    outputs = {n for words in commands for option, n in zip(words, words[1:]) if option in WRITES}
    for path in (folder / name for name in outputs):
        if path.is_file():  # one with the same content would be left as it is
            path.unlink()
    run(folder, script)
    for name in outputs:
        files = [folder / name, *(folder / name).rglob('*')]
        assert max(map(os.path.getmtime, files)) > begin, name
    texts = [block.text for block in PROGRAMS if block.page == page]
    program = re.sub(r"'work_dirs/[^']+\.pth'", "'start.pth'", '\n'.join([GIVEN, *texts]))
    (folder / 'program.py').write_text(program)
    if texts:
        run(folder, 'python program.py')
