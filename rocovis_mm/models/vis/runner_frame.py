"""A frame of a runner, in a data sample that also receives its results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.streaming.engine import FrameOfVideo, StreamEngine, VideoInProgress
from rocovis_mm.streaming.frame_masks import FrameMasks

FIELDS = ('instances_id', 'labels', 'scores', 'masks')


class LaterInstances(InstanceData):
    """Instances of a frame that are made at the first use of one of their fields.

    Args:
        make: returns the fields; None for an object without any, as slices begin.
        **kwargs: of :class:`mmengine.structures.InstanceData`.
    """

    tracks_follow = True
    """Whether the video's tracks come with its last frame; see ``TrackCollector``."""

    def __init__(
        self, make: Callable[[], dict[str, np.ndarray]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if make is not None:
            del self.__dict__['_data_fields']  # all access to fields asks for it
            self.__dict__['_make'] = make

    def __getattr__(self, name: str) -> Any:
        """Make the fields at the first use of one of them, or of their list."""
        if name not in ('_data_fields', *FIELDS) or '_make' not in self.__dict__:
            raise AttributeError(f'{type(self).__name__!r} has no attribute {name!r}')
        make = self.__dict__.pop('_make')
        self.__dict__['_data_fields'] = set()
        for key, value in make().items():
            setattr(self, key, torch.from_numpy(value))
        return getattr(self, name)


class RunnerFrame(NamedTuple):
    """A :class:`NextFrame` of a data sample, whose video the model keeps until it ends."""

    engine: StreamEngine
    videos: dict[int, VideoInProgress]  # by id
    image: Tensor  # (3, H, W), normalised and padded
    frame: DetDataSample
    sample: TrackDataSample  # holds the frame

    @property
    def owner(self) -> int:
        """The id of the video."""
        return self.frame.video_id

    def read(self) -> FrameOfVideo:
        """Return the frame with the video that it continues; frame 0 begins it anew.

        Raises:
            ValueError: it does not follow the frame before it, or is of another size.
        """
        frame = self.frame
        if frame.frame_id == 0:
            self.videos[frame.video_id] = self.engine.begin()
        video = self.videos.get(frame.video_id)
        if video is None or video.next_frame != frame.frame_id:
            raise ValueError(
                f'frame {frame.frame_id} of video {frame.video_id} came, but frame '
                f'{video.next_frame if video else 0} is next: an online model needs the frames of '
                "a video in order on one rank; use the sampler 'rocovis_mm.VideoFrameSampler'"
            )
        size = tuple(frame.batch_input_shape)
        video.size = video.size or size
        if video.size != size:
            raise ValueError(
                f'frame {video.next_frame} of video {frame.video_id} is {size} pixels (height, '
                f'width, padded), the frames before it are {video.size}: all frames of a video '
                'must have one size'
            )
        return self.image, frame, video

    def take(self, masks: FrameMasks) -> None:
        """Put the frame's instances, and the tracks of a video that ends, into the samples."""
        video = self.videos[self.owner]
        self.frame.pred_track_instances = LaterInstances(video.recorder.snapshot(masks).instances)
        if video.next_frame == self.frame.ori_video_length:
            del self.videos[self.owner]
            self.sample.set_field(video.recorder.finish(self.owner), 'video_tracks')
