"""The one place where videos advance, of sessions, of a runner, or of a tool.

N queries, K classes, C channels, H x W a padded input, h x w the resolution of mask logits.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from torch import Tensor

from rocovis_mm.streaming.captured_steps import CapturedSteps
from rocovis_mm.streaming.frame_masks import FrameMasks, frame_masks
from rocovis_mm.streaming.identity_recorder import IdentityRecorder, IdentityRule
from rocovis_mm.streaming.track_recorder import TrackRecorder, TrackRule
from rocovis_mm.structures import FramePrediction, StreamState


@dataclass
class VideoInProgress:
    """Everything that a model needs to continue a video.

    Attributes:
        recorder: statistics and, if they are kept, masks of its tracks.
        state: the model's memory.
        size: (height, width) of its padded frames, where a runner gives them.
        memory_frames: most past frames that `state` may hold; None leaves it to the model.
    """

    recorder: TrackRecorder | IdentityRecorder
    state: StreamState = field(default_factory=StreamState)
    size: tuple[int, int] | None = None
    memory_frames: int | None = None

    @property
    def next_frame(self) -> int:
        """The number of the frame that comes next, from 0."""
        return self.recorder.length

    def advance(self, masks: FrameMasks, state: StreamState) -> None:
        """Add a frame's masks and the state after it."""
        self.recorder.add_frame(masks)
        if self.memory_frames is not None:
            state = state.newest(self.memory_frames)
        self.state = state


FrameOfVideo = tuple[Tensor, DetDataSample, VideoInProgress]
"""An image (3, H, W), normalised and padded, its sizes, and the video that it continues."""


class StreamModel(Protocol):
    """The engine's view of a model. Only sessions need its `data_preprocessor`.

    A model with a true attribute ``reads_sizes`` is also given the unpadded (height, width) of
    the B frames, as the argument `sizes` of :meth:`step`.
    """

    num_queries: int
    num_classes: int
    track_rule: TrackRule
    data_preprocessor: Callable[[dict, bool], dict]

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, StreamState]:
        """Predict one frame (B, 3, H, W) of B streams and return their new past."""

    def foreground(self, class_logits: Tensor) -> Tensor:
        """Return the factor of each query's pixel probabilities, (B, N), from (B, N, K + 1)."""

    def first_queries(self) -> Tensor | None:
        """Return the queries (N, C) of a first frame, or None where none are carried on."""


class NextFrame(Protocol):
    """A frame to predict. Frames of one video have one `owner`."""

    owner: Hashable

    def read(self) -> FrameOfVideo:
        """Return the frame. Its video has taken all frames before it."""

    def take(self, masks: FrameMasks) -> Any:
        """Return the frame's result. Its video has advanced."""


class StreamEngine:
    """Advances videos on a model, for one call at a time and in as few batches as can be.

    Args:
        model: at test time, on its device.
        accelerate: way of :class:`CapturedSteps` by which frames of a few sizes are run, or
            None.

    Raises:
        ValueError: there is no such way, or the model's device does not support it.
    """

    def __init__(self, model: StreamModel, accelerate: str | None = None) -> None:
        self.model = model
        if accelerate is not None and getattr(model, 'reads_sizes', False):
            raise ValueError(
                f'accelerate={accelerate!r}: {type(model).__name__} reads the size of '
                'each frame and cannot be captured; leave the option out'
            )
        self.captured = None if accelerate is None else CapturedSteps(model, accelerate)
        self._lock = threading.Lock()

    def begin(
        self,
        keep_masks: bool = True,
        release_after: int | None = None,
        memory_frames: int | None = None,
    ) -> VideoInProgress:
        """Return a video before its first frame; the caller owns it.

        Args:
            keep_masks: whether its masks are held until its end.
            release_after: frames of absence after which a slot is given back; None for
                never. See :class:`TrackRecorder`.
            memory_frames: most past frames that are remembered; None as the model has it.

        Raises:
            ValueError: `release_after` or `memory_frames` below 1.
        """
        if memory_frames is not None and memory_frames < 1:
            raise ValueError(f'memory_frames={memory_frames}: give a number of frames >= 1')
        model, rule = self.model, self.model.track_rule
        arguments = (model.num_classes, rule, keep_masks, release_after)
        if isinstance(rule, IdentityRule):
            recorder = IdentityRecorder(*arguments)
        else:
            recorder = TrackRecorder(model.num_queries, *arguments)
        return VideoInProgress(recorder, memory_frames=memory_frames)

    def preprocess(self, packed: dict[str, Any]) -> tuple[Tensor, DetDataSample]:
        """Return the image (3, H, W) of a packed frame, normalised and padded, and its sizes."""
        data = self.model.data_preprocessor(pseudo_collate([packed]), False)
        return data['inputs']['img'][0][0], data['data_samples'][0].video_data_samples[0]

    def run(self, frames: Sequence[NextFrame]) -> list[Any]:
        """Predict frames of one or several videos, those of a video in the order given.

        Args:
            frames: each is read when its turn comes.

        Returns:
            the result of each frame, in the same order.
        """
        turns: Counter[Hashable] = Counter()
        waves: dict[int, list[int]] = {}  # at most one frame of a video each
        for number, frame in enumerate(frames):
            waves.setdefault(turns[frame.owner], []).append(number)
            turns[frame.owner] += 1
        results = {}
        with self._lock:
            for wave in waves.values():
                masks = self.advance([frames[number].read() for number in wave])
                results.update((n, frames[n].take(found)) for n, found in zip(wave, masks))
        return [results[number] for number in range(len(frames))]

    @torch.no_grad()
    def advance(self, frames: Sequence[FrameOfVideo]) -> list[FrameMasks]:
        """Predict the next frame of one or several different videos.

        Frames of one size whose videos remember as much run as one batch. A batch that fails
        leaves its videos before the same frame, and may be tried again.

        Args:
            frames: an image, its sizes and its video each.

        Returns:
            the masks of each, in the same order.
        """
        groups: dict[tuple, list[int]] = {}
        for position, (image, _, video) in enumerate(frames):
            alike = (tuple(image.shape), video.state.started, len(video.state.memory))
            groups.setdefault(alike, []).append(position)
        found: dict[int, FrameMasks] = {}
        for group in groups.values():
            members = [frames[position] for position in group]
            for _, _, video in members:
                self.give_back_slots(video)
            images = torch.stack([image for image, *_ in members])
            states = [video.state for *_, video in members]
            past = type(states[0]).cat(states)
            sizes = {}
            if getattr(self.model, 'reads_sizes', False):
                sizes['sizes'] = [tuple(frame.img_shape[:2]) for _, frame, _ in members]
            prediction, state = (self.captured or self.model.step)(images, past, **sizes)
            masks = [self.segment(prediction, b, frame) for b, (_, frame, _) in enumerate(members)]
            for (_, _, video), found_masks, new_state in zip(members, masks, state.split()):
                video.advance(found_masks, new_state)
            found.update(zip(group, masks))
        return [found[position] for position in range(len(frames))]

    def give_back_slots(self, video: VideoInProgress) -> None:
        """Give back the slots of a video whose identities have been absent for too long.

        Their queries become the learned ones, as before the first frame. An associator forgets
        the identities.
        """
        slots = video.recorder.absent_slots()
        if len(slots):
            video.recorder.give_back(slots)
            video.state = video.state.restart(torch.from_numpy(slots), self.model.first_queries())

    def segment(self, prediction: FramePrediction, b: int, frame: DetDataSample) -> FrameMasks:
        """Turn the last layer's prediction of stream b into masks; see :func:`frame_masks`.

        Queries without an identity are left out, where an associator gives identities.
        """
        class_logits = prediction.class_logits[-1][b].float()
        mask_logits, identities = prediction.mask_logits[-1][b], None
        if prediction.identities is not None:
            rows = (prediction.identities[b] >= 0).nonzero().flatten()
            class_logits, mask_logits = class_logits[rows], mask_logits[rows]
            identities = prediction.identities[b, rows]
        foreground = self.model.foreground(class_logits[None])[0]
        rule = self.model.track_rule
        scoring = rule.mask_scoring, rule.scoring_size, identities, rule.resize
        return frame_masks(class_logits, mask_logits, foreground, frame, *scoring)
