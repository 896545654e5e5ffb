"""What tracks are said to do in each frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_boxes import FRAMES, HEIGHT, WIDTH, moving_box

from rocovis_mm.formats.run_lengths import Tube
from rocovis_mm.visualization.track_report.timelines import (
    NOBODY,
    compare_tracks,
    find_switches,
    follow,
    lone_timeline,
    telling_frames,
)


def tube(masks) -> Tube:
    counts = [None if mask is None else mask['counts'] for mask in masks]
    return Tube.from_counts(HEIGHT, WIDTH, counts)


@pytest.fixture
def boxes():
    return [tube(moving_box(row, 5 * row)) for row in range(3)]


def test_exact_tracks_hold_each_other(boxes):
    found, wanted = compare_tracks(boxes, boxes, FRAMES)
    for side in (found, wanted):
        for number, timeline in enumerate(side):
            expected = ['held'] * FRAMES
            expected[4] = 'absent'
            assert timeline.states == expected
            assert timeline.partner_order == [number] * 1
            assert not timeline.switched.any()
    assert [timeline.occluded.tolist() for timeline in wanted] == [
        [t == 5 for t in range(FRAMES)]
    ] * 3  # 16 of 144 pixels
    assert not found[0].occluded.any()


def test_swapped_tracks_switch_once_on_both_sides():
    one, two = moving_box(0, 0), moving_box(1, 5)
    swapped = [tube(one[:7] + two[7:]), tube(two[:7] + one[7:])]
    found, wanted = compare_tracks(swapped, [tube(one), tube(two)], FRAMES)
    for side in (found, wanted):
        for number, timeline in enumerate(side):
            assert timeline.partner_order == [number, 1 - number]
            assert np.flatnonzero(timeline.switched).tolist() == [7]
            starts = [(span.start, span.end, span.switched) for span in timeline.spans()]
            assert (7, FRAMES, True) in starts


def test_missed_lost_stray_and_absent_are_told_apart(boxes):
    masks = moving_box(0, 0)
    masks[8:10] = [None, None]
    masks[4] = moving_box(2, 40)[3]  # where nothing is, while its track is away
    found, wanted = compare_tracks([tube(masks)], boxes, FRAMES)
    assert found[0].states == ['held'] * 4 + ['stray'] + ['held'] * 3 + ['lost'] * 2 + ['held'] * 2
    assert wanted[0].states == (
        ['held'] * 4 + ['absent'] + ['held'] * 3 + ['missed'] * 2 + ['held'] * 2
    )
    assert wanted[1].states == ['missed'] * 4 + ['absent'] + ['missed'] * 7
    assert found[0].breaks == 1 and found[0].count('lost') == 2


def test_sides_may_be_empty(boxes):
    assert compare_tracks([], [], FRAMES) == ([], [])
    found, _ = compare_tracks(boxes[:1], [], FRAMES)
    assert found[0].count('stray') == FRAMES - 1
    _, wanted = compare_tracks([], boxes[:1], FRAMES)
    assert wanted[0].count('missed') == FRAMES - 1


def test_a_track_stays_with_a_partner_that_still_fits():
    ious = np.array([[[0.9, 0.0]], [[0.6, 0.8]], [[0.4, 0.8]], [[0.7, 0.6]], [[0.2, 0.1]]])
    assert follow(ious)[:, 0].tolist() == [0, 0, 1, 1, NOBODY]


@settings(deadline=None)
@given(st.lists(st.integers(-1, 3), max_size=30))
def test_switches_are_changes_of_partner_gaps_left_out(partners):
    last, expected = None, []
    for partner in partners:
        expected.append(partner >= 0 and last not in (None, partner))
        last = partner if partner >= 0 else last
    assert find_switches(np.array(partners, dtype=int)).tolist() == expected


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(2, 12))
def test_pictures_are_of_both_ends_and_as_many_as_asked(length, limit):
    states = tube([None] * length)
    frames = telling_frames([lone_timeline(states)], length, limit)
    assert frames == sorted(set(frames)) and len(frames) == min(length, limit)
    assert frames[0] == 0 and frames[-1] == length - 1


def test_pictures_show_the_switch():
    one, two = moving_box(0, 0), moving_box(1, 5)
    swapped = [tube(one[:9] + two[9:]), tube(two[:9] + one[9:])]
    found, wanted = compare_tracks(swapped, [tube(one), tube(two)], FRAMES)
    assert 9 in telling_frames(found + wanted, FRAMES, 4)


def test_a_track_alone_tells_its_breaks_and_jumps():
    masks = moving_box(0, 0)
    masks[8] = moving_box(2, 40)[8]
    timeline = lone_timeline(tube(masks))
    assert timeline.states == ['present'] * 4 + ['absent'] + ['present'] * 7
    assert timeline.breaks == 1
    assert np.flatnonzero(timeline.switched).tolist() == [8, 9]
    assert lone_timeline(tube([None] * 3)).breaks == 0
