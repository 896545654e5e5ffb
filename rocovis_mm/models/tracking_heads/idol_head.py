"""IDOL's head (Wu et al. 2022): Deformable DETR, dynamic masks, an embedding of each query.

B frames, N queries, C channels, K classes, D decoder layers, H x W a padded input, h x w the
resolution of mask features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from mmdet.models.layers.transformer.utils import MLP
from mmdet.structures.bbox import bbox_xyxy_to_cxcywh
from mmdet.structures.mask import mask2bbox
from mmengine.model import BaseModule
from torch import Tensor, nn

from rocovis_mm.models.layers.deformable_detr import DeformableDetrEncoder, padding_mask
from rocovis_mm.models.layers.deformable_detr_decoder import DecodedQueries, DeformableDetrDecoder
from rocovis_mm.models.layers.dynamic_mask_head import (
    STRIDES,
    Controller,
    DynamicMaskHead,
    MaskFeatureFusion,
    check_strides,
)
from rocovis_mm.models.losses.idol_loss import ContrastItem, MatchedQueries
from rocovis_mm.models.task_modules.assigners.sim_ota import Assignment
from rocovis_mm.registry import MODELS, TASK_UTILS
from rocovis_mm.structures import ClipTargets, FramePrediction

NO_MASK = -1e4
"""Mask logit of queries that are no candidates, whose masks are not made."""

Size = tuple[int, int]


@dataclass(frozen=True)
class DecodedFrames:
    """The outputs of the network for a batch of frames.

    Attributes:
        decoded: queries and references of each layer.
        mask_features: (B, c, h, w), stride 8.
        scale: (B, 1, 2), width and height of the unpadded frames in pixels.
    """

    decoded: DecodedQueries
    mask_features: Tensor
    scale: Tensor


@MODELS.register_module()
class IDOLHead(BaseModule):
    """Detects each frame by itself, and links the detections by embeddings.

    Args:
        in_channels: channels of the backbone's maps, high to low resolution.
        strides: their strides. Maps of strides below 8 are not read. The first levels of the
            encoder must have the strides 8, 16 and 32.
        num_classes: K.
        num_queries: N.
        feat_channels: C, a multiple of 32.
        encoder: further arguments of :class:`DeformableDetrEncoder`.
        decoder: further arguments of :class:`DeformableDetrDecoder`.
        assigner: config of :class:`SimOTAAssigner`.
        loss: config of :class:`IDOLLoss`.
        init_cfg: as any MMEngine module.

    Raises:
        ValueError: `feat_channels` is no multiple of 32, or the strides are others.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        num_classes: int,
        num_queries: int,
        feat_channels: int,
        encoder: dict,
        decoder: dict,
        assigner: dict,
        loss: dict,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if feat_channels % 32:
            raise ValueError(f'feat_channels={feat_channels}: give a multiple of 32')
        self.num_classes = num_classes
        self.num_queries = num_queries
        self.unread = sum(stride < STRIDES[0] for stride in strides)
        self.encoder = DeformableDetrEncoder(
            tuple(in_channels)[self.unread :], feat_channels, **encoder
        )
        check_strides(tuple(strides)[self.unread :], len(self.encoder.input_proj))
        self.decoder = DeformableDetrDecoder(num_classes, num_queries, feat_channels, **decoder)
        self.mask_features = MaskFeatureFusion(feat_channels)
        self.mask_head = DynamicMaskHead(self.mask_features.out_channels)
        self.controller = Controller(feat_channels, self.mask_head.num_params)
        self.reid_embed = MLP(feat_channels, feat_channels, feat_channels, 3)
        self.assigner = TASK_UTILS.build(assigner)
        self.criterion = MODELS.build(loss)

    def init_weights(self) -> None:
        """Draw weights as published."""
        super().init_weights()
        for layer in (*self.controller.layers, *self.reid_embed.layers):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def detect(
        self, features: Sequence[Tensor], sizes: Sequence[Size], padded: Size
    ) -> DecodedFrames:
        """Run encoder and decoder on a batch of frames.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            sizes: B unpadded (height, width).
            padded: (H, W).
        """
        maps = features[self.unread :]
        frames = self.encoder(maps, padding_mask(sizes, padded).to(maps[0].device))
        decoded = self.decoder(frames)
        pixels = [(width, height) for height, width in sizes]
        scale = decoded.references[0].new_tensor(pixels)[:, None]
        return DecodedFrames(decoded, self.mask_features(frames.maps(3)), scale)

    def masks(self, frames: DecodedFrames, b: int, queries: Tensor, layer: int = -1) -> Tensor:
        """Return the mask logits (n, 2 h, 2 w) of some queries of frame b.

        Coordinates are relative to the reference before the layer, not to its box.

        Args:
            frames: as decoded.
            b: index into the batch.
            queries: (n,) long.
            layer: of the decoder.
        """
        params = self.controller(frames.decoded.queries[layer][b, queries])
        points = frames.decoded.references[layer][b, queries, :2] * frames.scale[b]
        features = frames.mask_features[b : b + 1]
        return self.mask_head(features, params[None], points[None])[0]

    def decode(
        self,
        features: Sequence[Tensor],
        sizes: Sequence[Size],
        padded: Size,
        choose: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> tuple[FramePrediction, list[Tensor]]:
        """Predict B frames, by the last layer.

        Args:
            features: as :meth:`detect`.
            sizes: as :meth:`detect`.
            padded: as :meth:`detect`.
            choose: returns the queries (n,) of a frame whose masks are made, of class logits
                (N, K) and boxes (N, 4); None makes all.

        Returns:
            the prediction, whose ``queries`` are the embeddings, and the chosen queries of each
            frame.
        """
        frames = self.detect(features, sizes, padded)
        class_logits = self.decoder.class_logits(frames.decoded)
        boxes = self.decoder.boxes(frames.decoded)
        embeddings = self.reid_embed(frames.decoded.queries[-1])
        height, width = (2 * side for side in frames.mask_features.shape[-2:])
        shape = (*class_logits.shape[:2], height, width)
        mask_logits = class_logits.new_full(shape, NO_MASK, dtype=torch.float32)
        everything = torch.arange(self.num_queries, device=boxes.device)
        chosen = [choose(*x) if choose else everything for x in zip(class_logits, boxes)]
        for b, queries in enumerate(chosen):
            mask_logits[b, queries] = self.masks(frames, b, queries)
        return FramePrediction((class_logits,), (mask_logits,), embeddings, boxes=(boxes,)), chosen

    def loss(
        self,
        features: Sequence[Tensor],
        targets: Sequence[ClipTargets],
        sizes: Sequence[Size],
        padded: Size,
    ) -> dict[str, Tensor]:
        """Return the losses of B pairs of frames, or of B frames.

        The first frame of a pair is detected. The second one gives embeddings alone. Instances
        that the first frame does not show do not count. A single frame has no contrast.

        Args:
            features: maps of the frames of all pairs, each (B * T, C_i, h_i, w_i), T <= 2.
            targets: B clips of T frames.
            sizes: B * T unpadded (height, width).
            padded: (H, W).

        Raises:
            ValueError: more than two frames.
        """
        length = targets[0].masks.shape[1]
        if length > 2:
            raise ValueError(
                f'IDOL learns from pairs, the clips have {length} frames: set num_frames=2 of '
                'SampleClip'
            )
        frames = self.detect(features, sizes, padded)
        targets = [
            ClipTargets(t.labels[seen], t.masks[seen], t.ids[seen], t.generator)
            for t in targets
            for seen in [t.present[:, 0]]
        ]
        boxes = [
            clip_boxes(target, sizes[length * b]) for b, target in enumerate(targets)
        ]  # each (T, G, 4)
        losses = {}
        layers = len(frames.decoded.queries)
        for layer in range(layers):
            values, assigned = self.layer_loss(frames, layer, length, targets, boxes)
            prefix = '' if layer == layers - 1 else f'd{layer}.'
            losses.update({f'{prefix}{name}': value for name, value in values.items()})
        return losses | self.contrast(frames, length, targets, boxes, assigned)

    def layer_loss(
        self,
        frames: DecodedFrames,
        layer: int,
        length: int,
        targets: Sequence[ClipTargets],
        boxes: Sequence[Tensor],
    ) -> tuple[dict[str, Tensor], list[Assignment]]:
        """Return the losses of one layer in the first frames, and its assignments.

        Args:
            frames: of all pairs.
            layer: of the decoder.
            length: T.
            targets: B clips, of the instances that count.
            boxes: B tensors (T, G, 4).
        """
        class_logits = self.decoder.class_logits(frames.decoded, layer)[::length]
        predicted = self.decoder.boxes(frames.decoded, layer)[::length]
        labels = torch.full(class_logits.shape[:2], self.num_classes, device=class_logits.device)
        assigned, matched = [], []
        for b, target in enumerate(targets):
            found = self.assigner.assign(
                class_logits[b].float(), predicted[b].float(), target.labels, boxes[b][0]
            )
            queries = (found.instances >= 0).nonzero().flatten()
            instances = found.instances[queries]
            labels[b, queries] = target.labels[instances]
            masks = self.masks(frames, b * length, queries, layer)
            matched.append(
                (predicted[b, queries], masks, boxes[b][0, instances], target.masks[instances, 0])
            )
            assigned.append(found)
        matched = MatchedQueries(*map(torch.cat, zip(*matched)))
        return self.criterion.layer(class_logits, labels, matched), assigned

    def contrast(
        self,
        frames: DecodedFrames,
        length: int,
        targets: Sequence[ClipTargets],
        boxes: Sequence[Tensor],
        assigned: Sequence[Assignment],
    ) -> dict[str, Tensor]:
        """Return the losses of embeddings; arguments as :meth:`layer_loss`."""
        embeddings = self.reid_embed(frames.decoded.queries[-1])
        items = []
        if length == 2:
            class_logits = self.decoder.class_logits(frames.decoded)
            predicted = self.decoder.boxes(frames.decoded)
            for b, (target, found) in enumerate(zip(targets, assigned)):
                seen = target.present[:, 1].nonzero().flatten()
                other = 2 * b + 1
                positives, negatives = self.assigner.contrast(
                    class_logits[other].float(),
                    predicted[other].float(),
                    target.labels[seen],
                    boxes[b][1, seen],
                )
                items += [
                    ContrastItem(
                        embeddings[2 * b, found.best[instance]],
                        embeddings[other, positive],
                        embeddings[other, negative],
                        target.generator,
                    )
                    for instance, positive, negative in zip(seen.tolist(), positives, negatives)
                ]
        return self.criterion.contrast(items, 0 * embeddings.sum())


def clip_boxes(target: ClipTargets, size: Size) -> Tensor:
    """Return boxes around masks, (T, G, 4), (x, y, w, h) in shares of the frame; 0 for none.

    Args:
        target: of the clip.
        size: unpadded (height, width).
    """
    height, width = size
    corners = mask2bbox(target.masks.flatten(0, 1)).float()  # (G * T, 4)
    shares = corners / corners.new_tensor([width, height, width, height])
    return bbox_xyxy_to_cxcywh(shares).unflatten(0, target.masks.shape[:2]).transpose(0, 1)
