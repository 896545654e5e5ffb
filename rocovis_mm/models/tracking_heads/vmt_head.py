"""VMT's head (Ke et al. 2022): SeqFormer's, with masks refined to stride 2.

B clips, T frames, n chosen queries, C channels, c mask features, H x W a padded input; maps of
stride 8 (coarse), 4 (middle) and 2 (fine).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rocovis_mm.models.layers.deformable_detr import EncodedFrames
from rocovis_mm.models.layers.dynamic_mask_head import Controller, DynamicMaskHead
from rocovis_mm.models.layers.mask_refinement import (
    MaskRefinement,
    box_masks,
    incoherent_region,
)
from rocovis_mm.models.layers.seqformer_decoder import DecodedClip
from rocovis_mm.models.losses.seqformer_loss import mask_boxes, sampled_masks
from rocovis_mm.models.tracking_heads.seqformer_head import LEVELS, SeqFormerHead
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets

BACKBONE_STRIDES = (4, 8, 16, 32)
"""Of the backbone's maps, in pixels of the input."""


@dataclass(frozen=True)
class RefinedMasks:
    """The masks of the three stages.

    Attributes:
        coarse: (n, T, 2 h_8, 2 w_8) logits at stride 4.
        middle: (n, T, 2 h_4, 2 w_4) logits at stride 2.
        fine: (n, T, h_2, w_2) logits at stride 2, before they are enlarged.
        band: (T, h_2, w_2), 1 where features were refined.
    """

    coarse: Tensor
    middle: Tensor
    fine: Tensor
    band: Tensor


@MODELS.register_module()
class VMTHead(SeqFormerHead):
    """Coarse masks as SeqFormer's, then a middle and a fine stage of the last decoder layer.

    The features that it reads are the backbone's first convolution and the input at its
    resolution, and the backbone's maps of strides 4, 8, 16 and 32.

    Args:
        in_channels: of the backbone's four maps.
        strides: of these maps: 4, 8, 16 and 32.
        refinement: arguments of :class:`MaskRefinement`.
        wrap_boxes: see :func:`box_masks`.
        **kwargs: arguments of :class:`SeqFormerHead`.

    Raises:
        ValueError: other strides.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        refinement: dict | None = None,
        wrap_boxes: bool = True,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(in_channels=in_channels, strides=strides, **kwargs)
        if tuple(strides) != BACKBONE_STRIDES:
            raise ValueError(
                f'track_head.strides={list(strides)}: VMT reads the maps of strides '
                f'{list(BACKBONE_STRIDES)}; choose them by out_indices of the backbone'
            )
        channels = self.encoder.level_embed.shape[1]
        features = self.mask_features.out_channels
        self.wrap_boxes = wrap_boxes
        self.refinement = MaskRefinement(in_channels[0], channels, features, **refinement or {})
        self.middle_head = DynamicMaskHead(features, stride=4, own=3)
        self.fine_head = DynamicMaskHead(0, stride=2, own=features + 3)
        self.middle_controller = Controller(channels, self.middle_head.num_params)
        self.fine_controller = Controller(channels, self.fine_head.num_params)

    def init_weights(self) -> None:
        """Draw weights as SeqFormer does."""
        super().init_weights()
        for controller in (self.middle_controller, self.fine_controller):
            for layer in controller.layers:
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def pixel_features(
        self, frames: EncodedFrames, features: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        """Return the maps (B, c, h_8, w_8), (B, 64, h_4, w_4) and (B, 64, h_2, w_2) of the stages.

        Args:
            frames: B encoded frames.
            features: the stem (B, 64, h_2, w_2), the image (B, 3, h_2, w_2), and the backbone's
                maps of these frames.
        """
        stem, image, first = features[:3]
        fused = self.mask_features.fuse(frames.maps(LEVELS))
        return (
            self.mask_features.features(fused),
            self.refinement.middle_features(first, fused),
            self.refinement.details(stem, image),
        )

    def masks(
        self,
        decoded: DecodedClip,
        pixel_features: Sequence[Tensor],
        clip: int,
        queries: Tensor,
        size: Sequence[int],
    ) -> Tensor:
        """Return the fine mask logits (n, T, 2 h_2, 2 w_2); see :meth:`SeqFormerHead.masks`."""
        refined = self.refine(decoded, pixel_features, clip, queries, size)
        return self.fine_head.upsample(refined.fine)

    def clip_losses(
        self,
        decoded: DecodedClip,
        pixel_features: Sequence[Tensor],
        sizes: Sequence[tuple[float, float]],
        targets: Sequence[ClipTargets],
    ) -> dict[str, Tensor]:
        """Return SeqFormer's losses, and mask losses of the middle and the fine stage.

        The training of VMT is not published. The weights of the losses are those that its code
        names; which masks they compare is inferred. See :meth:`SeqFormerHead.clip_losses`.
        """
        losses = super().clip_losses(decoded, pixel_features, sizes, targets)
        boxes = [mask_boxes(target.masks, size) for target, size in zip(targets, sizes)]
        count = self.instance_count(targets)
        refined, masks = [], []
        for b, (queries, instances) in enumerate(self.match(decoded, -1, targets, boxes)):
            if len(queries):
                pixels = [x[b] for x in pixel_features]
                refined.append(self.refine(decoded, pixels, b, queries, sizes[b]))
                masks.append(targets[b].masks[instances])
        for stage in ('middle', 'fine'):
            if refined:
                logits = torch.cat([getattr(clip, stage) for clip in refined])
                wanted = sampled_masks(torch.cat(masks), logits, self.fine_head.stride)
                found = self.criterion.mask_losses(logits, wanted, count)
            else:  # the graph must reach these weights on every rank
                found = (sum((x * 0).sum() for x in self.refining_weights()),) * 2
            losses[f'loss_mask_{stage}'], losses[f'loss_dice_{stage}'] = found
        return losses

    def refining_weights(self) -> list[Tensor]:
        """Return the weights that the coarse masks do not read."""
        modules = (self.refinement, self.middle_controller, self.fine_controller)
        return [weight for module in modules for weight in module.parameters()]

    def refine(
        self,
        decoded: DecodedClip,
        pixel_features: Sequence[Tensor],
        clip: int,
        queries: Tensor,
        size: Sequence[int],
    ) -> RefinedMasks:
        """Return the masks of all stages; see :meth:`SeqFormerHead.masks`."""
        vectors, points = self.instance_params(decoded, clip, queries, size)
        boxes = decoded.boxes[-1][clip][:, queries]  # (T, n, 4)
        steps = [
            self.refine_frame(vectors, *frame, size)
            for frame in zip(points, boxes, *pixel_features)
        ]
        coarse, middle, fine, band = (torch.stack(x) for x in zip(*steps))
        return RefinedMasks(*(x.transpose(0, 1) for x in (coarse, middle, fine)), band)

    def refine_frame(
        self,
        vectors: Tensor,
        points: Tensor,
        boxes: Tensor,
        features: Tensor,
        middle: Tensor,
        details: Tensor,
        size: Sequence[int],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return coarse, middle and fine logits (n, h_i, w_i) of a frame, and the band (h, w).

        Args:
            vectors: (n, C), of the queries.
            points: (n, 2), the (x, y) of their coordinates in pixels.
            boxes: (n, 4), (x, y, w, h) in shares of the unpadded frame.
            features: (c, h_8, w_8).
            middle: (64, h_4, w_4).
            details: (64, h_2, w_2).
            size: (height, width) of the unpadded input.
        """
        points = points[None]
        own = self.mask_head.relative_coordinates(points, *features.shape[-2:])
        coarse = self.mask_head.convolve(self.controller(vectors)[None], own, features[None])
        before = coarse.detach().sigmoid()  # (1, n, h_8, w_8)

        own = self.middle_head.relative_coordinates(points, *middle.shape[-2:])
        own = torch.cat([own, F.interpolate(before, middle.shape[-2:])[:, :, None]], dim=2)
        params = self.middle_controller(vectors)[None]
        shared = self.refinement.mask_features(middle[None])
        logits = self.middle_head.convolve(params, own, shared)  # (1, n, h_4, w_4)

        fine_size = tuple(details.shape[-2:])
        band = incoherent_region(logits, fine_size)[0]
        fine_features = self.refinement.fine_features(middle, details, band)
        cells = points.new_tensor([size[1], size[0]]) / self.fine_head.stride
        inside = box_masks(boxes * cells.ceil().repeat(2), fine_size, self.wrap_boxes)
        own = [
            F.interpolate(logits.sigmoid(), fine_size)[0, :, None],
            F.interpolate(before, fine_size)[0, :, None],
            inside[:, None],
            self.fine_head.relative_coordinates(points, *fine_size)[0],
        ]
        maps = self.refinement.fine_maps(fine_features, torch.cat(own, dim=1))
        fine = self.fine_head.convolve(self.fine_controller(vectors)[None], maps[None])
        enlarged = (self.mask_head.upsample(coarse), self.middle_head.upsample(logits))
        return (*(x[0] for x in (*enlarged, fine)), band)
