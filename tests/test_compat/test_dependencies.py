"""The surroundings: version ranges, the missing extension, safe checkpoints."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import warnings
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint

from rocovis_mm import registry
from rocovis_mm.compat import compiled_ops, dependencies

SUPPORTED = {'torch': '2.1.0', 'mmengine': '0.10.7', 'mmcv-lite': '2.1.0', 'mmdet': '3.3.0'}
needs_restricted_load = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split('.')[:2])) < (2, 6), reason='torch >= 2.6 alone'
)
needs_upstream = pytest.mark.skipif(
    bool(dependencies.find_distributions(['onedl-mmengine'])),
    reason='onedl-mmengine loads unrestricted what it may not load restricted',
)


def pretend_installed(monkeypatch, distributions: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in distributions:
            raise PackageNotFoundError(name)
        return distributions[name]

    monkeypatch.setattr(dependencies, 'version', version)
    monkeypatch.setattr(dependencies.importlib.util, 'find_spec', lambda name: None)


def run_python(code: str) -> str:
    """Run `code` in a fresh interpreter, from the repository root."""
    done = subprocess.run(
        [sys.executable, '-c', code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    'change',
    [
        {},
        {'mmcv-lite': None, 'mmcv': '2.0.0'},
        {
            'mmcv-lite': None,
            'mmdet': None,
            'mmengine': None,
            'onedl-mmcv': '2.3.6',
            'onedl-mmdetection': '3.5.1',
            'onedl-mmengine': '0.10.12',
        },
    ],
    ids=['upstream', 'full mmcv', 'maintained forks'],
)
def test_supported_versions_pass_without_a_word(monkeypatch, change):
    installed = {name: v for name, v in {**SUPPORTED, **change}.items() if v}
    pretend_installed(monkeypatch, installed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        dependencies.check_dependencies()
    assert not caught


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'torch': '1.13.1'}, r"needs torch>=2\.0, but 1\.13\.1 .* Run: pip install 'torch>=2\.0'"),
        ({'mmengine': '0.7.4'}, r'needs mmengine>=0\.10\.0,<0\.11\.0, but 0\.7\.4'),
        ({'mmcv-lite': '2.2.0'}, r'needs mmcv-lite>=2\.0\.0,<2\.2\.0, but 2\.2\.0'),
        ({'mmdet': '3.0.0'}, r'needs mmdet>=3\.1\.0,<3\.4\.0, but 3\.0\.0'),
        ({'mmdet': '3.4.0'}, r'needs mmdet>=.*,<3\.4\.0, but 3\.4\.0'),
        ({'mmdet': None}, r"needs mmdet, which is not installed\. Run: pip install 'mmdet>=3"),
        (
            {'mmdet': '3.1.0'},
            r"mmdet 3\.1\.0 works with mmcv<2\.1\.0, but mmcv-lite 2\.1\.0 .* 'mmcv-lite<2\.1'",
        ),
        (
            {'mmcv-lite': None, 'onedl-mmcv': '2.3.6'},
            r'mmdet 3\.3\.0 works with mmcv<2\.2\.0, but onedl-mmcv 2\.3\.6 .* onedl-mmdetection',
        ),
        (
            {'mmcv-lite': None, 'mmdet': '3.1.0', 'onedl-mmcv': '2.3.6'},
            r'mmdet 3\.1\.0 works with mmcv<2\.1\.0, but onedl-mmcv 2\.3\.6 .* onedl-mmdetection',
        ),
    ],
)
def test_what_is_missing_or_out_of_range_is_named_with_its_remedy(monkeypatch, change, message):
    installed = {name: v for name, v in {**SUPPORTED, **change}.items() if v}
    pretend_installed(monkeypatch, installed)
    with pytest.raises(ImportError, match=message):
        dependencies.check_dependencies()


MMTRACK = {'mmtrack': '1.0.0rc1', 'mmdet': '3.0.0rc5', 'mmcv-lite': '2.0.0rc4'}


def test_older_versions_are_accepted_beside_the_mmtracking_that_needs_them(monkeypatch):
    pretend_installed(monkeypatch, {**SUPPORTED, **MMTRACK})
    dependencies.check_dependencies()
    assert dependencies.hosted_by_mmtrack()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'mmtrack': None}, r'needs mmcv-lite>=2\.0\.0,<2\.2\.0, but 2\.0\.0rc4'),
        ({'mmtrack': '0.14.0'}, r'needs mmcv-lite>=2\.0\.0,<2\.2\.0, but 2\.0\.0rc4'),
        ({'mmdet': '3.0.0rc4'}, r'needs mmdet>=3\.1\.0,<3\.4\.0, but 3\.0\.0rc4'),
        ({'mmdet': '3.0.0rc6'}, r'needs mmdet>=3\.1\.0,<3\.4\.0, but 3\.0\.0rc6'),
    ],
)
def test_older_versions_are_refused_otherwise(monkeypatch, change, message):
    installed = {name: v for name, v in {**SUPPORTED, **MMTRACK, **change}.items() if v}
    pretend_installed(monkeypatch, installed)
    with pytest.raises(ImportError, match=message):
        dependencies.check_dependencies()
    assert not dependencies.hosted_by_mmtrack() or 'mmdet' not in change


def test_mmdetection_is_the_host_where_an_mmtracking_lies_about_unused(monkeypatch):
    pretend_installed(monkeypatch, {**SUPPORTED, 'mmtrack': '1.0.0rc1'})
    dependencies.check_dependencies()
    assert not dependencies.hosted_by_mmtrack()


def test_two_distributions_of_one_package_are_warned_of(monkeypatch):
    pretend_installed(monkeypatch, {**SUPPORTED, 'mmcv': '2.1.0'})
    with pytest.warns(UserWarning, match='mmcv and mmcv-lite are installed together'):
        dependencies.check_dependencies()


def test_a_source_build_without_metadata_is_trusted(monkeypatch):
    pretend_installed(
        monkeypatch, {name: v for name, v in SUPPORTED.items() if name != 'mmcv-lite'}
    )
    monkeypatch.setattr(dependencies.importlib.util, 'find_spec', lambda name: object())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        dependencies.check_dependencies()
    assert not caught


def test_importing_the_package_loads_neither_torch_nor_opencv():
    loaded = run_python(
        'import rocovis_mm, sys; print([m for m in ("torch", "cv2", "mmcv") if m in sys.modules])'
    )
    assert loaded == '[]'


def test_a_missing_op_raises_when_called_and_not_before():
    nms = compiled_ops.MissingExtension('mmcv._ext').nms
    with pytest.raises(RuntimeError, match='compiled op nms .* install the full mmcv'):
        nms(1, 2)


def test_a_real_extension_is_never_overridden(tmp_path):
    package = tmp_path / 'mmcv'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / '_ext.py').write_text('nms = "the real one"')
    code = (
        f'import sys; sys.path.insert(0, {str(tmp_path)!r})\n'
        'from rocovis_mm.compat import compiled_ops as ops\n'
        'from rocovis_mm.compat.deformable_kernels import use_own_deformable_attention\n'
        'ops.stand_in_for_compiled_ops(); use_own_deformable_attention()\n'
        'import mmcv._ext; print(ops.has_compiled_ops(), mmcv._ext.nms)'
    )
    assert run_python(code) == 'True the real one'


@pytest.mark.skipif(compiled_ops.has_compiled_ops(), reason='the full mmcv brings its own kernel')
def test_deformable_attention_on_an_accelerator_takes_the_pytorch_path(monkeypatch):
    monkeypatch.setenv('ROCOVIS_TRITON', '0')
    # `apply` is what the module calls for CUDA tensors; its inputs may lie anywhere.
    deformable = importlib.import_module('mmcv.ops.multi_scale_deform_attn')
    shapes = torch.tensor([[4, 6], [2, 3]])
    value = torch.rand(2, 30, 2, 8, requires_grad=True)
    locations, weights = torch.rand(2, 5, 2, 2, 4, 2), torch.rand(2, 5, 2, 2, 4)
    arguments = (value, shapes, torch.tensor([0, 24]), locations, weights, 64)
    found = deformable.MultiScaleDeformableAttnFunction.apply(*arguments)
    wanted = deformable.multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    torch.testing.assert_close(found, wanted)
    found.sum().backward()
    assert value.grad.abs().sum() > 0


class OneWeight(BaseModel):
    """The smallest model a runner trains."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        loss = (self.linear(torch.stack(inputs)) - 1).square().mean()
        return dict(loss=loss, loss_part=loss.detach() / 2)


def train(work_dir: Path, resume_from: Path | None = None) -> Runner:
    """Four iterations, a checkpoint after each second one."""
    torch.manual_seed(0)
    frames = [dict(inputs=torch.tensor([i / 8.0, 1.0])) for i in range(8)]
    runner = Runner(
        OneWeight(),
        str(work_dir),
        train_dataloader=dict(
            dataset=frames, sampler=dict(type='InfiniteSampler', shuffle=False), batch_size=2
        ),
        train_cfg=dict(by_epoch=False, max_iters=4),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=[
            dict(type='LinearLR', start_factor=0.1, begin=0, end=2, by_epoch=False),
            dict(type='MultiStepLR', milestones=[3], by_epoch=False),
        ],
        default_hooks=dict(
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=2),
            logger=dict(type='LoggerHook', interval=1),
        ),
        log_processor=dict(by_epoch=False),
        log_level='ERROR',
        load_from=resume_from and str(resume_from),
        resume=resume_from is not None,
        experiment_name=work_dir.name,
    )
    runner.message_hub.update_info('best_score', np.float64(0.5))  # as CheckpointHook keeps it
    runner.train()
    return runner


@needs_restricted_load
def test_a_runner_checkpoint_loads_restricted_and_resumes_as_if_never_stopped(tmp_path):
    whole = train(tmp_path / 'whole')
    path = tmp_path / 'whole' / 'iter_2.pth'
    hub = torch.load(path, weights_only=True)['message_hub']
    assert hub['log_scalars']['train/loss'].mean() > 0
    assert hub['log_scalars']['train/loss'].statistics('current') > 0
    assert hub['runtime_info']['best_score'] == 0.5
    resumed = train(tmp_path / 'resumed', resume_from=path)
    torch.testing.assert_close(resumed.model.linear.weight, whole.model.linear.weight)
    assert resumed.iter == whole.iter == 4


class Pickled:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@needs_restricted_load
@needs_upstream
@pytest.mark.parametrize('harm', ['eval', 'getattr', 'object_scalar'])
def test_a_checkpoint_that_holds_anything_else_is_refused(tmp_path, harm):
    multiarray = importlib.import_module(
        'numpy._core.multiarray'
        if np.lib.NumpyVersion(np.__version__) >= '2.0.0'
        else 'numpy.core.multiarray'
    )
    trace = tmp_path / 'was_run'
    calls = dict(
        eval=Pickled(eval, f'open({str(trace)!r}, "w").close()'),
        getattr=Pickled(getattr, np.dtype, '__subclasses__'),
        object_scalar=Pickled(multiarray.scalar, np.dtype('O'), 'anything'),
    )
    path = tmp_path / 'harm.pth'
    torch.save(dict(state_dict={}, message_hub=calls[harm]), path)
    with pytest.raises(pickle.UnpicklingError):
        _load_checkpoint(str(path))
    assert not trace.exists()


def test_mmdet_models_can_be_imported_after_rocovis_mm_and_the_registry_prepares_torch():
    assert registry.MODELS.scope == 'rocovis_mm'
    code = (
        'import rocovis_mm, mmdet.models, torch, sys\n'
        'assert "rocovis_mm.registry" not in sys.modules\n'
        'from rocovis_mm import registry\n'
        'allowed = getattr(torch.serialization, "get_safe_globals", lambda: None)()\n'
        'names = {getattr(item, "__name__", "") for item in allowed or ()}\n'
        'print(allowed is None, names)'
    )
    without_list, names = run_python(code).splitlines()[-1].split(' ', 1)
    if without_list == 'False':
        assert all(name in names for name in ("'HistoryBuffer'", "'_reconstruct'", "'scalar'"))
