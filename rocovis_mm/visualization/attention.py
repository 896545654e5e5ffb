"""The attention of the calibration over the past, as numbers and as a picture.

H heads, h x w a level's resolution, S = h * w cells, M memory frames, n cells asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from rocovis_mm.models.layers import PropagationAttention
from rocovis_mm.models.layers.window_attention import distances_from
from rocovis_mm.visualization.compositions import fit, tile, write_line

PANE = (320, 192)
"""Width and height of a frame in the picture."""


@dataclass
class Seen:
    """The latest input of one calibration.

    Attributes:
        current: (1, C, h, w), F_t.
        keys: M tensors (1, S, C), oldest first.
        position: (1, C, h, w).
    """

    current: Tensor
    keys: Sequence[Tensor]
    position: Tensor


@dataclass
class AttentionStatistics:
    """Sums over the cells of all frames that were looked at, for one stride.

    Attributes:
        cells: number of cells.
        sums: name -> (H,), a sum over the cells. ``keys`` is the number of cells to look at,
            ``effective_keys`` exp(entropy), the number of cells that share the attention. The
            others are the weight on the cell's own place in all memory frames, on places at
            most two cells away, and on the newest frame of the memory.
    """

    cells: int = 0
    sums: dict[str, np.ndarray | float] = field(default_factory=lambda: defaultdict(float))

    def add(self, weights: Tensor, cells: Tensor, size: tuple[int, int]) -> None:
        """Add the attention of some cells.

        Args:
            weights: (H, n, M, S), which sum to one for each head and cell.
            cells: (n,) long.
            size: (h, w).
        """
        flat = weights.flatten(2)
        entropy = -(flat * flat.clamp(min=1e-12).log()).sum(-1)
        steps = distances_from(cells, size)[0]  # (n, S)
        of_places = weights.sum(2)
        self.cells += len(cells)
        found = dict(
            keys=torch.full((len(weights),), len(cells) * flat.shape[-1]),
            effective_keys=entropy.exp().sum(1),
            own_place=(of_places * (steps == 0)).sum((1, 2)),
            within_two_cells=(of_places * (steps <= 2)).sum((1, 2)),
            newest_frame=weights[:, :, -1].sum((1, 2)),
        )
        for name, values in found.items():
            self.sums[name] = self.sums[name] + values.numpy()

    def rows(self) -> list[dict[str, float]]:
        """Return the means, a row for each head."""
        return [
            {name: float(values[head] / self.cells) for name, values in self.sums.items()}
            for head in range(len(self.sums['keys']))
        ]


@dataclass
class AttentionRecorder:
    """Keeps the latest inputs of the calibrations of a model; see :func:`recording`."""

    seen: dict[int, Seen] = field(default_factory=dict)

    def weights(self, modules: nn.ModuleDict, stride: int, cells: Tensor) -> Tensor:
        """Return the attention (H, n, M, S) of some cells (n,) of the last frame."""
        return attention_weights(modules[str(stride)], self.seen[stride], cells)


@contextmanager
def recording(modules: nn.ModuleDict) -> Iterator[AttentionRecorder]:
    """Record the inputs of each stride's calibration inside the context.

    Args:
        modules: stride -> calibration, ``pixel_decoder.propagation``.
    """
    recorder, handles = AttentionRecorder(), []
    for stride, module in modules.items():

        def keep(_: nn.Module, arguments: tuple, stride: int = int(stride)) -> None:
            current, keys, _, position = arguments[:4]
            if keys:
                recorder.seen[stride] = Seen(current, keys, position)

        handles.append(module.register_forward_pre_hook(keep))
    try:
        yield recorder
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def attention_weights(module: PropagationAttention, seen: Seen, cells: Tensor) -> Tensor:
    """Return the attention (H, n, M, S) of some cells, as `module` weighs the past.

    Args:
        module: the calibration of one stride.
        seen: its input, of one clip.
        cells: (n,) long.
    """
    size = tuple(seen.current.shape[-2:])
    keys = torch.stack([key[0] for key in module.with_ages(seen.keys)])  # (M, S, C)
    query = module.project(0, seen.current + seen.position)[0, cells]
    queries = query.unflatten(-1, (module.num_heads, -1))  # (n, H, c)
    logits = torch.einsum('nhc,mshc->hnms', queries, keys.unflatten(-1, (module.num_heads, -1)))
    logits = logits / queries.shape[-1] ** 0.5
    steps, squares = distances_from(cells, size)
    if module.log_width is not None:
        factor = 1 / (2 * module.log_width.exp().square())
        logits = logits - (factor[:, None, None] * squares)[:, :, None]
    if module.window is not None:
        logits = logits.masked_fill((steps > module.window)[None, :, None], float('-inf'))
    return logits.flatten(2).softmax(-1).view_as(logits)


def draw_attention(
    frames: Sequence[np.ndarray],
    weights: dict[int, Tensor],
    cells: dict[int, Tensor],
    sizes: dict[int, tuple[int, int]],
) -> np.ndarray:
    """Draw the attention of a few cells over the past frames, a row for each stride and cell.

    Args:
        frames: M + 1 pictures (H, W, 3) RGB, oldest first, the last one being the frame itself.
        weights: stride -> (H, n, M, S), mean over heads is drawn.
        cells: stride -> (n,) long.
        sizes: stride -> (h, w).

    Returns:
        (height, width, 3) RGB.
    """
    panes = []
    for stride, attention in weights.items():
        height, width = sizes[stride]
        for index, cell in enumerate(cells[stride].tolist()):
            heat = attention[:, index].mean(0).view(-1, height, width).numpy()  # (M, h, w)
            row = [heated(frame, x) for frame, x in zip(frames, heat / max(heat.max(), 1e-12))]
            row.append(marked(frames[-1], divmod(cell, width), (height, width)))
            titles = [f'{len(heat) - m} before' for m in range(len(heat))]
            titles.append(f'stride {stride}: the cell that looks')
            panes += [titled(pane, title) for pane, title in zip(row, titles)]
    return tile(panes, len(frames))


def heated(frame: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Return a frame (H, W, 3), darkened where `heat` (h, w) in [0, 1] is low."""
    large = cv2.resize(heat, frame.shape[1::-1], interpolation=cv2.INTER_NEAREST)[..., None]
    color = np.array([255, 96, 32]) * large + frame * (0.45 - 0.2 * large)
    return color.clip(0, 255).astype(np.uint8)


def marked(frame: np.ndarray, cell: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return a frame (H, W, 3) with a cell (row, column) of h x w drawn around."""
    steps = frame.shape[0] / size[0], frame.shape[1] / size[1]
    low = [round(index * step) for index, step in zip(cell, steps)]
    high = [round((index + 1) * step) for index, step in zip(cell, steps)]
    drawn = frame.copy()
    cv2.rectangle(drawn, low[::-1], high[::-1], (255, 96, 32), 2)
    return drawn


def titled(frame: np.ndarray, title: str) -> np.ndarray:
    """Return a frame at the pane's size with a line of text in its corner."""
    return write_line(fit(frame, *PANE), (8, 14), title)
