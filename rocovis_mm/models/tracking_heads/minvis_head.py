"""MinVIS' head (Huang et al. 2022): frames are independent, queries are matched afterwards.

B frames, N queries, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from rocovis_mm.models.task_modules.linear_assignment import linear_assignment
from rocovis_mm.models.tracking_heads.frame_head import FrameHead
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets, FramePrediction, StreamState


@MODELS.register_module()
class MinVISHead(FrameHead):
    """Mask2Former on each frame; a query's slot is that of its likest one before.

    The arguments are those of :class:`FrameHead`.

    Attributes:
        exporting: match queries with tensor operations, which exporters know.
    """

    exporting = False

    def decode(
        self, features: Sequence[Tensor], state: StreamState, started: Tensor | None = None
    ) -> FramePrediction:
        """Predict one frame and put its queries into the slots of the frame before.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            state: its ``queries`` (B, N, C) are the aligned embeddings of the frame before.
            started: (B,) bool, False before the first frame; None where `state` says it.

        Returns:
            the last layer's prediction; its ``queries`` are embeddings after the
            post-norm, the ones that are compared (MinVIS,
            minvis/video_maskformer_model.py, ``post_processing``).
        """
        detection = self.detect(features, predict='last')
        embeddings = self.query_decoder.transformer_decoder.post_norm(detection.queries[-1])
        class_logits, mask_logits = detection.class_logits[-1], detection.mask_logits[-1]
        if state.queries is not None:
            order = align_clips(state.queries, embeddings, started, self.exporting)
            rows = torch.arange(len(order), device=order.device)[:, None]
            class_logits, mask_logits, embeddings = (
                x[rows, order] for x in (class_logits, mask_logits, embeddings)
            )
        return FramePrediction((class_logits,), (mask_logits,), embeddings)

    def loss(self, features: Sequence[Tensor], targets: Sequence[ClipTargets]) -> dict[str, Tensor]:
        """Return Mask2Former's losses of independent frames.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            targets: B clips of one frame each.
        """
        detection = self.detect(features)
        _, supervision = self.assign(detection, targets, 0, self.unowned(targets))
        return self.detection_loss(detection, supervision, targets)


def align_clips(
    previous: Tensor, current: Tensor, started: Tensor | None = None, exporting: bool = False
) -> Tensor:
    """Return :func:`align` of each clip by itself, (B, N) long.

    Args:
        previous: (B, N, C) embeddings.
        current: (B, N, C) embeddings.
        started: (B,) bool, False for clips without a previous frame, whose first frame
            continues itself; None where all have one.
        exporting: see :func:`align`.
    """
    if started is not None:
        previous = torch.where(started[:, None, None], previous, current)
    return torch.stack([align(*pair, exporting) for pair in zip(previous, current)])


def align(previous: Tensor, current: Tensor, exporting: bool = False) -> Tensor:
    """Return which of the current queries continues each previous one.

    Args:
        previous: (N, C) embeddings.
        current: (N, C) embeddings.
        exporting: match with tensor operations; see :func:`linear_assignment`.

    Returns:
        (N,) long, the permutation with the highest sum of cosine similarities.
    """
    similarity = F.normalize(previous, dim=1) @ F.normalize(current, dim=1).T
    if exporting:
        return linear_assignment(-similarity)
    _, columns = linear_sum_assignment(similarity.float().cpu().numpy(), maximize=True)
    return torch.from_numpy(columns).to(current.device)
