"""The base of every online VIS model, with clips in and losses out, frames in and tracks out.

B videos or clips, T frames, N queries, K classes, H x W a padded input.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rocovis_mm.checkpoints.mask2former_start import Mask2FormerStart
from rocovis_mm.compat.host_models import BaseMOTModel
from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.task_modules.points import clip_generator
from rocovis_mm.models.vis.feature_maps import STRIDES, build_neck, fit_head
from rocovis_mm.models.vis.runner_frame import RunnerFrame
from rocovis_mm.registry import MODELS
from rocovis_mm.streaming.engine import StreamEngine, VideoInProgress
from rocovis_mm.streaming.track_recorder import TrackRule
from rocovis_mm.structures import ClipTargets, FramePrediction, StreamState, TrainingStage


class OnlineVISModel(BaseMOTModel):
    """A model that sees a video frame by frame, from the past only.

    A child gives ``loss`` and :meth:`step`; this class turns data samples into tensors.
    A :class:`StreamEngine` makes tracks of the predictions, in a live session or in
    :meth:`predict`, which a runner calls with data samples. Videos may be mixed in a batch, at
    any frame each. Videos of one size and memory run as one batch, others apart, so that a
    video's result never depends on its neighbours. A COCO Mask2Former of MMDetection can be
    loaded as a start.

    Args:
        backbone: config of any MM backbone, or None for a head that reads the images.
        track_head: config of the head; ``in_channels`` and ``strides`` are read off its input
            maps, and compared with them if the config has them.
        neck: config of a neck between backbone and head, or None; its ``in_channels`` are
            read off the backbone where they are left out.
        data_preprocessor: config of ``rocovis_mm.VISDataPreprocessor``.
        track_rule: fields of :class:`TrackRule`.
        clip_augment: config of a module that changes a batch of clips and its targets
            in training (``rocovis_mm.ClipCopyPaste``), or None.
        init_cfg: as any MMEngine model.
    """

    def __init__(
        self,
        backbone: dict | None,
        track_head: dict,
        neck: dict | None = None,
        data_preprocessor: dict | None = None,
        track_rule: dict | None = None,
        clip_augment: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone) if backbone is not None else None
        self.neck = build_neck(neck, self.backbone) if neck is not None else None
        if self.backbone is not None:
            track_head = fit_head(track_head, self.backbone, self.neck)
        self.track_head = MODELS.build(track_head)
        self.num_queries = self.track_head.num_queries
        self.num_classes = self.track_head.num_classes
        self.track_rule = TrackRule(**(track_rule or {}))
        self.clip_augment = MODELS.build(clip_augment) if clip_augment is not None else None
        self.training_stage = TrainingStage()
        self._videos: dict[int, VideoInProgress] = {}
        # public only from torch 2.5 on
        self._register_load_state_dict_pre_hook(Mask2FormerStart(), with_module=True)

    @abstractmethod
    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame of B streams and return their new past.

        Args:
            images: (B, 3, H, W), normalised and padded.
            state: their past; ``StreamState()`` before the first frame.
        """

    def network(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Return the part of :meth:`step` that a graph of the device can hold.

        A child whose :meth:`step` needs the CPU divides it into this and :meth:`conclude`.
        """
        return self.step(images, state)

    def conclude(
        self, outcome: tuple[FramePrediction, StreamState], state: StreamState
    ) -> tuple[FramePrediction, StreamState]:
        """Return the result of :meth:`step` from that of :meth:`network`."""
        return outcome

    def foreground(self, class_logits: Tensor) -> Tensor:
        """Return the factor of each query's pixel probabilities, (B, N), from (B, N, K + 1)."""
        return torch.ones_like(class_logits[..., 0])

    def extract_features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the feature maps of (B, 3, H, W) images, high to low resolution."""
        features = self.backbone(images)
        return tuple(self.neck(features) if self.neck is not None else features)

    def clips_to_learn(
        self, images: Tensor, data_samples: Sequence[TrackDataSample]
    ) -> tuple[Tensor, list[ClipTargets]]:
        """Return the batch as the training stage looks at it.

        Args:
            images: (B, T, 3, H, W).
            data_samples: B clips of T frames with ``gt_instances``.

        Returns:
            (B', T', 3, H', W') and B' targets.
        """
        targets = [clip_targets(sample, images.device) for sample in data_samples]
        if self.training_stage.scale < 1:
            batch, frames, _, height, width = images.shape
            size = tuple(scaled_side(side, self.training_stage.scale) for side in (height, width))
            images = F.interpolate(
                images.flatten(0, 1), size, mode='bilinear', align_corners=False, antialias=True
            ).unflatten(0, (batch, frames))
            targets = [target.resize(size) for target in targets]
        if self.clip_augment is not None and self.training_stage.augment:
            images, targets = self.clip_augment(images, targets)
        if self.training_stage.single_frames:
            images = images.flatten(0, 1)[:, None]
            targets = [frame for target in targets for frame in target.frames()]
        return images, targets

    def predict(
        self, inputs: dict[str, Sequence[Tensor]], data_samples: Sequence[TrackDataSample]
    ) -> list[TrackDataSample]:
        """Predict the next frames of one or several videos.

        Args:
            inputs: ``img``: one (T, 3, H, W) tensor per data sample, T consecutive frames.
            data_samples: T frames each, with ``video_id``, ``frame_id`` and
                ``ori_video_length`` (MMDetection's ``video_length`` counts the item's own frames).

        Returns:
            the data samples; every frame has ``pred_track_instances``, and a sample
            that ends its video has the field ``video_tracks``.

        Raises:
            ValueError: a frame that does not follow the one before it.
        """
        engine = StreamEngine(self)
        engine.run(
            [
                RunnerFrame(engine, self._videos, image, frame, sample)
                for images, sample in zip(inputs['img'], data_samples)
                for image, frame in zip(images, sample.video_data_samples)
            ]
        )
        return list(data_samples)

    def first_queries(self) -> Tensor | None:
        """Return the queries (N, C) of a first frame, or None where none are carried on."""
        return None


def scaled_side(side: int, scale: float) -> int:
    """Return a scaled height or width as a multiple of the lowest resolution's stride."""
    return math.ceil(side * scale / STRIDES[-1]) * STRIDES[-1]


def clip_targets(sample: TrackDataSample, device: torch.device) -> ClipTargets:
    """Gather a training clip's instances by their ids.

    Args:
        sample: T frames with ``gt_instances`` (labels, masks, instances_ids); the first may
            have a ``draw_key``, which the clip's random points are then a function of.
        device: where the targets are needed.
    """
    frames = sample.video_data_samples
    labels: dict[int, int] = {}
    for frame in frames:
        instances = frame.gt_instances
        labels.update(zip(instances.instances_ids.tolist(), instances.labels.tolist()))
    rows = {instance_id: row for row, instance_id in enumerate(labels)}
    masks = np.zeros((len(rows), len(frames), *frames[0].batch_input_shape), dtype=bool)
    for t, frame in enumerate(frames):
        bitmaps = frame.gt_instances.masks.masks
        for instance_id, bitmap in zip(frame.gt_instances.instances_ids.tolist(), bitmaps):
            masks[rows[instance_id], t] = bitmap
    return ClipTargets(
        torch.tensor(list(labels.values()), dtype=torch.long, device=device),
        torch.from_numpy(masks).to(device),
        torch.tensor(list(labels), dtype=torch.long, device=device),
        clip_generator(frames[0].get('draw_key'), device),
    )
