"""Identity switches and late births: TrackEval's counts, and cases with a known answer."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rocovis_mm.evaluation.functional.evaluate import group_by_video
from rocovis_mm.evaluation.functional.identity import count_switches, identity_stats
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.formats.run_lengths import encode_mask

LENGTH = 6


def masks(shown: dict[int, int]) -> list[dict | None]:
    """Return segmentations: frame -> column of an 8 x 8 square in a frame of 8 x 40."""
    frames = []
    for t in range(LENGTH):
        mask = np.zeros((8, 40), bool)
        if t in shown:
            mask[:, shown[t] : shown[t] + 8] = True
        frames.append(encode_mask(mask) if t in shown else None)
    return frames


def stats(wanted: list[dict[int, int]], found: list[dict[int, int]], labels=None) -> dict:
    video = dict(id=1, height=8, width=40, length=LENGTH)
    tracks = [
        dict(id=n, video_id=1, category_id=1, iscrowd=0, segmentations=masks(shown))
        for n, shown in enumerate(wanted, 1)
    ]
    categories = [dict(id=n, name=f'class {n}') for n in (1, 2)]
    truth = load_ground_truth(dict(videos=[video], annotations=tracks, categories=categories))
    results = [
        dict(video_id=1, category_id=label, score=0.5, segmentations=masks(shown))
        for shown, label in zip(found, labels or [1] * len(found))
    ]
    return identity_stats(truth, load_predictions(results, truth))


def always(column: int, frames=range(LENGTH)) -> dict[int, int]:
    return dict.fromkeys(frames, column)


@pytest.mark.parametrize('name', ['small', 'rand2', 'hq'])
def test_switches_are_those_of_trackeval(shared_dir, name):
    folder = shared_dir / 'fixtures' / 'metrics'
    truth = load_ground_truth(folder / f'{name}_gt.json')
    found = load_predictions(folder / f'{name}_pred.json', truth)
    wanted = json.loads((folder / f'{name}_trackeval.json').read_text())['combined']
    for category, title in truth.categories.items():
        counted = sum(
            count_switches(*([t for t in own if t.category_id == category] for own in group))
            for group in group_by_video(truth, found)
        )
        assert counted == wanted[title]['CLEAR']['IDSW'], title


def test_perfect_tracks_have_no_switch_and_all_late_births():
    tracks = [always(0), always(16, range(3, 6))]
    assert stats(tracks, tracks) == dict(id_switches=0, late_births=1, late_recall=1)


def test_two_objects_that_swap_are_two_switches():
    first, second = always(0, range(3)), always(16, range(3))
    swapped = [{**first, **always(16, range(3, 6))}, {**second, **always(0, range(3, 6))}]
    assert stats([always(0), always(16)], swapped)['id_switches'] == 2


def test_another_identity_after_an_absence_is_a_switch_and_the_same_one_is_none():
    seen = [0, 1, 4, 5]
    broken = [always(0, [0, 1]), always(0, [4, 5])]
    assert stats([always(0, seen)], broken)['id_switches'] == 1
    assert stats([always(0, seen)], [always(0, seen)])['id_switches'] == 0


def test_a_pair_goes_on_though_another_prediction_overlaps_more():
    assert stats([always(0)], [always(2), always(0, range(3, 6))])['id_switches'] == 0


def test_one_mask_under_two_classes_is_one_identity():
    """Assigned in turn, the two would be switches after the absence."""
    seen = [0, 2, 4]
    assert stats([always(0, seen)] * 1, [always(0, seen)] * 2, [1, 2])['id_switches'] == 0


def test_a_late_birth_that_is_shown_too_early_is_not_found():
    assert stats([always(0, [4, 5])], [always(0)])['late_recall'] == 0


def test_without_late_births_there_is_no_recall():
    assert stats([always(0)], []) == dict(id_switches=0, late_births=0, late_recall=-1)
