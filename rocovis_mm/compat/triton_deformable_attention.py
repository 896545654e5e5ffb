"""Multi-scale deformable attention in Triton (Zhu et al. 2021), forward and backward.

It takes the place of mmcv's compiled kernel on CUDA. This file imports Triton, so it is imported
where the kernel is used, see :func:`rocovis_mm.compat.deformable_kernels.has_triton_kernel`.

B images, S tokens of all levels, Q queries, H heads, L levels, P points, C channels of a head.
"""

import contextlib
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from rocovis_mm.compat.triton_kernels import backward_kernel, forward_kernel

QUERIES_AT_ONCE = 32
"""Queries of one program. Each program computes them for one head of one image."""


def launch(kernel: Any, value: Tensor, locations: Tensor, *tensors: Tensor) -> None:
    """Run a kernel over all queries, heads and images.

    Args:
        kernel: takes `tensors`, S, Q and its sizes.
        value: (B, S, H, C).
        locations: (B, Q, H, L, P, 2).
        *tensors: contiguous, on one device.
    """
    batch, tokens, heads, channels = value.shape
    queries, levels, points = locations.shape[1], *locations.shape[3:5]
    on_device = torch.cuda.device(value.device) if value.is_cuda else contextlib.nullcontext()
    with on_device:
        kernel[(triton.cdiv(queries, QUERIES_AT_ONCE), batch * heads)](
            *tensors,
            tokens,
            queries,
            HEADS=heads,
            LEVELS=levels,
            POINTS=points,
            CHANNELS=channels,
            FLOAT=tl.float64 if value.dtype == torch.float64 else tl.float32,
            QUERIES=QUERIES_AT_ONCE,
            WIDTH=triton.next_power_of_2(channels),
        )


@torch.library.custom_op('rocovis_mm::deformable_attention', mutates_args=())
def deformable_attention(
    value: Tensor, shapes: Tensor, starts: Tensor, locations: Tensor, weights: Tensor
) -> Tensor:
    """Return the weighted sum of bilinear samples of all levels, zeros outside of them.

    As ``mmcv.ops.multi_scale_deformable_attn_pytorch``. Sums are in float32, or float64 where
    the values are. The gradient of the values is a sum in any order, so it is not reproducible
    to the last bit.

    Args:
        value: (B, S, H, C) float.
        shapes: (L, 2) long, height and width of each level.
        starts: (L,) long, first token of each level.
        locations: (B, Q, H, L, P, 2) float, (x, y) in [0, 1] of the level.
        weights: (B, Q, H, L, P) float.

    Returns:
        (B, Q, H * C) of the type of `value`.
    """
    batch, queries, heads = locations.shape[:3]
    out = value.new_empty(batch, queries, heads * value.shape[-1])
    tensors = [x.contiguous() for x in (value, shapes, starts, locations, weights)]
    launch(forward_kernel, value, locations, *tensors, out)
    return out


@torch.library.custom_op('rocovis_mm::deformable_attention_backward', mutates_args=())
def deformable_attention_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    grad_out: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of value, locations and weights, each of the type of its tensor."""
    exact = torch.float64 if value.dtype == torch.float64 else torch.float32
    grad_value = torch.zeros(value.shape, dtype=exact, device=value.device)
    grad_locations = torch.empty(locations.shape, dtype=locations.dtype, device=value.device)
    grad_weights = torch.empty(weights.shape, dtype=weights.dtype, device=value.device)
    tensors = [x.contiguous() for x in (value, shapes, starts, locations, weights, grad_out)]
    grads = (grad_value, grad_locations, grad_weights)
    launch(backward_kernel, value, locations, *tensors, *grads)
    return grad_value.to(value.dtype), grad_locations, grad_weights


@deformable_attention.register_fake
def _(value, shapes, starts, locations, weights):  # noqa: ANN001, ANN202
    heads = value.shape[2] * value.shape[3]
    return value.new_empty(value.shape[0], locations.shape[1], heads)


@deformable_attention_backward.register_fake
def _(value, shapes, starts, locations, weights, grad_out):  # noqa: ANN001, ANN202
    return tuple(x.new_empty(x.shape) for x in (value, locations, weights))


def save_inputs(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    """Keep the tensors that the gradients need."""
    ctx.save_for_backward(*inputs)


def gradients(ctx: Any, grad_out: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradient of each argument of :func:`deformable_attention`."""
    value, locations, weights = deformable_attention_backward(*ctx.saved_tensors, grad_out)
    return value, None, None, locations, weights


deformable_attention.register_autograd(gradients, setup_context=save_inputs)
