"""What the wheel and the source distribution hold."""

from __future__ import annotations

import re
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from rocovis_mm.version import __version__
from tests.conftest import REPOSITORY
from tests.test_packaging.packages import build, copy_sources


@pytest.fixture(scope='module')
def sources(tmp_path_factory) -> Path:
    return copy_sources(tmp_path_factory.mktemp('sources'))


@pytest.fixture(scope='module')
def wheel(sources, tmp_path_factory) -> zipfile.ZipFile:
    stale = sources / 'build/lib/rocovis_mm/.mim/configs/gone.py'
    stale.parent.mkdir(parents=True)
    stale.touch()  # of an earlier build
    with zipfile.ZipFile(build(sources, 'bdist_wheel', tmp_path_factory.mktemp('wheel'))) as file:
        yield file


def files_of(folder: str, *suffixes: str) -> set[str]:
    paths = (REPOSITORY / folder).rglob('*')
    return {str(p.relative_to(REPOSITORY)) for p in paths if p.suffix in suffixes}


def test_the_wheel_carries_the_package_its_configs_and_tools(wheel):
    names = set(wheel.namelist())
    own = files_of('rocovis_mm', '.py', '.html', '.css', '.js')
    assert own <= names | {name for name in own if '/.mim/' in name}
    packed = {name[len('rocovis_mm/.mim/') :] for name in names if '/.mim/' in name}
    wanted = files_of('configs', '.py', '.yml') | files_of('tools', '.py', '.sh')
    assert packed == wanted | {'model-index.yml', 'demo/video_demo.py'}


def test_every_name_of_the_index_is_packed(wheel):
    packed = 'rocovis_mm/.mim/'
    for metafile in yaml.safe_load(wheel.read(f'{packed}model-index.yml'))['Import']:
        for model in yaml.safe_load(wheel.read(packed + metafile))['Models']:
            assert packed + model['Config'] in wheel.namelist()


def test_the_wheel_installs_one_package_and_nothing_that_runs_at_start_up(wheel):
    tops = {name.split('/')[0] for name in wheel.namelist()}
    assert tops == {'rocovis_mm', f'rocovis_mm-{__version__}.dist-info'}


def test_a_wheel_from_the_source_distribution_is_the_same(sources, wheel, tmp_path):
    archive = build(sources, 'sdist', tmp_path / 'sdist')
    with tarfile.open(archive) as file:
        file.extractall(tmp_path)
    unpacked = tmp_path / f'rocovis_mm-{__version__}'
    with zipfile.ZipFile(build(unpacked, 'bdist_wheel', tmp_path / 'wheel')) as other:
        assert sorted(other.namelist()) == sorted(wheel.namelist())


def test_every_limit_of_setuptools_ends_where_pkg_resources_does(wheel):
    """setuptools 81.0.0 has it, 82.0.0 has not; a pin is an exact release before that."""
    files = [REPOSITORY / 'pyproject.toml', REPOSITORY / 'docs/troubleshooting.md']
    texts = [path.read_text() for path in [*files, *REPOSITORY.glob('requirements/*.txt')]]
    (metadata,) = (name for name in wheel.namelist() if name.endswith('/METADATA'))
    texts.append(wheel.read(metadata).decode())
    limits = re.findall(r'\bsetuptools *\(?([<=>!~]=?[\d.]+)', '\n'.join(texts))
    ranges = [SpecifierSet(limit) for limit in limits if not limit.startswith('==')]
    assert len(ranges) >= 4 and len(limits) > len(ranges)
    assert all('81.0.0' in each and '82.0.0' not in each for each in ranges)
    pins = [limit for limit in limits if limit.startswith('==')]
    assert all(pin[2:] in SpecifierSet('<82') for pin in pins)
