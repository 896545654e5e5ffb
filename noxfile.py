"""The matrix of versions: the core tests in environments of other packages and interpreters.

    nox --list                                        the rows
    nox -s "matrix(mmdet-3.2.0_mmcv-lite-2.1.0)"      one of them
    nox --tags quick                                  all that compile nothing: `make matrix`

Each row is a new environment in work_dirs/nox. Its line of the table in docs/compatibility.md is
written when it ends. A row whose interpreter is missing is skipped, and its line stays.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import nox

ROOT = Path(__file__).parent
TABLE = ROOT / 'docs/compatibility.md'
COLUMNS = {  # column of the table -> distributions
    'python': (),
    'torch': ('torch',),
    'numpy': ('numpy',),
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmcv': ('mmcv', 'mmcv-lite', 'onedl-mmcv'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'others': ('mmpretrain', 'timm', 'torchvision', 'openmim', 'transformers'),
}
HEAD = ('row', *COLUMNS, 'compiled ops', 'tests', 'seconds', 'date')
ASK = """
import json, platform
from importlib.metadata import distributions
found = {d.metadata['Name'].lower().replace('_', '-'): d.version for d in distributions()}
print(json.dumps({'python': platform.python_version(), **found}))
"""
IMPORT = """
import rocovis_mm.models
from rocovis_mm.compat.compiled_ops import has_compiled_ops
print('compiled ops:', has_compiled_ops())
"""
CORE_TESTS = (
    'tests/test_compat',
    'tests/test_models/test_layers/test_mask_propagation_pixel_decoder.py',
    'tests/test_models/test_layers/test_query_decoder.py',
    'tests/test_models/test_tracking_heads',
    'tests/test_models/test_task_modules/test_uvla.py',
    'tests/test_models/test_losses/test_clip_loss.py',
    'tests/test_streaming/test_streaming.py',
    'tests/test_checkpoints/test_mask2former_start.py',
    'tests/test_datasets/test_transforms/test_clip_transforms.py',
    'tests/test_datasets/test_transforms/test_formatting.py',
    'tests/test_evaluation/test_vis_metric.py',
    'tests/test_engine/test_hooks.py',
    'tests/test_tools/test_train_test.py',
)
"""Models, data, training and testing by the tools."""
OPS_TESTS = ('tests/test_evaluation/test_mmdet_models.py', 'tests/test_ecosystem')
"""MMDetection's models on our data, which call mmcv's compiled ops."""
BACKBONE_TESTS = (
    'tests/test_ecosystem/test_backbones.py',
    *(
        f'tests/test_configs/test_every_config.py::test_a_config_trains_and_tests[rocovis_{name}_custom]'
        for name in ('convnext-t', 'dinov2-s', 'timm-efficientnet-b0')
    ),
)
PINNED = (('-r', 'requirements/pinned.txt'),)
# PyPI's torch for Linux brings CUDA's libraries, 2.4 GB. numpy 1, for which it was built, and the
# last releases that go with numpy 1.
TORCH_2_0 = (
    ('setuptools==80.10.2', 'wheel==0.45.1'),
    (
        'torch==2.0.0', 'numpy==1.26.4', 'opencv-python-headless==4.11.0.86', 'scipy==1.13.1',
        'matplotlib==3.9.4', 'pillow==11.3.0', 'shapely==2.0.7', 'pycocotools==2.0.8',
        'hypothesis==6.141.1', 'pytest==8.4.2', 'addict==2.4.0', 'packaging==26.3',
        'pyyaml==6.0.3', 'rich==15.0.0', 'six==1.17.0', 'terminaltables==3.1.10',
        'sybil==9.3.0', 'termcolor==3.1.0', 'tqdm==4.70.1', 'yapf==0.43.0',
    ),
)  # fmt: skip
NEWEST = (*PINNED, ('--upgrade', 'torch', 'numpy', 'scipy'))
BARE = ('--no-deps', '--no-build-isolation')
ENGINE = 'mmengine==0.10.7'
MAIN = 'mmengine @ https://github.com/open-mmlab/mmengine/archive/refs/heads/main.zip'
# mmdet.datasets imports `imgaug`, which imaug brings; that asks for two builds of OpenCV 4.
IMAUG = ('imaug==0.4.3', 'scikit-image==0.26.0', 'imageio==2.38.1', 'tifffile==2026.3.3',
         'lazy-loader==0.6')  # fmt: skip
FORKS = ('--no-deps', 'onedl-mmengine==0.10.12', 'onedl-mmdetection==3.5.1', *IMAUG)
# onedl-mmcv knows no MMCV_WITH_OPS: it compiles wherever it can import torch (2.3.6,
# `setup.py:13`), which in pip's isolated build it cannot. pip's cache does not tell them apart.
ONEDL_MMCV = ('--no-deps', '--no-cache-dir', 'onedl-mmcv==2.3.6')
ONEDL_MMCV_OPS = (*BARE, '--no-cache-dir', 'onedl-mmcv==2.3.6')
BACKBONES = (
    ('-r', 'requirements/backbones.txt'),
    ('--no-deps', 'mmpretrain==1.2.0', 'timm==1.0.31', 'torchvision==0.15.1'),
)
VIDEOMT_TESTS = ('tests/test_models/test_vis/test_videomt.py',)
VIDEOMT = (('transformers==5.24.0',),)
MIM = (('-r', 'requirements/mim.txt'), ('--no-deps', 'openmim==0.3.9'))


@dataclass(frozen=True)
class Row:
    """One combination of packages.

    Attributes:
        name: of its session and of its line in the table.
        packages: the arguments of a ``pip install`` each, after those of `base`.
        base: everything but the OpenMMLab packages.
        python: version of the interpreter.
        refused: words of the message that ``import rocovis_mm`` must end with; None where the
            combination is to work.
        compiled_ops: whether mmcv must have its extension, which compiles for minutes.
        tests: files, folders or names of tests; the slow ones too where `slow` is set.
        modules: modules that must be importable, or tests would be skipped.
    """

    name: str
    packages: tuple[tuple[str, ...], ...]
    base: tuple[tuple[str, ...], ...] = PINNED
    python: str = '3.11'
    refused: str | None = None
    compiled_ops: bool = False
    tests: tuple[str, ...] = CORE_TESTS
    slow: bool = False
    modules: tuple[str, ...] = ()


@dataclass
class Result:
    """What became of a row; it has failed until all its steps are done."""

    status: str = 'failed'
    detail: str = 'not installed'
    packages: dict[str, str] = field(default_factory=dict)
    compiled_ops: bool | None = None
    seconds: float = 0.0


def upstream(mmcv: str, mmdet: str, mmengine: str = ENGINE) -> tuple[tuple[str, ...], ...]:
    """Return the step that installs OpenMMLab's own packages, nothing compiled."""
    return ((*BARE, mmengine, f'mmcv-lite=={mmcv}', f'mmdet=={mmdet}'),)


def newer_python(version: str) -> Row:
    """Return the row of the pinned packages on another interpreter."""
    return Row(f'python-{version}', upstream('2.1.0', '3.3.0'), python=version)


ROWS = (
    Row('mmdet-3.3.0_mmcv-lite-2.1.0', upstream('2.1.0', '3.3.0')),
    Row('mmdet-3.3.0_mmcv-lite-2.0.1', upstream('2.0.1', '3.3.0')),
    Row('mmdet-3.2.0_mmcv-lite-2.1.0', upstream('2.1.0', '3.2.0')),
    Row('mmdet-3.2.0_mmcv-lite-2.0.1', upstream('2.0.1', '3.2.0')),
    Row('mmdet-3.1.0_mmcv-lite-2.0.1', upstream('2.0.1', '3.1.0')),
    newer_python('3.12'),
    newer_python('3.13'),
    newer_python('3.14'),
    Row('newest-torch-numpy', upstream('2.1.0', '3.3.0'), base=NEWEST),
    Row('mmengine-0.11', upstream('2.1.0', '3.3.0', MAIN)),
    Row('forks_without_ops', (FORKS, ONEDL_MMCV)),
    Row('forks_with_ops', (FORKS, ONEDL_MMCV_OPS), compiled_ops=True, tests=CORE_TESTS + OPS_TESTS),
    Row(
        'mmdet-3.3.0_mmcv-2.1.0',
        ((*BARE, ENGINE, 'mmdet==3.3.0'), (*BARE, '--no-cache-dir', 'mmcv==2.1.0')),
        compiled_ops=True,
        tests=CORE_TESTS + OPS_TESTS,
    ),
    Row('torch-2.0_mmdet-3.3.0', upstream('2.1.0', '3.3.0'), base=TORCH_2_0),
    Row(
        'backbones',
        upstream('2.1.0', '3.3.0') + BACKBONES,
        base=TORCH_2_0,
        tests=BACKBONE_TESTS,
        slow=True,
        modules=('mmpretrain.models', 'timm'),
    ),
    Row(
        'videomt',
        upstream('2.1.0', '3.3.0') + VIDEOMT,
        tests=VIDEOMT_TESTS,
        modules=('transformers.models.videomt',),
    ),
    Row(
        'mim',
        upstream('2.1.0', '3.3.0') + MIM,
        tests=('tests/test_packaging',),
        slow=True,
        modules=('mim',),
    ),
    Row(
        'mmdet-3.1.0_mmcv-lite-2.1.0',
        upstream('2.1.0', '3.1.0'),
        refused='mmdet 3.1.0 works with mmcv<2.1.0',
    ),
    Row(
        'mmdet-3.3.0_mmcv-lite-2.2.0',
        upstream('2.2.0', '3.3.0'),
        refused='needs mmcv-lite>=2.0.0,<2.2.0',
    ),
    Row(
        'mmdet-3.3.0_onedl-mmcv-2.3.6',
        ((*BARE, ENGINE, 'mmdet==3.3.0'), ONEDL_MMCV),
        refused='mmdet 3.3.0 works with mmcv<2.2.0',
    ),
    Row(
        'mmdet-3.0.0_mmcv-lite-2.0.1',
        upstream('2.0.1', '3.0.0'),
        refused='needs mmdet>=3.1.0,<3.4.0',
    ),
)


def run_row(session: nox.Session, row: Row, result: Result) -> None:
    """Build a row's environment, import the package and run the tests; the result is filled in."""
    result.detail = 'not installed'
    for arguments in (*row.base, *row.packages):
        session.install(*arguments, env={'MMCV_WITH_OPS': '1' if row.compiled_ops else '0'})
    result.packages = json.loads(session.run('python', '-c', ASK, silent=True))

    def run(*command: str) -> str:
        """Run a command that may fail, and return all that it printed."""
        anything = range(-64, 256)
        return session.run(
            *command, silent=True, success_codes=anything, env={'PYTHONPATH': str(ROOT)}
        )

    printed = run('python', '-W', 'ignore', '-c', IMPORT).strip()
    result.detail = printed.splitlines()[-1] if printed else 'nothing was printed'
    if row.refused is not None:
        if row.refused not in result.detail or 'compiled ops:' in result.detail:
            session.error(f'not refused as it should be: {printed}')
        result.status = 'refused'
        return
    if result.detail != f'compiled ops: {row.compiled_ops}':
        session.error(f'not as the row should be: {printed}')
    result.compiled_ops = row.compiled_ops
    for module in row.modules:
        result.detail = f'cannot import {module}'
        session.run('python', '-c', f'import {module}', env={'PYTHONPATH': str(ROOT)})
    begin = time.monotonic()
    which = ('-m', 'slow or not slow' if row.slow else 'not slow')
    printed = run('python', '-m', 'pytest', '-p', 'no:cacheprovider', '-rfEs', *which, *row.tests)
    result.seconds = time.monotonic() - begin
    passed, result.detail = outcome(printed)
    session.log(printed[-3000:])
    if not passed:
        session.error(result.detail)
    result.status = 'passed'


def outcome(printed: str) -> tuple[bool, str]:
    """Return whether pytest's tests passed, and the counts with the names of those that failed."""
    counts = {}
    for line in printed.splitlines():
        if re.search(r'\d+ \w+.* in [\d.]+s', line):
            counts = {word: number for number, word in re.findall(r'(\d+) (\w+)', line)}
    wrong = [f'{counts[word]} {word}' for word in ('failed', 'error', 'errors') if word in counts]
    names = re.findall(r'^(?:FAILED|ERROR) (.*?)(?: - .*)?$', printed, re.MULTILINE)
    named = ', '.join(name.rpartition('::')[2] for name in names)
    wrong[-1:] = [f'{each} ({named})' for each in wrong[-1:]]
    right = [f'{counts[word]} {word}' for word in ('passed', 'skipped') if word in counts]
    good = not wrong and 'passed' in counts
    return good, ', '.join(right[:1] + wrong + right[1:]) or 'pytest did not end'


def line_of(row: Row, result: Result | None) -> str:
    """Return a row's line of the table; without a result it says so."""
    if result is None:
        return f'| {row.name} | {row.python} |{" |" * (len(COLUMNS) - 1)} | not run | | |'
    cells = [row.name, result.packages.get('python', row.python)]
    for column, names in list(COLUMNS.items())[1:]:
        found = {name: result.packages[name] for name in names if name in result.packages}
        cells.append(', '.join(v if n == column else f'{n} {v}' for n, v in found.items()))
    cells.append({True: 'yes', False: 'no', None: ''}[result.compiled_ops])
    detail = result.detail.replace('|', '/').replace('<', '&lt;')
    seconds = f'{result.seconds:.0f}' if result.seconds else ''
    cells += [f'**{result.status}**: {detail}', seconds, time.strftime('%Y-%m-%d')]
    return f'| {" | ".join(cells)} |'


def write_line(line: str, path: Path) -> None:
    """Replace the line of the same row in the table of a page."""
    name = line.split('|')[1].strip()
    text, found = re.subn(
        rf'^\| {re.escape(name)} \|.*$', lambda _: line, path.read_text('utf-8'), flags=re.MULTILINE
    )
    if found != 1:
        raise ValueError(f'{path}: the table needs one line that begins with "| {name} |"')
    path.write_text(text, encoding='utf-8')


@nox.session(venv_backend='venv')
@nox.parametrize(
    'python,row',
    [
        nox.param(row.python, row, id=row.name, tags=['compiled' if row.compiled_ops else 'quick'])
        for row in ROWS
    ],
)
def matrix(session: nox.Session, row: Row) -> None:
    """Test one combination of versions."""
    result = Result()
    try:
        run_row(session, row, result)
    except Exception:  # but not Ctrl-C
        write_line(line_of(row, result), TABLE)
        raise
    write_line(line_of(row, result), TABLE)


nox.options.envdir = 'work_dirs/nox'
nox.options.sessions = []
nox.options.reuse_venv = 'no'
