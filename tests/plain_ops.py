"""Ops that mmcv compiles, written out in PyTorch: slow, for tests on mmcv-lite."""

from __future__ import annotations

import importlib

import torch
import torch.nn.functional as F
from torch import Tensor

from rocovis_mm.compat.compiled_ops import has_compiled_ops


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Return the indices of the boxes that are kept, the best first."""
    sides = (boxes[:, 2:] - boxes[:, :2] + offset).clamp(min=0)
    areas, order, kept = sides.prod(1), scores.argsort(descending=True, stable=True), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        corner = torch.maximum(boxes[best, :2], boxes[order, :2])
        opposite = torch.minimum(boxes[best, 2:], boxes[order, 2:])
        common = (opposite - corner + offset).clamp(min=0).prod(1)
        order = order[common <= iou_threshold * (areas[best] + areas[order] - common)]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.long)


def roi_align(
    x: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    pool_mode: str = 'avg',
    aligned: bool = True,
) -> Tensor:
    """Average 2 x 2 bilinear samples of each bin; differentiable."""
    rows, columns = (2 * side for side in output_size)
    height, width = x.shape[-2:]
    shift = 0.5 if aligned else 0.0
    outputs = [x.new_zeros(0, x.shape[1], *output_size)]
    for roi in rois:
        left, top, right, bottom = roi[1:] * spatial_scale - shift
        ys = top + (bottom - top) * (torch.arange(rows) + 0.5) / rows
        xs = left + (right - left) * (torch.arange(columns) + 0.5) / columns
        grid = torch.stack(torch.meshgrid(ys, xs, indexing='ij')[::-1], -1)
        grid = (grid + 0.5) / grid.new_tensor([width, height]) * 2 - 1
        sampled = F.grid_sample(
            x[int(roi[0])][None], grid[None], padding_mode='border', align_corners=False
        )
        outputs.append(F.avg_pool2d(sampled, 2))
    return torch.cat(outputs)


def use_plain_ops(monkeypatch) -> None:
    """Let MMDetection's two-stage models run where mmcv has no compiled ops."""
    if has_compiled_ops():
        return
    ops = importlib.import_module('mmcv.ops.nms').ext_module
    monkeypatch.setattr(ops, 'nms', nms, raising=False)
    for module in ('mmcv.ops.roi_align', 'mmdet.structures.mask.structures'):
        monkeypatch.setattr(importlib.import_module(module), 'roi_align', roi_align)
