"""MinVIS' head (Huang et al. 2022): frames are independent, queries are matched afterwards.

B frames, N queries, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
        exporting: match queries with tensor operations that exporters know.
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
            the prediction of :meth:`look` in the slots of the frame before.
        """
        return self.follow(self.look(features), state, started)

    def look(self, features: Sequence[Tensor]) -> FramePrediction:
        """Predict one frame, its queries in an order of their own.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.

        Returns:
            the last layer's prediction; its ``queries`` are embeddings after the
            post-norm, the ones that are compared (MinVIS,
            minvis/video_maskformer_model.py, ``post_processing``).
        """
        detection = self.detect(features, predict='last')
        embeddings = self.query_decoder.transformer_decoder.post_norm(detection.queries[-1])
        return FramePrediction(detection.class_logits[-1:], detection.mask_logits[-1:], embeddings)

    def follow(
        self, prediction: FramePrediction, state: StreamState, started: Tensor | None = None
    ) -> FramePrediction:
        """Return a prediction of :meth:`look` in the slots of the frame before.

        `state` and `started` are those of :meth:`decode`.
        """
        if state.queries is None:
            return prediction
        order = align_all(state.queries, prediction.queries, started, self.exporting)
        rows = torch.arange(len(order), device=order.device)[:, None]
        tensors = (prediction.class_logits[-1], prediction.mask_logits[-1], prediction.queries)
        class_logits, mask_logits, embeddings = (x[rows, order] for x in tensors)
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


def align(previous: Tensor, current: Tensor) -> Tensor:
    """Return which of the current queries continues each previous one.

    Args:
        previous: (N, C) embeddings.
        current: (N, C) embeddings.

    Returns:
        (N,) long, the permutation with the highest sum of cosine similarities.
    """
    return align_all(previous[None], current[None])[0]


def align_all(
    previous: Tensor,
    current: Tensor,
    started: Tensor | None = None,
    exporting: bool = False,
    undefined: float | None = None,
) -> Tensor:
    """Return :func:`align` of B streams, (B, N), from (B, N, C) embeddings.

    They come from the device together, in the precision of the embeddings also under autocast.

    Args:
        previous: (B, N, C) embeddings.
        current: (B, N, C) embeddings.
        started: (B,) bool, False for streams without a previous frame, whose first frame
            continues itself; None where all have one.
        exporting: match by tensor operations; see :func:`linear_assignment`.
        undefined: similarity where an embedding is not finite; None refuses such embeddings.

    Raises:
        ValueError: an embedding is not finite, except where `exporting`.
    """
    if started is not None:
        previous = torch.where(started[:, None, None], previous, current)
    with torch.autocast(current.device.type, enabled=False):
        cosines = [
            F.normalize(before, dim=1) @ F.normalize(now, dim=1).T
            for before, now in zip(previous, current)
        ]
    similarity = torch.stack(cosines).float()
    if undefined is not None:
        similarity = similarity.nan_to_num(undefined)
    if exporting:
        return torch.stack([linear_assignment(-matrix) for matrix in similarity])
    matrices = similarity.cpu().numpy()
    if np.isnan(matrices).any():
        raise ValueError(
            'queries cannot be matched with those of the frame before: their embeddings are '
            'not finite. Look for such numbers in the frames and in the checkpoint. If the '
            'model runs in float16, try bfloat16 or float32'
        )
    columns = [linear_sum_assignment(matrix, maximize=True)[1] for matrix in matrices]
    return torch.from_numpy(np.stack(columns)).to(current.device)
