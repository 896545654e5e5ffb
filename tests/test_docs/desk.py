"""A scratch copy of the checkout with what the docs' commands need: small data, small models."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

from rocovis_mm.checkpoints import convert_file
from rocovis_mm.datasets.embedded import EmbeddedRecipe, make_embedded_dataset
from rocovis_mm.registry import MODELS
from rocovis_mm.utils import load_config
from tests.test_configs.reduced_configs import reduce_model
from tests.test_datasets.benchmark_layouts import WRITERS, content_of
from tests.test_datasets.coco_layout import write_coco
from tests.test_docs.commands import REPOSITORY
from tests.test_docs.reduction import RECIPE, reduced_command

LEFT_OUT = shutil.ignore_patterns(
    '.*', '__pycache__', 'work_dirs', 'data', 'build', 'dist', 'tests', '*.egg-info'
)
PATIENCE = 900
"""Seconds after which a command counts as hanging."""

PYTHON = f'exec {sys.executable} "$@"'
PROGRAMS = {
    'bin/python': PYTHON,
    'bin/pip': f'exec {sys.executable} -m pip --disable-pip-version-check "$@"',
    '.venv/bin/python': PYTHON,
    # Slurm with one machine
    'bin/scontrol': 'echo 127.0.0.1',
    'bin/srun': (
        'while [ "$1" != bash ]; do shift; done\n'
        'SLURM_NNODES=1 SLURM_NODEID=0 SLURM_JOB_ID=$$ SLURM_JOB_NODELIST=here exec "$@"'
    ),
}
"""Programs that commands find, and what they do."""


class Desk:
    """A folder in which commands run as in a checkout.

    Args:
        folder: of the copy.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        """Run lines of shell in the folder; its end says whether all went well."""
        path = f'{self.folder}/bin:{os.environ["PATH"]}'
        environment = {**os.environ, 'PATH': path, 'PYTHONPATH': str(self.folder)}
        environment.update(OMP_NUM_THREADS='1', MPLBACKEND='agg', PYTHONDONTWRITEBYTECODE='')
        return subprocess.run(
            ['bash', '-c', text],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )

    def must_run(self, text: str) -> None:
        """Run lines of shell that prepare something."""
        done = self.run(text)
        assert done.returncode == 0, f'{text}\n{done.stdout[-3000:]}'

    def copy(self, folder: Path) -> Desk:
        """Return another desk with the same on it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Desk(folder)


class Desks:
    """A desk for each page, as the page's last command left it.

    Args:
        folder: in which they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first = set_up(folder / 'first')
        self.made: dict[str, Desk] = {}

    def of(self, page: str) -> Desk:
        """Return a page's desk."""
        if page not in self.made:
            self.made[page] = self.first.copy(self.folder / page.replace('/', '_'))
        return self.made[page]


def set_up(folder: Path) -> Desk:
    """Return a desk with everything that a page's first command may take for granted."""
    shutil.copytree(REPOSITORY, folder, ignore=LEFT_OUT, symlinks=True)
    for name, text in PROGRAMS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'#!/usr/bin/env bash\n{text}\n')
        (folder / name).chmod(0o755)
    desk = Desk(folder)
    desk.must_run(
        'pins="requirements/pinned.txt requirements/pinned-openmmlab.txt setup.py"\n'
        'touch ".venv/installed-$(cat $pins | cksum | cut -d " " -f 1)"'  # as the Makefile says
    )
    let_generated_data_be_small(folder / 'rocovis_mm/datasets/embedded/embedded_dataset.py')
    write_data(folder / 'data')
    write_files(folder)
    write_detectron2_checkpoints(folder)
    train_a_model(desk)
    return desk


def let_generated_data_be_small(path: Path) -> None:
    """Change the recipe that the copy generates data by."""
    text = path.read_text()
    for name, value in RECIPE.items():
        text, found = re.subn(rf'(    {name}: int =) \d+', rf'\1 {value}', text)
        assert found == 1, name
    path.write_text(text)


def write_data(folder: Path) -> None:
    """Write small data sets where the configs look for them."""
    make_embedded_dataset(folder / 'embedded', EmbeddedRecipe(**RECIPE))
    for name in ('my_videos', 'mine'):
        shutil.copytree(folder / 'embedded', folder / name)
    for name in ('youtube_vis_2019', 'youtube_vis_2022', 'ovis', 'hq_ytvis', 'vipseg_things'):
        WRITERS[name](folder)  # 2022 brings 2021 along
    write_coco(folder)
    repeat_videos(folder / 'youtube_vis_2021/train.json', times=10)
    # what is still to be made from the files as they are published
    whole = content_of('youtube_vis_2022', ['one', 'two'])
    (folder / 'youtube_vis_2022/gt.json').write_text(json.dumps(whole))
    for part in ('short', 'long'):
        (folder / f'youtube_vis_2022/valid_{part}.json').unlink()
    shutil.rmtree(folder / 'vipseg_things')


def repeat_videos(path: Path, times: int) -> None:
    """Let an annotation file list each of its videos several times, under ids of their own."""
    content = json.loads(path.read_text())
    step = max(entry['id'] for entry in content['videos'] + content['annotations'])
    for part in ('videos', 'annotations'):
        keys = ('id',) if part == 'videos' else ('id', 'video_id')
        content[part] = [
            {**entry, **{key: entry[key] + step * number for key in keys}}
            for number in range(times)
            for entry in content[part]
        ]
    path.write_text(json.dumps(content))


def write_files(folder: Path) -> None:
    """Write the files that pages call by a name of their own."""
    truth = folder / 'data/embedded/val.json'
    for name in ('GT.json', 'VIS.json'):
        (folder / name).symlink_to('data/embedded/val.json')
    notes = json.loads(truth.read_text())['annotations']
    keys = ('video_id', 'category_id', 'segmentations')
    perfect = [{**{key: note[key] for key in keys}, 'score': 0.9} for note in notes]
    for name in ('PRED', 'RESULTS', 'A', 'B'):
        kept = perfect[1:] if name == 'B' else perfect
        (folder / f'{name}.json').write_text(json.dumps(kept))
    frames = sorted((folder / 'data/embedded/JPEGImages/val_0001').glob('*.jpg'))
    for name in ('my_video.mp4', 'video.mp4'):
        size = (RECIPE['width'], RECIPE['height'])
        video = cv2.VideoWriter(str(folder / name), cv2.VideoWriter_fourcc(*'mp4v'), 8, size)
        for frame in frames:
            video.write(cv2.imread(str(frame)))
        video.release()


def save_random(config: ConfigDict, path: Path) -> None:
    """Save a model of a config with random weights, as MMEngine does."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):  # a runner may have left another
        model = MODELS.build(config)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)


def write_detectron2_checkpoints(folder: Path) -> None:
    """Write small models under the names that the published ones have."""
    for source, config in (
        ('minvis_r50_ytvis19', 'minvis/minvis_r50_youtube-vis-2019'),
        ('genvis_r50_ovis', 'genvis/genvis_r50_ovis'),
        ('genvis_swin_l', 'genvis/genvis_swin-l_ovis'),
    ):
        model = load_config(REPOSITORY / f'configs/{config}.py').model
        reduce_model(model)
        save_random(model, folder / f'{source}_mm.pth')
        convert_file(folder / f'{source}_mm.pth', folder / f'{source}.pth', reverse=True)
    (folder / 'genvis_swin_l_mm.pth').replace(folder / 'genvis_swin_l.pth')  # of MMEngine's form
    zoo, published = folder / 'model_final_3c8ec9.pkl', folder / 'COCO_MASK2FORMER.pth'
    convert_file(folder / 'minvis_r50_ytvis19_mm.pth', zoo, reverse=True)
    convert_file(zoo, published)  # to the form that MMDetection publishes
    shutil.copy(published, folder / 'mask2former.pth')


def train_a_model(desk: Desk) -> None:
    """Train the demo's model a little, and let it write the log of a stream."""
    config, checkpoint = 'configs/rocovis/rocovis_demo.py', 'checkpoint.pth'
    desk.must_run(reduced_command(f'python tools/train.py {config} --work-dir work_dirs/run'))
    desk.must_run(
        f'cp work_dirs/run/iter_*.pth {checkpoint}\n'
        f'cp {checkpoint} CHECKPOINT\n'
        f'python demo/video_demo.py my_video.mp4 {config} CHECKPOINT --results-jsonl stream.jsonl'
    )
