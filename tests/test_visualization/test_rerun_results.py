"""A results file in Rerun: the recording, read back, equals the file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from moving_boxes import CLASSES, FRAMES, make_content, write_images
from PIL import Image
from pycocotools import mask as coco_mask
from spoiled_results import entry, spoil

from rocovis_mm.visualization.palette import identity_color
from rocovis_mm.visualization.rerun_log import close_recording, open_recording
from rocovis_mm.visualization.rerun_results import load_viewed_videos, log_videos
from tests.rerun_reading import Recording, needs_rerun

THRESHOLD = 0.3


@pytest.fixture
def content():
    return make_content()


@pytest.fixture
def view(tmp_path, content):
    """Write the files, log them and read the recording."""

    def make(results, truth=True, images=False, fps=None, **options):
        (tmp_path / 'results.json').write_text(json.dumps(results))
        (tmp_path / 'truth.json').write_text(json.dumps(content))
        files = [tmp_path / 'results.json', tmp_path / 'truth.json' if truth else None]
        folder = tmp_path / 'images' if images else None
        videos = load_viewed_videos(*files, folder, score_threshold=THRESHOLD, **options)
        needs_rerun()
        recording = open_recording('test', save=tmp_path / 'view.rrd')
        log_videos(recording, videos, fps)
        close_recording(recording)
        return Recording(tmp_path / 'view.rrd')

    return make


def seen(entries, frame):
    """Return (entry, mask, box) of the entries that have pixels in a frame, by plain numpy."""
    found = []
    for each in entries:
        code = each['segmentations'][frame]
        if code is not None and (mask := coco_mask.decode(code).astype(bool)).any():
            rows, columns = mask.nonzero()
            box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            found.append((each, mask, box))
    return found


def class_name(category):
    return CLASSES[category - 10]


@pytest.mark.parametrize('truth', [True, False])
def test_masks_boxes_ids_and_scores_are_those_of_the_file(content, view, truth):
    results = spoil(content)
    recording = view(results, truth)
    overlaps = 0
    for video in content['videos']:
        place = f'/video_{video["id"]}/prediction'
        sure = [x for x in results if x['video_id'] == video['id'] and x['score'] >= THRESHOLD]
        for frame in range(FRAMES):
            expected = seen(sure, frame)
            masks, boxes = recording.masks(place, frame), recording.boxes(place, frame)
            scores = recording.scores(place, frame)
            assert len(expected) == len(masks) == len(boxes) == len(scores)
            labels = {label: number for number, (_, label) in boxes.items()}
            for each, mask, box in expected:
                category = each['category_id']
                name = class_name(category) if truth else f'category {category}'
                number = labels[f'{name} #{results.index(each)} {each["score"]:.2f}']
                np.testing.assert_array_equal(masks[number], mask)
                assert boxes[number][0] == box and scores[number] == each['score']
            pixels = sum((mask.astype(int) for _, mask, _ in expected), start=0)
            overlaps += np.max(pixels) > 1
    assert overlaps, 'no masks overlap, so layers were not tested'


def test_annotations_are_beside_the_predictions_in_the_same_colours(content, view):
    recording = view(spoil(content))
    for frame in range(FRAMES):
        for video in (1, 2, 3, 4):
            own = [x for x in content['annotations'] if x['video_id'] == video]
            place = f'/video_{video}/truth'
            masks, boxes = recording.masks(place, frame), recording.boxes(place, frame)
            labels = {label: number for number, (_, label) in boxes.items()}
            expected = seen(own, frame)
            assert len(masks) == len(expected) and not recording.scores(place, frame)
            for each, mask, box in expected:
                number = labels[f'{class_name(each["category_id"])} #{each["id"]}']
                np.testing.assert_array_equal(masks[number], mask)
                assert boxes[number][0] == box
        real, found = (recording.masks(f'/video_4/{x}', frame) for x in ('truth', 'prediction'))
        assert real.keys() == found.keys()
        for number, mask in real.items():
            np.testing.assert_array_equal(found[number], mask)


def test_names_and_colours_are_in_the_annotation_context(content, view):
    recording = view(spoil(content))
    told = recording.shown('/video_4/truth', 0)['AnnotationContext:context'][0]
    infos = {each['class_id']: each['class_description']['info'] for each in told}
    assert [infos[number]['label'] for number in (1, 2, 3)] == [
        f'{name} #{number}' for name, number in zip(CLASSES, (10, 11, 12))
    ]
    for number in (1, 2, 3):
        red, green, blue = identity_color(number - 1)
        assert infos[number]['color'] == (red << 24) + (green << 16) + (blue << 8) + 255


def test_ids_of_the_file_are_shown_if_each_track_has_its_own(content, view):
    masks = [each['segmentations'] for each in content['annotations'][:2]]
    results = [entry(1, 10, 0.9, masks[0]), entry(1, 11, 0.8, masks[1])]

    def ids(*numbers):
        recording = view([{'id': n, **each} for n, each in zip(numbers, results)])
        labels = [label for _, label in recording.boxes('/video_1/prediction', 0).values()]
        return [label.rsplit('#')[1].split()[0] for label in labels]

    assert ids(7, 2**62) == ['7', str(2**62)]
    assert ids(7, 7) == ids(7, 'a') == ['0', '1']


def test_frames_without_instances_are_empty(content, view):
    masks = content['annotations'][0]['segmentations']
    twice = [masks[0], *masks[1:3], None, *masks[4:]]
    recording = view([entry(1, 10, 0.9, masks), entry(1, 11, 0.8, twice)])
    place = '/video_1/prediction'
    counts = [len(recording.masks(place, frame)) for frame in range(FRAMES)]
    assert counts == [2, 2, 2, 1, 0, *[2] * (FRAMES - 5)]
    assert recording.boxes(place, 4) == {} == recording.scores(place, 4)
    assert not recording.rows['/video_2/prediction/masks/0']


def test_images_and_times(tmp_path, content, view):
    write_images(content, tmp_path / 'images')
    recording = view(spoil(content), images=True, fps=4.0, video_ids=[3])
    assert not any(name.startswith(('/video_1', '/video_2', '/video_4')) for name in recording.rows)
    assert recording.times == {frame: frame / 4 for frame in range(FRAMES)}
    for frame in range(FRAMES):
        (blob,) = recording.rows['/video_3/image'][frame]['EncodedImage:blob']
        (tmp_path / 'read.jpg').write_bytes(bytes(blob))
        picture = np.asarray(Image.open(tmp_path / 'read.jpg')).astype(int)
        assert picture.shape == (48, 72, 3)
        assert np.abs(picture - (80, 120, 160)).max() < 4


def test_no_times_without_a_rate(content, view):
    assert view(spoil(content)).times == {}


def test_faults_of_images_and_ids_are_named(tmp_path, content, view):
    needs_rerun()
    with pytest.raises(ValueError, match='000.png: no readable image'):
        view(spoil(content), images=True)
    write_images(content, tmp_path / 'images')
    Image.new('RGB', (7, 5)).save(tmp_path / 'images' / content['videos'][0]['file_names'][0])
    with pytest.raises(ValueError, match=r'000.png: 7 x 5 pixels, but .* video 1 have 72 x 48;'):
        view(spoil(content), images=True)
    with pytest.raises(ValueError, match='no video has id 99'):
        view(spoil(content), video_ids=[99])


def test_nothing_above_the_threshold_is_said(content, view):
    masks = content['annotations'][0]['segmentations']
    with pytest.warns(UserWarning, match='the best one has 0.2: lower --score-thr'):
        recording = view([entry(1, 10, 0.2, masks)])
    place = '/video_1/prediction'
    assert not any(recording.boxes(place, t) or recording.scores(place, t) for t in range(FRAMES))
