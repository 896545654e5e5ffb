"""GenVIS' head, online (Heo et al. 2023): frames are detected, objects are decoded from queries.

B clips, T frames, F frame queries, N object queries, C channels, K classes, S last
layers of the frame decoder (each makes a clip of its own in training), V = S * B.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rocovis_mm.models.layers.object_decoder import DecodedObjects, ObjectDecoder
from rocovis_mm.models.layers.query_decoder import folded_mask_logits
from rocovis_mm.models.losses.genvis_loss import Embeddings
from rocovis_mm.models.task_modules.assigners import UNOWNED
from rocovis_mm.models.task_modules.assigners.genvis import UNSEEN
from rocovis_mm.models.tracking_heads.frame_head import FrameHead
from rocovis_mm.registry import MODELS, TASK_UTILS
from rocovis_mm.structures import ClipTargets, Detection, FramePrediction, StreamState


@MODELS.register_module()
class GenVISHead(FrameHead):
    """Mask2Former's frame queries feed an object decoder that remembers each query's past.

    Args:
        object_decoder: ``num_queries`` N and the sizes of :class:`ObjectDecoder`.
        object_assigner: config of :class:`GenVISAssigner`.
        object_loss: config of :class:`GenVISLoss`; it is given ``num_classes``.
        frame_layers: S, last layers of the frame decoder that are learned from.
        memory_frames: past frames that an instance reads; None reads all of them,
            as published: what a stream remembers then grows with every frame.
        num_queries: F, queries of the frame detector.
        **kwargs: further arguments of :class:`FrameHead`.

    Raises:
        ValueError: ``memory_frames`` or ``frame_layers`` below 1.
    """

    def __init__(
        self,
        *,
        object_decoder: dict,
        object_assigner: dict,
        object_loss: dict,
        frame_layers: int = 3,
        memory_frames: int | None = None,
        num_queries: int,
        feat_channels: int,
        out_channels: int,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(
            num_queries=num_queries,
            feat_channels=feat_channels,
            out_channels=out_channels,
            **kwargs,
        )
        if memory_frames is not None and memory_frames < 1:
            raise ValueError(f'memory_frames={memory_frames}: give a number >= 1, or None for all')
        if frame_layers < 1:
            raise ValueError(
                f'frame_layers={frame_layers}: the last layer at least is learned from'
            )
        self.frame_layers = frame_layers
        self.memory_frames = memory_frames
        self.object_decoder = ObjectDecoder(
            num_classes=self.num_classes,
            num_frame_queries=num_queries,
            feat_channels=feat_channels,
            out_channels=out_channels,
            **object_decoder,
        )
        self.num_queries = object_decoder['num_queries']
        self.object_assigner = TASK_UTILS.build(object_assigner)
        self.object_criterion = MODELS.build(dict(object_loss, num_classes=self.num_classes))

    def decode(
        self, features: Sequence[Tensor], state: StreamState, visible: Tensor | None = None
    ) -> FramePrediction:
        """Predict one frame from its features and the past; the last layer alone.

        Args:
            features: backbone maps, each (B, C_i, h_i, w_i), high to low resolution.
            state: past of the same B clips; its memory holds ``QueryMemory`` frames.
            visible: (B, M) bool, frames of the memory that count; None counts all.
        """
        detection = self.detect(features, predict='none')
        decoded = self.object_decoder(
            self.frame_queries(detection)[-1], state.queries, state.memory, visible
        )
        class_logits, embeddings = self.predict(decoded)
        mask_logits = folded_mask_logits(
            embeddings[-1], detection.pixels, self.object_decoder.mask_feature
        )
        return FramePrediction((class_logits[-1],), (mask_logits,), decoded.queries)

    def advance(self, state: StreamState, queries: Tensor) -> StreamState:
        """Return the past of the next frame.

        Args:
            state: past of this frame.
            queries: (B, N, C), the object decoder's of this frame.
        """
        memory = (*state.memory, self.object_decoder.remember(queries))
        if self.memory_frames is not None:
            memory = memory[-self.memory_frames :]
        return StreamState(queries, memory)

    def frame_queries(self, detection: Detection) -> Tensor:
        """Return (S, B, F, C), the frame queries of the last layers after the post-norm."""
        layers = detection.queries[-self.frame_layers :]
        return self.query_decoder.transformer_decoder.post_norm(torch.stack(layers))

    def predict(self, decoded: DecodedObjects) -> tuple[list[Tensor], list[Tensor]]:
        """Return each layer's class logits (B, N, K + 1) and mask embeddings (B, N, C)."""
        class_logits = [self.object_decoder.cls_embed(x) for x in decoded.layers]
        return class_logits, [self.object_decoder.mask_embed(x) for x in decoded.layers]

    def loss(
        self,
        features: Sequence[Tensor],
        targets: Sequence[ClipTargets],
        learn_frames: bool = True,
    ) -> dict[str, Tensor]:
        """Detect all frames at once, then run the recurrence over the clips.

        Args:
            features: backbone maps, each (B, T, C_i, h_i, w_i), high to low resolution.
            targets: B clip targets.
            learn_frames: whether the detector learns; its loss is ``frame.*``.

        Returns:
            the losses, summed over the frames.
        """
        batch, length = features[0].shape[:2]
        with torch.set_grad_enabled(torch.is_grad_enabled() and learn_frames):
            detection = self.detect([x.flatten(0, 1) for x in features])
            queries = self.frame_queries(detection)  # (S, B*T, F, C)
            frames = [frame for target in targets for frame in target.frames()]
            owners, supervision = self.assign(detection, frames, 0, self.unowned(frames))
        losses = {}
        if learn_frames:
            detected = self.detection_loss(detection, supervision, frames)
            losses = {f'frame.{name}': value for name, value in detected.items()}
        layers = len(queries)
        clip_queries = queries.unflatten(1, (batch, length))  # (S, B, T, F, C)
        pixels = self.object_decoder.mask_feature(detection.pixels).unflatten(0, (batch, length))
        targets = [target for _ in range(layers) for target in targets]  # V
        slots = [self.unseen(target) for target in targets]
        state = StreamState()
        for t in range(length):
            decoded = self.object_decoder(
                clip_queries[:, :, t].flatten(0, 1), state.queries, state.memory
            )
            class_logits, embeddings = self.predict(decoded)
            mask_logits = [
                torch.einsum('sbnc,bchw->sbnhw', x.unflatten(0, (layers, batch)), pixels[:, t])
                for x in embeddings
            ]
            mask_logits = [x.flatten(0, 1) for x in mask_logits]
            slots = [
                self.object_assigner.assign(
                    torch.stack([x[v] for x in class_logits]).detach(),
                    torch.stack([x[v] for x in mask_logits]).detach(),
                    target,
                    t,
                    slots[v],
                )
                for v, target in enumerate(targets)
            ]
            alike = self.embeddings(
                decoded, slots, targets, t, owners[t::length], frames[t::length]
            )
            for name, value in self.object_criterion(
                class_logits, mask_logits, slots, targets, t, alike
            ).items():
                losses[name] = losses.get(name, 0) + value
            state = self.advance(state, decoded.queries)
        return losses

    def unseen(self, target: ClipTargets) -> Tensor:
        """Return the slots (D, G) of a clip before its first frame."""
        shape = (len(self.object_decoder.decoder.layers), len(target))
        return torch.full(shape, UNSEEN, device=target.labels.device)

    def embeddings(
        self,
        decoded: DecodedObjects,
        slots: Sequence[Tensor],
        targets: Sequence[ClipTargets],
        t: int,
        owners: Sequence[Tensor],
        frames: Sequence[ClipTargets],
    ) -> Embeddings:
        """Gather the embeddings of the instances in one frame of each clip.

        Args:
            decoded: of V clips.
            slots: V tensors (D, G) after this frame.
            targets: V clip targets.
            t: index of the frame.
            owners: B tensors (L + 1, F), the frame detector's, into `frames`.
            frames: B targets of this frame alone.
        """
        frame_vectors = self.object_decoder.frame_sim_embed(decoded.frame_queries)  # (V, F, C)
        object_vectors = self.object_decoder.object_sim_embed(decoded.layers[-1])  # (V, N, C)
        vectors, ids, clips = [], [], []
        for v, target in enumerate(targets):
            layer, b = divmod(v, len(frames))
            owner = owners[b][layer - len(targets) // len(frames)]  # of the S last layers
            found = (owner != UNOWNED).nonzero().flatten()
            seen = target.present[:, t] & (slots[v][-1] != UNSEEN)
            vectors += [frame_vectors[v, found], object_vectors[v, slots[v][-1, seen]]]
            ids += [frames[b].ids[owner[found]], target.ids[seen]]
            clips.append(torch.full((len(found) + int(seen.sum()),), v, device=owner.device))
        return Embeddings(torch.cat(vectors), torch.cat(ids), torch.cat(clips))
