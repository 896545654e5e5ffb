"""Files of ids: what is read and what is refused."""

from __future__ import annotations

import json

import pytest

from rocovis_mm.formats.id_files import read_groups


def test_groups_are_read_in_order_and_once(tmp_path):
    path = tmp_path / 'groups.json'
    path.write_text(json.dumps({'b': [2, 1, 2], 'a': [3.0]}))
    groups = read_groups(path, {1, 2, 3}, 'videos')
    assert list(groups.items()) == [('b', [2, 1]), ('a', [3])]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([1], 'expected a dict.*name.*ids of videos'),
        ({}, 'it has no groups; write'),
        ({'a': 3}, 'a: expected a list'),
        ({'a': []}, 'a: it has no ids'),
        ({'a': [1, 'x']}, r'a\[1\]: expected a whole number'),
        ({'a': [1, 9]}, r'a\[1\]: 9 is none of the videos of the ground truth'),
    ],
)
def test_files_that_are_no_groups(tmp_path, content, message):
    path = tmp_path / 'groups.json'
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f'groups.json: {message}'):
        read_groups(path, {1, 2, 3}, 'videos')
