"""HOTA, CLEAR and Identity: TrackEval's figures, a plain second implementation, and laws."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tracking_reference import (
    ALPHAS,
    boundary_iou,
    crowded_files,
    decode,
    mask_iou,
    plain_scores,
)

from rocovis_mm.evaluation.functional.tracking.hota import ALPHAS as OWN_ALPHAS
from rocovis_mm.evaluation.functional.tracking.summary import evaluate_tracking
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.formats.run_lengths import encode_mask

SIMILARITIES = {'segm': mask_iou, 'boundary': boundary_iou}


def score(truth, results, kind='segm', jobs=1):
    checked = load_ground_truth(truth, need_annotations=False)
    found = load_predictions(results, checked)
    return evaluate_tracking(checked, found, [kind], jobs)[kind]


def all_fields(scores, names=None):
    """Every figure of a result, by path; classes by name where names are given."""
    parts = dict(av=scores.class_averaged, det=scores.detection_averaged, one=scores.agnostic)
    for category, fields in scores.per_class.items():
        parts[names[category] if names else category] = fields
    return {
        (part, family, field): value
        for part, fields in parts.items()
        for family, own in fields.items()
        for field, value in own.items()
    }


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert other[key] == pytest.approx(value, abs=1e-12, rel=0), key


@pytest.mark.parametrize('jobs', [1, 2])
@pytest.mark.parametrize('name', ['small', 'rand2', 'hq'])
def test_every_field_is_that_of_trackeval(shared_dir, name, jobs):
    folder = shared_dir / 'fixtures' / 'metrics'
    expected = json.loads((folder / f'{name}_trackeval.json').read_text())['combined']
    truth = load_ground_truth(folder / f'{name}_gt.json')
    found = load_predictions(folder / f'{name}_pred.json', truth)
    scores = evaluate_tracking(truth, found, jobs=jobs)['segm']
    measured = {truth.categories[key]: fields for key, fields in scores.per_class.items()}
    measured['cls_comb_cls_av'] = scores.class_averaged
    measured['cls_comb_det_av'] = scores.detection_averaged
    assert measured.keys() == expected.keys()
    for part, families in expected.items():
        for family, fields in families.items():
            assert measured[part][family].keys() >= fields.keys()
            for field, value in fields.items():
                own = np.asarray(measured[part][family][field], float)
                assert own == pytest.approx(value, abs=1e-9, rel=0), (part, family, field)


TRACKEVAL = {
    0: (
        (0.07269363800346253, 0.20750487329434703, -14.198412698412698, 0, 0, 0.04884004884004883),
        (0.09262285592871355, 0.3031286549707602, -7.3076923076923075, 0, 0, 0.05263157894736842),
    ),
    1: (
        (0.14180521896984916, 0.3609103841150806, -16.144764957264957, 4, 7, 0.10042097206276311),
        (0.1963750976323212, 0.4811614408038453, -1.68, 4, 7, 0.12903225806451613),
    ),
    2: (
        (0.12317782367035342, 0.2553743925423162, -32.43179765130984, 4, 9, 0.10817326386188662),
        (0.16302773730990455, 0.3800474443547255, -4.264705882352941, 4, 9, 0.1262135922330097),
    ),
    3: (
        (0.18701680914109442, 0.3745355109675241, -13.518660620858041, 2, 3, 0.1447811447811448),
        (0.25851909959940195, 0.5596212724286334, -1.1296296296296295, 2, 3, 0.1875),
    ),
}
"""Of `crowded_files` by seed, as TrackEval 1.3.0 gives them on numpy 1.26 and scipy 1.17: class and
detection average of HOTA, AssA (means over thresholds), MOTA, IDSW, Frag, IDF1."""


@pytest.mark.parametrize('seed', TRACKEVAL)
def test_ties_are_decided_as_in_trackeval(seed):
    scores = score(*crowded_files(seed))
    for fields, expected in zip(
        (scores.class_averaged, scores.detection_averaged), TRACKEVAL[seed]
    ):
        measured = [
            *(np.mean(fields['HOTA'][name]) for name in ('HOTA', 'AssA')),
            *(fields['CLEAR'][name] for name in ('MOTA', 'IDSW', 'Frag')),
            fields['Identity']['IDF1'],
        ]
        assert measured == pytest.approx(expected, abs=1e-9, rel=0)


@pytest.mark.parametrize('kind', SIMILARITIES)
@pytest.mark.parametrize('seed', range(20, 28))
def test_equal_to_a_plain_implementation(seed, kind):
    """Of each class of one video; the plain one tries every assignment of tracks."""
    truth, results = crowded_files(seed, videos=1, tracks=7, predictions=9)
    for record in truth['annotations']:
        record['iscrowd'] = 0
    scores = score(truth, results, kind)
    for category, fields in scores.per_class.items():
        tubes = [
            [decode(own['segmentations']) for own in side if own['category_id'] == category]
            for side in (truth['annotations'], results)
        ]
        for name, value in plain_scores(*tubes, SIMILARITIES[kind]).items():
            own = next(family[name] for family in fields.values() if name in family)
            assert own == pytest.approx(value, abs=1e-9, rel=0), (category, name)


def test_thresholds_are_those_of_the_paper():
    assert OWN_ALPHAS == pytest.approx(ALPHAS, abs=1e-12)


def test_boundaries_never_help_and_crowds_keep_their_masks():
    truth, results = crowded_files(3)
    masks, boundaries = (score(truth, results, kind) for kind in ('segm', 'boundary'))
    assert (masks.agnostic['HOTA']['DetA'] >= boundaries.agnostic['HOTA']['DetA']).all()
    for record in truth['annotations']:
        record['iscrowd'] = 1
    masks, boundaries = (all_fields(score(truth, results, kind)) for kind in ('segm', 'boundary'))
    assert_same(masks, boundaries)


def test_ids_of_64_bits():
    """One float holds all of these ids."""
    truth, results = crowded_files(3)
    plain = score(truth, results)
    far = 2**63 - 1000
    large = [far + number for number in (1, 2, 7)]
    for record in (*truth['annotations'], *results):
        record['video_id'] += far
        record['category_id'] += far
    for record in (*truth['videos'], *truth['categories'], *truth['annotations']):
        record['id'] += far
    names = dict(zip(large, (1, 2, 7)))
    assert_same(all_fields(plain), all_fields(score(truth, results), names))


def test_categories_without_tracks_are_zeros_of_the_class_average_and_cost_nothing():
    truth, results = crowded_files(3)
    few = score(truth, results)
    truth['categories'] += [dict(id=100 + n, name=f'other {n}') for n in range(2997)]
    many = score(truth, results)
    assert many.per_class.keys() == few.per_class.keys()
    for family, field in (('HOTA', 'HOTA'), ('CLEAR', 'MOTA'), ('Identity', 'IDF1')):
        mean = many.class_averaged[family][field]
        assert mean == pytest.approx(few.class_averaged[family][field] / 1000)
    empty = many.of_class(100)
    assert (empty['HOTA']['HOTA'] == 0).all() and (empty['HOTA']['LocA'] == 1).all()
    assert many.class_averaged['CLEAR']['IDSW'] == few.class_averaged['CLEAR']['IDSW']


def test_the_order_of_videos_and_classes_does_not_matter():
    truth, results = crowded_files(3, videos=5)
    before = all_fields(score(truth, results))
    truth['videos'].reverse()
    truth['categories'].reverse()
    order = {video['id']: n for n, video in enumerate(truth['videos'])}
    truth['annotations'].sort(key=lambda record: order[record['video_id']])
    results.sort(key=lambda record: order[record['video_id']])
    assert_same(before, all_fields(score(truth, results)))


def test_without_classes_is_one_class_in_which_a_mask_is_one_identity():
    truth, results = crowded_files(3)
    agnostic = score(truth, results).agnostic
    masks = {(r['video_id'], str(r['segmentations'])): r for r in reversed(results)}
    once = [r for r in results if any(r is kept for kept in masks.values())]
    assert len(once) < len(results)
    for record in (*truth['annotations'], *once):
        record['category_id'] = 1
    single = score(truth, once).per_class[1]
    assert_same(
        *(
            {(f, k): v for f, own in part.items() for k, v in own.items()}
            for part in (agnostic, single)
        )
    )


LENGTH = 10


def square(column):
    mask = np.zeros((8, 60), bool)
    mask[:, column : column + 8] = True
    return encode_mask(mask)


def scene(columns=(0, 20, 40)):
    """Three still squares that are seen throughout."""
    truth = dict(
        videos=[dict(id=1, height=8, width=60, length=LENGTH)],
        categories=[dict(id=1, name='square')],
        annotations=[
            dict(id=n, video_id=1, category_id=1, segmentations=[square(column)] * LENGTH)
            for n, column in enumerate(columns, 1)
        ],
    )
    keys = ('video_id', 'category_id', 'segmentations')
    results = [{k: r[k] for k in keys} | dict(score=0.5) for r in truth['annotations']]
    return truth, results


def main_stats(truth, results):
    fields = score(truth, results).class_averaged
    names = dict(HOTA='HOTA DetA AssA LocA AssRe AssPr', CLEAR='MOTA MOTP IDSW Frag MT ML')
    return {
        name: float(np.mean(fields[family][name]))
        for family, own in {**names, 'Identity': 'IDF1 IDP IDR'}.items()
        for name in own.split()
    }


def test_a_perfect_result_is_1_everywhere():
    shares = 'HOTA DetA AssA LocA AssRe AssPr MOTA MOTP IDF1 IDP IDR'.split()
    expected = dict.fromkeys(shares, 1) | dict(IDSW=0, Frag=0, MT=3, ML=0)
    assert main_stats(*scene()) == pytest.approx(expected, abs=1e-12)


def test_a_split_track_lowers_association_and_no_detection():
    truth, results = scene()
    whole = results[0]['segmentations']
    results[0]['segmentations'] = whole[:4] + [None] * 6
    results.append({**results[0], 'segmentations': [None] * 4 + whole[4:]})
    stats = main_stats(truth, results)
    assert stats['DetA'] == stats['LocA'] == stats['AssPr'] == 1
    # of 30 masks, 4 are in tracks that share 4 of 10 frames, and 6 in such that share 6 of 10
    assert stats['AssA'] == stats['AssRe'] == pytest.approx((20 + 4 * 0.4 + 6 * 0.6) / 30)
    assert (stats['IDSW'], stats['Frag'], stats['MT']) == (1, 0, 3)
    assert stats['MOTA'] == pytest.approx(1 - 1 / 30)
    assert stats['IDF1'] == pytest.approx(26 / 30)


def test_a_dropped_frame_is_a_fragment():
    truth, results = scene()
    results[0]['segmentations'] = [
        None if t == 5 else code for t, code in enumerate(results[0]['segmentations'])
    ]
    stats = main_stats(truth, results)
    assert (stats['IDSW'], stats['Frag'], stats['AssPr']) == (0, 1, 1)
    assert stats['DetA'] == pytest.approx(29 / 30)


def test_a_mask_without_a_pixel_is_a_mask():
    truth, results = scene()
    nothing = encode_mask(np.zeros((8, 60), bool))
    results.append({**results[0], 'segmentations': [nothing] * LENGTH})
    results.append({**results[0], 'segmentations': [None] * LENGTH})
    counts = score(truth, results).class_averaged['Count']
    assert counts == dict(Dets=40, GT_Dets=30, IDs=4, GT_IDs=3)
    assert main_stats(truth, results)['DetA'] == pytest.approx(30 / 40)


def test_nothing_found_and_nothing_to_find():
    truth, results = scene()
    missed = score(truth, []).class_averaged
    assert (missed['CLEAR']['CLR_FN'], missed['CLEAR']['ML'], missed['CLEAR']['MLR']) == (30, 3, 1)
    assert (missed['HOTA']['HOTA'] == 0).all() and (missed['HOTA']['LocA'] == 1).all()
    wrong = score({**truth, 'annotations': []}, results).class_averaged
    assert (wrong['CLEAR']['CLR_FP'], wrong['Identity']['IDFP']) == (30, 30)
    assert wrong['CLEAR']['MOTA'] == -30  # the divisor is at least 1
