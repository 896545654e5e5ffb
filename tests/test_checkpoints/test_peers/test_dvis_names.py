"""DVIS is told from the other models by its tracker."""

from __future__ import annotations

import pytest

from rocovis_mm.checkpoints.peers.dvis import is_dvis

DETECTOR = ['sem_seg_head.predictor.class_embed.weight']
ONLINE = [*DETECTOR, 'tracker.class_embed.weight']
OFFLINE = [*ONLINE, 'refiner.class_embed.weight']


@pytest.mark.parametrize(
    ('names', 'wanted', 'expected'),
    [
        (ONLINE, 'auto', True),
        (ONLINE, 'dvis', True),
        (DETECTOR, 'auto', False),
        (DETECTOR, 'minvis', False),
    ],
)
def test_what_has_a_tracker_is_dvis(names, wanted, expected):
    assert is_dvis(names, wanted) == expected


@pytest.mark.parametrize(
    ('names', 'wanted', 'message'),
    [
        (DETECTOR, 'dvis', r'no tracker\.\*.*--model minvis'),
        (ONLINE, 'minvis', r'this is a DVIS, not --model minvis'),
        (OFFLINE, 'auto', r'refiner\.\*.*offline'),
    ],
)
def test_what_does_not_fit_is_refused(names, wanted, message):
    with pytest.raises(ValueError, match=message):
        is_dvis(names, wanted)
