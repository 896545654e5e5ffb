"""Laws of all figures together, on made scenes: what changes them, and what must not.

Files have random objects. Each is in a cell of its own, or all are on one spot.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vis_reference import to_rle

from rocovis_mm.evaluation.functional.comparison import compare_files
from rocovis_mm.evaluation.functional.consistency import summarize_consistency, track_consistency
from rocovis_mm.evaluation.functional.error_analysis import analyze_errors
from rocovis_mm.evaluation.functional.evaluate import KINDS, accumulate_kinds, match_videos
from rocovis_mm.evaluation.functional.oracle_gaps import oracle_gaps
from rocovis_mm.evaluation.functional.report import (
    name_pooled_stats,
    name_stats,
    per_class_stats,
)
from rocovis_mm.evaluation.functional.score_groups import score_groups
from rocovis_mm.evaluation.functional.tracking.report import report_tracking
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions

CELL = 30
ROWS, COLUMNS = 2, 3
HEIGHT, WIDTH = CELL * ROWS, CELL * COLUMNS
GROUPINGS = ('occlusion', 'size', 'length', 'events')
few = settings(max_examples=8, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32)


def wander(rng, cell, length):
    """Places (y, x) of a corner that stays in a cell; at most one part of the video is missing."""
    size = rng.integers(10, 18)
    corner = np.array([cell // COLUMNS, cell % COLUMNS]) * CELL
    places = [corner + rng.integers(0, CELL - size, 2) for _ in range(length)]
    gap = rng.integers(0, 3)  # two consecutive frames before it, and two after it
    return size, [None if 2 <= t < 2 + gap else tuple(p) for t, p in enumerate(places)]


def draw(size, places, shrink=0):
    """Codes of a square, some rows of which are cut off."""
    codes = []
    for place in places:
        mask = np.zeros((HEIGHT, WIDTH), bool)
        if place is not None:
            y, x = place
            mask[y : y + size - shrink, x : x + size] = True
        codes.append(to_rle(mask) if place is not None else None)
    return codes


def apart(seed, shrink=0):
    """Objects that never touch, of 3 classes, and one prediction for each; scores all differ."""
    rng = np.random.default_rng(seed)
    truth = dict(videos=[], annotations=[], categories=[])
    results = []
    for video in range(1, 4):
        length = int(rng.integers(6, 10))
        truth['videos'].append(dict(id=video, height=HEIGHT, width=WIDTH, length=length))
        for cell in rng.permutation(ROWS * COLUMNS)[: rng.integers(1, 6)]:
            shape = wander(rng, cell, length)
            category = int(rng.integers(1, 4))
            number = len(results) + 1
            own = dict(video_id=video, category_id=category)
            truth['annotations'].append(dict(own, id=number, iscrowd=0, segmentations=draw(*shape)))
            results.append(dict(own, score=rng.random(), segmentations=draw(*shape, shrink)))
    used = sorted({record['category_id'] for record in truth['annotations']})
    truth['categories'] = [dict(id=number, name=f'c{number}') for number in used]
    return truth, results


def collide(seed):
    """Objects and predictions that overlap, are lost, have wrong classes and other identities."""
    rng = np.random.default_rng(seed)
    truth, results = apart(seed)
    lengths = {video['id']: video['length'] for video in truth['videos']}
    for record in (*truth['annotations'], *results):
        length = lengths[record['video_id']]
        path = rng.normal((20, 30), 4, 2) + rng.normal(0, 2, (length, 2)).cumsum(axis=0)
        lost = rng.random(length) < 0.15
        record['segmentations'] = [
            None if gone else to_rle(blob(rng, *place)) for place, gone in zip(path, lost)
        ]
    for record in truth['annotations']:  # good tracks of some of them
        if rng.random() < 0.7:
            own = dict(record, score=rng.random())
            own['segmentations'] = [
                code if rng.random() < 0.7 else to_rle(blob(rng, 20, 30))
                for code in record['segmentations']
            ]
            results.append({key: own[key] for key in results[0]})
    return truth, results


def blob(rng, y, x):
    """An ellipse of random size."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return ((rows - y) / rng.uniform(6, 14)) ** 2 + ((columns - x) / rng.uniform(6, 14)) ** 2 < 1


def measure(truth, results, groupings=GROUPINGS):
    """All figures by name; those of classes, groups and videos by what they are of."""
    content = truth
    truth = load_ground_truth(content)
    found = load_predictions(results, truth)
    matched = match_videos(truth, found)
    scores = accumulate_kinds(matched)
    tracked = report_tracking(truth, found, KINDS)
    figures = {**name_stats(scores), **name_pooled_stats(scores), **tracked.stats}
    consistency = summarize_consistency(track_consistency(truth, found))
    tables = dict(
        classes=per_class_stats(scores, truth.categories),
        tracking=tracked.per_class,
        videos=consistency.pop('videos'),
        groups=score_groups(content, groupings, truth, found, matched=matched),
    )
    figures |= {f'consistency {name}': value for name, value in consistency.items()}
    gaps = oracle_gaps(truth, found, scores=scores['segm']).summary()
    figures |= {f'gaps {name}': value for name, value in gaps.items()}
    figures |= analyze_errors(truth, found).summary()
    for table, rows in tables.items():
        for row in rows:
            names = [row.pop(key, '') for key in ('name', 'grouping', 'group')]
            label = f'{table} {" ".join(names)}'
            label += str(row.get('video_id', ''))
            figures |= {f'{label} {name}': value for name, value in row.items()}
    return figures


def shuffle(rng, truth, results):
    """The same files in another order."""

    def mix(records):
        return [records[place] for place in rng.permutation(len(records))]

    return {key: mix(records) for key, records in truth.items()}, mix(results)


@settings(few, max_examples=4)
@given(seeds)
def test_the_order_of_videos_classes_and_tracks_changes_nothing(seed):
    files = collide(seed)
    before = measure(*files)
    after = measure(*shuffle(np.random.default_rng(seed), *files))
    assert len(before) > 300 and 0 < before['AP'] < 1 and 0 < before['HOTA'] < 1
    assert after == pytest.approx(before, abs=1e-9)


@few
@given(seeds)
def test_the_order_of_files_changes_the_sign_of_differences(seed):
    truth, results = collide(seed)
    checked = load_ground_truth(truth)
    figures, cells = {}, {}
    for name, own in (('all', results), ('half', results[::2])):
        found = load_predictions(own, checked)
        cells[name] = match_videos(checked, found)
        scores = accumulate_kinds(cells[name])
        figures[name] = {**name_stats(scores), **name_pooled_stats(scores)}
    forth = compare_files(figures, cells)['half']
    back = compare_files(dict(reversed(figures.items())), cells)['all']
    for name, (difference, low, high) in forth.items():
        assert back[name] == pytest.approx((-difference, -high, -low), abs=1e-9)


SHARES = 'HOTA DetA AssA LocA DetRe DetPr AssRe AssPr MOTA MOTP IDF1 IDP IDR'.split()


@few
@given(seeds)
def test_a_perfect_result_is_1_everywhere(seed):
    figures = measure(*apart(seed), groupings=())
    for kind in ('', '_boundary'):
        names = [f'AP{end}{kind}' for end in ('', '_pool')] + [f'AR100{kind}']
        names += [f'{name}{way}{kind}' for name in SHARES for way in ('', '_det', '_agnostic')]
        assert [figures[name] for name in names] == pytest.approx([1] * len(names), abs=1e-12)
        assert all(figures[f'{name}{kind}'] == 0 for name in ('IDSW', 'PT', 'ML'))
    for name in ('ranking', 'tracking', 'classes', 'masks'):
        assert figures[f'gaps lost_to_{name}'] == pytest.approx(0, abs=1e-12)
    for name in ('jitter', 'jitter_videos', 'flicker', 'flicker_videos', 'lost_frames'):
        assert figures[f'consistency {name}'] == 0
    assert figures['correct'] == figures['tracks'] == figures['MT']
    assert figures['missed'] == figures['switched'] == 0


@few
@given(seeds, st.integers(0, 3))
def test_splitting_a_track_lowers_association_alone(seed, shrink):
    truth, results = apart(seed, shrink)
    rng = np.random.default_rng(seed)
    before = track_figures(truth, results)
    chosen = results[rng.integers(len(results))]
    codes = chosen['segmentations']
    seen = [t for t, code in enumerate(codes) if code]
    cut = int(rng.choice(seen[1:]))
    chosen['segmentations'] = codes[:cut] + [None] * (len(codes) - cut)
    results.append({**chosen, 'segmentations': [None] * cut + codes[cut:]})
    after = track_figures(truth, results)
    for way in ('', '_det', '_agnostic'):
        for name in ('DetA', 'DetRe', 'DetPr', 'LocA', 'MOTP', 'AssPr', 'Frag'):
            assert after[name + way] == pytest.approx(before[name + way], abs=1e-12), name
        for name in ('AssA', 'AssRe', 'HOTA', 'IDF1', 'MOTA'):
            assert after[name + way] < before[name + way] - 1e-6, name
        assert after[f'IDSW{way}'] == before[f'IDSW{way}'] + 1


def track_figures(truth, results):
    checked = load_ground_truth(truth)
    return report_tracking(checked, load_predictions(results, checked), KINDS[:1]).stats


@few
@given(seeds)
def test_a_dropped_frame_raises_flicker_alone(seed):
    truth, results = apart(seed)
    chosen = results[np.random.default_rng(seed).integers(len(results))]
    codes = chosen['segmentations']
    seen = [t for t, code in enumerate(codes) if code]
    chosen['segmentations'] = [None if t == seen[1] else code for t, code in enumerate(codes)]
    checked = load_ground_truth(truth)
    rows = track_consistency(checked, load_predictions(results, checked))
    figures = summarize_consistency(rows)
    assert figures['matched_tracks'] == len(results) and figures['lost_frames'] == 1
    assert figures['flicker'] == pytest.approx(1 / len(seen) / len(results))
    assert figures['jitter'] == figures['jitter_videos'] == 0
    lost = [row for row in rows if row.flicker]
    assert [row.prediction for row in lost] == [results.index(chosen)]
