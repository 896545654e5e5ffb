from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from rocovis_mm.datasets import VideoFrameSampler, VISDataset
from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.datasets.samplers import video_frame_sampler
from rocovis_mm.datasets.samplers.video_frame_sampler import share_videos


@given(st.lists(st.integers(1, 60), max_size=12), st.integers(1, 6))
def test_shares_are_complete_and_balanced(lengths, ranks):
    shares = share_videos(lengths, ranks)
    assert len(shares) == ranks
    assert sorted(video for share in shares for video in share) == list(range(len(lengths)))
    loads = [sum(lengths[video] for video in share) for share in shares]
    # no rank could give a video to a less loaded one and be better off
    assert max(loads) - min(loads) <= max(lengths, default=0)
    assert all(share == sorted(share) for share in shares)


def test_balanced_by_frames_not_by_videos():
    assert share_videos([30, 1, 1, 1, 27], 2) == [[0], [1, 2, 3, 4]]
    assert share_videos([5], 3) == [[0], [], []]


class Frames:
    """Stands for a test data set of three videos."""

    video_lengths = [3, 5, 2]  # noqa: RUF012


@pytest.mark.parametrize('world', [1, 2, 3, 5])
def test_every_frame_once_and_videos_whole(monkeypatch, world):
    parts = []
    for rank in range(world):
        monkeypatch.setattr(video_frame_sampler, 'get_dist_info', lambda rank=rank: (rank, world))
        sampler = VideoFrameSampler(Frames(), seed=4)
        assert len(sampler) == len(list(sampler))
        parts.append(list(sampler))
    assert sorted(index for part in parts for index in part) == list(range(10))
    video_of = [0] * 3 + [1] * 5 + [2] * 2
    for part in parts:
        assert part == sorted(part)
    for video in range(3):
        assert sum(video in {video_of[index] for index in part} for part in parts) == 1


@pytest.mark.parametrize('workers', [0, 2])
def test_order_survives_worker_prefetching(tmp_path, workers):
    root = make_tiny_dataset(tmp_path / 'tiny').root
    dataset = VISDataset(
        ann_file='val.json', data_root=str(root), data_prefix=dict(img='JPEGImages'), test_mode=True
    )
    loader = DataLoader(
        dataset,
        sampler=VideoFrameSampler(dataset),
        num_workers=workers,
        batch_size=1,
        collate_fn=lambda batch: batch[0],
    )
    seen = [(item['video_id'], item['frame_id']) for item in loader]
    assert seen == [(video, frame) for video in (1, 2, 3) for frame in range(6)]
