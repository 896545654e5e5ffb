"""Groups of tracks against the official code that ignores the others, and occlusion by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from vis_reference import official_stats, random_files

from rocovis_mm.evaluation.functional.score_groups import score_groups
from rocovis_mm.evaluation.functional.track_groups import (
    box_occlusions,
    covered_shares,
    group_by_occlusion,
    mean_of_upper_half,
)
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions

STATS = 'AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl'.split()
MARKS = ['no_occlusion', 'slight_occlusion', 'severe_occlusion', None]


def box_code(left: int, top: int, right: int, bottom: int, size=(20, 30)) -> dict:
    """Return the uncompressed run lengths of a filled box."""
    mask = np.zeros(size, int)
    mask[top:bottom, left:right] = 1
    flat = np.append(mask.T.ravel(), 1 - mask[-1, -1])
    changes = np.flatnonzero(np.diff(np.concatenate([[0], flat[:-1]])))
    return dict(size=list(size), counts=np.diff([0, *changes, mask.size]).tolist())


def video_of(*tracks: list[tuple | None], **more) -> dict:
    """Return a file with one video of tracks of boxes."""
    return dict(
        videos=[dict(id=3, height=20, width=30, length=len(tracks[0]))],
        categories=[dict(id=1, name='a')],
        annotations=[
            dict(
                id=i, video_id=3, category_id=1, iscrowd=0,
                segmentations=[box and box_code(*box) for box in boxes],
                **{key: values[i] for key, values in more.items()},
            )
            for i, boxes in enumerate(tracks)
        ],
    )  # fmt: skip


def plain_level(marks: list[str | None]) -> list[str]:
    """Return the levels of an object, as OVIS' paper says: its most occluded half of frames."""
    scores = {'no_occlusion': 0, 'slight_occlusion': 1, 'severe_occlusion': 3}  # quarters
    known = sorted((scores[mark] for mark in marks if mark), reverse=True)
    chosen = known[: (len(known) + 1) // 2]
    total, number = sum(chosen), max(1, len(chosen))
    levels = []
    if total <= number:
        levels.append('slight')
    if number <= total <= 2 * number:
        levels.append('moderate')
    if total >= 2 * number:
        levels.append('heavy')
    return levels


@pytest.mark.parametrize('seed', range(3))
def test_levels_equal_the_official_code_that_ignores_the_others(seed, monkeypatch):
    content, results = random_files(seed, videos=5)
    rng = np.random.default_rng(seed)
    for record in content['annotations']:
        marks = rng.choice(4, len(record['segmentations']), p=[0.3, 0.4, 0.2, 0.1])
        record['occlusion'] = [MARKS[mark] for mark in marks]
    truth = load_ground_truth(content)
    rows = score_groups(content, 'occlusion', truth, load_predictions(results, truth))
    assert [row['group'] for row in rows] == ['slight', 'moderate', 'heavy']
    for row in rows:
        others = {
            record['id']
            for record in content['annotations']
            if row['group'] not in plain_level(record['occlusion'])
        }
        assert row['tracks'] == len(content['annotations']) - len(others)
        for boundary, suffix in ((False, ''), (True, '_boundary')):
            expected = official_stats(content, results, boundary, monkeypatch, others)
            found = [row[f'{name}{suffix}'] for name in STATS]
            assert found == pytest.approx(expected, abs=1e-9)


def test_sizes_equal_the_area_ranges(shared_dir):
    folder = shared_dir / 'fixtures' / 'metrics'
    truth = load_ground_truth(folder / 'hq_gt.json')
    predictions = load_predictions(folder / 'hq_pred.json', truth)
    content = json.loads((folder / 'hq_gt.json').read_text())
    official = json.loads((folder / 'hq_official.json').read_text())
    rows = score_groups(content, ['size'], truth, predictions)
    assert [row['group'] for row in rows] == ['small', 'medium', 'large']
    for row, letter in zip(rows, 'sml'):
        for kind, suffix in (('segm', ''), ('boundary', '_boundary')):
            expected = dict(zip(STATS, official[kind]['stats']))
            assert row[f'AP{suffix}'] == pytest.approx(expected[f'AP{letter}'], abs=1e-9)
            assert row[f'AR100{suffix}'] == pytest.approx(expected[f'AR{letter}'], abs=1e-9)


def test_a_right_prediction_of_another_group_is_no_mistake():
    """Two perfect predictions, the first on an object of another group."""
    content = video_of(
        [(0, 0, 5, 5)] * 2, [(9, 9, 15, 15)] * 2, occlusion=[[MARKS[2]] * 2, [MARKS[0]] * 2]
    )
    results = [dict(record, score=0.9 - record['id'] / 9) for record in content['annotations']]
    truth = load_ground_truth(content)
    for row in score_groups(content, 'occlusion', truth, load_predictions(results, truth)):
        expected = dict(slight=(1, 1), moderate=(0, -1), heavy=(1, 1))[row['group']]
        assert (row['tracks'], pytest.approx(row['AP'])) == expected
    results.append(dict(results[0], score=0.95, segmentations=[box_code(20, 0, 29, 9)] * 2))
    rows = score_groups(content, 'occlusion', truth, load_predictions(results, truth))
    assert rows[0]['AP'] == rows[2]['AP'] == pytest.approx(0.5)  # takes nothing: wrong everywhere


@pytest.mark.parametrize('seed', range(4))
def test_covered_shares_equal_counting_pixels(seed):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.integers(0, 12, (6, 2, 2)), axis=1)
    corners[:, 1] += 1
    boxes = corners.reshape(-1, 4)
    painted = np.zeros((6, 14, 14), bool)
    for mask, (left, top, right, bottom) in zip(painted, boxes):
        mask[top:bottom, left:right] = True
    expected = [
        (mask & np.delete(painted, i, 0).any(0)).sum() / mask.sum()
        for i, mask in enumerate(painted)
    ]
    assert covered_shares(boxes.astype(float)) == pytest.approx(expected)
    assert covered_shares(boxes[:1].astype(float)).tolist() == [0]


def test_occlusion_from_boxes_by_hand():
    """A box of 10 x 10: half covered, then a quarter, then free; the upper half are two frames."""
    content = video_of(
        [(0, 0, 10, 10), (0, 0, 10, 10), (0, 0, 10, 10), None],
        [(5, 0, 15, 10), (5, 5, 15, 15), (20, 0, 25, 10), (0, 0, 10, 10)],
        [None, None, None, (5, 0, 15, 10)],
    )
    truth = load_ground_truth(content)
    assert box_occlusions(truth) == pytest.approx({0: 0.375, 1: 0.5, 2: 0.5})
    groups = {group.name: group.tracks for group in group_by_occlusion(content, truth)}
    assert groups == dict(slight=set(), moderate={0, 1, 2}, heavy={1, 2})
    content['annotations'][2]['iscrowd'] = 1
    assert box_occlusions(load_ground_truth(content))[2] == 0


@pytest.mark.parametrize(
    ('scores', 'mean'), [([], 0), ([0.75], 0.75), ([0, 0.25, 0.75], 0.5), ([0, 0, 0, 0.5], 0.25)]
)
def test_the_upper_half(scores, mean):
    assert mean_of_upper_half(scores) == mean


@pytest.mark.parametrize(
    ('marks', 'message'),
    [
        ('heavy', r'annotations\[1\].occlusion: expected a list.*no_occlusion'),
        ([None], r'annotations\[1\].occlusion: 1 entries for a video of 2 frames'),
        (['heavy', None], r"annotations\[1\].occlusion\[0\]: unknown mark 'heavy'.*severe_"),
        ([['x'], None], r'annotations\[1\].occlusion\[0\]: unknown mark'),
        (..., r'annotations\[1\].occlusion: missing.*give all annotations'),
    ],
)
def test_malformed_marks(marks, message):
    content = video_of(*[[(0, 0, 5, 5)] * 2] * 2, occlusion=[[None, None], marks])
    if marks is ...:
        del content['annotations'][1]['occlusion']
    truth = load_ground_truth(content, name='gt.json')
    with pytest.raises(ValueError, match='gt.json: ' + message):
        score_groups(content, 'occlusion', truth, [])


def test_marks_that_are_all_null_are_no_occlusion():
    content = video_of([(0, 0, 5, 5)] * 2, occlusion=[[None, None]])
    groups = group_by_occlusion(content, load_ground_truth(content))
    assert [len(group.tracks) for group in groups] == [1, 0, 0]
