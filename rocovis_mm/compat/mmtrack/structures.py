"""The frames of a video in one data sample, which MMDetection 3.0.0rc5 has not."""

from __future__ import annotations

from typing import Any

from mmdet.structures import DetDataSample
from mmengine.structures import BaseDataElement


class TrackDataSample(BaseDataElement):
    """T frames of one video, as MMDetection 3.1's class of this name.

    MMTracking's own ``TrackDataSample`` is another thing: see :mod:`.samples`.

    Attributes:
        video_data_samples: T frames.
    """

    @property
    def video_data_samples(self) -> list[DetDataSample]:
        """The frames."""
        return self._video_data_samples

    @video_data_samples.setter
    def video_data_samples(self, frames: list[DetDataSample]) -> None:
        self.set_field(frames, '_video_data_samples', dtype=list)

    def __getitem__(self, index: int) -> DetDataSample:
        """Return a frame."""
        return self._video_data_samples[index]

    def __len__(self) -> int:
        """Return T."""
        return len(self._video_data_samples) if '_video_data_samples' in self else 0

    def to(self, *args: Any, **kwargs: Any) -> TrackDataSample:
        """Return the sample with its frames on another device or of another type."""
        moved = super().to(*args, **kwargs)
        if len(self):
            moved.video_data_samples = [frame.to(*args, **kwargs) for frame in self]
        return moved
