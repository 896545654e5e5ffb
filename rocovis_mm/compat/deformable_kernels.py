"""Deformable attention on CUDA where mmcv has no compiled kernel: in Triton, or in PyTorch.

``mmcv.ops.MultiScaleDeformableAttention`` chooses its compiled kernel by the device of the
tensor, not by whether the kernel is there (mmcv 2.1.0, ``ops/multi_scale_deform_attn.py:366``).
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings

import torch

from rocovis_mm.compat.compiled_ops import has_compiled_ops

KERNEL = 'rocovis_mm.compat.triton_deformable_attention'
SWITCH = 'ROCOVIS_TRITON'
"""Environment variable; 0 switches the Triton kernel off."""


def use_own_deformable_attention() -> None:
    """Let deformable attention run on CUDA where mmcv has no kernel for it."""
    if has_compiled_ops():
        return
    deformable = importlib.import_module('mmcv.ops.multi_scale_deform_attn')

    class OwnDeformableAttention:
        """Takes the place of the CUDA function; same arguments, Triton or PyTorch inside."""

        @staticmethod
        def apply(value, shapes, level_start, locations, weights, im2col_step):  # noqa: ANN001, ANN205
            if has_triton_kernel():
                kernel = torch.ops.rocovis_mm.deformable_attention
                return kernel(value, shapes, level_start, locations, weights)
            return deformable.multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)

    deformable.MultiScaleDeformableAttnFunction = OwnDeformableAttention


def has_triton_kernel() -> bool:
    """Whether deformable attention on CUDA is computed by the Triton kernel.

    That is where the kernel works, unless the environment variable ``ROCOVIS_TRITON`` is 0, or
    PyTorch is asked for deterministic algorithms, which a sum in any order is not.
    """
    if os.environ.get(SWITCH) == '0' or torch.are_deterministic_algorithms_enabled():
        return False
    return _kernel_works()


def has_kernel() -> bool:
    """Whether deformable attention on CUDA is computed by any kernel, mmcv's or ours."""
    return has_compiled_ops() or has_triton_kernel()


for function in (has_triton_kernel, has_kernel):
    # as torch.compiler.assume_constant_result, which would import the compiler: torch.compile
    # calls the function once and does not look into it
    function._dynamo_marked_constant = True


@functools.cache
def _kernel_works() -> bool:
    """Whether the Triton kernel runs on the current CUDA device; warns where it fails."""
    if not torch.cuda.is_available() or not hasattr(torch.library, 'custom_op'):  # torch < 2.4
        return False
    try:
        kernel = importlib.import_module(KERNEL).deformable_attention
        value = torch.zeros(1, 1, 1, 1, device='cuda')
        long = torch.ones(1, 2, dtype=torch.long, device='cuda')
        places = torch.zeros(1, 1, 1, 1, 1, 2, device='cuda')
        kernel(value, long, long[0, :1] - 1, places, places[..., 0])
    except ModuleNotFoundError:  # Triton is optional
        return False
    except Exception as error:  # no compiler, a device that it does not know
        warnings.warn(
            'the Triton kernel of deformable attention does not work here, so the slower '
            f'grid_sample is used. Set {SWITCH}=0 to use it without this warning '
            f'({type(error).__name__}: {str(error).strip() or "no message"})'
        )
        return False
    return True
