"""`rocovis_mm::` is a place that MMEngine takes configs from, once our registry is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SHOW = 'import mmengine.config.utils as u; print("rocovis_mm" in u.MODULE2PACKAGE)'


def run(code: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=folder, capture_output=True, text=True,
        env={'PYTHONPATH': str(REPOSITORY), 'PATH': '', 'HOME': str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ('code', 'known'),
    [
        ('from rocovis_mm.utils.config import load_config', 'True'),
        ('import rocovis_mm', 'False'),
        ('', 'False'),
    ],
)
def test_mmengine_knows_the_name(code, known, tmp_path):
    assert run(f'{code}\n{SHOW}', tmp_path) == known


def test_the_package_alone_imports_nothing_heavy(tmp_path):
    code = 'import sys, rocovis_mm; print({"mmengine", "mmcv", "torch", "numpy"} & {*sys.modules})'
    assert run(code, tmp_path) == 'set()'


def test_configs_are_taken_from_the_folder_of_the_package(tmp_path):
    """As soon as the registry is imported, after mmengine too, and from an editable installation
    too, whose metadata is in another folder."""
    metadata = tmp_path / 'elsewhere/rocovis_mm-9.dist-info/METADATA'
    metadata.parent.mkdir(parents=True)
    metadata.write_text('Name: rocovis_mm\nVersion: 9\n')
    code = 'import sys; sys.path.append("elsewhere"); import mmengine, rocovis_mm.registry\n'
    code += 'from mmengine.config.utils import MODULE2PACKAGE\n'
    code += 'from mmengine.utils import get_installed_path, is_installed\n'
    code += 'name = MODULE2PACKAGE["rocovis_mm"]; assert is_installed(name)\n'
    code += 'print(get_installed_path(name))'
    assert run(code, tmp_path).splitlines()[-1] == str(REPOSITORY / 'rocovis_mm')


def test_a_name_after_the_scope_is_found_by_every_registry():
    """MMEngine calls `utils.register_all_modules` of a listed package without `locations`."""
    from mmengine.registry import LOG_PROCESSORS

    found = LOG_PROCESSORS.build(dict(type='LogProcessor', _scope_='rocovis_mm'))
    assert type(found).__module__.startswith('mmengine.')
