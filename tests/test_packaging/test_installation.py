"""An installed wheel, far from the checkout: config look-ups, MMDetection's tools, `mim`.

The wheel goes into a new environment that sees the packages of this one, nothing is fetched. The
test of `mim` needs requirements/mim.txt here.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rocovis_mm.datasets.embedded import make_tiny_dataset
from tests.conftest import REPOSITORY
from tests.test_packaging.packages import build, copy_sources

pytestmark = pytest.mark.slow
OPTIONS = [
    'train_cfg.max_iters=1', 'train_cfg.val_interval=9', 'train_dataloader.batch_size=1',
    'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
    'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False',
    'default_hooks.checkpoint.interval=1',
]  # fmt: skip


class Installation:
    """A new environment with the wheel, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        wheel = build(copy_sources(make(folder / 'sources')), 'bdist_wheel', folder / 'wheel')
        subprocess.run([sys.executable, '-m', 'venv', '--without-pip', folder / 'env'], check=True)
        self.python = folder / 'env/bin/python'
        code = 'import sysconfig; print(sysconfig.get_path("purelib"))'
        self.packages = Path(subprocess.check_output([self.python, '-c', code], text=True).strip())
        # behind the environment's own; editable installations of this one stay hidden
        others = [path for path in sys.path if path.endswith('site-packages')]
        (self.packages / 'others.pth').write_text('\n'.join(others) + '\n')
        install = ['-m', 'pip', '--python', self.python, 'install', '-q', '--no-deps', wheel]
        self.call(sys.executable, *install, '--no-index', '--force-reinstall')

    def call(self, *command: object) -> str:
        variables = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
        done = subprocess.run(
            list(map(str, command)), cwd=self.folder, text=True,
            env={**variables, 'OMP_NUM_THREADS': '1'},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    def run(self, *arguments: object) -> str:
        return self.call(self.python, *arguments)


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope='module')
def installed(tmp_path_factory) -> Installation:
    return Installation(tmp_path_factory.mktemp('installed'))


@pytest.fixture(scope='module')
def config(installed) -> Path:
    """A user's config that builds on a shipped one and on nothing of a checkout."""
    data = make_tiny_dataset(installed.folder / 'data').root
    path = installed.folder / 'mine.py'
    loader = f"dict(dataset=dict(data_root='{data}/'))"
    path.write_text(
        "_base_ = 'rocovis_mm::rocovis/rocovis_demo.py'\n"
        f'train_dataloader = {loader}\nval_dataloader = {loader}\ntest_dataloader = {loader}\n'
        f"val_evaluator = dict(ann_file='{data}/val.json')\ntest_evaluator = val_evaluator\n"
    )
    return path


def test_the_package_is_the_installed_one(installed):
    place = installed.run('-c', 'import rocovis_mm; print(rocovis_mm.__file__)').strip()
    assert Path(place).parent == installed.packages / 'rocovis_mm'


def test_configs_are_looked_up_by_name(installed):
    code = (
        'import rocovis_mm.registry\n'
        'from mmengine.hub import get_config\n'
        'runtime = get_config("rocovis_mm::_base_/default_runtime.py")\n'  # in no metafile
        'model = get_config("rocovis_mm::rocovis/rocovis_r50_ovis.py").model\n'
        'print(runtime.default_scope, model.type, model.track_head.num_classes)'
    )
    assert installed.run('-c', code).splitlines()[-1] == 'mmdet rocovis_mm.RoCoVIS 25'


def test_mmdetections_own_tool_trains_a_config_that_builds_on_one(installed, config):
    import mmdet

    tool = Path(mmdet.__file__).parent / '.mim/tools/train.py'
    wrapper = (
        "import runpy, sys, rocovis_mm.registry; runpy.run_path(sys.argv.pop(1), None, '__main__')"
    )
    assert wrapper in (REPOSITORY / 'docs/compatibility.md').read_text()
    log = installed.run('-c', wrapper, tool, config, '--work-dir', 'run', '--cfg-options', *OPTIONS)
    assert 'training saw' in log  # our hook's last words
    assert (installed.folder / 'run/iter_1.pth').is_file()


def test_any_tool_reads_a_config_that_names_the_file_of_the_package(installed):
    """Docs/compatibility.md says so; the process never imports our registry before it reads."""
    base = "__import__('rocovis_mm').__path__[0] + '/.mim/configs/rocovis/rocovis_r50_ovis.py'"
    assert f'_base_ = {base}' in (REPOSITORY / 'docs/compatibility.md').read_text()
    (installed.folder / 'heir.py').write_text(f'_base_ = {base}\n')
    code = 'from mmengine.config import Config; print(Config.fromfile("heir.py").model.type)'
    assert installed.run('-c', code).splitlines()[-1] == 'rocovis_mm.RoCoVIS'


def test_mim_trains_tests_and_runs(installed, config):
    if importlib.util.find_spec('mim') is None:
        pytest.skip('needs openmim: see requirements/mim.txt')
    mim = [installed.python, '-c', 'from mim.cli import cli; cli()']
    log = installed.call(
        *mim, 'train', 'rocovis_mm', config, '--work-dir', 'mim', '--cfg-options', *OPTIONS
    )
    assert 'Training finished successfully' in log
    checkpoint = installed.folder / 'mim/iter_1.pth'
    assert checkpoint.is_file()
    log = installed.call(
        *mim, 'test', 'rocovis_mm', config, '--checkpoint', checkpoint, '--work-dir', 'mim_test',
        '--out', 'mim_test/results.json', '--cfg-options', *OPTIONS,
    )  # fmt: skip
    assert 'Tube-Boundary AP' in log
    truth, results = installed.folder / 'data/val.json', installed.folder / 'mim_test/results.json'
    log = installed.call(*mim, 'run', 'rocovis_mm', 'eval_results', truth, results)
    assert 'Tube-Boundary AP' in log
