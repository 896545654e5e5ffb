"""A results file beside its annotations, drawn: choice, colours, videos, sheets."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence
from pycocotools import mask as coco_mask

from rocovis_mm.visualization.compositions import compared_frames, contact_sheet, mosaic_frames
from rocovis_mm.visualization.media import read_image, write_gif, write_mp4
from rocovis_mm.visualization.video_results import load_drawn_videos, mask_of

HEIGHT, WIDTH, LENGTH = 48, 80, 5


def tube(left: int, width: int = 16, absent: tuple[int, ...] = ()) -> list:
    """A square that walks to the right."""
    codes = []
    for t in range(LENGTH):
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order='F')
        mask[16:32, left + 2 * t : left + 2 * t + width] = 1
        code = coco_mask.encode(mask)
        codes.append(None if t in absent else dict(size=[48, 80], counts=code['counts'].decode()))
    return codes


@pytest.fixture
def files(tmp_path):
    """Two objects that are annotated, and four tracks: two good, one twin, one stray."""
    names = [f'a/{t}.png' for t in range(LENGTH)]
    (tmp_path / 'a').mkdir()
    for name in names:
        Image.new('RGB', (WIDTH, HEIGHT), (90, 100, 110)).save(tmp_path / name)
    annotations = [
        dict(id=1, video_id=7, category_id=1, iscrowd=0, segmentations=tube(2)),
        dict(id=2, video_id=7, category_id=2, iscrowd=0, segmentations=tube(40, absent=(2,))),
    ]
    for annotation in annotations:
        annotation['areas'] = [256 if code else None for code in annotation['segmentations']]
    video = dict(id=7, height=HEIGHT, width=WIDTH, length=LENGTH, file_names=names)
    categories = [dict(id=1, name='cat'), dict(id=2, name='dog')]
    truth = dict(videos=[video], annotations=annotations, categories=categories)
    results = [
        dict(video_id=7, category_id=2, score=0.6, segmentations=tube(60, 8)),
        dict(video_id=7, category_id=2, score=0.9, segmentations=tube(41, absent=(2,))),
        dict(video_id=7, category_id=1, score=0.8, segmentations=tube(3)),
        dict(video_id=7, category_id=2, score=0.4, segmentations=tube(3)),
        dict(video_id=7, category_id=1, score=0.1, segmentations=tube(20)),
    ]
    (tmp_path / 'gt.json').write_text(json.dumps(truth))
    (tmp_path / 'results.json').write_text(json.dumps(results))
    return tmp_path


def load(files, **options):
    return load_drawn_videos(files / 'gt.json', files / 'results.json', files, **options)


def test_each_track_is_drawn_once_under_its_best_class(files):
    (video,) = load(files)
    assert [track.caption for track in video.predicted] == ['dog 0.90', 'cat 0.80', 'dog 0.60']
    assert [track.caption for track in video.truth] == ['cat', 'dog']


def test_a_track_takes_the_colour_of_the_object_it_covers(files):
    (video,) = load(files)
    assert [track.identity for track in video.truth] == [0, 1]
    dog, cat, stray = (track.identity for track in video.predicted)
    assert (dog, cat) == (1, 0)
    assert stray not in (0, 1)


def test_an_absent_frame_has_an_empty_mask(files):
    (video,) = load(files)
    masks = [mask_of(video.truth[1].tube, t) for t in range(LENGTH)]
    assert [bool(mask.any()) for mask in masks] == [True, True, False, True, True]


def test_results_are_drawn_without_annotations(files):
    truth = json.loads((files / 'gt.json').read_text())
    truth['annotations'] = []
    (files / 'gt.json').write_text(json.dumps(truth))
    (video,) = load(files, score_threshold=0.7)
    assert video.truth == [] and len(video.predicted) == 2
    assert contact_sheet([video], columns=3, width=80, height=48).shape[1] == 3 * 86 + 6


def test_a_missing_image_is_named(files):
    (files / 'a' / '3.png').unlink()
    (video,) = load(files)
    with pytest.raises(ValueError, match=r'3\.png: no readable image'):
        video.draw(3, video.truth)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda video: video.pop('height'), r"gt\.json: video 7: missing key 'height'"),
        (lambda video: video.pop('file_names'), r'gt\.json: video 7 has 0 file_names and .* 5'),
        (lambda video: video['file_names'].pop(), r'gt\.json: .*length is 5 but there are 4 file'),
    ],
)
def test_a_video_that_cannot_be_drawn_is_named(files, change, message):
    truth = json.loads((files / 'gt.json').read_text())
    change(truth['videos'][0])
    (files / 'gt.json').write_text(json.dumps(truth))
    with pytest.raises(ValueError, match=message):
        load(files)


def test_the_mp4_plays_all_frames_at_full_size(files):
    frames = list(compared_frames(load(files), width=160, height=96))
    path = write_mp4(files / 'out' / 'overlay.mp4', frames)
    player = cv2.VideoCapture(str(path))
    shown = []
    while True:
        alive, frame = player.read()
        if not alive:
            break
        shown.append(frame[..., ::-1])
    assert len(shown) == LENGTH
    assert shown[0].shape == frames[0].shape
    assert np.abs(shown[2].astype(int) - frames[2]).mean() < 12


def test_the_gif_plays_all_frames_for_ever_with_steady_colours(files):
    frames = mosaic_frames(load(files), columns=1, width=80, height=48)
    with Image.open(write_gif(files / 'a.gif', frames, fps=10)) as gif:
        assert gif.n_frames == LENGTH and gif.info['loop'] == 0 and gif.info['duration'] == 100
        shown = [np.asarray(frame.convert('RGB')) for frame in ImageSequence.Iterator(gif)]
    # The background is the same in each frame.
    assert len({tuple(frame[50, 10]) for frame in shown}) == 1


def test_the_sheet_shows_first_and_last_frame_of_annotation_and_prediction(files):
    (video,) = load(files)
    sheet = contact_sheet([video, video], columns=2, width=80, height=48)
    band = 30 + 2 * (48 + 6) + 6
    assert sheet.shape == (2 * band, 2 * 86 + 6, 3)
    first = video.draw(0, video.truth, 48)
    last = video.draw(LENGTH - 1, video.predicted, 48)
    assert (sheet[36:84, 6:86] == first).all()
    assert (sheet[90:138, 92:172] == last).all()


@pytest.mark.parametrize('write', [write_mp4, write_gif])
def test_no_frames_is_an_error(tmp_path, write):
    with pytest.raises(ValueError, match='no frames to write'):
        write(tmp_path / 'x.mp4', [])


def test_a_grey_image_is_read_as_rgb(tmp_path):
    Image.new('L', (4, 3), 7).save(tmp_path / 'grey.png')
    assert read_image(tmp_path / 'grey.png').shape == (3, 4, 3)
