"""SeqFormer's head (Wu et al. 2022): a query of each instance, masks by dynamic convolutions.

B clips, T frames, N queries, n of them chosen, C channels, K classes, D decoder layers,
P parameters of an instance's convolutions, H x W a padded input, h x w the resolution of masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmdet.models.layers import inverse_sigmoid
from mmdet.utils import reduce_mean
from mmengine.model import BaseModule
from torch import Tensor, nn

from rocovis_mm.models.layers.deformable_detr import DeformableDetrEncoder, EncodedFrames
from rocovis_mm.models.layers.dynamic_mask_head import (
    Controller,
    DynamicMaskHead,
    MaskFeatureFusion,
    check_strides,
)
from rocovis_mm.models.layers.seqformer_decoder import DecodedClip, SeqFormerDecoder
from rocovis_mm.models.losses.seqformer_loss import mask_boxes, sampled_masks
from rocovis_mm.registry import MODELS, TASK_UTILS
from rocovis_mm.structures import ClipTargets

LEVELS = 3
"""Backbone maps that the encoder and the mask features read: strides 8, 16 and 32."""
MASK_STRIDE = 4
"""Of mask logits, in pixels of the input."""


@MODELS.register_module()
class SeqFormerHead(BaseModule):
    """Deformable DETR over all frames of a clip; one class and one mask function per instance.

    Args:
        in_channels: of the backbone's maps, the last three of which are of strides 8, 16, 32.
        strides: of the backbone's maps.
        num_classes: K, class outputs; each has its own sigmoid.
        num_queries: N.
        feat_channels: C.
        encoder: arguments of :class:`DeformableDetrEncoder`.
        decoder: arguments of :class:`SeqFormerDecoder`.
        assigner: config of the matching.
        loss: config of the losses.
        first_class: class output of the data set's first label.
        init_cfg: as any MMEngine module.

    Raises:
        ValueError: the last three maps have other strides.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        num_classes: int,
        num_queries: int = 300,
        feat_channels: int = 256,
        encoder: dict | None = None,
        decoder: dict | None = None,
        assigner: dict | None = None,
        loss: dict | None = None,
        first_class: int = 0,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.num_classes = num_classes
        self.num_queries = num_queries
        self.first_class = first_class
        self.encoder = DeformableDetrEncoder(in_channels[-LEVELS:], feat_channels, **encoder or {})
        check_strides(tuple(strides)[-LEVELS:], len(self.encoder.input_proj))
        self.decoder = SeqFormerDecoder(num_classes, num_queries, feat_channels, **decoder or {})
        self.mask_features = MaskFeatureFusion(feat_channels)
        self.mask_head = DynamicMaskHead(self.mask_features.out_channels)
        self.controller = Controller(feat_channels, self.mask_head.num_params)
        self.assigner = TASK_UTILS.build(assigner) if assigner else None
        self.criterion = MODELS.build(loss) if loss else None

    def init_weights(self) -> None:
        """Draw weights as the published code does."""
        super().init_weights()
        for layer in self.controller.layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def encode(self, features: Sequence[Tensor], padding: Tensor) -> EncodedFrames:
        """Encode each frame by itself.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            padding: (B, H, W) bool.
        """
        return self.encoder(features[-LEVELS:], padding)

    def pixel_features(
        self, frames: EncodedFrames, features: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Return the features of masks, each (B, c, h_i, w_i): here the mask features alone.

        Args:
            frames: B encoded frames.
            features: the backbone's maps of these frames.
        """
        return (self.mask_features(frames.maps(LEVELS)),)

    def decode(self, frames: EncodedFrames, length: int) -> DecodedClip:
        """Decode the learned queries in clips of `length` frames each."""
        return self.decoder(frames, length)

    def instance_params(
        self, decoded: DecodedClip, clip: int, queries: Tensor, size: Sequence[int], layer: int = -1
    ) -> tuple[Tensor, Tensor]:
        """Return the vectors (n, C) of queries and the points (T, n, 2) of their coordinates.

        Args:
            decoded: of B clips.
            clip: which one.
            queries: (n,) long.
            size: (height, width) of the unpadded input.
            layer: of the decoder. The points are the centres of the boxes before it.
        """
        boxes = decoded.references[layer][clip][:, queries, :2]
        points = inverse_sigmoid(boxes).sigmoid() * boxes.new_tensor(tuple(size)[::-1])
        return decoded.queries[layer][clip, queries], points

    def masks(
        self,
        decoded: DecodedClip,
        pixel_features: Sequence[Tensor],
        clip: int,
        queries: Tensor,
        size: Sequence[int],
    ) -> Tensor:
        """Return the mask logits (n, T, h, w) of queries that masks are made of.

        Args:
            decoded: of B clips.
            pixel_features: of the T frames of this clip.
            clip: which one.
            queries: (n,) long.
            size: (height, width) of the unpadded input.
        """
        return self.coarse_masks(decoded, pixel_features, clip, queries, size, -1)

    def coarse_masks(
        self,
        decoded: DecodedClip,
        pixel_features: Sequence[Tensor],
        clip: int,
        queries: Tensor,
        size: Sequence[int],
        layer: int,
    ) -> Tensor:
        """Return the mask logits (n, T, h, w) at stride 4 of one decoder layer."""
        vectors, points = self.instance_params(decoded, clip, queries, size, layer)
        params = self.controller(vectors).expand(len(points), -1, -1)
        return self.mask_head(pixel_features[0], params, points).transpose(0, 1)

    def loss(
        self,
        frames: EncodedFrames,
        features: Sequence[Tensor],
        sizes: Sequence[tuple[float, float]],
        targets: Sequence[ClipTargets],
    ) -> dict[str, Tensor]:
        """Return the losses of B clips, ``loss_*`` of the last layer, ``d{i}.loss_*`` of others.

        Args:
            frames: B * T encoded frames.
            features: the backbone's maps of these frames.
            sizes: B (height, width) of the unpadded inputs.
            targets: B clip targets.
        """
        length = targets[0].masks.shape[1]
        decoded = self.decode(frames, length)
        pixels = [x.unflatten(0, (-1, length)) for x in self.pixel_features(frames, features)]
        return self.clip_losses(decoded, pixels, sizes, targets)

    def clip_losses(
        self,
        decoded: DecodedClip,
        pixel_features: Sequence[Tensor],
        sizes: Sequence[tuple[float, float]],
        targets: Sequence[ClipTargets],
    ) -> dict[str, Tensor]:
        """Return the losses of B decoded clips.

        Args:
            decoded: of B clips.
            pixel_features: each (B, T, c, h_i, w_i).
            sizes: B (height, width) of the unpadded inputs.
            targets: B clip targets.
        """
        boxes = [mask_boxes(target.masks, size) for target, size in zip(targets, sizes)]
        count = self.instance_count(targets)
        losses = {}
        for layer in range(len(decoded.queries)):
            pairs = self.match(decoded, layer, targets, boxes)
            logits = [
                self.coarse_masks(
                    decoded, [x[b] for x in pixel_features], b, queries, sizes[b], layer
                )
                for b, (queries, _) in enumerate(pairs)
            ]
            logits = torch.cat(logits)
            masks = torch.cat([targets[b].masks[g] for b, (_, g) in enumerate(pairs)])
            found = self.criterion(
                decoded.class_logits[layer],
                self.class_targets(decoded.class_logits[layer], targets, pairs),
                torch.cat([decoded.boxes[layer][b][:, q] for b, (q, _) in enumerate(pairs)], 1)
                .transpose(0, 1),
                torch.cat([boxes[b][g] for b, (_, g) in enumerate(pairs)]),
                logits,
                sampled_masks(masks, logits, MASK_STRIDE),
                count,
            )  # fmt: skip
            prefix = '' if layer == len(decoded.queries) - 1 else f'd{layer}.'
            losses.update({f'{prefix}{name}': value for name, value in found.items()})
        return losses

    def instance_count(self, targets: Sequence[ClipTargets]) -> Tensor:
        """Return the number of instances, averaged over ranks, at least 1."""
        count = torch.tensor(float(sum(map(len, targets))), device=targets[0].labels.device)
        return reduce_mean(count).clamp(min=1)

    def match(
        self,
        decoded: DecodedClip,
        layer: int,
        targets: Sequence[ClipTargets],
        boxes: Sequence[Tensor],
    ) -> list[tuple[Tensor, Tensor]]:
        """Return the matched queries and instances of each clip."""
        return [
            self.assigner.assign(
                decoded.class_logits[layer][b],
                decoded.boxes[layer][b],
                target.labels + self.first_class,
                boxes[b],
            )
            for b, target in enumerate(targets)
        ]

    def class_targets(
        self,
        class_logits: Tensor,
        targets: Sequence[ClipTargets],
        pairs: Sequence[tuple[Tensor, Tensor]],
    ) -> Tensor:
        """Return (B, N, K), 1 for the class of a matched query."""
        wanted = torch.zeros_like(class_logits, dtype=torch.float32)
        for clip, target, (queries, instances) in zip(wanted, targets, pairs):
            clip[queries, target.labels[instances] + self.first_class] = 1
        return wanted
