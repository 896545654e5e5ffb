"""From a prediction's logits to the masks of one frame at its own resolution.

N queries, K classes, H x W a frame's own size; h x w the resolution of the mask logits. Of the N
queries m may have a mask. A mask at the frame's resolution costs much more than its logits, so it
is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from torch import Tensor

SCORING_SIZES = ('input', 'frame')
"""Resolutions at which masks can be scored: the input's without padding, the frame's own."""
RESIZES = ('bilinear', 'nearest')
"""Ways to enlarge mask logits from the input's resolution to the frame's own."""
QUERIES_AT_ONCE = 16
"""Masks that are enlarged together: floats of a frame's own resolution, which cost memory."""


class FrameSizes(NamedTuple):
    """Heights and widths in pixels, as a data sample names them.

    Attributes:
        batch_input_shape: of the padded input.
        img_shape: of the input without padding.
        ori_shape: of the frame itself.
    """

    batch_input_shape: tuple[int, int]
    img_shape: tuple[int, int]
    ori_shape: tuple[int, int]


class MaskLogits:
    """The mask logits of one frame, which any of its masks can be made of, also later.

    Pixel probability = sigmoid(mask logit) * foreground; 0.5 decides. A mask and its sums do not
    depend on which others are made with it.

    Args:
        mask_logits: (N, h, w) of the padded input.
        foreground: (N,), factor of each query's pixel probabilities.
        frame: the sizes of :class:`FrameSizes`.
        mask_scoring: whether sums inside the masks are needed.
        scoring_size: resolution of the sums, one of ``SCORING_SIZES``.
        resize: one of ``RESIZES``.
        possible: (N,) bool, :func:`possible_masks`, where the caller has it on the CPU.
    """

    def __init__(
        self,
        mask_logits: Tensor,
        foreground: Tensor,
        frame: DetDataSample,
        mask_scoring: bool,
        scoring_size: str = 'input',
        resize: str = 'bilinear',
        *,
        possible: np.ndarray | None = None,
    ) -> None:
        if possible is None:
            possible = possible_masks(mask_logits, foreground).cpu().numpy()
        thresholds = mask_thresholds(foreground)
        self.queries = np.flatnonzero(possible)  # (m,) those that can have a mask, ascending
        queries = torch.from_numpy(self.queries).to(mask_logits.device)
        self.logits = mask_logits[queries].detach()  # (m, h, w)
        self.foreground = foreground[queries, None, None]
        self.thresholds = thresholds[queries, None, None]
        self.sizes = FrameSizes(
            *(tuple(getattr(frame, name)[:2]) for name in FrameSizes._fields)  # of (H, W, 3) too
        )
        self.mask_scoring = mask_scoring
        self.scoring_size = scoring_size
        self.resize = resize
        self._inside = np.zeros((len(foreground), 2), dtype=np.float32)
        self._summed = np.full(len(foreground), not mask_scoring)
        self._summed[np.setdiff1d(np.arange(len(foreground)), self.queries)] = True

    @property
    def num_bytes(self) -> int:
        """Memory that the logits take."""
        return self.logits.numel() * self.logits.element_size()

    def make(self, queries: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return masks that are not empty.

        Args:
            queries: whose masks are wanted, ascending.

        Returns:
            (n,) long, those of `queries` whose masks are not empty, and (n, H, W) bool.
        """
        height, width = self.sizes.ori_shape
        wanted = torch.from_numpy(np.flatnonzero(np.isin(self.queries, queries)))
        parts = [np.zeros((0, height, width), dtype=bool)]
        found = [np.zeros(0, dtype=np.int64)]
        for rows, number in self._batches(wanted):
            masks = self._frame_logits(rows, number) > self.thresholds[rows]
            masks = masks[:number].cpu().numpy()
            seen = masks.any((1, 2))
            parts.append(masks if seen.all() else masks[seen])
            found.append(self.queries[rows[:number].numpy()[seen]])
        return np.concatenate(found), np.concatenate(parts)

    def inside(self, queries: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return sums inside masks at the scoring's resolution; zeros unless masks are scored.

        Args:
            queries: whose sums are wanted.

        Returns:
            (n, 2) float32, the sum of the pixel probabilities inside each mask, and its area.
        """
        queries = np.asarray(queries, dtype=int)
        left = queries[~self._summed[queries]]
        for rows, number in self._batches(torch.from_numpy(np.searchsorted(self.queries, left))):
            if self.scoring_size == 'input':
                self._input_logits(rows, number)
            else:
                self._frame_logits(rows, number)
        return self._inside[queries]

    def _input_logits(self, rows: Tensor, number: int) -> Tensor:
        """Return logits at the input's resolution."""
        logits = resize_to_input(self.logits[rows].float(), self.sizes)
        if self.scoring_size == 'input':
            self._sum(logits, rows, number)
        return logits

    def _frame_logits(self, rows: Tensor, number: int) -> Tensor:
        """Return logits at the frame's own resolution."""
        logits = resize_to_frame(self._input_logits(rows, number), self.sizes, self.resize)
        if self.scoring_size == 'frame':
            self._sum(logits, rows, number)
        return logits

    def _sum(self, logits: Tensor, rows: Tensor, number: int) -> None:
        """Keep the sums inside the masks of logits, unless they are known."""
        queries = self.queries[rows[:number].numpy()]
        if not self._summed[queries].all():
            # one by one, as the rounding of a vector unit depends on a number's place in memory
            probabilities = torch.stack([mask.sigmoid() for mask in logits])
            sums = sums_inside(probabilities * self.foreground[rows])
            self._inside[queries] = sums[:number].cpu().numpy()
            self._summed[queries] = True

    def _batches(self, rows: Tensor) -> Iterator[tuple[Tensor, int]]:
        """Yield rows that are made together, and how many of them count.

        How a number is rounded depends on how many rows there are: on a CPU on whether they are
        1 (sums) or 3 (resizing has code of its own for images of 3 channels), on a GPU on any
        number. So a batch repeats its last row until it rounds as the batches of all rows do.
        """
        total = len(self.queries)
        whole = total - total % QUERIES_AT_ONCE
        on_cpu = self.logits.device.type == 'cpu'
        for part, size in (
            (rows[rows < whole], QUERIES_AT_ONCE),
            (rows[rows >= whole], total - whole),
        ):
            for some in part.split(QUERIES_AT_ONCE) if len(part) else ():
                number = len(some)
                alike = number + (number in (1, 3)) if on_cpu and size not in (1, 3) else size
                yield torch.cat([some, some[-1:].expand(alike - number)]), number


class FrameMasks:
    """The masks of one frame that are not empty; n of N queries. All are made at first use.

    Args:
        class_logits: (N, K + 1); the last class is "no object".
        logits: of the masks.
        identities: (N,) of the queries; None where a query is an identity by itself.

    Attributes:
        class_logits: as above.
        logits: as above.
        identities: as above.
    """

    def __init__(
        self, class_logits: np.ndarray, logits: MaskLogits, identities: np.ndarray | None = None
    ) -> None:
        self.class_logits = class_logits
        self.logits = logits
        self.identities = identities

    @cached_property
    def _made(self) -> tuple[np.ndarray, np.ndarray]:
        return self.logits.make(self.logits.queries)

    @property
    def slots(self) -> np.ndarray:
        """(n,) long, the queries of the masks."""
        return self._made[0]

    @property
    def masks(self) -> np.ndarray:
        """(n, H, W) bool at the frame's own resolution."""
        return self._made[1]

    @property
    def inside(self) -> np.ndarray:
        """(N, 2); see :meth:`MaskLogits.inside`."""
        return self.logits.inside(np.arange(len(self.class_logits)))


def frame_masks(
    class_logits: Tensor,
    mask_logits: Tensor,
    foreground: Tensor,
    frame: DetDataSample,
    mask_scoring: bool,
    scoring_size: str = 'input',
    identities: Tensor | None = None,
    resize: str = 'bilinear',
) -> FrameMasks:
    """Return the masks of a frame at its own resolution, made at their first use.

    Args:
        class_logits: (N, K + 1); the last class is "no object".
        mask_logits: (N, h, w) of the padded input.
        foreground: (N,), factor of each query's pixel probabilities.
        frame: sizes: ``batch_input_shape`` (padded input), ``img_shape``, ``ori_shape``.
        mask_scoring: whether :attr:`FrameMasks.inside` is needed.
        scoring_size: its resolution, one of ``SCORING_SIZES``.
        identities: (N,) long of the queries, where an associator gives them.
        resize: to the frame's own resolution, one of ``RESIZES``.
    """
    possible = possible_masks(mask_logits, foreground)[:, None].to(class_logits)
    found = torch.cat([class_logits, possible], 1).detach().cpu().numpy()  # the CPU waits once
    logits = MaskLogits(
        mask_logits,
        foreground,
        frame,
        mask_scoring,
        scoring_size,
        resize,
        possible=found[:, -1] > 0,
    )
    numbers = None if identities is None else identities.cpu().numpy()
    return FrameMasks(np.ascontiguousarray(found[:, :-1]), logits, numbers)


def possible_masks(mask_logits: Tensor, foreground: Tensor) -> Tensor:
    """Return (N,) bool, whether a query may have a mask; see :class:`MaskLogits`."""
    # interpolated values are between their sources, except for rounding
    return mask_logits.flatten(1).amax(-1).float() > mask_thresholds(foreground) - 1e-3


def mask_thresholds(foreground: Tensor) -> Tensor:
    """Return the mask logit (N,) above which a pixel belongs to a query.

    ``sigmoid(x) * foreground > 0.5`` says the same as ``x > -log(2 * foreground - 1)``;
    where the foreground is at most 0.5 no pixel belongs to it, and the threshold is infinite.

    Args:
        foreground: (N,), factor of each query's pixel probabilities, in [0, 1].
    """
    return -(2 * foreground - 1).clamp(min=0).log()


def sums_inside(probabilities: Tensor) -> Tensor:
    """Return (n, 2): the sum of (n, h, w) probabilities above 0.5, and how many they are."""
    sure = F.threshold(probabilities, 0.5, 0).flatten(1)
    return torch.stack([sure.sum(-1), sure.sign().sum(-1)], dim=-1)  # a sum of bools is slower


def resize_to_input(logits: Tensor, frame: DetDataSample | FrameSizes) -> Tensor:
    """Bring (n, h, w) mask logits to the resolution of a frame's input, padding cut off."""
    height, width = frame.img_shape[:2]
    return resize(logits, frame.batch_input_shape)[..., :height, :width]


def resize_to_frame(
    logits: Tensor, frame: DetDataSample | FrameSizes, mode: str = 'bilinear'
) -> Tensor:
    """Bring logits of :func:`resize_to_input` to a frame's own resolution (as Mask2Former)."""
    return resize(logits, frame.ori_shape[:2], mode)


def resize(logits: Tensor, size: tuple[int, int], mode: str = 'bilinear') -> Tensor:
    """Resize (n, h, w) logits, n = 0 included; `mode` is one of ``RESIZES``."""
    if tuple(logits.shape[-2:]) == tuple(size):
        return logits
    if len(logits) == 0:
        return logits.new_zeros((0, *size))
    if mode == 'nearest':
        return F.interpolate(logits[None], size, mode='nearest')[0]
    return F.interpolate(logits[None], size, mode='bilinear', align_corners=False)[0]
