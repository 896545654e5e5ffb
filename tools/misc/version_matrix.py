"""The combinations of packages that `run_matrix.py` builds and tests, and what their tests are.

An environment is a base, which holds everything but the OpenMMLab packages, and these. Rows
of one base share it. Nothing here runs anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field

CORE_TESTS = (
    'tests/test_compat',
    'tests/test_models/test_layers/test_mask_propagation_pixel_decoder.py',
    'tests/test_models/test_layers/test_query_decoder.py',
    'tests/test_models/test_tracking_heads',
    'tests/test_models/test_task_modules/test_uvla.py',
    'tests/test_models/test_losses/test_clip_loss.py',
    'tests/test_models/test_vis/test_streaming.py',
    'tests/test_models/test_vis/test_mask2former_checkpoint.py',
    'tests/test_datasets/test_transforms/test_clip_transforms.py',
    'tests/test_datasets/test_transforms/test_formatting.py',
    'tests/test_evaluation/test_vis_metric.py',
    'tests/test_engine/test_hooks.py',
    'tests/test_tools/test_train_test.py',
    'tests/test_compat',
)
"""What touches the packages below: models, data, training and testing by the tools."""
OPS_TESTS = ('tests/test_evaluation/test_mmdet_models.py', 'tests/test_ecosystem')
"""What else goes another way where mmcv has compiled ops: MMDetection's models on our data."""
BACKBONE_TESTS = (
    'tests/test_ecosystem/test_backbones.py',
    *(
        f'tests/test_configs/test_every_config.py::test_a_config_trains_and_tests[rocovis_{name}_custom]'
        for name in ('convnext-t', 'dinov2-s', 'timm-efficientnet-b0')
    ),
)
"""Those of mmpretrain and timm, slow ones too."""


@dataclass(frozen=True)
class Step:
    """One call of ``pip install``.

    Attributes:
        arguments: of the call.
        environment: variables set for it.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One combination.

    Attributes:
        name: of its folder and its line in the table.
        base: key of `BASES`.
        steps: how the OpenMMLab packages get in.
        refused: words of the message that ``import rocovis_mm`` must end with; None where the
            combination is to work.
        compiled_ops: whether mmcv has to have its extension. It compiles for minutes: such rows
            run when they are named.
        tests: files, folders or names of tests, as pytest takes them.
        slow_tests: whether those marked slow are among them.
        modules: what has to be importable; the tests that need it would else be skipped.
    """

    name: str
    base: str
    steps: tuple[Step, ...]
    refused: str | None = None
    compiled_ops: bool = False
    tests: tuple[str, ...] = CORE_TESTS
    slow_tests: bool = False
    modules: tuple[str, ...] = ()


BASES = {
    'torch-2.13': (Step(('-r', 'requirements/pinned.txt')),),
    # PyPI's torch for Linux: it brings CUDA's libraries, 2.4 GB. numpy 1, which it was built for,
    # and the last releases that go with that.
    'torch-2.0': (
        Step(('setuptools==80.10.2', 'wheel==0.45.1')),
        Step(
            (
                'torch==2.0.0', 'numpy==1.26.4', 'opencv-python-headless==4.11.0.86',
                'scipy==1.13.1', 'matplotlib==3.9.4', 'pillow==11.3.0', 'shapely==2.0.7',
                'pycocotools==2.0.8', 'hypothesis==6.141.1', 'pytest==8.4.2', 'addict==2.4.0',
                'packaging==26.3', 'pyyaml==6.0.3', 'rich==15.0.0', 'six==1.17.0',
                'terminaltables==3.1.10', 'termcolor==3.1.0', 'tqdm==4.70.1', 'yapf==0.43.0',
            )
        ),
    ),
}  # fmt: skip
WITHOUT_ISOLATION = ('--no-deps', '--no-build-isolation')


def upstream(mmcv: str, mmdet: str) -> tuple[Step, ...]:
    """Return the step that installs OpenMMLab's own packages, nothing compiled."""
    packages = ('mmengine==0.10.7', f'mmcv-lite=={mmcv}', f'mmdet=={mmdet}')
    return (Step((*WITHOUT_ISOLATION, *packages)),)


def full_mmcv(version: str, mmdet: str) -> tuple[Step, ...]:
    """Return the steps that compile OpenMMLab's mmcv."""
    return (
        Step((*WITHOUT_ISOLATION, 'mmengine==0.10.7', f'mmdet=={mmdet}')),
        Step((*WITHOUT_ISOLATION, '--no-cache-dir', f'mmcv=={version}'), {'MMCV_WITH_OPS': '1'}),
    )


def onedl_mmcv(with_ops: bool) -> Step:
    """Return the step that installs the maintained fork of mmcv.

    Unlike upstream's, its ``setup.py`` knows no ``MMCV_WITH_OPS``: it compiles wherever it can
    import torch (onedl-mmcv 2.3.6, ``setup.py:13``), which in pip's isolated build it cannot.
    pip's cache does not tell the two wheels apart.
    """
    build = WITHOUT_ISOLATION if with_ops else ('--no-deps',)
    return Step((*build, '--no-cache-dir', 'onedl-mmcv==2.3.6'))


def forks(with_ops: bool) -> tuple[Step, ...]:
    """Return the steps that install the maintained forks."""
    # mmdet.datasets imports `imgaug`, which imaug brings; that asks for two builds of OpenCV 4
    imaug = ('imaug==0.4.3', 'scikit-image==0.26.0', 'imageio==2.38.1', 'tifffile==2026.3.3',
             'lazy-loader==0.6')  # fmt: skip
    packages = ('onedl-mmengine==0.10.12', 'onedl-mmdetection==3.5.1')
    return (Step(('--no-deps', *packages, *imaug)), onedl_mmcv(with_ops))


def backbones(torchvision: str) -> tuple[Step, ...]:
    """Return the steps of docs/backbones.md."""
    packages = ('mmpretrain==1.2.0', 'timm==1.0.31', f'torchvision=={torchvision}')
    return (
        Step(('-r', 'requirements/backbones.txt')),
        Step(('--no-deps', *packages)),
    )


MIM = (
    Step(('-r', 'requirements/mim.txt')),
    Step(('--no-deps', 'openmim==0.3.9')),
)
ROWS = (
    Row('mmdet-3.3.0_mmcv-lite-2.1.0', 'torch-2.13', upstream('2.1.0', '3.3.0')),
    Row('mmdet-3.3.0_mmcv-lite-2.0.1', 'torch-2.13', upstream('2.0.1', '3.3.0')),
    Row('mmdet-3.2.0_mmcv-lite-2.1.0', 'torch-2.13', upstream('2.1.0', '3.2.0')),
    Row('mmdet-3.2.0_mmcv-lite-2.0.1', 'torch-2.13', upstream('2.0.1', '3.2.0')),
    Row('mmdet-3.1.0_mmcv-lite-2.0.1', 'torch-2.13', upstream('2.0.1', '3.1.0')),
    Row('forks_without_ops', 'torch-2.13', forks(with_ops=False)),
    Row(
        'forks_with_ops',
        'torch-2.13',
        forks(with_ops=True),
        compiled_ops=True,
        tests=CORE_TESTS + OPS_TESTS,
    ),
    Row(
        'mmdet-3.3.0_mmcv-2.1.0',
        'torch-2.13',
        full_mmcv('2.1.0', '3.3.0'),
        compiled_ops=True,
        tests=CORE_TESTS + OPS_TESTS,
    ),
    Row('torch-2.0_mmdet-3.3.0', 'torch-2.0', upstream('2.1.0', '3.3.0')),
    Row(
        'backbones',
        'torch-2.0',
        upstream('2.1.0', '3.3.0') + backbones('0.15.1'),
        tests=BACKBONE_TESTS,
        slow_tests=True,
        modules=('mmpretrain.models', 'timm'),
    ),
    Row(
        'mim',
        'torch-2.13',
        upstream('2.1.0', '3.3.0') + MIM,
        tests=('tests/test_packaging',),
        slow_tests=True,
        modules=('mim',),
    ),
    Row(
        'mmdet-3.1.0_mmcv-lite-2.1.0',
        'torch-2.13',
        upstream('2.1.0', '3.1.0'),
        refused='mmdet 3.1.0 works with mmcv<2.1.0',
    ),
    Row(
        'mmdet-3.3.0_mmcv-lite-2.2.0',
        'torch-2.13',
        upstream('2.2.0', '3.3.0'),
        refused='needs mmcv-lite>=2.0.0,<2.2.0',
    ),
    Row(
        'mmdet-3.3.0_onedl-mmcv-2.3.6',
        'torch-2.13',
        (Step((*WITHOUT_ISOLATION, 'mmengine==0.10.7', 'mmdet==3.3.0')), onedl_mmcv(False)),
        refused='mmdet 3.3.0 works with mmcv<2.2.0',
    ),
    Row(
        'mmdet-3.0.0_mmcv-lite-2.0.1',
        'torch-2.13',
        upstream('2.0.1', '3.0.0'),
        refused='needs mmdet>=3.1.0,<3.4.0',
    ),
)
