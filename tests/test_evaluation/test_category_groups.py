"""Groups of categories: what marks a file may have, and the mean of their classes."""

from __future__ import annotations

import numpy as np
import pytest
from vis_reference import random_files

from rocovis_mm.evaluation.functional.category_groups import group_categories
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import per_class_stats
from rocovis_mm.evaluation.functional.score_groups import score_groups
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions


def marked(**values: list) -> dict:
    """Return categories with marks."""
    number = len(next(iter(values.values())))
    rows = [
        {key: own[i] for key, own in values.items() if own[i] is not ...} for i in range(number)
    ]
    return dict(categories=[dict(id=i + 1, name=f'c{i}', **row) for i, row in enumerate(rows)])


@pytest.mark.parametrize(
    ('values', 'groups'),
    [
        (dict(partition=[0, 1, 2, 3]), dict(base=[1, 2], novel=[3, 4])),
        (dict(base=[True, False]), dict(base=[1], novel=[2])),
        (dict(novel=[True, False]), dict(base=[2], novel=[1])),
        (dict(frequency=['r', 'f', 'c']), dict(frequent=[2], common=[3], rare=[1])),
        (dict(frequency=['r', 'f'], partition=[0, 2]), dict(base=[1], novel=[2])),
    ],
)
def test_marks(values, groups):
    assert group_categories(marked(**values), 'gt.json') == groups


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (dict(supercategory=['x']), 'categories: no category has partition.*--category-groups'),
        (dict(partition=[0, 7]), r'categories\[1\].partition: found 7; write one of 0, 1, 2, 3'),
        (dict(partition=[0, True]), r'categories\[1\].partition: found True'),
        (dict(partition=[0, ...]), r'categories\[1\].partition: found None'),
        (dict(frequency=['x']), r'categories\[0\].frequency: found .x.; write one of f, c, r'),
    ],
)
def test_marks_that_say_nothing(values, message):
    with pytest.raises(ValueError, match='gt.json: ' + message):
        group_categories(marked(**values), 'gt.json')


def test_a_group_is_the_mean_of_its_classes_as_lv_vis_has_it():
    """Its tool averages the AP of the base and of the novel categories that have objects."""
    content, results = random_files(5, videos=8, categories=4)
    partition = {1: 0, 2: 3, 3: 1, 4: 2}
    for record in content['categories']:
        record['partition'] = partition[record['id']]
    truth = load_ground_truth(content)
    predictions = load_predictions(results, truth)
    classes = {
        row['category_id']: row
        for row in per_class_stats(evaluate_tracks(truth, predictions), truth.categories)
    }
    rows = score_groups(content, 'categories', truth, predictions)
    assert [row['group'] for row in rows] == ['base', 'novel']
    for row, own in zip(rows, ((1, 3), (2, 4))):
        assert row['tracks'] == sum(track.category_id in own for track in truth.tracks) > 0
        assert row['videos'] == 8
        for name in ('AP', 'AP75', 'AR10', 'AP_boundary'):
            values = [classes[category][name] for category in own if classes[category][name] >= 0]
            assert row[name] == pytest.approx(np.mean(values), abs=1e-12)
    named = score_groups(
        content, [], truth, predictions, categories={'base': [1, 3], 'novel': [2, 4]}
    )
    assert [{**row, 'grouping': 'categories'} for row in named] == rows
