from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocovis_mm.datasets import SampleClip
from rocovis_mm.evaluation.functional.clip_events import count_clip_events


def choose(sampler, length, areas=None, seed=0):
    np.random.seed(seed)
    areas = np.ones((1, length), dtype=np.int64) if areas is None else areas
    return sampler.choose_frames(length, areas)


@settings(max_examples=300)
@given(
    length=st.integers(1, 30),
    num_frames=st.integers(1, 8),
    reach=st.none() | st.integers(0, 12),
    event_prob=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 999),
)
def test_clips_are_ordered_unique_and_within_their_window(
    length, num_frames, reach, event_prob, seed
):
    areas = np.random.default_rng(seed).choice([0, 0, 5, 50], (3, length))
    sampler = SampleClip(num_frames, reach, event_prob=event_prob)
    frames = choose(sampler, length, areas, seed)
    assert len(frames) == num_frames
    assert frames == sorted(frames)
    assert all(type(frame) is int and 0 <= frame < length for frame in frames)
    if length >= num_frames:
        assert len(set(frames)) == num_frames
    else:
        assert set(frames) == set(range(length))
    if reach is not None and length >= num_frames:
        # some frame of the clip is the key: all others lie within its window, which is
        # as wide as the clip at least
        room = max(reach, num_frames - 1)
        assert any(max(abs(f - key) for f in frames) <= room for key in frames)


def test_the_window_is_cut_at_the_ends_but_holds_the_clip():
    sampler = SampleClip(4, frame_range=2)
    assert sampler._window(0, 20) == (0, 4)
    assert sampler._window(1, 20) == (0, 4)
    assert sampler._window(9, 20) == (7, 12)
    assert sampler._window(19, 20) == (16, 20)
    assert sampler._window(3, 4) == (0, 4)


def test_every_frame_is_drawn_about_equally_often():
    np.random.seed(0)
    sampler = SampleClip(3, frame_range=4)
    counts = np.bincount(
        [f for _ in range(4000) for f in sampler.choose_frames(12, np.ones((1, 12)))], minlength=12
    )
    assert counts.min() > 0.6 * counts.mean()


def test_reversal():
    assert choose(SampleClip(3, reverse_prob=1.0), 3) == [2, 1, 0]
    assert choose(SampleClip(3, reverse_prob=0.0), 3) == [0, 1, 2]
    both = {tuple(choose(SampleClip(3, reverse_prob=0.5), 3, seed=seed)) for seed in range(20)}
    assert both == {(0, 1, 2), (2, 1, 0)}


def share_of_clips(sampler, areas, names, number=300):
    np.random.seed(0)
    length = areas.shape[1]
    clips = [sampler.choose_frames(length, areas) for _ in range(number)]
    events = [count_clip_events(areas[:, clip]) for clip in clips]
    return sum(any(event[name] for name in names) for event in events) / number


def test_event_prob_prefers_clips_in_which_someone_comes_or_goes():
    areas = np.full((2, 60), 50)
    areas[0, 30:34] = 0  # one short absence in a long video
    areas[1, ::7] = 10  # and occlusions all over
    names = ('births', 'disappearances', 'returns')
    plain = share_of_clips(SampleClip(4, 3), areas, names)
    half = share_of_clips(SampleClip(4, 3, event_prob=0.5), areas, names)
    always = share_of_clips(SampleClip(4, 3, event_prob=1.0), areas, names)
    assert plain < 0.25
    assert always > 0.95
    assert abs(half - (plain + always) / 2) < 0.1


def test_event_prob_falls_back_to_occlusions_and_then_to_any_clip():
    areas = np.full((1, 60), 50)
    areas[0, 20] = 5
    assert share_of_clips(SampleClip(3, 2, event_prob=1.0), areas, ['occlusions']) > 0.9
    assert len(choose(SampleClip(3, 2, event_prob=1.0), 60)) == 3
    assert len(choose(SampleClip(3, 2, event_prob=1.0), 9, np.zeros((0, 9), dtype=int))) == 3


def test_the_clip_as_a_dict_of_lists():
    video = dict(
        img_paths=['a', 'b', 'c'],
        first_img_id=40,
        video_id=6,
        height=2,
        width=3,
        ann_file='x.json',
        instances=[
            dict(id=8, label=1, counts=['A', None, 'C'], areas=np.array([4, 0, 2])),
            dict(id=9, label=0, counts=[None, 'B', None], areas=np.array([0, 1, 0])),
        ],
    )
    clip = SampleClip(3)(video)
    assert all(isinstance(values, list) and len(values) == 3 for values in clip.values())
    assert clip['img_path'] == ['a', 'b', 'c']
    assert clip['img_id'] == [40, 41, 42]
    assert clip['frame_id'] == [0, 1, 2]
    assert clip['video_id'] == [6, 6, 6]
    assert [[instance['id'] for instance in frame] for frame in clip['instances']] == [
        [8],
        [9],
        [8],
    ]
    assert clip['instances'][2][0]['segmentation'] == dict(size=[2, 3], counts='C')


@pytest.mark.parametrize(
    'settings',
    [dict(num_frames=0), dict(num_frames=2, frame_range=-1), dict(num_frames=2, event_prob=2)],
)
def test_senseless_settings(settings):
    with pytest.raises(ValueError, match='SampleClip'):
        SampleClip(**settings)
