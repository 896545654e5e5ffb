"""The base of offline VIS models: a whole video in, tracks out.

T frames, N queries, n of them chosen, K classes, H x W a padded input.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from mmdet.structures import DetDataSample
from pycocotools import mask as coco_mask
from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.models.task_modules.clip_matching import ClipTracks, clip_windows
from rocovis_mm.models.task_modules.offline_tracks import (
    MaskTubes,
    OfflineTrackRule,
    make_tracks,
)
from rocovis_mm.models.vis.base import VISModel
from rocovis_mm.models.vis.runner_frame import LaterInstances
from rocovis_mm.streaming.frame_masks import FrameSizes
from rocovis_mm.structures import ClipPrediction, VideoTracks


class OfflineVISModel(VISModel):
    """A model that sees a video as a whole, or in overlapping clips that are linked.

    A data set gives it whole videos (``whole_videos=True``). A video is predicted by itself, so
    that its result does not depend on its neighbours in a batch.

    Args:
        track_rule: fields of :class:`OfflineTrackRule`.
        clip_length: frames of a clip; None takes the video as one clip.
        clip_stride: frames from the start of a clip to the start of the next one.
        clip_match_thr: soft IoU up to which an instance of a clip is a new one.
        frames_at_once: frames that backbone and encoder read together.
        num_labels: number of the data set's classes where the head has further class outputs,
            which no annotation has; None: as many as the head's.
        **kwargs: arguments of :class:`VISModel`.

    Raises:
        ValueError: an argument is impossible.
    """

    def __init__(
        self,
        *,
        track_rule: dict | None = None,
        clip_length: int | None = None,
        clip_stride: int = 1,
        clip_match_thr: float = 0.01,
        frames_at_once: int = 10,
        num_labels: int | None = None,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(**kwargs)
        lengths = dict(clip_length=clip_length or 1, clip_stride=clip_stride)
        for name, value in dict(lengths, frames_at_once=frames_at_once).items():
            if value < 1:
                raise ValueError(f'{name}={value}: give a number of frames >= 1')
        if clip_length is not None and clip_stride > clip_length:
            raise ValueError(
                f'clip_stride={clip_stride} leaves frames out between clips of '
                f'clip_length={clip_length}: give a stride that is not longer'
            )
        first = getattr(self.track_head, 'first_class', 0)
        outputs = self.track_head.num_classes
        self.num_classes = outputs - first if num_labels is None else num_labels
        if first + self.num_classes > outputs:
            raise ValueError(
                f'num_labels={num_labels}: labels {first} to {first + self.num_classes - 1} are '
                f'not all among the {outputs} class outputs of the head'
            )
        self.labels = range(first, first + self.num_classes)
        self.track_rule = OfflineTrackRule(**(track_rule or {}))
        self.clip_length = clip_length
        self.clip_stride = clip_stride
        self.clip_match_thr = clip_match_thr
        self.frames_at_once = frames_at_once

    @abstractmethod
    def predict_clip(self, images: Tensor, size: tuple[int, int]) -> ClipPrediction:
        """Predict the best queries of a clip.

        Args:
            images: (T, 3, H, W), normalised and padded.
            size: (height, width) without padding.
        """

    @torch.no_grad()
    def predict(
        self, inputs: dict[str, Sequence[Tensor]], data_samples: Sequence[TrackDataSample]
    ) -> list[TrackDataSample]:
        """Predict whole videos.

        Args:
            inputs: ``img``: one (T, 3, H, W) tensor per data sample, all frames of a video.
            data_samples: of these videos.

        Returns:
            the data samples, with the field ``video_tracks``; every frame has
            ``pred_track_instances``, made at first use.

        Raises:
            ValueError: a sample is not a whole video.
        """
        for images, sample in zip(inputs['img'], data_samples):
            frames = sample.video_data_samples
            check_whole(frames)
            tracks = self.video_tracks(images, frames[0])
            sample.set_field(tracks, 'video_tracks')
            for t, frame in enumerate(frames):
                frame.pred_track_instances = LaterInstances(instances_of(tracks, t, frame))
        return list(data_samples)

    def video_tracks(self, images: Tensor, frame: DetDataSample) -> VideoTracks:
        """Return the tracks of a video.

        Args:
            images: (T, 3, H, W), normalised and padded.
            frame: the first one, for the sizes of all.
        """
        sizes = FrameSizes(*(tuple(getattr(frame, name)[:2]) for name in FrameSizes._fields))
        tubes = MaskTubes(sizes, self.track_rule.resize)
        if self.clip_length is None:
            prediction = self.predict_clip(images, sizes.img_shape)
            numbers, scores = prediction.queries.tolist(), prediction.scores
            for logits in prediction.mask_logits.unbind(1):
                tubes.add(numbers, logits)
        else:
            tracks = ClipTracks(self.clip_match_thr)
            for found, logits in self.linked_frames(images, sizes.img_shape, tracks):
                tubes.add(found, logits)
            numbers, scores = range(len(tracks)), tracks.scores
        return make_tracks(frame.video_id, scores, numbers, tubes, self.track_rule, self.labels)

    def linked_frames(
        self, images: Tensor, size: tuple[int, int], tracks: ClipTracks
    ) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Yield each frame's instances (m,) and mask logits (m, h, w), clip by clip.

        Args:
            images: (T, 3, H, W), normalised and padded.
            size: (height, width) without padding.
            tracks: links the clips.
        """
        windows = clip_windows(len(images), self.clip_length, self.clip_stride)
        nexts = [start for start, _ in windows[1:]] + [len(images)]
        for (start, end), following in zip(windows, nexts):
            prediction = self.predict_clip(images[start:end], size)
            tracks.add(start, prediction.scores, prediction.mask_logits)
            yield from tracks.hand_out(following)


def check_whole(frames: Sequence[DetDataSample]) -> None:
    """Raise ValueError unless these are all frames of one video, of one size."""
    first = frames[0]
    numbers = [frame.frame_id for frame in frames]
    if numbers != list(range(first.ori_video_length)):
        raise ValueError(
            f'video {first.video_id} has {first.ori_video_length} frames, but the frames '
            f'{numbers[0]} to {numbers[-1]} came ({len(numbers)}): an offline model needs whole '
            'videos; set whole_videos=True in the data set and let its pipeline broadcast over '
            'frames, as configs/seqformer do'
        )
    shapes = {tuple(frame.img_shape[:2]) for frame in frames}
    if len(shapes) > 1:
        raise ValueError(
            f'video {first.video_id}: frames have the sizes {sorted(shapes)}; all frames of a '
            'video must have one size'
        )


def instances_of(
    tracks: VideoTracks, t: int, frame: DetDataSample
) -> Callable[[], dict[str, np.ndarray]]:
    """Return a function that makes a frame's instances: each identity with its best track.

    Args:
        tracks: of the video.
        t: the frame.
        frame: for its size.
    """

    def make() -> dict[str, np.ndarray]:
        _, rows = np.unique(tracks.identities, return_index=True)  # the first one is the best
        rows = [row for row in rows if tracks.segmentations[row][t] is not None]
        masks = [coco_mask.decode(tracks.segmentations[row][t]).astype(bool) for row in rows]
        return dict(
            instances_id=tracks.identities[rows],
            labels=tracks.labels[rows],
            scores=tracks.scores[rows],
            masks=np.array(masks).reshape(-1, *frame.ori_shape[:2]),
        )

    return make
