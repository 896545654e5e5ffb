from __future__ import annotations

from itertools import islice

import pytest

from rocovis_mm.datasets import ClipSampler
from rocovis_mm.datasets.samplers import clip_sampler


@pytest.fixture
def ranks(monkeypatch):
    def _ranks(world, size, **kwargs):
        samplers = []
        for rank in range(world):
            monkeypatch.setattr(clip_sampler, 'get_dist_info', lambda rank=rank: (rank, world))
            samplers.append(ClipSampler(range(size), seed=5, **kwargs))
        return samplers

    return _ranks


def take(sampler, number):
    return [(int(draw), draw.key) for draw in islice(sampler, number)]


def test_each_pass_sees_each_video_once_in_another_order(ranks):
    (sampler,) = ranks(1, 10)
    indices = [index for index, _ in take(sampler, 30)]
    passes = [indices[i : i + 10] for i in (0, 10, 20)]
    assert [sorted(one) for one in passes] == [list(range(10))] * 3
    assert passes[0] != passes[1] != passes[2]
    keys = [key for _, key in take(sampler, 30)]
    assert keys == [(5, number) for number in range(30)]


@pytest.mark.parametrize('start', [0, 1, 9, 10, 23])
def test_draws_are_a_function_of_their_number(ranks, start):
    for sampler in ranks(2, 10):
        whole = take(sampler, 40)
        sampler.start_at(start)
        assert take(sampler, 40 - start) == whole[start:]


def test_ranks_share_the_draws_of_one(ranks):
    (alone,) = ranks(1, 7)
    first, second, third = (take(sampler, 14) for sampler in ranks(3, 7))
    mixed = [draw for trio in zip(first, second, third) for draw in trio]
    assert mixed == take(alone, 42)


def test_epochs_end_and_are_rounded_up(ranks):
    samplers = ranks(3, 7, infinite=False)
    for epoch in (0, 1, 4):
        draws = []
        for sampler in samplers:
            sampler.set_epoch(epoch)
            part = list(sampler)
            assert len(part) == len(sampler) == 3
            draws += part
        assert set(map(int, draws)) == set(range(7))
        assert sorted(draw.key[1] for draw in draws) == list(range(9 * epoch, 9 * epoch + 9))


def test_without_shuffling(ranks):
    (sampler,) = ranks(1, 4, shuffle=False)
    assert [index for index, _ in take(sampler, 6)] == [0, 1, 2, 3, 0, 1]


def test_more_ranks_than_videos(ranks):
    for sampler in ranks(5, 2):
        assert len(take(sampler, 4)) == 4
    for sampler in ranks(5, 2, infinite=False):
        assert len(list(sampler)) == 1


def test_an_empty_data_set(ranks):
    with pytest.raises(ValueError, match='no videos'):
        ranks(1, 0)


class Eventful(list):
    """Stands for a data set in which videos 2 and 5 hold events."""

    event_videos = (2, 5)


def test_videos_with_events_can_be_preferred():
    plain = [index for index, _ in take(ClipSampler(Eventful(range(20)), seed=1), 600)]
    sampler = ClipSampler(Eventful(range(20)), seed=1, event_prob=0.5)
    preferred = take(sampler, 600)
    share = sum(index in (2, 5) for index, _ in preferred) / 600
    assert share == pytest.approx(0.5 + 0.5 * 2 / 20, abs=0.06)
    unchanged = sum(index == other for (index, _), other in zip(preferred, plain)) / 600
    assert unchanged == pytest.approx(0.5 + 0.5 * 1 / 20, abs=0.06)
    sampler.start_at(37)
    assert take(sampler, 20) == preferred[37:57]


def test_no_video_to_prefer():
    quiet = type('Quiet', (list,), dict(event_videos=()))(range(3))
    assert take(ClipSampler(quiet, 0, event_prob=0.5), 30) == take(ClipSampler(quiet, 0), 30)
