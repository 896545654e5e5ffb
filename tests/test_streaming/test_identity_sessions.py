"""Live streams of a model whose identities an associator gives."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny_streams import frames, same_tracks, tiny_inferencer

DEAD, LENGTH = 2, 14


@pytest.fixture(scope='module')
def inferencer():
    """CTVIS that forgets quickly, on frames that have little to do with each other."""
    inferencer = tiny_inferencer(method='ctvis', num_queries=8)
    associator = inferencer.model.associator
    associator.dead_frames = DEAD
    associator.match_score = 0.6
    rule = inferencer.model.track_rule
    changed = dict(vars(rule), ends_after=DEAD, min_frames=1)
    inferencer.model.track_rule = type(rule)(**changed)
    return inferencer


@pytest.fixture(scope='module')
def clip():
    """Cuts between scenes, so that tracks end and others begin."""
    scenes = [frames(3, seed=seed) for seed in range(5)]
    return [frame for scene in scenes for frame in scene][:LENGTH]


def test_a_long_stream_is_bounded_and_its_file_has_all_tracks(inferencer, clip, tmp_path):
    """Numbers pass beyond the queries; ended tracks leave the state, and stay in the file."""
    kept = inferencer.stream()
    logged = inferencer.stream(results_jsonl=tmp_path / 'results.jsonl')
    ids, alive = set(), []
    for frame in clip:
        results = kept.push(frame), logged.push(frame)
        assert np.array_equal(results[0].ids, results[1].ids)
        np.testing.assert_allclose(results[0].scores, results[1].scores, atol=1e-6)
        ids.update(results[0].ids.tolist())
        (bank,) = logged.video.state.tracks
        assert len(bank) <= (DEAD + 1) * inferencer.model.num_queries
        assert bank.frame == len(logged) and bank.last.min() >= len(logged) - 1 - DEAD
        alive.append(set(bank.ids.tolist()))
        recorder = logged.video.recorder
        assert len(recorder.ended) <= recorder.rule.max_tracks
        assert not any(track.masks for track in recorder.tracks.values())
    assert max(ids) >= inferencer.model.num_queries
    assert alive[2] - alive[-1], 'tracks must have died'
    whole = kept.finish()
    assert same_tracks(whole.tracks, logged.finish().tracks, tolerance=1e-6)
    assert {x['id'] for x in whole.tracks} - alive[-1]


def test_release_after_forgets_identities(inferencer, clip):
    stream = inferencer.stream(release_after=1, keep_masks=True)
    last: dict[int, int] = {}
    for t, frame in enumerate(clip):
        result = stream.push(frame)
        (bank,) = stream.video.state.tracks
        present = bank.ids[bank.last == t].tolist()
        assert all(t - last.get(identity, t - 1) <= 1 for identity in present)
        last.update(dict.fromkeys(present, t))
        assert set(result.ids.tolist()) <= set(present)
    assert stream.finish().tracks
