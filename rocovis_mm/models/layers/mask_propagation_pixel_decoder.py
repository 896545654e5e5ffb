"""Mask2Former's pixel decoder with instance mask propagation at its entry (Eqs. 2-4).

B clips, C channels, N queries; levels run from low to high resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rocovis_mm.compat.host_models import MSDeformAttnPixelDecoder
from rocovis_mm.models.layers.deformable_attention import DeformableAttention, SamplingPlan
from rocovis_mm.models.layers.place_encoding import PlaceEncoding
from rocovis_mm.models.layers.propagation_attention import PropagationAttention, tokens
from rocovis_mm.models.layers.spatial_identity import mask_probabilities, spatial_identity
from rocovis_mm.models.layers.window_attention import WindowPlan
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import MemoryFrame

KEPT_GEOMETRIES = 4
"""Sizes of frames whose levels' geometry is kept."""


@dataclass(frozen=True)
class LevelGeometry:
    """The facts about the levels' sizes that the deformable encoder needs; S tokens in all.

    Attributes:
        sizes: (h, w) of each encoder level.
        positions: (1, C, h, w) sine encoding of each level.
        shapes: (levels, 2) long.
        starts: (levels,) long, first token of each level.
        references: (1, S, levels, 2), each token's own place, as (x, y) in [0, 1].
        plan: of the samples of the encoder's attention.
        windows: stride -> windows of its propagation, where that has any.
    """

    sizes: tuple[tuple[int, int], ...]
    positions: tuple[Tensor, ...]
    shapes: Tensor
    starts: Tensor
    references: Tensor
    plan: SamplingPlan
    windows: dict[int, WindowPlan]


@MODELS.register_module()
class MaskPropagationPixelDecoder(MSDeformAttnPixelDecoder):
    """Calibrates projected features by the past, then encodes them as Mask2Former does.

    Three steps, called by the head in this order: :meth:`project`,
    :meth:`calibrate`, :meth:`encode`; :meth:`remember` makes a memory frame of
    the result. ``forward`` is the first and the last: without a past the module
    is MMDetection's plain ``MSDeformAttnPixelDecoder``, and parameters have its
    names (``propagation.*`` is new).

    Args:
        propagation_strides: strides whose features are calibrated, any subset of
            those that the encoder sees (8, 16, 32 in Mask2Former). None of them
            switches propagation off.
        propagation: arguments of :class:`PropagationAttention` but its channels.
        mask_pooling: how masks become cells, see :func:`mask_probabilities`.
        soft_masks: ablation, see :func:`spatial_identity`.
        place_octaves: of the :class:`PlaceEncoding` in what mask features are made of; 0 adds
            none, as in Mask2Former.
        **kwargs: arguments of MMDetection's ``MSDeformAttnPixelDecoder``.

    Attributes:
        exporting: use the geometry that exported files are fastest with.

    Raises:
        ValueError: a propagation stride that the encoder does not see.
    """

    exporting = False

    def __init__(
        self,
        *,
        propagation_strides: Sequence[int] = (8, 16),
        propagation: dict | None = None,
        mask_pooling: str = 'max',
        soft_masks: bool = False,
        place_octaves: int = 0,
        feat_channels: int = 256,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(feat_channels=feat_channels, **kwargs)
        self.encoder_strides = tuple(self.strides[: -self.num_encoder_levels - 1 : -1])
        unknown = set(propagation_strides) - set(self.encoder_strides)
        if unknown:
            raise ValueError(
                f'propagation_strides holds {sorted(unknown)}, but the pixel decoder encodes '
                f'strides {sorted(self.encoder_strides)}: choose any subset of those'
            )
        self.propagation_strides = tuple(sorted(propagation_strides))
        if mask_pooling not in ('max', 'bilinear'):
            raise ValueError(f"mask_pooling={mask_pooling!r}: give 'max' or 'bilinear'")
        self.mask_pooling = mask_pooling
        self.soft_masks = soft_masks
        self.propagation = nn.ModuleDict(
            {
                str(stride): PropagationAttention(
                    feat_channels, **{'num_heads': 8, **(propagation or {})}
                )
                for stride in self.propagation_strides
            }
        )
        self.place = PlaceEncoding(feat_channels, place_octaves) if place_octaves else nn.Identity()
        for layer in self.encoder.layers:
            layer.self_attn = DeformableAttention.take_over(layer.self_attn)
        self._geometries: dict[tuple, LevelGeometry] = {}
        # public only from torch 2.5 on
        self._register_load_state_dict_pre_hook(refuse_first_version, with_module=True)

    def init_weights(self) -> None:
        """Initialise as Mask2Former does; the propagation keeps its own start."""
        super().init_weights()
        for attention in self.propagation.values():
            attention.init_weights()

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Encode one batch of independent images: the plain pixel decoder.

        Args:
            feats: backbone maps from high to low resolution, each (B, C_i, h_i, w_i).

        Returns:
            mask features (B, C_out, h, w) at the highest resolution, and
            ``num_outs`` maps (B, C, h_i, w_i) from low to high resolution.
        """
        levels = self.encode(feats, self.project(feats))
        return self.mask_feature(levels[-1]), levels[: self.num_outs]

    def project(self, feats: Sequence[Tensor]) -> dict[int, Tensor]:
        """Return F_t: stride -> (B, C, h, w), from low to high resolution."""
        return {
            stride: convolution(feats[-1 - i])
            for i, (stride, convolution) in enumerate(zip(self.encoder_strides, self.input_convs))
        }

    def calibrate(
        self,
        projected: dict[int, Tensor],
        memory: Sequence[MemoryFrame],
        visible: Tensor | None = None,
    ) -> dict[int, Tensor]:
        """Return F_t + F'_t (Eq. 4) at the propagation strides, F_t at the others.

        Args:
            projected: stride -> (B, C, h, w), F_t.
            memory: past frames, oldest first.
            visible: (B, M) bool, those of them that count; None counts all.
        """
        geometry = self.geometry(projected)
        positions = dict(zip(self.encoder_strides, geometry.positions))
        calibrated = dict(projected)
        for stride in self.propagation_strides:
            calibrated[stride] = projected[stride] + self.propagation[str(stride)](
                projected[stride],
                [frame.keys[stride] for frame in memory],
                [frame.values[stride] for frame in memory],
                positions[stride],
                visible,
                geometry.windows.get(stride),
            )
        return calibrated

    def remember(
        self, projected: dict[int, Tensor], queries: Tensor, mask_logits: Tensor, keep: Tensor
    ) -> MemoryFrame:
        """Make a memory frame of uncalibrated features and propagated masks.

        Args:
            projected: stride -> (B, C, h_s, w_s), F_t.
            queries: (B, N, C), Q_t.
            mask_logits: (B, N, h, w) of the last decoder layer.
            keep: (B, N), see :func:`mask_probabilities`.
        """
        positions = dict(zip(self.encoder_strides, self.geometry(projected).positions))
        keys, values = {}, {}
        for stride in self.propagation_strides:
            identity = self.identity(stride, projected[stride], queries, mask_logits, keep)
            keys[stride], values[stride] = self.propagation[str(stride)].remember(
                projected[stride], identity, positions[stride]
            )
        return MemoryFrame(keys, values)

    def as_its_own_past(self, projected: dict[int, Tensor]) -> MemoryFrame:
        """Return the memory frame that a frame without a past attends to: itself."""
        positions = dict(zip(self.encoder_strides, self.geometry(projected).positions))
        keys, values = {}, {}
        for stride in self.propagation_strides:
            keys[stride], values[stride] = self.propagation[str(stride)].remember_itself(
                projected[stride], positions[stride]
            )
        return MemoryFrame(keys, values)

    def identity(
        self, stride: int, features: Tensor, queries: Tensor, mask_logits: Tensor, keep: Tensor
    ) -> Tensor:
        """Return the spatial identity Z' (B, C, h_s, w_s) of a frame at one stride (Eq. 2)."""
        size = tuple(features.shape[-2:])
        return spatial_identity(
            queries,
            mask_probabilities(mask_logits, keep, size, self.mask_pooling),
            self.propagation[str(stride)].background,
            self.soft_masks,
        )

    def encode(self, feats: Sequence[Tensor], projected: dict[int, Tensor]) -> list[Tensor]:
        """Run the deformable encoder and the feature pyramid above it.

        The encoder computes in the precision of its weights, under autocast too, as in
        Mask2Former (mask2former/modeling/pixel_decoder/msdeformattn.py, ``forward_features``).

        Args:
            feats: backbone maps from high to low resolution; those above the
                encoder's levels enter by lateral convolutions.
            projected: stride -> (B, C, h, w), the encoder's input.

        Returns:
            maps (B, C, h_i, w_i) from low to high resolution: the encoder's
            levels and those above them. The last one is what the masks' pixel
            embeddings are made of, the first ``num_outs`` are decoded.
        """
        geometry = self.geometry(projected)
        maps = list(projected.values())
        query = torch.cat([tokens(x) for x in maps], dim=1).to(self.level_encoding.weight)
        with torch.autocast(query.device.type, enabled=False):  # half is too coarse for places
            encoded = self.encoder(
                query=query,
                query_pos=torch.cat(
                    [
                        tokens(position) + level
                        for position, level in zip(geometry.positions, self.level_encoding.weight)
                    ],
                    dim=1,
                ),
                key_padding_mask=None,
                spatial_shapes=geometry.shapes,
                reference_points=geometry.references.expand(len(maps[0]), -1, -1, -1),
                level_start_index=geometry.starts,
                valid_ratios=query.new_ones(len(query), len(maps), 2),
                plan=geometry.plan,
            )
        outs = [
            x.transpose(1, 2).unflatten(2, size)
            for x, size in zip(
                encoded.split([h * w for h, w in geometry.sizes], dim=1), geometry.sizes
            )
        ]
        # convolutions were built from the lowest of the remaining resolutions upwards
        rest = feats[: self.num_input_levels - self.num_encoder_levels][::-1]
        for feat, lateral, output in zip(rest, self.lateral_convs, self.output_convs):
            lateral_map = lateral(feat)
            upsampled = F.interpolate(
                outs[-1], size=lateral_map.shape[-2:], mode='bilinear', align_corners=False
            )
            outs.append(output(lateral_map + upsampled))
        outs[-1] = self.place(outs[-1])
        return outs

    def geometry(self, projected: dict[int, Tensor]) -> LevelGeometry:
        """Return the levels' geometry; those of a few sizes are kept."""
        maps = list(projected.values())
        sizes = tuple(tuple(x.shape[-2:]) for x in maps)
        key = (sizes, maps[0].device, self.training, self.exporting)
        if key not in self._geometries:
            if len(self._geometries) >= KEPT_GEOMETRIES:
                self._geometries.clear()
            with torch.inference_mode(False):  # training and exporting may use it, too
                self._geometries[key] = self._make_geometry(sizes, maps[0].device)
        return self._geometries[key]

    def _make_geometry(
        self, sizes: tuple[tuple[int, int], ...], device: torch.device
    ) -> LevelGeometry:
        positions, references = [], []
        for level, (h, w) in enumerate(sizes):
            visible = torch.zeros((1, h, w), dtype=torch.bool, device=device)
            positions.append(self.postional_encoding(visible))
            centres = self.point_generator.single_level_grid_priors(
                (h, w), self.num_input_levels - 1 - level, device=device
            )
            stride = self.encoder_strides[level]
            references.append(centres / centres.new_tensor([w * stride, h * stride]))
        shapes = torch.tensor(sizes, device=device)
        areas = shapes.prod(1)
        places = torch.cat(references)[:, None].expand(-1, len(sizes), -1)
        attention = self.encoder.layers[0].self_attn
        return LevelGeometry(
            sizes,
            tuple(positions),
            shapes,
            areas.cumsum(0) - areas,
            places[None],
            SamplingPlan.make(sizes, places, attention.num_heads, attention.num_points),
            self._make_windows(sizes, device),
        )

    def _make_windows(
        self, sizes: tuple[tuple[int, int], ...], device: torch.device
    ) -> dict[int, WindowPlan]:
        levels = {stride: self.propagation[str(stride)] for stride in self.propagation_strides}
        return {
            stride: levels[stride].make_plan(size, device)
            for stride, size in zip(self.encoder_strides, sizes)
            if stride in levels and levels[stride].window
        }


def refuse_first_version(
    decoder: MaskPropagationPixelDecoder, state_dict: dict[str, Tensor], prefix: str, *_: object
) -> None:
    """Load hook: refuse a calibration of the first version, which another attention would read.

    Its parameters have the names of today's, but neither prior, nor ages, nor gate.

    Raises:
        ValueError: the message says which settings the checkpoint was trained with.
    """
    names = {key[len(prefix) :] for key in state_dict if key.startswith(f'{prefix}propagation.')}
    strides = sorted({int(name.split('.')[1]) for name in names})
    added = [
        name for name, _ in decoder.propagation.named_parameters() if '.attention.' not in name
    ]
    added = [name for name in added if not name.endswith('background')]
    if strides and added and not any(name.endswith(('log_width', 'age', 'gate')) for name in names):
        raise ValueError(
            'the checkpoint has the calibration of the first version: plain attention at strides '
            f'{strides}, without propagation.{added[0]}. Load it into a model with '
            f'propagation_strides={tuple(strides)}, propagation=dict(num_heads=..., prior=False, '
            "window=None, ages=False, start='zero'), mask_pooling='bilinear', with the heads that "
            'it was trained with; docs/checkpoints.md has the line. Or train it anew'
        )
