"""The Triton kernel, interpreted on a CPU, against mmcv's sampling by grid_sample."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import sys
from types import SimpleNamespace

import pytest
import torch
from mmcv.ops import MultiScaleDeformableAttention
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch

from rocovis_mm.compat import deformable_kernels
from rocovis_mm.models.layers.deformable_attention import DeformableAttention, SamplingPlan
from tests.conftest import REPOSITORY

triton = pytest.importorskip('triton', reason='needs Triton: pip install triton')
if not hasattr(torch.library, 'custom_op'):
    pytest.skip('needs torch >= 2.4', allow_module_level=True)
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
LEVELS = ((4, 1), (7, 5))
SHAPES = [
    pytest.param((2, 9, 3, 5, 1), id='odd'),
    pytest.param((1, 33, 1, 4, 2), id='two programs for the queries'),
    pytest.param((2, 1, 1, 1, 1), id='one of each'),
]
"""B, Q, H, C, P."""


@pytest.fixture(scope='module')
def kernel():
    """Return the kernel; where there is no GPU, Triton's interpreter runs it."""
    with pytest.MonkeyPatch.context() as patch:
        if DEVICE == 'cpu':
            patch.setenv('TRITON_INTERPRET', '1')
        module = importlib.import_module(deformable_kernels.KERNEL)
        if DEVICE == 'cpu':  # the interpreter knows Triton's own sum, and calls any other slowly
            kernels = sys.modules['rocovis_mm.compat.triton_kernels']
            patch.setattr(kernels, 'add', triton.language.standard._sum_combine)
        yield module.deformable_attention


def draw(shape, dtype=torch.float64, places=None, reach=0.4):
    """Return value, shapes, starts, locations and weights; some places are on the edges."""
    batch, queries, heads, channels, points = shape
    torch.manual_seed(0)
    sizes = torch.tensor(LEVELS)
    areas = sizes.prod(1)
    value = torch.randn(batch, int(areas.sum()), heads, channels)
    locations = 0.5 + torch.randn(batch, queries, heads, len(LEVELS), points, 2) * reach
    locations[:, ::5] = locations[:, ::5].round()
    weights = torch.randn(batch, queries, heads, len(LEVELS) * points).softmax(-1)
    weights = weights.unflatten(-1, (len(LEVELS), points))
    value, weights = (x.to(DEVICE, dtype).requires_grad_() for x in (value, weights))
    locations = locations.to(DEVICE, places or dtype).requires_grad_()
    return value, sizes.to(DEVICE), (areas.cumsum(0) - areas).to(DEVICE), locations, weights


def reference(arguments, dtype):
    """Return the same by grid_sample, and its own leaves."""
    value, sizes, _, locations, weights = arguments
    leaves = [x.detach().to(dtype).requires_grad_() for x in (value, locations, weights)]
    return multi_scale_deformable_attn_pytorch(leaves[0], sizes, *leaves[1:]), leaves


def assert_as_reference(kernel, arguments, values, gradients, dtype):
    """Compare values and gradients with the reference in `dtype`; tolerances are relative."""
    found = kernel(*arguments)
    wanted, others = reference(arguments, dtype)
    assert found.dtype == arguments[0].dtype and wanted.abs().mean() > 0.02
    torch.testing.assert_close(found.to(dtype), wanted, atol=values, rtol=values)
    change = torch.randn_like(found)
    leaves = [arguments[i] for i in (0, 3, 4)]
    grads = torch.autograd.grad(found, leaves, change)
    for leaf, grad, expected in zip(
        leaves, grads, torch.autograd.grad(wanted, others, change.to(dtype))
    ):
        assert grad.dtype == leaf.dtype
        scale = expected.abs().max().item()
        torch.testing.assert_close(grad.to(dtype), expected, atol=gradients * scale, rtol=gradients)


@pytest.mark.parametrize('shape', SHAPES)
def test_values_and_gradients_are_mmcvs(kernel, shape):
    assert_as_reference(kernel, draw(shape, torch.float32), 1e-5, 1e-4, torch.float32)


def test_double_precision_is_exact(kernel):
    assert_as_reference(kernel, draw((1, 5, 1, 3, 1)), 1e-12, 1e-12, torch.float64)


@pytest.mark.parametrize('places', ['half', 'float'])
@pytest.mark.parametrize(('dtype', 'digits'), [(torch.float16, 2e-3), (torch.bfloat16, 1.6e-2)])
def test_half_types_round_once(kernel, dtype, digits, places):
    """Sums are in float32: against the same numbers in float32 only the result is rounded."""
    arguments = draw((1, 7, 1, 4, 1), dtype, None if places == 'half' else torch.float32)
    assert_as_reference(kernel, arguments, digits, digits, torch.float32)


def test_no_place_reads_outside_the_values(kernel):
    arguments = draw((1, 6, 1, 3, 1), torch.float32)
    clean = kernel(*arguments).detach()
    with torch.no_grad():
        for query, wrong in enumerate((float('nan'), float('inf'), -float('inf'), 1e30)):
            arguments[3][0, query, ..., 0] = wrong
    result = kernel(*arguments)
    assert torch.equal(result[:, 4:], clean[:, 4:])
    assert torch.equal(result[:, :4], torch.zeros_like(result[:, :4]))
    for grad in torch.autograd.grad(result.sum(), [arguments[i] for i in (0, 3, 4)]):
        assert grad.isfinite().all()


def test_memory_that_is_not_contiguous(kernel):
    value, sizes, starts, locations, weights = draw((1, 5, 2, 3, 1))
    apart = value.detach().transpose(1, 2).contiguous().transpose(1, 2)
    assert not apart.is_contiguous()
    found = kernel(apart, sizes, starts, locations, weights)
    wanted, _ = reference((value, sizes, starts, locations, weights), torch.float64)
    torch.testing.assert_close(found, wanted)


def test_the_module_on_a_device_equals_mmcvs(kernel, monkeypatch):
    """The way that CUDA takes, with the kernel and with grid_sample."""
    torch.manual_seed(2)
    theirs = MultiScaleDeformableAttention(4, 1, 2, 1, dropout=0.0).to(DEVICE)
    theirs.batch_first = True
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    ours = DeformableAttention.take_over(copy.deepcopy(theirs))
    sizes, tokens = torch.tensor(LEVELS, device=DEVICE), sum(h * w for h, w in LEVELS)
    places = torch.rand(tokens, 2, 2, device=DEVICE)
    query, position = torch.randn(2, 1, tokens, 4, device=DEVICE)
    where = dict(
        reference_points=places[None],
        spatial_shapes=sizes,
        level_start_index=sizes.prod(1).cumsum(0) - sizes.prod(1),
    )
    wanted = theirs(query, query_pos=position, **where)
    wanted.sum().backward()
    plan = SamplingPlan.make(LEVELS, places, 1, 1)
    for works in (True, False):
        monkeypatch.setattr(deformable_kernels, '_kernel_works', lambda works=works: works)
        ours.zero_grad()
        found = ours.sample_on_device(query, query + position, plan, **where)
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
        found.sum().backward()
        for mine, other in zip(ours.parameters(), theirs.parameters()):
            torch.testing.assert_close(mine.grad, other.grad, atol=1e-4, rtol=1e-4)


def test_the_figures_of_the_gpu_report(kernel, monkeypatch):
    """Its comparison at a small size; each timed call runs once."""
    monkeypatch.syspath_prepend(str(REPOSITORY / 'tools/analysis_tools'))
    report = importlib.import_module('gpu_report_equality')
    for name, number in dict(HEADS=1, POINTS=1, CHANNELS=4, seconds=once).items():
        monkeypatch.setattr(report, name, number)
    settings = SimpleNamespace(device=torch.device(DEVICE), frames=1)
    figures = report.kernel_figures(settings, (32, 64), None)
    times = [name for name in figures if name.endswith(', ms')]
    assert len(times) == 4 and all(figures.pop(name) == 1e3 for name in times)
    assert len(figures) == 4 and all(0 <= figure < 1e-4 for figure in figures.values())


def once(function, device, repeats):
    """Call a function and pretend that it took a second."""
    function()
    return 1.0


@pytest.mark.parametrize('name', ['forward_kernel', 'backward_kernel'])
def test_kernels_compile_for_a_gpu(name, monkeypatch):
    """The interpreter takes more than the compiler, which needs no GPU."""
    compiler = pytest.importorskip('triton.compiler')
    backends = pytest.importorskip('triton.backends.compiler')
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    spec = importlib.util.find_spec('rocovis_mm.compat.triton_kernels')
    kernels = importlib.util.module_from_spec(spec)  # one of its own, which is not interpreted
    spec.loader.exec_module(kernels)
    function = getattr(kernels, name)
    sizes = dict(HEADS=8, LEVELS=3, POINTS=4, CHANNELS=32, QUERIES=32, WIDTH=32)
    constants = dict(sizes, FLOAT=triton.language.float32)
    kinds = dict(tokens='i32', queries='i32', shapes='*i64', starts='*i64', grad_value='*fp32')
    kinds.update(dict.fromkeys(constants, 'constexpr'))
    source = compiler.ASTSource(
        fn=function,
        signature={argument: kinds.get(argument, '*fp16') for argument in function.arg_names},
        constexprs={(function.arg_names.index(key),): value for key, value in constants.items()},
    )
    compiled = triton.compile(source, target=backends.GPUTarget('cuda', 90, 32))
    assert ('atom' in compiled.asm['ptx'] or 'red.' in compiled.asm['ptx']) == ('back' in name)


@pytest.mark.skipif(DEVICE == 'cuda', reason='there is a GPU')
def test_where_the_kernel_is_not_chosen(monkeypatch):
    deformable_kernels._kernel_works.cache_clear()
    assert not deformable_kernels.has_triton_kernel()
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    deformable_kernels._kernel_works.cache_clear()
    monkeypatch.setenv('ROCOVIS_TRITON', '0')
    assert not deformable_kernels.has_triton_kernel()
    monkeypatch.delenv('ROCOVIS_TRITON')
    with pytest.warns(UserWarning, match='does not work here, so the slower grid_sample'):
        assert not deformable_kernels.has_triton_kernel()
    monkeypatch.setattr(deformable_kernels, '_kernel_works', lambda: True)
    assert deformable_kernels.has_triton_kernel()
    monkeypatch.setattr(torch, 'are_deterministic_algorithms_enabled', lambda: True)
    assert not deformable_kernels.has_triton_kernel()
