"""A frame as a runner gives it: in a data sample that its results go into."""

from __future__ import annotations

from typing import NamedTuple

from mmdet.structures import DetDataSample
from torch import Tensor

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.streaming.engine import FrameOfVideo, StreamEngine
from rocovis_mm.streaming.frame_masks import FrameMasks
from rocovis_mm.streaming.video_in_progress import VideoInProgress


class RunnerFrame(NamedTuple):
    """A :class:`NextFrame` of a video that the model itself keeps until its last frame.

    Attributes:
        engine: begins videos.
        videos: the videos in progress, by their ids.
        image: (3, H, W), normalised and padded.
        frame: its number, its video and its sizes.
        sample: holds `frame`, and the video's tracks where it ends the video.
    """

    engine: StreamEngine
    videos: dict[int, VideoInProgress]
    image: Tensor
    frame: DetDataSample
    sample: TrackDataSample

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
        video.check_size(frame.batch_input_shape, frame.video_id)
        return self.image, frame, video

    def take(self, masks: FrameMasks) -> None:
        """Put the frame's instances, and the tracks of a video that ends, into the samples."""
        video = self.videos[self.owner]
        self.frame.pred_track_instances = video.to_instances(masks)
        if video.next_frame == self.frame.ori_video_length:
            del self.videos[self.owner]
            self.sample.set_field(video.recorder.finish(self.owner), 'video_tracks')
