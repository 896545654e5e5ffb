"""Packaging of rocovis_mm. The requirements are in requirements/."""

import os
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKED_IN = Path('rocovis_mm', '.mim')
PACKED = ('configs', 'demo/video_demo.py', 'model-index.yml', 'tools')


def read_version():
    scope = {}
    exec((ROOT / 'rocovis_mm' / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


def read_requirements(name):
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in map(str.strip, lines) if line and not line.startswith('#')]


class BuildWithConfigs(build_py):
    """Packs what a checkout has beside the package into rocovis_mm/.mim, where OpenMMLab looks.

    `mmengine.hub.get_config('rocovis_mm::...')`, `_base_ = 'rocovis_mm::...'`, `mim` and the
    `rocovis` command find it there. `pip install -e` makes links.
    """

    def run(self):
        super().run()
        if getattr(self, 'editable_mode', False):
            self.link_configs(ROOT / PACKED_IN)
            return
        target = Path(self.build_lib, PACKED_IN)
        if target.is_dir():
            shutil.rmtree(target)  # what an earlier build left behind
        for name in PACKED:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                shutil.copy(ROOT / name, target / name)
            else:
                no_caches = shutil.ignore_patterns('__pycache__')
                shutil.copytree(ROOT / name, target / name, ignore=no_caches)

    @staticmethod
    def link_configs(target):
        for name in PACKED:
            link = target / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(Path(os.path.relpath(ROOT / name, link.parent)))


setup(
    name='rocovis_mm',
    version=read_version(),
    description='RoCoVIS: robust, consistent online video instance segmentation for MMDetection',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='video instance segmentation, online, tracking, OpenMMLab',
    packages=find_packages(include=['rocovis_mm', 'rocovis_mm.*']),
    include_package_data=True,
    cmdclass=dict(build_py=BuildWithConfigs),
    python_requires='>=3.9',
    # torch and the OpenMMLab packages are left out on purpose, see requirements/runtime.txt.
    # rocovis_mm/compat/dependencies.py checks them at import and says what to install.
    install_requires=read_requirements('runtime'),
    entry_points={'console_scripts': ['rocovis = rocovis_mm.cli:main']},
    extras_require={
        'eval': read_requirements('eval'),
        'mm': read_requirements('mminstall'),
        'tests': read_requirements('tests'),
        'optional': read_requirements('optional'),
        'view': read_requirements('view'),
        'videomt': read_requirements('videomt'),
        'web': read_requirements('web'),
        'lite': read_requirements('lite'),
        'export': read_requirements('export'),
        'docs': read_requirements('docs'),
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Operating System :: OS Independent',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
    zip_safe=False,
)
