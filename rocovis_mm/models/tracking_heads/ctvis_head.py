"""CTVIS' head (Ying et al. 2023): embeddings tell queries of independent frames apart.

B clips, T frames, N queries, G instances of a clip, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.layers import MLP
from mmengine.model import caffe2_xavier_init
from torch import Tensor, nn

from rocovis_mm.models.tracking_heads.frame_head import FrameHead
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets, FramePrediction

ABSENT = -1


@MODELS.register_module()
class CTVISHead(FrameHead):
    """Mask2Former on each frame, and embeddings that are alike for one instance over time.

    Args:
        reid_layers: linear layers from a query after the post-norm to its embedding; 0 takes
            the query itself (ctvis/config.py, ``NUM_REID_HEAD_LAYERS``).
        reid_channels: channels between these layers; None takes those of the queries.
        reid_loss: config of :class:`MemoryContrastiveLoss`.
        **kwargs: arguments of :class:`FrameHead`.

    Raises:
        ValueError: `reid_layers` below 0.
    """

    def __init__(
        self,
        *,
        reid_loss: dict,
        reid_layers: int = 3,
        reid_channels: int | None = None,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(**kwargs)
        if reid_layers < 0:
            raise ValueError(f'reid_layers={reid_layers}: give a number of layers >= 0')
        channels = self.query_decoder.transformer_decoder.embed_dims
        self.reid_embed = (
            MLP(channels, reid_channels or channels, channels, reid_layers)
            if reid_layers
            else nn.Identity()
        )
        self.reid_criterion = MODELS.build(reid_loss)

    def init_weights(self) -> None:
        """Initialise the embedding's layers as the published code does."""
        super().init_weights()
        for module in self.reid_embed.modules():
            if isinstance(module, nn.Linear):
                caffe2_xavier_init(module)

    def embed(self, queries: Tensor) -> Tensor:
        """Return the embeddings (..., C) of queries (..., C) before the post-norm."""
        return self.reid_embed(self.query_decoder.transformer_decoder.post_norm(queries))

    def decode(self, features: Sequence[Tensor]) -> FramePrediction:
        """Predict B frames by themselves, the last layer alone.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.

        Returns:
            the prediction; its ``queries`` are the embeddings.
        """
        detection = self.detect(features, predict='last')
        embeddings = self.embed(detection.queries[-1])
        return FramePrediction(detection.class_logits, detection.mask_logits, embeddings)

    def loss(self, features: Sequence[Tensor], targets: Sequence[ClipTargets]) -> dict[str, Tensor]:
        """Return Mask2Former's losses of all frames, and those of the embeddings.

        The embeddings of an instance are those of the queries that the detection loss gives it
        at the last layer. The published code matches a second time, with other random points
        and with the absent instances among the targets (ctvis/modeling/cl_plugin/
        ct_cl_plugin.py:251-258), so that an absent one can take a present one's query.

        Args:
            features: backbone maps of B * T frames, each (B * T, C_i, h_i, w_i).
            targets: B clip targets.
        """
        detection = self.detect(features)
        frames = [frame for target in targets for frame in target.frames()]
        owners, supervision = self.assign(detection, frames, 0, self.unowned(frames))
        losses = self.detection_loss(detection, supervision, frames)
        embeddings = self.embed(detection.queries[-1]).unflatten(0, (len(targets), -1))
        length = embeddings.shape[1]
        queries = [
            queries_of_instances([x[-1] for x in owners[b * length : (b + 1) * length]], target)
            for b, target in enumerate(targets)
        ]
        generators = [target.generator for target in targets]
        return {**losses, **self.reid_criterion(embeddings, queries, generators)}


def queries_of_instances(owners: Sequence[Tensor], target: ClipTargets) -> Tensor:
    """Return the query of each instance in each frame, (G, T) long, -1 where it has none.

    Args:
        owners: T tensors (N,), the instance that owns a query among those present in the frame.
        target: of the clip.
    """
    queries = torch.full_like(target.present, ABSENT, dtype=torch.long)
    for t, owner in enumerate(owners):
        present = target.present[:, t].nonzero().flatten()
        owned = (owner >= 0).nonzero().flatten()
        queries[present[owner[owned]], t] = owned
    return queries
