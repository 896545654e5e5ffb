"""Whole videos per rank, frame by frame, for testing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from rocovis_mm.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class VideoFrameSampler(Sampler):
    """Yield the frames of whole videos in order, with about as many frames on each rank.

    Every frame of the data set is yielded once on one rank, and all frames of a video by the same
    rank one after the other. A rank gets nothing if there are fewer videos than ranks.

    Args:
        dataset: a test data set with ``video_lengths`` (``VISDataset``), or a ``ConcatDataset`` of
            such data sets; or a video data set of MMDetection, whose items are (video, frame).
        seed: not used; mmengine passes one.
    """

    def __init__(self, dataset: BaseDataset | ConcatDataset, seed: int | None = None) -> None:
        rank, world_size = get_dist_info()
        lengths = frames_per_video(dataset)
        videos = share_videos(lengths, world_size)[rank]
        frames = [(video, frame) for video in videos for frame in range(lengths[video])]
        if not has_whole_videos(dataset):
            starts = np.cumsum([0, *lengths]).tolist()
            frames = [starts[video] + frame for video, frame in frames]
        self.indices: list[int] | list[tuple[int, int]] = frames

    def __iter__(self) -> Iterator[int | tuple[int, int]]:
        """Yield this rank's frames."""
        return iter(self.indices)

    def __len__(self) -> int:
        """Number of frames of this rank."""
        return len(self.indices)

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: every pass is the same."""


def has_whole_videos(dataset: BaseDataset) -> bool:
    """Whether it is a video data set of MMDetection's: its items are videos, or (video, frame)."""
    return hasattr(dataset, 'get_len_per_video')


def frames_per_video(dataset: BaseDataset | ConcatDataset) -> list[int]:
    """Return the number of frames of each video in the order of the items, or fail."""
    if has_whole_videos(dataset):
        return [dataset.get_len_per_video(video) for video in range(len(dataset))]
    if isinstance(dataset, ConcatDataset):
        if not any(map(has_whole_videos, dataset.datasets)):
            return [length for part in dataset.datasets for length in frames_per_video(part)]
    elif hasattr(type(dataset), 'video_lengths'):
        return dataset.video_lengths
    raise ValueError(
        f'VideoFrameSampler: a {type(dataset).__name__} does not give the frames of its '
        'videos; test a rocovis_mm.VISDataset, or one video data set of MMDetection alone'
    )


def share_videos(lengths: Sequence[int], ranks: int) -> list[list[int]]:
    """Return the videos of each rank in the order of the data set.

    Videos are assigned from the longest to the shortest, each to the rank with the fewest frames.
    """
    shares: list[list[int]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for video in sorted(range(len(lengths)), key=lambda video: -lengths[video]):
        rank = loads.index(min(loads))
        shares[rank].append(video)
        loads[rank] += lengths[video]
    return [sorted(share) for share in shares]
