"""The one place where videos go on, whoever owns them: sessions, a runner, or a tool.

N queries, K classes, C channels, H x W a padded input, h x w the resolution of mask logits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from torch import Tensor

from rocovis_mm.streaming.frame_masks import FrameMasks, frame_masks
from rocovis_mm.streaming.track_recorder import TrackRecorder, TrackRule
from rocovis_mm.streaming.video_in_progress import VideoInProgress
from rocovis_mm.structures import FramePrediction, StreamState

Item = TypeVar('Item')
FrameOfVideo = tuple[Tensor, DetDataSample, VideoInProgress]
"""An image (3, H, W), normalised and padded, its sizes, and the video that it continues."""


class StreamModel(Protocol):
    """All that the engine knows of a model.

    Attributes:
        num_queries: N.
        num_classes: K.
        track_rule: how frames become tracks.
        data_preprocessor: normalises and pads a collated batch; only sessions need it.
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
        """Return the queries (N, C) of a first frame; None where none are carried on."""


class NextFrame(Protocol):
    """A frame that is to be predicted; its owner reads it and takes its masks.

    Attributes:
        owner: one object for all frames of a video.
    """

    owner: Hashable

    def read(self) -> FrameOfVideo:
        """Return the frame, after all frames before it have been taken."""

    def take(self, masks: FrameMasks) -> Any:
        """Return the frame's result; its video has gone on."""


class StreamEngine:
    """Advances videos on a model, for one call at a time and in as few batches as can be.

    Args:
        model: at test time, on its device.

    Attributes:
        model: as above.
    """

    def __init__(self, model: StreamModel) -> None:
        self.model = model
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
        model = self.model
        recorder = TrackRecorder(
            model.num_queries, model.num_classes, model.track_rule, keep_masks, release_after
        )
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
            what each of them made of its masks, in the same order.
        """
        results = {}
        with self._lock:
            for wave in waves(range(len(frames)), of=lambda number: frames[number].owner):
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
        found: dict[int, FrameMasks] = {}
        for group in group_alike(frames):
            members = [frames[position] for position in group]
            for _, _, video in members:
                self.give_back_slots(video)
            images = torch.stack([image for image, *_ in members])
            past = StreamState.cat([video.state for *_, video in members])
            prediction, state = self.model.step(images, past)
            masks = [self.segment(prediction, b, frame) for b, (_, frame, _) in enumerate(members)]
            for (_, _, video), found_masks, new_state in zip(members, masks, state.split()):
                video.advance(found_masks, new_state)
            found.update(zip(group, masks))
        return [found[position] for position in range(len(frames))]

    def give_back_slots(self, video: VideoInProgress) -> None:
        """Give back the slots of a video whose identities have been absent for too long.

        Their queries become the learned ones, as before the first frame.
        """
        slots = video.recorder.absent_slots()
        if len(slots):
            video.recorder.give_back(slots)
            video.state = video.state.restart(torch.from_numpy(slots), self.model.first_queries())

    def segment(self, prediction: FramePrediction, b: int, frame: DetDataSample) -> FrameMasks:
        """Turn the last layer's prediction of stream b into masks; see :func:`frame_masks`."""
        class_logits = prediction.class_logits[-1][b].float()
        foreground = self.model.foreground(class_logits[None])[0]
        mask_logits = prediction.mask_logits[-1][b]
        scored = self.model.track_rule.mask_scoring
        return frame_masks(class_logits, mask_logits, foreground, frame, scored)


def group_alike(frames: Iterable[FrameOfVideo]) -> list[list[int]]:
    """Return the positions of frames of different videos that can run as one batch."""
    groups: dict[tuple, list[int]] = {}
    for position, (image, _, video) in enumerate(frames):
        key = (tuple(image.shape), video.state.queries is None, len(video.state.memory))
        groups.setdefault(key, []).append(position)
    return list(groups.values())


def waves(items: Iterable[Item], of: Callable[[Item], Hashable]) -> Iterator[list[Item]]:
    """Split items into batches that hold at most one of each video, in order.

    Args:
        items: frames, each of some video.
        of: tells an item's video.
    """
    waiting = list(items)
    while waiting:
        wave, later, seen = [], [], set()
        for item in waiting:
            (later if of(item) in seen else wave).append(item)
            seen.add(of(item))
        yield wave
        waiting = later
