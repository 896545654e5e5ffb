"""Streams: whole clip, interleaved, batched and causal, all give the same.

In double precision: a mask is a threshold, and in single precision a batch of another
size rounds differently, so that now and then a pixel at 0.5 falls to the other side.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from comparing import difference
from tiny_model import box_tubes, clip_sample, stream_sample
from tiny_model import images as single_precision_images
from tiny_model import tiny_model as single_precision_model

from rocovis_mm.structures import StreamState

SMALL, WIDE = (64, 64), (64, 96)


def images(*arguments, **options) -> torch.Tensor:
    return single_precision_images(*arguments, **options).double()


def tiny_model(**options):
    return single_precision_model(**options).double()


def videos() -> dict[int, torch.Tensor]:
    """Three videos, of different lengths and two sizes; video id -> (T, 3, H, W)."""
    return {7: images(4, SMALL, 1), 3: images(5, SMALL, 2), 12: images(3, WIDE, 3)}


def size_of(clip: torch.Tensor) -> tuple[int, int]:
    return tuple(clip.shape[-2:])


def feed(model, items: list[tuple[int, int, int]]) -> dict:
    """Predict one batch of (video id, first frame, number of frames); return its results.

    Returns:
        (video id, frame) -> instances, and video id -> tracks where a video ended.
    """
    clips = videos()
    samples = [
        stream_sample(v, list(range(f, f + n)), len(clips[v]), size_of(clips[v]))
        for v, f, n in items
    ]
    inputs = [clips[v][f : f + n] for v, f, n in items]
    results = {}
    for (v, _, _), sample in zip(items, model.predict({'img': inputs}, samples)):
        for frame in sample.video_data_samples:
            results[v, frame.frame_id] = frame.pred_track_instances
        if 'video_tracks' in sample:
            results[v] = sample.video_tracks
    return results


def one_by_one(model, order: list[int] = (7, 3, 12)) -> dict:
    """Predict each video on its own, frame by frame."""
    results = {}
    for v in order:
        for t in range(len(videos()[v])):
            results.update(feed(model, [(v, t, 1)]))
    return results


def differing(results: dict, expected: dict) -> set:
    """Return the videos and the (video id, frame) whose results differ."""
    keys = results.keys() & expected.keys()
    wrong = results.keys() ^ expected.keys()
    return wrong | {key for key in keys if not same_result(results[key], expected[key])}


def same_result(found, expected) -> bool:
    """Whether a video's tracks, or a frame's instances, are the same."""
    if hasattr(expected, 'instances_id'):
        exact = torch.equal(found.instances_id, expected.instances_id)
        exact = exact and torch.equal(found.masks, expected.masks)
        return exact and not difference(found.scores, expected.scores, atol=1e-6)
    exact = all(
        np.array_equal(getattr(found, name), getattr(expected, name))
        for name in ('video_id', 'length', 'labels', 'identities')
    )
    exact = exact and found.segmentations == expected.segmentations
    return exact and not difference(found.scores, expected.scores, atol=1e-6, rtol=1e-7)


@pytest.fixture(
    scope='module',
    params=[
        dict(strides=(8, 16, 32), memory_frames=2),
        dict(strides=()),
        dict(method='minvis'),
        dict(method='genvis'),
        dict(method='genvis', memory_frames=2),
        dict(method='dvis'),
    ],
    ids=['propagation', 'queries alone', 'MinVIS', 'GenVIS', 'GenVIS of two frames', 'DVIS'],
)
def model(request):
    return tiny_model(**request.param)


@pytest.fixture(scope='module')
def expected(model):
    results = one_by_one(model)
    drawn = [len(x) for key, x in results.items() if isinstance(key, tuple)]
    assert sum(drawn) > 20  # there is something to compare
    return results


@torch.no_grad()
@pytest.mark.parametrize('strides', [(), (16,), (8, 16, 32)])
@pytest.mark.parametrize('window', [None, 2])
def test_streamed_equals_whole_clip(strides, window):
    """Streamed: one image at a time. Whole: features of all frames at once, the head's loop."""
    model = tiny_model(strides=strides, window=window)
    clip = images(5)
    features = model.extract_features(clip)
    whole, streamed = StreamState(), StreamState()
    for t in range(len(clip)):
        prediction = model.track_head.decode([x[t : t + 1] for x in features], whole, 'last')
        whole = model.track_head.advance(whole, prediction)
        again, streamed = model.step(clip[t : t + 1], streamed)
        for name in ('class_logits', 'mask_logits'):
            one, other = getattr(prediction, name), getattr(again, name)
            assert not difference(one, other, atol=1e-9, rtol=1e-9)
        assert not difference(whole.queries, streamed.queries, atol=1e-9, rtol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize('kind', ['UVLAAssigner', 'UVLAPlusPlusAssigner'])
@pytest.mark.parametrize('scaling', [True, False])
def test_training_and_streaming_are_one_recurrence(monkeypatch, kind, scaling):
    """The losses see what a stream predicts that propagates the queries owned in training."""
    model = tiny_model(assigner=f'rocovis_mm.{kind}', scale_memory=scaling)
    seen = []
    monkeypatch.setattr(
        model.track_head.criterion, 'forward', lambda *arguments: seen.append(arguments) or {}
    )
    clip = images(4)
    presence = [[1, 1, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1]]
    model.loss({'img': clip[None]}, [clip_sample(box_tubes(presence), [0, 1, 2])])
    predictions, supervision, _ = seen[0]
    advance = model.track_head.advance
    kept = iter([frames[0].keep[None] for frames in supervision])
    if kind == 'UVLAPlusPlusAssigner':  # plain UVLA propagates all, as a stream does by itself
        monkeypatch.setattr(
            model.track_head, 'advance', lambda state, found: advance(state, found, next(kept))
        )
    state = StreamState()
    for trained, frame in zip(predictions, clip):
        prediction, state = model.step(frame[None], state)
        streamed = prediction.mask_logits[-1]
        assert not difference(trained.mask_logits[-1], streamed, atol=1e-9, rtol=1e-9)


@torch.no_grad()
def test_streams_of_a_batch_do_not_see_each_other(model):
    clips = torch.stack([images(4, seed=1), images(4, seed=2), images(4, seed=3)])
    together = StreamState()
    alone = [StreamState() for _ in clips]
    for t in range(4):
        batch, together = model.step(clips[:, t], together)
        for b in range(3):
            single, alone[b] = model.step(clips[b : b + 1, t], alone[b])
            pair = batch.mask_logits[-1][b], single.mask_logits[-1][0]
            assert not difference(*pair, atol=1e-9, rtol=1e-9)


def test_results_do_not_depend_on_what_ran_before(model, expected):
    assert not differing(one_by_one(model, order=[12, 3, 7]), expected)
    feed(model, [(3, 0, 2)])  # left unfinished, then begun anew
    assert not differing(one_by_one(model), expected)


def test_interleaved_videos_do_not_leak(model, expected):
    results = {}
    lengths = {v: len(clip) for v, clip in videos().items()}
    for t in range(max(lengths.values())):
        for v in (3, 12, 7):
            if t < lengths[v]:
                results.update(feed(model, [(v, t, 1)]))
    assert not differing(results, expected)


BATCHES = [
    pytest.param([[(7, 0, 4), (3, 0, 5), (12, 0, 3)]], id='whole videos in one batch'),
    pytest.param(
        [[(3, 0, 1), (7, 0, 1), (12, 0, 1)]]
        + [[(3, t, 1), (7, t, 1), (12, t, 1)] for t in (1, 2)]
        + [[(3, 3, 1), (7, 3, 1)], [(3, 4, 1)]],
        id='a frame of each video in a batch',
    ),
    pytest.param(
        [[(3, 0, 1), (3, 1, 1), (7, 0, 1), (3, 2, 1)]]
        + [[(7, 1, 1), (3, 3, 1), (7, 2, 1), (12, 0, 1), (12, 1, 1)]]
        + [[(3, 4, 1), (12, 2, 1), (7, 3, 1)]],
        id='several frames of one video in a batch, streams at different frames',
    ),
    pytest.param(
        [[(7, 0, 2), (3, 0, 1)], [(3, 1, 3), (7, 2, 2), (12, 0, 1)], [(12, 1, 2), (3, 4, 1)]],
        id='clips of different lengths',
    ),
]


@pytest.mark.parametrize('batches', BATCHES)
def test_results_do_not_depend_on_batching(model, expected, batches):
    results = {}
    for batch in batches:
        results.update(feed(model, batch))
    assert not differing(results, expected)


def test_a_video_ends_once_and_is_forgotten(model):
    results = [feed(model, [(7, t, 1)]) for t in range(4)]
    assert [7 in x for x in results] == [False, False, False, True]
    assert results[-1][7].video_id == 7 and results[-1][7].length == 4
    with pytest.raises(ValueError, match='frame 4 of video 7'):
        model.predict({'img': [images(1)]}, [stream_sample(7, [4], 4)])


def test_the_future_changes_nothing(model, expected):
    """Causal: the first frames of a video are predicted without those to come."""
    clip = videos()[3].clone()
    clip[3:] = images(2, SMALL, 99)
    for t in range(5):
        (sample,) = model.predict({'img': [clip[t : t + 1]]}, [stream_sample(3, [t], 5)])
        masks = sample.video_data_samples[0].pred_track_instances
        reference = expected[3, t]
        same = len(masks) == len(reference) and torch.equal(masks.masks, reference.masks)
        assert same == (t < 3)


@pytest.mark.parametrize('wrong', [[1], [0, 2], [0, 1, 1], [0, 1, 3]])
def test_frames_out_of_order_are_refused(wrong):
    model = tiny_model()
    with pytest.raises(ValueError, match=r'frame \d of video 5 .* frame \d is next'):
        for t in wrong:
            model.predict({'img': [images(1)]}, [stream_sample(5, [t], 9)])


def test_a_refused_frame_leaves_other_videos_as_they_were(model, expected):
    results = feed(model, [(3, 0, 1)])
    clips = videos()
    samples = [stream_sample(3, [1], 5), stream_sample(7, [2], 4)]
    with pytest.raises(ValueError, match='video 7'):
        model.predict({'img': [clips[3][1:2], clips[7][2:3]]}, samples)
    for t in range(1, 5):
        results.update(feed(model, [(3, t, 1)]))
    assert not differing(results, {k: v for k, v in expected.items() if _video(k) == 3})


def _video(key) -> int:
    return key[0] if isinstance(key, tuple) else key


def tensors_of(state: StreamState) -> list[torch.Tensor]:
    """Return everything that a state holds."""
    held = []
    state.map(lambda x: held.append(x) or x)
    return held


@torch.no_grad()
def test_a_state_is_not_changed_by_a_step(model):
    _, state = model.step(images(1), StreamState())
    before = [x.clone() for x in tensors_of(state)]
    for seed in (1, 2):
        model.step(images(1, seed=seed), state)
    after = tensors_of(state)
    assert all(torch.equal(a, b) for a, b in itertools.zip_longest(before, after))
    torch.testing.assert_close(
        model.step(images(1, seed=1), state)[0].queries,
        model.step(images(1, seed=1), state)[0].queries,
    )


def test_a_frame_of_another_size_than_its_video_is_named():
    model = tiny_model()
    model.predict({'img': [images(1)]}, [stream_sample(3, [0], 2)])
    with pytest.raises(ValueError, match=r'frame 1 of video 3 is \(64, 96\) .* \(64, 64\)'):
        model.predict({'img': [images(1, (64, 96))]}, [stream_sample(3, [1], 2, (64, 96))])
