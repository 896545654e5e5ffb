"""Multi-scale deformable attention by the fastest sampling of each device (Zhu et al. 2021).

B images, S tokens of all levels, H heads, L levels, P points, C channels; J = H * L * P
samples of one token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmcv.ops import MultiScaleDeformableAttention, multi_scale_deform_attn
from torch import Tensor

from rocovis_mm.compat.deformable_kernels import has_kernel
from rocovis_mm.models.layers.gradient import needs_gradient


@dataclass(frozen=True)
class SamplingPlan:
    """The facts about one geometry that its sampling needs; none of them is learned.

    The values are in a table whose levels are framed by zeros, so that a sample that
    leaves its level finds zeros and no sample is a special case.

    Attributes:
        sizes: (h, w) of each level.
        x: (S, J), each token's own place in the pixels of the sample's level.
        y: (S, J).
        width: (J,), of the sample's level.
        height: (J,).
        origin: (J,) int, row of the table of pixel (0, 0) of the level for the head.
        below: (J,) int, rows of the table from a pixel to the one below it.
        rows: pixels of one image in the table.
    """

    sizes: tuple[tuple[int, int], ...]
    x: Tensor
    y: Tensor
    width: Tensor
    height: Tensor
    origin: Tensor
    below: Tensor
    rows: int

    @staticmethod
    def make(
        sizes: Sequence[tuple[int, int]], references: Tensor, heads: int, points: int
    ) -> SamplingPlan:
        """Return the plan of one geometry.

        Args:
            sizes: (h, w) of each level.
            references: (S, L, 2), each token's own place as (x, y) in [0, 1].
            heads: H.
            points: P.
        """
        columns, start = [], 0
        for h, w in sizes:
            columns.append((w, h, start + w + 3, w + 2))  # a row of zeros and one more
            start += (h + 2) * (w + 2)
        width, height, origin, below = references.new_tensor(columns).T
        place = references * torch.stack([width, height], -1) - 0.5  # (S, L, 2)

        def spread(levels: Tensor) -> Tensor:
            """(..., L) -> (..., J)."""
            shape = (*levels.shape[:-1], heads, len(sizes), points)
            return levels[..., None, :, None].expand(shape).flatten(-3)

        head = torch.arange(heads, device=references.device).repeat_interleave(len(sizes) * points)
        return SamplingPlan(
            tuple(sizes),
            spread(place[..., 0]),
            spread(place[..., 1]),
            spread(width),
            spread(height),
            (spread(origin).long() * heads + head).int(),
            (spread(below).long() * heads).int(),
            start + max(w for _, w in sizes) + 3,  # the corners of a sample on the last frame
        )

    def table(self, value: Tensor, heads: int) -> Tensor:
        """Return (B * rows * H, C / H) values, each level framed by zeros, from (B, S, C)."""
        batch, _, channels = value.shape
        table = value.new_zeros(batch, self.rows, channels)
        first = start = 0
        for h, w in self.sizes:
            framed = table[:, start : start + (h + 2) * (w + 2)].view(batch, h + 2, w + 2, channels)
            framed[:, 1:-1, 1:-1] = value[:, first : first + h * w].view(batch, h, w, channels)
            first += h * w
            start += (h + 2) * (w + 2)
        return table.view(-1, channels // heads)


def sample(value: Tensor, x: Tensor, y: Tensor, weights: Tensor, plan: SamplingPlan) -> Tensor:
    """Sum bilinear samples of every level: one weighted sum of table rows per head.

    As ``mmcv.ops.multi_scale_deformable_attn_pytorch``, which copies each level for
    ``grid_sample`` and writes all samples before it sums them.

    Args:
        value: (B, S, C).
        x: (B, S, J), sampling offsets in pixels of the sample's level.
        y: (B, S, J).
        weights: (B, S, H, L * P), attention weights.
        plan: of the levels.

    Returns:
        (B, S, C).
    """
    batch, tokens, heads, samples = weights.shape
    table = plan.table(value, heads)
    x = torch.minimum(x + plan.x, plan.width).clamp_(min=-1)
    y = torch.minimum(y + plan.y, plan.height).clamp_(min=-1)
    left, top = x.floor(), y.floor()
    x, y = x.sub_(left), y.sub_(top)
    rows = top.int().mul_(plan.below).add_(left.int(), alpha=heads).add_(plan.origin)
    if batch > 1:
        first = torch.arange(batch, dtype=rows.dtype, device=rows.device) * plan.rows * heads
        rows += first[:, None, None]
    # whatever a diverged network asks for, nothing outside the table is read
    rows.clamp_(0, len(table) - 1 - int(plan.below.max()) - heads)
    low = weights.flatten(2) * y
    high = weights.flatten(2) - low
    low_right, high_right = low * x, high * x
    result = 0
    for weight, step in (
        (high - high_right, None),
        (high_right, heads),
        (low - low_right, plan.below),
        (low_right, plan.below + heads),
    ):
        result = result + F.embedding_bag(
            (rows if step is None else rows + step).view(-1, samples),
            table,
            mode='sum',
            per_sample_weights=weight.view(-1, samples).to(table.dtype),
        )
    return result.view(batch, tokens, -1)


def sample_by_grid(
    value: Tensor, x: Tensor, y: Tensor, weights: Tensor, plan: SamplingPlan
) -> Tensor:
    """Return what :func:`sample` does, by ``grid_sample``, which exporters know."""
    heads = weights.shape[2]
    shape = (heads, len(plan.sizes), -1)
    x, y = ((p + q).unflatten(-1, shape) for p, q in ((x, plan.x), (y, plan.y)))
    weights = weights.unflatten(-1, (len(plan.sizes), -1)).transpose(1, 2)  # (B, H, S, L, P)
    levels = value.split([h * w for h, w in plan.sizes], dim=1)
    result = 0
    for level, (h, w) in enumerate(plan.sizes):
        pixels = levels[level].transpose(1, 2).unflatten(1, (heads, -1)).flatten(0, 1)
        grid = torch.stack([(x + 0.5) * (2 / w) - 1, (y + 0.5) * (2 / h) - 1], -1)[..., level, :, :]
        sampled = F.grid_sample(
            pixels.unflatten(-1, (h, w)),
            grid.transpose(1, 2).flatten(0, 1),  # (B * H, S, P, 2)
            align_corners=False,
        )
        result = result + (sampled * weights[..., level, :].flatten(0, 1)[:, None]).sum(-1)
    return result.unflatten(0, (len(value), heads)).flatten(1, 2).transpose(1, 2)


def sample_by_bags(
    value: Tensor, x: Tensor, y: Tensor, weights: Tensor, plan: SamplingPlan
) -> Tensor:
    """Return what :func:`sample` does, by one ``embedding_bag`` over all levels and corners.

    A sample reads two columns and two rows of its level, and the weight of each is
    max(0, 1 - distance). So nothing outside of a level is read and no zeros frame the levels.
    OpenVINO computes this in half of the time of :func:`sample_by_grid`. Every level needs two
    rows and two columns.
    """
    batch, tokens, heads, samples = weights.shape
    x, y = (z.flatten(0, 1) + own.repeat(batch, 1) for z, own in ((x, plan.x), (y, plan.y)))
    left = torch.minimum(x.floor(), plan.width - 2).relu()
    top = torch.minimum(y.floor(), plan.height - 2).relu()
    rows = (top * plan.width + left) * heads + first_rows(plan, heads, batch)  # exact in float
    weights = weights.flatten(2).flatten(0, 1)  # (B * S, J)
    high, low = weights * tent(y - top), weights * tent(y - top - 1)
    near, far = tent(x - left), tent(x - left - 1)

    def bags(*corners: Tensor) -> Tensor:
        """4 tensors (B * S, J) -> (B * S * H, 4 * L * P)."""
        return torch.cat([corner.view(-1, samples) for corner in corners], 1)

    below = rows + plan.width * heads
    summed = F.embedding_bag(
        bags(rows, rows + heads, below, below + heads).int(),
        value.reshape(-1, value.shape[-1] // heads),
        mode='sum',
        per_sample_weights=bags(high * near, high * far, low * near, low * far),
    )
    return summed.view(batch, tokens, -1)


def tent(distance: Tensor) -> Tensor:
    """Return the bilinear weight of a pixel at a distance."""
    return (1 - distance.abs()).relu()


def first_rows(plan: SamplingPlan, heads: int, batch: int) -> Tensor:
    """Return (B * S, J) float, the row of a table (B * S * H, C / H) where a level begins."""
    areas = torch.tensor([h * w for h, w in plan.sizes], device=plan.x.device)
    starts = (areas.cumsum(0) - areas)[None, :, None] * heads
    starts = starts + torch.arange(heads, device=areas.device)[:, None, None]  # (H, L, 1)
    starts = starts.expand(-1, -1, plan.x.shape[1] // starts.numel()).flatten()
    images = torch.arange(batch, device=areas.device).repeat_interleave(len(plan.x))
    return (starts + images[:, None] * len(plan.x) * heads).to(plan.x)


Sampling = Callable[[Tensor, Tensor, Tensor, Tensor, SamplingPlan], Tensor]
"""A function like :func:`sample`."""


class DeformableAttention(MultiScaleDeformableAttention):
    """mmcv's attention, by the sampling that is fastest.

    On a CPU that is :func:`sample` at test time. Training there keeps ``grid_sample``, whose
    gradient is the faster one. On CUDA it is mmcv's compiled kernel, or else the one in Triton,
    or else ``grid_sample``, and the CPU never waits for the device. All give the same up to the
    rounding of floats.

    Attributes:
        exporting: sample by :func:`sample_by_grid` instead.
        bags: when exporting, sample by :func:`sample_by_bags` instead, which ONNX has no
            operation for.
    """

    exporting = False
    bags = False

    @classmethod
    def take_over(cls, attention: MultiScaleDeformableAttention) -> DeformableAttention:
        """Return `attention` itself, its parameters untouched, as one of this class."""
        attention.__class__ = cls
        return attention

    def forward(
        self,
        query: Tensor,
        *args: object,
        query_pos: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        plan: SamplingPlan | None = None,
        **kwargs: object,
    ) -> Tensor:
        """Return (B, S, C): the attention of tokens (B, S, C) to themselves, plus themselves.

        Args:
            query: (B, S, C).
            *args: as mmcv's attention.
            query_pos: (1, S, C) or (B, S, C), added where a token asks, not where it answers.
            key_padding_mask: (B, S) bool, tokens whose values are zero; None for none.
            plan: of the tokens' levels; without one, and with a gradient on a CPU, mmcv's way is
                taken. With one `query_pos` has to be given.
            **kwargs: as mmcv's attention.
        """
        accelerated = query.is_cuda and not self.exporting
        if plan is None or (not accelerated and needs_gradient(self, query)):
            kwargs |= dict(query_pos=query_pos, key_padding_mask=key_padding_mask)
            return super().forward(query, *args, **kwargs)
        if accelerated:
            kwargs |= dict(key_padding_mask=key_padding_mask)
            return self.sample_on_device(query, query + query_pos, plan, **kwargs)
        asking = query + query_pos
        weight, bias = self.sampling_offsets.weight, self.sampling_offsets.bias
        x, y = (F.linear(asking, weight[i::2], bias[i::2]) for i in (0, 1))
        weights = self.attention_weights(asking).unflatten(-1, (self.num_heads, -1))
        sampling = self.sampling(plan)
        value = self.masked_values(query, key_padding_mask)
        sampled = sampling(value, x, y, weights.softmax(-1), plan)
        return self.output_proj(sampled) + query

    def sampling(self, plan: SamplingPlan) -> Sampling:
        """Return the function that samples the levels of a plan."""
        if not self.exporting:
            return sample
        has_corners = min(min(size) for size in plan.sizes) > 1
        return sample_by_bags if self.bags and has_corners else sample_by_grid

    def masked_values(self, query: Tensor, padding: Tensor | None) -> Tensor:
        """Return the values (B, S, C) of tokens (B, S, C), zero where `padding` (B, S) is set."""
        value = self.value_proj(query)
        return value if padding is None else value.masked_fill(padding[..., None], 0)

    def sample_on_device(
        self,
        query: Tensor,
        asking: Tensor,
        plan: SamplingPlan,
        *,
        reference_points: Tensor,
        spatial_shapes: Tensor,
        level_start_index: Tensor,
        key_padding_mask: Tensor | None = None,
        **_: object,
    ) -> Tensor:
        """Return (B, S, C), as mmcv's attention, which reads `spatial_shapes` on the CPU.

        Args:
            query: (B, S, C).
            asking: (B, S, C), the same with positions.
            plan: of the tokens' levels.
            reference_points: (B, S, L, 2), each token's own place as (x, y) in [0, 1].
            spatial_shapes: (L, 2) long, (h, w) of each level.
            level_start_index: (L,) long, first token of each level.
            key_padding_mask: (B, S) bool, tokens whose values are zero; None for none.
            **_: other arguments of mmcv's attention.
        """
        samples = (self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(asking).unflatten(-1, (*samples, 2))
        weights = self.attention_weights(asking).unflatten(-1, (self.num_heads, -1)).softmax(-1)
        sizes = spatial_shapes.flip(-1)[:, None]  # (L, 1, 2), width first
        places = reference_points[:, :, None, :, None] + offsets / sizes  # (B, S, H, L, P, 2)
        value = self.masked_values(query, key_padding_mask)
        sampled = multi_scale_deform_attn.MultiScaleDeformableAttnFunction.apply(
            value.unflatten(-1, (self.num_heads, -1)),
            spatial_shapes if has_kernel() else plan.sizes,  # PyTorch's way needs them on the CPU
            level_start_index,
            places,
            weights.unflatten(-1, samples[1:]),
            self.im2col_step,
        )
        return self.dropout(self.output_proj(sampled)) + query
