"""Streams: live results, several at once, in threads, for long, and with what goes wrong."""

from __future__ import annotations

import gc
import pickle
import threading
import warnings

import numpy as np
import pytest
import torch

from rocovis_mm.streaming.track_recorder import encode_mask
from tests.stream_fixtures import METHODS
from tests.tiny_streams import frames, same_tracks, tiny_inferencer


def feed(stream, clip) -> list:
    return [stream.push(frame) for frame in clip]


def alone(inferencer, clip, **options):
    """Return each frame's result and the tracks of a stream that has the model for itself."""
    with inferencer.stream(**options) as stream:
        return feed(stream, clip), stream.finish().tracks


def assert_same_frames(found, expected) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        for name in ('frame', 'ids', 'labels', 'scores', 'boxes', 'masks'):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_results_are_those_of_the_frame_at_its_own_resolution(inferencer):
    """Against the tracks, which tools/test.py scores."""
    clip = frames(4, (48, 72))
    found, tracks = alone(inferencer, clip, video_id=3)
    for t, result in enumerate(found):
        assert result.frame == t and len(result) > 0
        assert result.masks.dtype == bool and result.masks.shape[1:] == (48, 72)
        assert len(set(result.ids.tolist())) == len(result)
        for mask, box in zip(result.masks, result.boxes):
            x1, y1, x2, y2 = box.astype(int)
            assert mask.sum() == mask[y1:y2, x1:x2].sum() > 0
            assert mask[y1].any() and mask[y2 - 1].any()
            assert mask[:, x1].any() and mask[:, x2 - 1].any()
    assert all(track['video_id'] == 3 and len(track['segmentations']) == 4 for track in tracks)
    best = tracks[0]
    last = found[-1]
    row = last.scores.argmax()
    assert best['score'] == last.scores[row] and best['category_id'] == last.labels[row] + 1
    identity = last.ids[row]
    for result, segmentation in zip(found, best['segmentations']):
        masks = [encode_mask(m) for m, i in zip(result.masks, result.ids) if i == identity]
        assert masks == ([] if segmentation is None else [segmentation])
    assert last.encode()[row] == best['segmentations'][-1]


def test_a_score_selects_instances(inferencer):
    results = alone(inferencer, frames(5))[0]
    result = max(results, key=len)
    half = np.median(result.scores)
    chosen = result.above(half)
    assert 0 < len(chosen) < len(result) and (chosen.scores >= half).all()
    assert np.array_equal(chosen.masks, result.masks[result.scores >= half])


def test_streams_interleaved_give_what_they_give_alone(inferencer):
    clips = [frames(4, seed=1), frames(6, seed=2), frames(3, (64, 40), seed=3)]
    expected = [alone(inferencer, clip) for clip in clips]
    streams = [inferencer.stream() for _ in clips]
    results = [[] for _ in clips]
    for t in range(6):
        for stream, clip, result in zip(streams, clips, results):
            if t < len(clip):
                result.append(stream.push(clip[t]))
    for stream, result, (frame_results, tracks) in zip(streams, results, expected):
        assert_same_frames(result, frame_results)
        assert same_tracks(stream.finish().tracks, tracks)


def test_streams_in_threads_give_what_they_give_alone(inferencer):
    clips = [frames(5, seed=1), frames(5, seed=2), frames(5, (64, 40), seed=3)]
    expected = [alone(inferencer, clip)[1] for clip in clips]
    found, together = {}, threading.Barrier(len(clips))

    def run(n):
        with inferencer.stream() as stream:
            for frame in clips[n]:
                together.wait(60)
                stream.push(frame)
            found[n] = stream.finish().tracks

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(clips))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same_tracks(found[n], expected[n]) for n in range(len(clips)))


@pytest.mark.parametrize('method', METHODS)
def test_streams_pushed_together_run_as_one_batch(method, monkeypatch):
    """In double precision, as a batch of another size rounds differently."""
    inferencer = tiny_inferencer(exact=True, **METHODS[method])
    clips = [frames(5, seed=1), frames(5, seed=2), frames(5, (64, 40), seed=3)]
    expected = [alone(inferencer, clip)[1] for clip in clips]
    batches, step = [], inferencer.model.step
    monkeypatch.setattr(
        inferencer.model,
        'step',
        lambda images, state: batches.append(len(images)) or step(images, state),
    )
    streams = [inferencer.stream() for _ in clips]
    streams[1].push(clips[1][0])  # one frame ahead
    pairs = [(streams[n], clips[n][t]) for t in range(4) for n in (0, 2)]
    pairs[1:1] = [(streams[1], frame) for frame in clips[1][1:]]
    results = inferencer.push(pairs)
    assert [result.frame for result in results] == [0, 1, 2, 3, 4, 0, 1, 1, 2, 2, 3, 3]
    inferencer.push([(streams[0], clips[0][4]), (streams[2], clips[2][4])])
    for stream, tracks in zip(streams, expected):
        found = stream.finish().tracks
        assert [x['category_id'] for x in found] == [x['category_id'] for x in tracks]
        assert [x['segmentations'] for x in found] == [x['segmentations'] for x in tracks]
        np.testing.assert_allclose(
            [x['score'] for x in found], [x['score'] for x in tracks], atol=1e-6
        )
    assert sum(batches) == 15
    if method == 'MinVIS':  # which remembers no frames: streams meet whenever their sizes do
        assert batches[1:5] == [1, 1, 1, 1] or max(batches) == 2


def test_streams_of_one_age_and_size_run_as_one_batch(inferencer, monkeypatch):
    batches, step = [], inferencer.model.step
    monkeypatch.setattr(
        inferencer.model,
        'step',
        lambda images, state: batches.append(len(images)) or step(images, state),
    )
    streams = [inferencer.stream() for _ in range(4)]
    clips = [frames(3, (64, 40) if n == 3 else (48, 72), seed=n) for n in range(4)]
    for t in range(3):
        inferencer.push([(stream, clip[t]) for stream, clip in zip(streams, clips)])
    assert batches == [3, 1] * 3


def test_a_frame_that_cannot_be_taken_leaves_all_streams_as_they_were(inferencer):
    clips = [frames(4, seed=1), frames(4, seed=2)]
    expected = [alone(inferencer, clip)[1] for clip in clips]
    streams = [inferencer.stream() for _ in clips]
    wrong = [None, np.zeros((0, 72, 3), np.uint8), np.zeros((48, 72, 3)), frames(1, (40, 64))[0]]
    for t in range(4):
        if t:
            with pytest.raises(ValueError, match=f'frame {t} of the stream'):
                inferencer.push([(streams[0], clips[0][t]), (streams[1], wrong[t])])
        for stream, clip in zip(streams, clips):
            stream.push(clip[t])
    for stream, tracks in zip(streams, expected):
        assert same_tracks(stream.finish().tracks, tracks)


def test_a_frame_of_another_size_is_an_error_or_resized(rocovis):
    clip = [*frames(2, (48, 72)), *frames(1, (96, 144))]
    stream = rocovis.stream()
    feed(stream, clip[:2])
    with pytest.raises(ValueError, match=r"is \(96, 144\) .* \(48, 72\).*on_size_change='resize'"):
        stream.push(clip[2])
    assert stream.push(clip[1]).frame == 2  # it can go on
    with rocovis.stream(on_size_change='resize') as stream:
        results = feed(stream, [*clip, *frames(1, (30, 50))])
        assert [r.masks.shape[1:] for r in results] == [(48, 72)] * 4
        assert {tuple(s['size']) for x in stream.finish().tracks for s in x['segmentations'] if s}
    stream = rocovis.stream()
    with pytest.raises(ValueError, match=r'is \(96, 144\) .* \(48, 72\)'):
        rocovis.push([(stream, clip[0]), (stream, clip[2])])
    assert len(stream) == 0  # none of them was taken
    with pytest.raises(ValueError, match="on_size_change='crop'"):
        rocovis.stream(on_size_change='crop')


@pytest.mark.parametrize(
    'change',
    [
        lambda x: np.dstack([x, x[..., 0]]),
        lambda x: x.astype(np.uint16) << 8,
        np.asfortranarray,
    ],
    ids=['transparent', '16-bit', 'other layout'],
)
def test_frames_of_other_kinds_give_the_same(rocovis, change):
    clip = frames(3)
    expected = alone(rocovis, clip)[1]
    assert same_tracks(alone(rocovis, [change(x) for x in clip])[1], expected)


def test_grey_frames(rocovis):
    clip = [x[..., 0] for x in frames(3)]
    expected = alone(rocovis, [np.dstack([x] * 3) for x in clip])[1]
    assert same_tracks(alone(rocovis, clip)[1], expected)


def test_a_stream_ends_once(rocovis):
    with rocovis.stream() as stream:
        assert stream.finish().tracks == [] and stream.finish().length == 0
        with pytest.raises(ValueError, match='this stream is closed'):
            stream.push(frames(1)[0])


def test_masks_may_go_to_the_caller_alone(inferencer):
    clip = frames(4)
    expected, tracks = alone(inferencer, clip)
    with inferencer.stream(keep_masks=False) as stream:
        assert_same_frames(feed(stream, clip), expected)
        found = stream.finish()
    assert [track.score for track in found.standing] == [track['score'] for track in tracks]
    with pytest.raises(ValueError, match='went to the caller alone'):
        _ = found.tracks


def test_masks_in_memory_and_in_a_file_are_the_same(inferencer, tmp_path):
    clip = frames(5)
    expected = alone(inferencer, clip)[1]
    for keep in (None, True):
        path = tmp_path / f'{keep}.jsonl'
        with inferencer.stream(results_jsonl=path, keep_masks=keep) as stream:
            feed(stream, clip)
            recorder = stream.video.recorder
            assert bool(recorder.masks or recorder.waiting) == bool(keep)
        assert same_tracks(stream.finish().tracks, expected)


def held(stream) -> int:
    """Return the bytes of the tensors that a stream's model remembers."""
    sizes = []
    stream.video.state.map(lambda x: sizes.append(x.numel() * x.element_size()) or x)
    return sum(sizes)


@pytest.mark.parametrize('options', [dict(), dict(memory_frames=1)])
def test_memory_can_be_bounded(inferencer, options):
    with inferencer.stream(keep_masks=False, **options) as stream:
        sizes = []
        for frame in frames(6):
            stream.push(frame)
            sizes.append(held(stream))
    grows = type(inferencer.model).__name__ == 'GenVIS' and not options
    assert (sizes[-1] > sizes[2]) == grows
    with pytest.raises(ValueError, match='memory_frames=0'):
        inferencer.stream(memory_frames=0)


def test_a_memory_of_all_frames_is_warned_of(monkeypatch):
    monkeypatch.setattr('rocovis_mm.streaming.session.MANY_FRAMES', 3)
    inferencer = tiny_inferencer(**METHODS['GenVIS'])
    said = []
    with inferencer.stream() as stream:
        for _ in range(2):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter('always')
                feed(stream, frames(3))
            texts = [str(warning.message) for warning in caught]
            said.append([text for text in texts if 'remembers all of this stream' in text])
    assert said[0] == []
    assert len(said[1]) == 1 and 'memory_frames' in said[1][0]


def random_frames(number: int):
    rng = np.random.default_rng(0)
    for _ in range(number):
        coarse = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        yield np.kron(coarse, np.ones((16, 16, 1), np.uint8))


def push_many(inferencer, number: int, path, **options) -> list[tuple[int, int]]:
    """Push random frames; return what is held at 4 tenths of the way and at its end.

    Returns:
        bytes of all that the stream holds, and objects of the whole process.
    """
    sizes, identities = [], set()
    with inferencer.stream(results_jsonl=path, memory_frames=3, **options) as stream:
        for n, frame in enumerate(random_frames(number), start=1):
            identities.update(stream.push(frame).ids.tolist())
            if n in (4 * number // 10, number):
                gc.collect()
                sizes.append((len(pickle.dumps(stream.video)), len(gc.get_objects())))
        recorder = stream.video.recorder
        assert len(stream) == number and recorder.masks == {}
        assert len(recorder.ended) <= recorder.rule.max_tracks
        banks = stream.video.state.tracks or (recorder,)
        numbers = {getattr(bank, 'next_identity', getattr(bank, 'next_id', None)) for bank in banks}
        assert max(identities) < min(numbers)
    return sizes


def growth(sizes: list[tuple[int, int]]) -> tuple[int, int]:
    """Return how many bytes and objects more are held at the end than at 4 tenths of the way."""
    before, after = sizes
    return after[0] - before[0], after[1] - before[1]


# Numbers may take a byte more or less in a pickle, and a cache an object or two.
FEW_BYTES, FEW_OBJECTS = 2000, 100


def test_a_long_stream_does_not_grow(inferencer, tmp_path):
    sizes = push_many(inferencer, 100, tmp_path / 'stream.jsonl', release_after=2)
    more_bytes, more_objects = growth(sizes)
    assert abs(more_bytes) < FEW_BYTES and abs(more_objects) < FEW_OBJECTS


@pytest.mark.slow
def test_ten_thousand_frames(inferencer, tmp_path):
    sizes = push_many(inferencer, 10_000, tmp_path / 'stream.jsonl', release_after=5)
    more_bytes, more_objects = growth(sizes)
    assert abs(more_bytes) < FEW_BYTES and abs(more_objects) < FEW_OBJECTS


def scripted(inferencer, presence: list[list[int]], monkeypatch, release_after):
    """Return a stream's results where each query is seen as `presence` (frames, N) says."""
    model = inferencer.model
    step, shown = model.step, iter(presence)

    def seen_as_told(images, state):
        prediction, state = step(images, state)
        logits = torch.zeros_like(prediction.class_logits[-1])
        there = torch.tensor(next(shown), dtype=torch.bool)
        logits[:, there, 0] = 9
        logits[:, ~there, -1] = 9
        masks = torch.full_like(prediction.mask_logits[-1], 5.0)
        prediction = type(prediction)((logits,), (masks,), prediction.queries, {})
        return prediction, state

    monkeypatch.setattr(model, 'step', seen_as_told)
    stream = inferencer.stream(release_after=release_after)
    return stream, feed(stream, frames(len(presence)))


PRESENCE = [
    [1, 1, 0, 0, 0, 0],
    [1, 0, 0, 0, 0, 0],
    [1, 0, 0, 0, 0, 0],
    [1, 1, 0, 0, 0, 0],  # absent for two frames
    [0, 1, 1, 0, 0, 0],
    [0, 1, 1, 0, 0, 0],
    [0, 1, 1, 0, 0, 0],
    [1, 1, 0, 0, 0, 0],  # absent for three
]


def test_a_slot_is_given_back_after_long_absence(rocovis, monkeypatch):
    stream, results = scripted(rocovis, PRESENCE, monkeypatch, release_after=3)
    ids = [set(result.ids.tolist()) for result in results]
    assert ids == [{0, 1}, {0}, {0}, {0, 1}, {1, 2}, {1, 2}, {1, 2}, {6, 1}]
    found = stream.finish()
    standing = {(track.identity, track.label) for track in found.standing}
    assert {(0, 0), (6, 0), (1, 0), (2, 0)} <= standing  # what has ended counts, too
    tracks = {
        track.identity: [x is not None for x in segmentations['segmentations']]
        for track, segmentations in zip(found.standing, found.tracks)
        if track.label == 0
    }
    assert tracks[0] == [True] * 4 + [False] * 4
    assert tracks[6] == [False] * 7 + [True]


def test_no_slot_is_given_back_unless_asked_for(rocovis, monkeypatch):
    _, results = scripted(rocovis, PRESENCE, monkeypatch, release_after=None)
    assert set(results[-1].ids.tolist()) == {0, 1}


def test_a_slot_given_back_begins_with_the_learned_query(rocovis, monkeypatch):
    stream, _ = scripted(rocovis, PRESENCE[:7], monkeypatch, release_after=3)
    before = stream.video.state.queries.clone()
    rocovis.engine.give_back_slots(stream.video)
    after = stream.video.state.queries
    learned = rocovis.model.track_head.query_decoder.query_feat.weight
    assert torch.equal(after[0, 0], learned[0])
    assert torch.equal(after[0, 1:], before[0, 1:]) and not torch.equal(before[0, 0], learned[0])
    assert stream.video.recorder.identities.tolist() == [6, 1, 2, 3, 4, 5]


def test_release_after_nothing_is_refused(rocovis):
    with pytest.raises(ValueError, match='release_after=0'):
        rocovis.stream(release_after=0)
