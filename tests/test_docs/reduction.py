"""The docs' commands at a reduced size, and the few that are not run."""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from rocovis_mm.datasets.embedded import CLASSES
from rocovis_mm.utils import load_config
from tests.test_configs.reduced_configs import parts_of, reduce_loader, reduce_model
from tests.test_docs.commands import REPOSITORY, Command

RECIPE = dict(height=64, width=96, train_videos=4, train_frames=8, val_videos=2, val_frames=6)
"""Of the generated data set."""
SHORT = 'train_cfg.max_iters=2 train_cfg.val_interval=2 single_frames_until=0'

NOT_RUN = {
    r'run_matrix\.py forks': 'builds environments: minutes to hours; docs/compatibility.md',
    r'pip install.*(mmpretrain|backbones|mim\.txt)': 'fetches packages that are not pinned',
    r'^mim ': 'tests/test_packaging/test_installation.py runs mim on an installed wheel',
    r'work_dirs/mmtrack|configs/hosts/mmtrack': 'an environment of its own: `make mmtrack`',
}
"""Commands (as regular expressions) -> why they are not run."""
LISTED = {
    'test': 'the suite that this is a part of',
    'install': 'fetches packages; CI begins with it',
    'matrix': 'builds environments: minutes to hours; docs/compatibility.md',
}
"""Verbs of which `make -n` lists the steps alone -> why."""

PLACES = (
    # page, what stands there -> what is there
    ('', r' \[--cfg-options KEY=VALUE \.\.\.\]', ''),
    ('', r' \[(--[^]]*)\]', r' \1'),
    ('', r'--images DIR\b', '--images data/embedded/JPEGImages'),
    ('', r'\bDIR\b', 'made'),
    ('', r'\bINPUT\b', 'my_video.mp4'),
    ('', r'/path/to/mask2former\.pth', 'mask2former.pth'),
    ('', r"'cat', 'dog'", "'ball', 'star'"),
    ('', r'path/to/mmdet/', '$(python -c "import mmdet; print(mmdet.__path__[0])")/'),
    ('docs/model_zoo.md', r'(?<![$\w])CONFIG(?![\w=])', 'configs/rocovis/rocovis_r50_ovis.py'),
    ('docs/model_zoo.md', r'\bNAME\b', 'rocovis_r50_ovis'),
    (
        'docs/benchmarks.md',
        r'(?<![$\w])CONFIG(?![\w=])',
        'configs/rocovis/rocovis_r50_youtube-vis-2021.py',
    ),
    ('', r'(?<![$\w])CONFIG(?![\w=])', 'configs/rocovis/rocovis_demo.py'),
    ('', r'(_r50_ovis\.py) CHECKPOINT', r'\1 work_dirs/rocovis_r50_ovis/best_AP_iter_N.pth'),
)
"""Page ('': all), what stands there, what is there instead; in order."""

SIZES = (
    (rf'^make ({"|".join(LISTED)})\b', r'make -n \1'),
    (r'--jobs 8\b', '--jobs 2'),
    (r'(dist_train\.sh \S+|dist_test\.sh \S+ \S+) 8\b', r'\1 2'),
    (r'^NNODES=2(.*)10\.0\.0\.1(.*\.py) 2', r'NNODES=2\g<1>127.0.0.1\2 1'),
    (r'GPUS=16 GPUS_PER_NODE=8', 'GPUS=2 GPUS_PER_NODE=2'),
    (r'GPUS=8 tools/slurm', 'GPUS=2 tools/slurm'),
    (r'--size 360 640', '--size 64 96'),
    (r'--size 320 192', '--size 64 64'),
    (r'--frames 100 1000', '--frames 3 6'),
    (r'--growth 100 1000', '--growth 3 6'),
    (r'--frames 500', '--frames 3'),
    (r'visualization\.interval=20', 'visualization.interval=2'),
    (r'--device cuda', '--device cpu'),
    # a run as short as these may find nothing, and then has no best checkpoint
    (
        r'(\S+/)best_AP_iter_\w+\.pth',
        r'$(ls \1best_AP_iter_*.pth \1iter_*.pth 2>/dev/null | head -n 1)',
    ),
    (r'\$\(ls (\S+/)best_\*\.pth\)', r'$(ls \1best_*.pth \1iter_*.pth 2>/dev/null | head -n 1)'),
    (r'pip install(.*)', r'pip install --dry-run --no-index --no-build-isolation\1'),
)
"""What stands there -> what is there instead, in order."""

ADDED = {
    r'^make demo': [f"DEMO_ARGS='--cfg-options {SHORT}'"],
    r'benchmark\.py': ['--model-size=tiny', '--frames=2', '--size=64x96'],
    r'benchmark_loading\.py': ['--frames=4', '--rounds=1', '--height=72', '--width=128'],
    r'--difficulty hard': ['--train-videos=2', '--val-videos=1', '--val-frames=20'],
    r'benchmark_stream\.py': ['--size', '64', '96'],
    r'benchmark_tracks\.py': ['--input=64x96', '--frames=3'],
    r'benchmark_training\.py': ['--iterations=1', '--rounds=1', '--rows=bfloat16'],
}
"""Tool (as a regular expression) -> arguments that make it quick."""
COMPARED = (
    '--start-iterations 2 --iterations 2 --seeds 0 --rows minvis full --cfg-options batch_size=1'
)
IS_SMALL = re.compile('_demo|_tiny')
TOOL_WITH_CONFIG = re.compile(
    r'(?:tools/(?:train|test)\.py|(?:dist|slurm)_(?:train|test)\.sh|benchmark_training\.py)\b.*?'
    r'(configs/\S+\.py)'
)


def why_not(command: Command) -> str:
    """Return why a command is not run, '' if it is."""
    return next((why for what, why in NOT_RUN.items() if re.search(what, command.text)), '')


def reduced(command: Command) -> str:
    """Return a command of a page as it is run: with names that exist, at a small size."""
    text = command.text
    for page, there, here in PLACES:
        if page in ('', command.page):
            text = re.sub(there, here, text)
    return reduced_command(text)


def reduced_command(text: str) -> str:
    """Return a command line at a small size."""
    for there, here in SIZES:
        text = re.sub(there, here, text)
    if text.startswith('make compare'):
        given = re.search("COMPARE_ARGS='(.*)'", text)
        arguments = f'{given.group(1)} {COMPARED}' if given else COMPARED
        return f'make compare COMPARE_ARGS="{arguments}"'
    for tool, arguments in ADDED.items():
        if re.search(tool, text):
            text = ' '.join([text, *arguments])
    found = TOOL_WITH_CONFIG.search(text)
    if not found:
        return text
    given = [word for word in shlex.split(text) if re.match(r'[\w.]+=', word)]
    return ' '.join(
        [text, '--cfg-options', *map(shlex.quote, small_options(found.group(1), *given))]
    )


@cache
def small_options(path: str, *given: str) -> list[str]:
    """Return ``--cfg-options`` that make a run of a config small.

    A config is the one of `reduced_configs`, but for demo and tiny models, which are small.

    Args:
        path: of the config in the repository.
        given: options that the command has anyway.
    """
    options = {'classes': repr(CLASSES).replace(' ', '')} if '_custom' in path else {}
    options.update(part.split('=', 1) for part in given if part.startswith('classes='))
    config = load_config(
        REPOSITORY / path, {key: tuple(re.findall(r'\w+', text)) for key, text in options.items()}
    )
    plain, small = config.to_dict(), copy.deepcopy(config)
    for split in ('train', 'val', 'test'):
        loader = small[f'{split}_dataloader']
        if IS_SMALL.search(path):
            loader.update(num_workers=0, persistent_workers=False)
        else:
            reduce_loader(loader)
    if not IS_SMALL.search(path):
        reduce_model(small.model)
    small.train_cfg.update(max_iters=2, val_interval=2, val_begin=1)
    for part in parts_of(small.get('custom_hooks')):
        if part.type == 'rocovis_mm.CurriculumHook':
            part.update(single_frames_until=0, half_size_until=0)
    changed = [f'{key}={written(value)}' for key, value in changes(plain, small.to_dict())]
    return [f'{key}={text}' for key, text in options.items()] + changed


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
