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
    """Yield the frames of whole videos in order; balance ranks by frames.

    Every frame of the data set comes exactly once on exactly one rank, a video's
    frames one after the other. A rank may get nothing where there are fewer
    videos than ranks.

    Args:
        dataset: a test data set with ``video_lengths`` (``VISDataset``), or a
            ``ConcatDataset`` of such.
        seed: accepted because mmengine passes one; nothing is random here.
    """

    def __init__(self, dataset: BaseDataset | ConcatDataset, seed: int | None = None) -> None:
        rank, world_size = get_dist_info()
        lengths = frames_per_video(dataset)
        starts = np.cumsum([0, *lengths])
        self.indices = [
            index
            for video in share_videos(lengths, world_size)[rank]
            for index in range(starts[video], starts[video + 1])
        ]

    def __iter__(self) -> Iterator[int]:
        """Yield this rank's frames."""
        return iter(self.indices)

    def __len__(self) -> int:
        """Number of frames of this rank."""
        return len(self.indices)

    def set_epoch(self, epoch: int) -> None:
        """Do nothing: every pass is the same."""


def frames_per_video(dataset: BaseDataset | ConcatDataset) -> list[int]:
    """Return the number of frames of each video, in the order of the items."""
    if isinstance(dataset, ConcatDataset):
        return [length for part in dataset.datasets for length in frames_per_video(part)]
    return dataset.video_lengths


def share_videos(lengths: Sequence[int], ranks: int) -> list[list[int]]:
    """Give every video to a rank: the longest first, to whom has the fewest frames.

    Args:
        lengths: frames of each video.
        ranks: number of ranks.

    Returns:
        The videos of each rank, in the order of the data set.
    """
    shares: list[list[int]] = [[] for _ in range(ranks)]
    loads = [0] * ranks
    for video in sorted(range(len(lengths)), key=lambda video: -lengths[video]):
        rank = loads.index(min(loads))
        shares[rank].append(video)
        loads[rank] += lengths[video]
    return [sorted(share) for share in shares]
