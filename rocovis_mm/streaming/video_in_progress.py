"""A video of which some frames have been seen; whoever feeds the frames owns it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData

from rocovis_mm.streaming.frame_masks import FrameMasks
from rocovis_mm.streaming.track_recorder import TrackRecorder
from rocovis_mm.structures import StreamState


class LaterInstances(InstanceData):
    """Instances of a frame that are made when one of their fields is first needed.

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
        """Make the fields where one of them, or their list, is asked for."""
        if name not in ('_data_fields', *FIELDS) or '_make' not in self.__dict__:
            raise AttributeError(f'{type(self).__name__!r} has no attribute {name!r}')
        make = self.__dict__.pop('_make')
        self.__dict__['_data_fields'] = set()
        for key, value in make().items():
            setattr(self, key, torch.from_numpy(value))
        return getattr(self, name)


FIELDS = ('instances_id', 'labels', 'scores', 'masks')


@dataclass
class VideoInProgress:
    """Everything that a model needs to go on with a video.

    Attributes:
        recorder: statistics and, if they are kept, masks of its tracks.
        state: what the model remembers.
        size: (height, width) of its padded frames; None before the first.
        memory_frames: most past frames that `state` may hold; None leaves it to the model.
    """

    recorder: TrackRecorder
    state: StreamState = field(default_factory=StreamState)
    size: tuple[int, int] | None = None
    memory_frames: int | None = None

    @property
    def next_frame(self) -> int:
        """The number of the frame that comes next, from 0."""
        return self.recorder.length

    def check_size(self, size: Sequence[int], name: object) -> None:
        """Check that a frame is of the video's size; the first one sets it.

        Args:
            size: (height, width) of the padded frame.
            name: of the video, for the message.

        Raises:
            ValueError: it is of another.
        """
        self.size = self.size or tuple(size)
        if self.size != tuple(size):
            raise ValueError(
                f'frame {self.next_frame} of video {name} is {tuple(size)} pixels (height, '
                f'width, padded), the frames before it are {self.size}: all frames of a video '
                'must have one size'
            )

    def advance(self, masks: FrameMasks, state: StreamState) -> None:
        """Take in what a frame has brought."""
        self.recorder.add_frame(masks)
        if self.memory_frames is not None:
            state = replace(state, memory=state.memory[-self.memory_frames :])
        self.state = state

    def to_instances(self, masks: FrameMasks) -> InstanceData:
        """Return the last frame's masks with the class and score their tracks have so far.

        They are made when one is first looked at, which a test of whole tracks never does.
        """
        return LaterInstances(self.recorder.snapshot(masks).instances)
