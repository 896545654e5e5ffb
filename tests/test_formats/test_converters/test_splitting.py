"""Splits by video: in balance, the same for a seed, and nothing is lost."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rocovis_mm.formats.converters.splitting import (
    balanced_split,
    split_by_videos,
    split_dataset,
)
from tests.test_datasets.drawn_scene import write_json


def long_tailed(videos, categories, seed):
    """Tracks of each video by category; category k is 1 / (k + 1) as frequent as the first."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, categories + 1)
    return [
        Counter(rng.choice(categories, rng.integers(0, 6), p=share / share.sum()).tolist())
        for _ in range(videos)
    ]


def imbalance(tracks, halves, fraction):
    """Mean distance of the classes' shares in the second half from what it should be."""
    counts = np.array([[video[c] for c in range(20)] for video in tracks])
    totals = counts.sum(0)
    shares = counts[halves == 1].sum(0)[totals > 0] / totals[totals > 0]
    return abs(shares - fraction).mean()


@pytest.mark.parametrize('seed', range(3))
def test_better_balanced_than_by_chance(seed):
    tracks = long_tailed(300, 20, seed)
    halves = balanced_split(tracks, 60, seed)
    assert sorted(Counter(halves.tolist()).items()) == [(0, 240), (1, 60)]
    rng = np.random.default_rng(seed)
    chance = [imbalance(tracks, rng.permutation(halves), 0.2) for _ in range(200)]
    ours = imbalance(tracks, halves, 0.2)
    assert ours < min(chance) and ours < 0.03


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=2, max_size=25),
    st.integers(0, 1000),
    st.data(),
)
def test_every_split_is_whole(videos, seed, data):
    tracks = [Counter(video) for video in videos]
    second = data.draw(st.integers(1, len(tracks) - 1))
    halves = balanced_split(tracks, second, seed)
    assert (halves == 1).sum() == second and set(halves.tolist()) == {0, 1}
    assert (halves == balanced_split(tracks, second, seed)).all()


def test_a_class_of_two_videos_is_in_both_halves():
    tracks = [Counter({0: 2, k: 1}) for k in (1, 1, 2, 2, 3, 3)] + [Counter({0: 1})] * 30
    for seed in range(5):
        halves = balanced_split(tracks, 6, seed)
        for category in (1, 2, 3):
            assert {int(halves[i]) for i, video in enumerate(tracks) if video[category]} == {0, 1}


def make_file(path, videos=40, seed=0):
    content = dict(
        info=dict(year=1),
        videos=[dict(id=3 * v, file_names=[f'v{v}/0.jpg'], tags=['x']) for v in range(videos)],
        categories=[dict(id=c, name=f'class {c}') for c in range(6)],
        annotations=[],
    )
    notes = content['annotations']
    for v, counts in enumerate(long_tailed(videos, 6, seed)):
        for category in counts.elements():
            notes.append(dict(id=len(notes), video_id=3 * v, category_id=category, z=[1]))
    return content, write_json(path, content)


def test_files(tmp_path):
    content, path = make_file(tmp_path / 'train.json')
    outs = tmp_path / 'a.json', tmp_path / 'b.json'
    lines = split_dataset(path, outs, fraction=0.25, seed=3)
    halves = [json.loads(out.read_text()) for out in outs]
    assert [len(half['videos']) for half in halves] == [30, 10]
    assert f'{outs[1]}: 10 videos' in lines[1]
    for key in ('videos', 'annotations'):
        joined = sorted((record for half in halves for record in half[key]), key=lambda r: r['id'])
        assert joined == content[key]
    for half in halves:
        assert (half['info'], half['categories']) == (content['info'], content['categories'])
        ids = {video['id'] for video in half['videos']}
        assert {note['video_id'] for note in half['annotations']} <= ids

    before = [out.read_bytes() for out in outs]
    split_dataset(path, outs, fraction=0.25, seed=3)
    assert [out.read_bytes() for out in outs] == before
    with pytest.raises(ValueError, match='--overwrite'):
        split_dataset(path, outs, fraction=0.25, seed=4)
    assert [out.read_bytes() for out in outs] == before
    split_dataset(path, outs, fraction=0.25, seed=4, overwrite=True)
    assert [out.read_bytes() for out in outs] != before


def test_videos_that_another_file_has(tmp_path):
    content, path = make_file(tmp_path / 'all.json')
    other = dict(content, videos=[dict(v, id=9999 - v['id']) for v in content['videos'][:7]])
    reference = write_json(tmp_path / 'some.json', dict(other, annotations=[]))
    outs = tmp_path / 'short.json', tmp_path / 'long.json'
    lines = split_by_videos(path, reference, outs)
    short, long = (json.loads(out.read_text()) for out in outs)
    assert short['videos'] == content['videos'][:7] and long['videos'] == content['videos'][7:]
    assert len(short['annotations']) + len(long['annotations']) == len(content['annotations'])
    assert lines == [f'{outs[0]}: 7 videos', f'{outs[1]}: 33 videos']
    del content['annotations']
    split_by_videos(write_json(path, content), reference, outs, overwrite=True)
    assert 'annotations' not in json.loads(outs[1].read_text())
    with pytest.raises(ValueError, match='all of its videos are in'):
        split_by_videos(reference, path, outs)


def test_clear_errors(tmp_path):
    content, path = make_file(tmp_path / 'train.json', videos=3)
    outs = tmp_path / 'a.json', tmp_path / 'b.json'
    with pytest.raises(ValueError, match='3 videos cannot be split at 1.5'):
        split_dataset(path, outs, fraction=1.5)
    content['annotations'] = [dict(id=1, video_id=5, category_id=1)]
    write_json(path, content)
    with pytest.raises(ValueError, match=r'annotations\[0\]: there is no video 5.*--fix'):
        split_dataset(path, outs)
    with pytest.raises(FileNotFoundError, match=r'gone\.json'):
        split_dataset(tmp_path / 'gone.json', outs)
    with pytest.raises(ValueError, match='both halves have this output'):
        split_dataset(make_file(path)[1], (outs[0], outs[0]))
    assert not outs[0].exists()


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('categories', [], 'categories: it is empty'),
        ('videos', [], '0 videos cannot be split'),
        ('annotations', [dict(id=1, video_id=3, category_id=9)], 'there is no category 9'),
    ],
)
def test_nothing_is_written_of_a_file_without_parts(tmp_path, key, value, message):
    content, path = make_file(tmp_path / 'train.json')
    write_json(path, {**content, key: value})
    outs = tmp_path / 'a.json', tmp_path / 'b.json'
    with pytest.raises(ValueError, match=message):
        split_dataset(path, outs)
    assert not outs[0].exists() and not outs[1].exists()


def test_videos_without_annotations_are_split_too(tmp_path):
    content, path = make_file(tmp_path / 'train.json')
    write_json(path, {**content, 'annotations': []})
    lines = split_dataset(path, (tmp_path / 'a.json', tmp_path / 'b.json'), fraction=0.25)
    assert lines[0].endswith('30 videos, 0 tracks') and lines[1].endswith('10 videos, 0 tracks')


def named(folders):
    return dict(
        videos=[dict(id=i, file_names=[f'{folder}/0.jpg']) for i, folder in enumerate(folders)],
        categories=[],
    )


@pytest.mark.parametrize(
    ('source', 'reference', 'expected'),
    [
        (['a', 'b', 'c'], ['train/JPEGImages/b', 'x/c'], [1, 2]),  # the name, not the path
        (['2021\\a', '2021\\b'], ['a'], [0]),
        (['v1/img1', 'v2/img1', 'v3/img1'], ['v2/img1'], [1]),  # all have one name: the path
        (['v1/img1', 'v2/img2'], ['v1/img1', 'v3/img1'], [0]),
    ],
)
def test_videos_are_the_same_by_the_name_of_their_folder(tmp_path, source, reference, expected):
    paths = [
        write_json(tmp_path / name, named(folders))
        for name, folders in (('s.json', source), ('r.json', reference))
    ]
    outs = tmp_path / 'a.json', tmp_path / 'b.json'
    split_by_videos(*paths, outs)
    halves = [[video['id'] for video in json.loads(out.read_text())['videos']] for out in outs]
    assert halves == [expected, [i for i in range(len(source)) if i not in expected]]


@pytest.mark.parametrize('names', [['0.jpg'], [], [''], 3])
def test_videos_without_a_folder_cannot_be_told_apart(tmp_path, names):
    source = write_json(tmp_path / 's.json', named(['a', 'b']))
    content = named(['a', 'b'])
    content['videos'][1]['file_names'] = names
    reference = write_json(tmp_path / 'r.json', content)
    with pytest.raises(ValueError, match=r'r\.json: videos\[1\].file_names.*is in no folder'):
        split_by_videos(source, reference, (tmp_path / 'a.json', tmp_path / 'b.json'))
