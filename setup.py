"""Packaging of rocovis_mm; the requirements stand in requirements/."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def read_version():
    scope = {}
    exec((ROOT / 'rocovis_mm' / 'version.py').read_text(encoding='utf-8'), scope)
    return scope['__version__']


def read_requirements(name):
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in map(str.strip, lines) if line and not line.startswith('#')]


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
    python_requires='>=3.9',
    # OpenMMLab's own packages are left out on purpose, see requirements/runtime.txt;
    # rocovis_mm/compat.py checks them at import and says what to install.
    install_requires=read_requirements('runtime'),
    extras_require={
        'mm': read_requirements('mminstall'),
        'tests': read_requirements('tests'),
        'optional': read_requirements('optional'),
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
