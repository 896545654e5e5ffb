"""Annotation and results files: each thing that can be wrong is named."""

import copy
import json
import re

import numpy as np
import pytest
from vis_reference import random_files, to_rle

from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions, mean_area


@pytest.fixture
def files():
    """A video of 2 frames of 6 x 8 with one track, and one prediction for it."""
    mask = np.zeros((6, 8), bool)
    mask[1:4, 2:6] = True
    truth = {
        'videos': [{'id': 5, 'height': 6, 'width': 8, 'length': 2}],
        'categories': [{'id': 3, 'name': 'cat'}, {'id': 7, 'name': 'dog'}],
        'annotations': [
            {
                'id': 1,
                'video_id': 5,
                'category_id': 3,
                'iscrowd': 0,
                'segmentations': [to_rle(mask), None],
            }
        ],
    }
    results = [
        {
            'video_id': 5,
            'category_id': 3,
            'score': 0.5,
            'segmentations': [to_rle(mask), to_rle(mask)],
        }
    ]
    return truth, results


def set_in(content, path, value):
    """Set, or with `...` delete, the item at a path."""
    for key in path[:-1]:
        content = content[key]
    if value is ...:
        del content[path[-1]]
    else:
        content[path[-1]] = value


ANNOTATION = ('annotations', 0)
GROUND_TRUTH_FAULTS = [
    (('videos',), ..., "missing key 'videos'"),
    (('videos',), 3, 'videos: expected a list, found 3'),
    (('videos', 0, 'id'), ..., r"videos\[0\]: missing key 'id'"),
    (('videos', 0, 'height'), 0, r'video 5.height: .* from 1'),
    (('videos', 0, 'width'), 'x', r"video 5.width: .* found 'x'"),
    (('videos', 0, 'length'), -1, 'video 5.length'),
    (('videos', 0, 'length'), 3, r'video 5, annotation 1.segmentations: 2 entries .* 3 frames'),
    (('videos', 0), None, r'videos\[0\]: expected a dict'),
    (('categories',), ..., "missing key 'categories'"),
    (('categories', 1, 'id'), 3, r'categories\[1\].id: duplicate category id 3'),
    (('categories', 0, 'name'), ..., r"categories\[0\]: missing key 'name'"),
    (('annotations',), ..., 'no annotations .* --format-only'),
    (('annotations',), None, 'no annotations .* --format-only'),
    (('annotations',), [], 'no annotations .* --format-only'),
    (('annotations',), {'a': 1}, 'annotations: expected a list'),
    (ANNOTATION, 'x', r"annotations\[0\]: expected a dict, found 'x'"),
    ((*ANNOTATION, 'id'), ..., r"annotations\[0\]: missing key 'id'"),
    ((*ANNOTATION, 'id'), 1.5, r'annotations\[0\].id: expected a whole number'),
    ((*ANNOTATION, 'video_id'), 6, 'video 6, annotation 1: there is no such video'),
    ((*ANNOTATION, 'category_id'), 4, r'annotation 1: unknown category 4, the file has \[3, 7\]'),
    ((*ANNOTATION, 'segmentations'), ..., r"video 5, annotation 1: missing key 'segmentations'"),
    ((*ANNOTATION, 'segmentations'), {}, r'video 5, annotation 1.segmentations: expected a list'),
    ((*ANNOTATION, 'segmentations', 1), 'x', r'segmentations\[1\]: expected a dict'),
    ((*ANNOTATION, 'segmentations', 1), [[1, 2, 3]], r'segmentations\[1\]\[0\]: a polygon of 3'),
    ((*ANNOTATION, 'segmentations', 1), [1, 2], r'segmentations\[1\]\[0\]: expected a list'),
    ((*ANNOTATION, 'segmentations', 1), [[1, 2, 3, 4, 5, None]], r'\[1\]\[0\]\[5\]: .* number'),
    ((*ANNOTATION, 'segmentations', 1), [[1, 2, 3, 4, 5, 1e9]], r'\[1\]\[0\]\[5\]: .* outside'),
    ((*ANNOTATION, 'segmentations', 0, 'counts'), ..., r"segmentations\[0\]: missing key 'counts'"),
    ((*ANNOTATION, 'segmentations', 0, 'counts'), [3, 'a'], r'\[0\].counts\[1\]: expected a whole'),
    ((*ANNOTATION, 'segmentations', 0, 'counts'), [2**62] * 4 + [48], r'counts\[0\]: .* to 48'),
    ((*ANNOTATION, 'segmentations', 0, 'counts'), [49, -1], r'counts\[0\]: .* from 0 to 48'),
    ((*ANNOTATION, 'segmentations', 0, 'counts'), [48, True], r'counts\[1\]: .* found True'),
    ((*ANNOTATION, 'segmentations', 0, 'counts'), [3, 4], r'\[0\].counts: .* add up to 7 .* 48'),
    ((*ANNOTATION, 'segmentations', 0, 'size'), ..., r"segmentations\[0\]: missing key 'size'"),
    ((*ANNOTATION, 'areas'), [1, 'x'], r'video 5, annotation 1.areas\[1\]: expected a number'),
    ((*ANNOTATION, 'areas'), 3, r'video 5, annotation 1.areas: expected a list'),
    ((*ANNOTATION, 'iscrowd'), 'x', r'video 5, annotation 1.iscrowd'),
]
RESULTS_FAULTS = [
    ((0, 'score'), ..., r"\[0\]: missing key 'score'"),
    ((0, 'score'), float('nan'), r'\[0\].score: expected a finite number, found nan'),
    ((0, 'score'), float('inf'), r'\[0\].score: expected a finite number, found inf'),
    ((0, 'score'), 10**400, r'\[0\].score: expected a finite number'),
    ((0, 'score'), None, r'\[0\].score: expected a number, found None'),
    ((0, 'score'), True, r'\[0\].score: expected a number, found True'),
    ((0, 'video_id'), ..., r"\[0\]: missing key 'video_id'"),
    ((0, 'video_id'), 1, r'\[0\].video_id: video 1 is not among the 1 videos of ground truth'),
    ((0, 'video_id'), [], r'\[0\].video_id: expected a whole number'),
    ((0, 'category_id'), 0, r'\[0\].category_id: unknown category 0; .* 2 categories, ids 3 to 7'),
    ((0, 'segmentations'), ..., r"\[0\]: missing key 'segmentations'"),
    ((0, 'segmentations'), [None], r'\[0\].segmentations: 1 entries for a video of 2 frames'),
    ((0, 'segmentations', 1, 'size'), [8, 6], r'segmentations\[1\].size: \[8, 6\] .* \[6, 8\]'),
    ((0, 'segmentations', 1, 'size'), 'x', r"segmentations\[1\].size: 'x' where"),
    ((0, 'segmentations', 1, 'counts'), 'PPPP', r'segmentations\[1\].counts: malformed'),
    ((0, 'segmentations', 1, 'counts'), '', r'segmentations\[1\].counts: empty'),
    ((0, 'segmentations', 1, 'counts'), 7, r'segmentations\[1\].counts: expected a list'),
    ((0, 'segmentations', 1), 7, r'segmentations\[1\]: expected a dict, found 7'),
    ((0,), [], r'\[0\]: expected a dict'),
]


@pytest.mark.parametrize(('path', 'value', 'message'), GROUND_TRUTH_FAULTS)
def test_faults_of_ground_truth(files, path, value, message):
    truth = files[0]
    set_in(truth, path, value)
    with pytest.raises(ValueError, match=f'^ground truth: .*{message}') as caught:
        load_ground_truth(truth)
    assert '; ' in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(('path', 'value', 'message'), RESULTS_FAULTS)
def test_faults_of_results(files, path, value, message):
    truth, results = files
    set_in(results, path, value)
    with pytest.raises(ValueError, match=f'^mine.json: .*{message}') as caught:
        load_predictions(results, load_ground_truth(truth), name='mine.json')
    assert '; ' in str(caught.value) and '\n' not in str(caught.value)  # the remedy, one line


@pytest.mark.parametrize('content', [{}, 3, None, 'x'])
def test_results_are_a_list_and_ground_truth_is_a_dict(files, content, tmp_path):
    path = tmp_path / 'mine.json'
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='mine.json: expected a list, found'):
        load_predictions(path, load_ground_truth(files[0]))
    path.write_text('[]')
    with pytest.raises(ValueError, match='mine.json: it is a list, as results files are'):
        load_ground_truth(path)


def test_duplicate_ids_are_named(files):
    truth = files[0]
    truth['annotations'].append(copy.deepcopy(truth['annotations'][0]))
    with pytest.raises(ValueError, match=r'annotations\[1\].id: duplicate annotation id 1 .*\[0\]'):
        load_ground_truth(truth)
    del truth['annotations'][1]
    truth['videos'] *= 2
    with pytest.raises(ValueError, match=r'videos\[1\].id: duplicate video id 5'):
        load_ground_truth(truth)


def test_polygons_plain_and_compressed_codes_are_one(files):
    truth = files[0]
    code = truth['annotations'][0]['segmentations'][0]
    plain = {'size': [6, 8], 'counts': [13, 3, 3, 3, 3, 3, 3, 3, 14]}
    polygon = [[2, 1, 6, 1, 6, 4, 2, 4]]
    expected = load_ground_truth(truth).tracks[0].tube.areas.tolist()
    assert expected == [12, 0]
    for other in (plain, polygon, code):
        for empty in (None, {}, []):
            truth['annotations'][0]['segmentations'] = [other, empty]
            tube = load_ground_truth(truth).tracks[0].tube
            assert tube.counts == [code['counts'], None]
            assert tube.areas.tolist() == expected


def test_two_polygons_make_one_mask(files):
    truth = files[0]
    halves = [[2, 1, 4, 1, 4, 4, 2, 4], [4, 1, 6, 1, 6, 4, 4, 4]]
    truth['annotations'][0]['segmentations'][1] = halves
    codes = load_ground_truth(truth).tracks[0].tube.counts
    assert codes[0] == codes[1]


def test_areas_of_the_json_win_over_the_masks(files):
    truth = files[0]
    assert load_ground_truth(truth).tracks[0].average_area == 12
    truth['annotations'][0]['areas'] = [100, None]
    assert load_ground_truth(truth).tracks[0].average_area == 100
    truth['annotations'][0]['areas'] = [100, 0]
    assert load_ground_truth(truth).tracks[0].average_area == 100
    truth['annotations'][0]['areas'] = [100, 50.5]
    assert load_ground_truth(truth).tracks[0].average_area == 75.25
    assert mean_area([]) == 0.0


def test_length_may_come_from_the_file_names(files):
    video = files[0]['videos'][0]
    del video['length']
    video['file_names'] = ['a', 'b']
    assert load_ground_truth(files[0]).videos[5].length == 2


def test_whole_floats_are_fine_as_ids(files):
    truth, results = files
    results[0].update(video_id=5.0, category_id=3.0, score=1)
    assert load_predictions(results, load_ground_truth(truth))[0].video_id == 5


def test_without_annotations_results_can_still_be_checked(files):
    truth, results = files
    truth['annotations'] = None
    checked = load_ground_truth(truth, need_annotations=False)
    assert len(load_predictions(results, checked)) == 1


def test_mask_sources(files):
    truth = files[0]
    with pytest.raises(ValueError, match='mask_source'):
        load_ground_truth(truth, 'other')
    with pytest.raises(ValueError, match="annotation 1: missing key 'segmentations_refined'"):
        load_ground_truth(truth, 'refined')
    truth['annotations'][0]['segmentations_refined'] = [None, None]
    official = load_ground_truth(truth).tracks[0]
    assert (official.tube.area, official.outline.area) == (12, 0)
    assert load_ground_truth(truth, 'refined').tracks[0].tube.area == 0
    assert load_ground_truth(truth, 'original').tracks[0].outline.area == 12


def test_subset_knows_its_videos():
    truth = load_ground_truth(random_files(1)[0])
    with pytest.raises(ValueError, match=re.escape('no video has id 99')):
        truth.subset([1, 99])
