"""A scratch copy of the checkout with what the docs' commands need: small data, small models."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import mmdet
import torch
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope

from rocovis_mm.checkpoints import convert_file
from rocovis_mm.datasets.embedded import CLASSES, EmbeddedRecipe, make_embedded_dataset
from rocovis_mm.registry import MODELS
from rocovis_mm.utils import load_config
from tests.docs_snippets import REPOSITORY, blocks_of, pages
from tests.test_configs.reduced_configs import parts_of, reduce_loader, reduce_model
from tests.test_datasets.benchmark_layouts import WRITERS, content_of
from tests.test_datasets.coco_layout import write_coco

RECIPE = dict(height=64, width=96, train_videos=4, train_frames=8, val_videos=2, val_frames=6)
"""Of the generated data set."""
OTHER_CONFIGS = {
    'docs/model_zoo.md': 'configs/rocovis/rocovis_r50_ovis.py',
    'docs/benchmarks.md': 'configs/rocovis/rocovis_r50_youtube-vis-2021.py',
}
"""Page -> the config that CONFIG stands for there; else the demo's."""
LEFT_OUT = shutil.ignore_patterns(
    '.*', '__pycache__', 'work_dirs', 'data', 'build', 'dist', 'tests', '*.egg-info'
)
PATIENCE = 1800
"""Seconds after which a page counts as hanging."""
PYTHON = f'exec {sys.executable} "$(dirname "$0")/short_python.py" "$@"'
TOOL_OF = (
    'import sys; from rocovis_mm.cli import find_tool; '
    'tool, rest = find_tool(sys.argv[1:]); print(tool, len(sys.argv) - 1 - len(rest))'
)
"""Prints the tool that a command names, and the number of words that name it."""
PROGRAMS = {
    'bin/python': PYTHON,
    '.venv/bin/python': PYTHON,
    'bin/rocovis': (
        f'read -r tool words <<< "$({sys.executable} -c "{TOOL_OF}" "$@")"\n'
        'shift $words; exec "$(dirname "$0")/python" $tool "$@"'
    ),
    'bin/pip': (
        f'exec {sys.executable} -m pip "$@" --dry-run --no-index --no-build-isolation --no-deps'
    ),
    # these would test the matrix, fetch packages, or run the suite that this is a part of
    'bin/make': (
        f'case $1 in test|install|matrix) set -- -n "$@";; esac\nexec {shutil.which("make")} "$@"'
    ),
    'bin/nox': f'exec {sys.executable} -m nox --list "$@"',
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

    def run(self, text: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run lines of shell in the folder; its end says whether all went well."""
        path = f'{self.folder}/bin:{os.environ["PATH"]}'
        environment = {**os.environ, 'PATH': path, 'PYTHONPATH': str(self.folder)}
        environment.update(OMP_NUM_THREADS='1', MPLBACKEND='agg', PYTHONDONTWRITEBYTECODE='')
        environment.update(variables)
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


def set_up(folder: Path) -> Desk:
    """Return a desk with everything that a page's first command may take for granted."""
    shutil.copytree(REPOSITORY, folder, ignore=LEFT_OUT, symlinks=True)
    for name, text in PROGRAMS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f'#!/usr/bin/env bash\n{text}\n')
        (folder / name).chmod(0o755)
    for place in ('bin', '.venv/bin'):
        shutil.copy(Path(__file__).with_name('short_python.py'), folder / place)
        short = dict(python=sys.executable, options=dict(options_of_configs()))
        (folder / place / 'short.json').write_text(json.dumps(short))
    desk = Desk(folder)
    desk.must_run(
        'pins="requirements/pinned.txt requirements/pinned-openmmlab.txt setup.py"\n'
        'touch ".venv/installed-$(cat $pins | cksum | cut -d " " -f 1)"'  # as the Makefile says
    )
    let_generated_data_be_small(folder / 'rocovis_mm/datasets/embedded/embedded_dataset.py')
    write_data(folder / 'data')
    write_files(folder)
    write_detectron2_checkpoints(folder)
    shutil.copytree(folder / 'data/embedded/JPEGImages', folder / 'DIR')
    (folder / 'path/to').mkdir(parents=True)
    (folder / 'path/to/mmdet').symlink_to(Path(mmdet.__file__).parent)
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
    desk.must_run(
        f'python tools/train.py {config} --work-dir work_dirs/run\n'
        f'cp work_dirs/run/iter_*.pth {checkpoint}\n'
        f'cp {checkpoint} CHECKPOINT\n'
        f'python demo/video_demo.py my_video.mp4 {config} {checkpoint} --results-jsonl stream.jsonl'
    )


def options_of_configs() -> Iterator[tuple[str, list[str]]]:
    """Yield the configs that blocks name, and ``--cfg-options`` that make a run of each small."""
    texts = [block.text for page in pages() for block in blocks_of(page)]
    names = set(re.findall(r'\bconfigs/(?!_base_|hosts/mmtrack)\w+/[\w-]+\.py', '\n'.join(texts)))
    for name in sorted({*names, 'configs/rocovis/rocovis_demo.py', *OTHER_CONFIGS.values()}):
        if (REPOSITORY / name).is_file():
            yield name, small_options(name)


def small_options(path: str) -> list[str]:
    """Return ``--cfg-options`` that make a run of a config small.

    A config is the one of `reduced_configs`, but for demo and tiny models, which are small.
    """
    given = dict(classes=CLASSES) if '_custom' in path else {}
    config = load_config(REPOSITORY / path, given)
    is_small = '_demo' in path or '_tiny' in path
    plain, small = config.to_dict(), copy.deepcopy(config)
    for split in ('train', 'val', 'test'):
        loader = small[f'{split}_dataloader']
        if is_small:
            loader.update(num_workers=0, persistent_workers=False)
        else:
            reduce_loader(loader)
    if not is_small:
        reduce_model(small.model)
    small.train_cfg.update(max_iters=2, val_interval=2, val_begin=1)
    for part in parts_of(small.get('custom_hooks')):
        if part.type == 'rocovis_mm.CurriculumHook':
            part.update(single_frames_until=0, half_size_until=0)
    changed = [f'{key}={written(value)}' for key, value in changes(plain, small.to_dict())]
    return [f'{key}={written(value)}' for key, value in given.items()] + changed


def written(value: Any) -> str:
    """Return a value as ``--cfg-options`` takes it."""
    return repr(value).replace(' ', '') if isinstance(value, (list, tuple)) else str(value)


def changes(before: Any, after: Any, place: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the places in which two configs differ, and what the second one has there."""
    if isinstance(after, Mapping):
        for key, value in after.items():
            inside = before.get(key) if isinstance(before, Mapping) else None
            yield from changes(inside, value, f'{place}.{key}' if place else key)
    elif isinstance(after, (list, tuple)) and any(isinstance(x, (dict, list)) for x in after):
        for number, value in enumerate(after):
            yield from changes(before[number], value, f'{place}.{number}')
    elif before != after:
        yield place, after
