from __future__ import annotations

import hashlib
import json
import runpy
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pycocotools.mask as mask_utils
import pytest

from rocovis_mm.datasets.embedded import (
    CLASSES,
    EmbeddedRecipe,
    make_embedded_dataset,
    make_tiny_dataset,
)
from rocovis_mm.datasets.embedded import embedded_dataset as module
from rocovis_mm.datasets.embedded.rendering import render_video
from rocovis_mm.datasets.embedded.scenes import plan_scene
from rocovis_mm.formats.missing_images import find_missing_images
from rocovis_mm.formats.vis_annotations import read_vis_annotations

TOOL = Path(__file__).parents[3] / 'tools/dataset_converters/generate_embedded.py'

EASY_DIGESTS = {
    'train.json': '44e36773d726a862',
    'val.json': 'c9dbb6479bffc40f',
    'recipe.json': 'e1990b0e99b5cfe2',
}
EASY_MEANS = {'train_0001/00003.jpg': 115.04, 'val_0002/00005.jpg': 106.27}


@pytest.fixture(scope='module')
def tiny(tmp_path_factory):
    return make_tiny_dataset(tmp_path_factory.mktemp('embedded') / 'tiny')


def test_the_json_is_valid_and_all_images_are_there(tiny):
    for path, videos, length in ((tiny.train_json, 4, 8), (tiny.val_json, 3, 6)):
        annotations = read_vis_annotations(path)
        assert [video.length for video in annotations.videos] == [length] * videos
        assert find_missing_images(path, str(tiny.images), annotations.videos) == []
        assert [category['name'] for category in annotations.categories] == list(CLASSES)
        for video in annotations.videos:
            for name in video.file_names:
                assert cv2.imread(str(tiny.images / name)).shape == (48, 80, 3)


def test_the_masks_on_disk_are_those_that_were_drawn(tiny):
    content = json.loads(tiny.val_json.read_text())
    for video in content['videos']:
        scene = plan_scene(np.random.default_rng((0, 1, video['id'])), 6)
        rendered = render_video(scene, 48, 80)
        tracks = [a for a in content['annotations'] if a['video_id'] == video['id']]
        seen = [k for k, masks in enumerate(rendered.masks) if masks.any()]
        assert [t['category_id'] - 1 for t in tracks] == rendered.labels[seen].tolist()
        for track, masks in zip(tracks, rendered.masks[seen]):
            for code, box, area, mask in zip(
                track['segmentations'], track['bboxes'], track['areas'], masks
            ):
                if not mask.any():
                    assert code is box is area is None
                    continue
                np.testing.assert_array_equal(mask_utils.decode(code), mask)
                rows, columns = np.nonzero(mask)
                assert box[:2] == [columns.min(), rows.min()]
                assert area == mask.sum()


def test_frames_are_stored_nearly_as_drawn(tiny):
    scene = plan_scene(np.random.default_rng((0, 1, 1)), 6)
    drawn = render_video(scene, 48, 80).frames[2]
    stored = cv2.imread(str(tiny.images / 'val_0001/00002.jpg'))
    assert np.abs(drawn.astype(int) - stored).mean() < 6


def test_the_seed_decides_everything(tmp_path):
    sizes = dict(train_videos=1, val_videos=1, train_frames=2, val_frames=2)
    first, again, other = (
        make_tiny_dataset(tmp_path / name, seed=seed, **sizes)
        for name, seed in (('a', 1), ('b', 1), ('c', 2))
    )
    assert first.train_json.read_text() == again.train_json.read_text()
    assert first.train_json.read_text() != other.train_json.read_text()
    image = 'train_0001/00001.jpg'
    assert (first.images / image).read_bytes() == (again.images / image).read_bytes()
    assert (
        json.loads(first.train_json.read_text())['annotations']
        != (json.loads(first.val_json.read_text())['annotations'])
    )


def test_a_rerun_reuses_and_another_recipe_replaces(tmp_path):
    sizes = dict(train_videos=1, val_videos=1, train_frames=2, val_frames=2)
    dataset = make_tiny_dataset(tmp_path / 'x', **sizes)
    before = dataset.train_json.stat().st_mtime_ns
    make_tiny_dataset(tmp_path / 'x', **sizes)
    assert dataset.train_json.stat().st_mtime_ns == before
    make_tiny_dataset(tmp_path / 'x', **{**sizes, 'train_videos': 2})
    assert len(json.loads(dataset.train_json.read_text())['videos']) == 2
    assert [path.name for path in tmp_path.iterdir()] == ['x']


def test_what_was_not_generated_is_never_touched(tmp_path):
    (tmp_path / 'mine.txt').write_text('precious')
    with pytest.raises(ValueError, match=r'recipe\.json.*another folder'):
        make_tiny_dataset(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def test_an_interrupted_run_leaves_nothing_behind(tmp_path, monkeypatch):
    def break_off(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, 'annotate', break_off)
    with pytest.raises(KeyboardInterrupt):
        make_tiny_dataset(tmp_path / 'x')
    assert list(tmp_path.iterdir()) == []


def test_tags_say_what_the_masks_show(tmp_path):
    dataset = make_tiny_dataset(tmp_path / 'x', train_videos=60, train_frames=12)
    content = json.loads(dataset.train_json.read_text())
    counted = Counter()
    for video in content['videos']:
        tracks = [
            a['segmentations'] for a in content['annotations'] if a['video_id'] == video['id']
        ]
        text = [''.join('.' if code is None else 'x' for code in track) for track in tracks]
        tags = set(video['tags'])
        assert ('disappearance' in tags) == any('x.' in line for line in text)
        assert ('return' in tags) == any('.x' in line.lstrip('.') for line in text)
        assert ('entry' in tags) == any(line.startswith('.') for line in text)
        counted.update(tags)
    for tag in ('crossing', 'disappearance', 'return', 'entry', 'occlusion'):
        assert counted[tag] >= 6, counted  # each is there to be learnt and scored apart


def test_every_class_occurs_about_as_often(tmp_path):
    dataset = make_tiny_dataset(tmp_path / 'x', train_videos=60, train_frames=2)
    labels = Counter(
        a['category_id'] for a in json.loads(dataset.train_json.read_text())['annotations']
    )
    assert set(labels) == set(range(1, len(CLASSES) + 1))
    assert max(labels.values()) < 2.5 * min(labels.values())


def test_the_easy_data_is_that_of_before_there_was_a_difficulty(tiny):
    """Annotations to the byte, frames to a rounding of the JPEG codec; noted before the change."""
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in (tiny.train_json, tiny.val_json, tiny.root / 'recipe.json')
    }
    assert digests == EASY_DIGESTS
    for name, mean in EASY_MEANS.items():
        assert cv2.imread(str(tiny.images / name)).mean() == pytest.approx(mean, abs=0.05)


@pytest.mark.parametrize(
    'settings',
    [
        dict(height=8),
        dict(seed=-1),
        dict(val_videos=0),
        dict(difficulty='severe'),
        dict(difficulty='hard', train_frames=14),
    ],
)
def test_senseless_recipes(settings):
    with pytest.raises(ValueError, match='EmbeddedRecipe'):
        EmbeddedRecipe(**settings)


def test_the_tool(tmp_path, monkeypatch, capsys):
    sizes = ['--height', '32', '--width', '48', '--train-videos', '1', '--val-videos', '1']
    command = [str(TOOL), str(tmp_path / 'x'), *sizes]
    monkeypatch.setattr('sys.argv', command)
    runpy.run_path(str(TOOL), run_name='__main__')
    assert 'train.json' in capsys.readouterr().out
    recipe = EmbeddedRecipe(height=32, width=48, train_videos=1, val_videos=1)
    stamp = (tmp_path / 'x/train.json').stat().st_mtime_ns
    assert make_embedded_dataset(tmp_path / 'x', recipe).train_json.stat().st_mtime_ns == stamp
    monkeypatch.setattr('sys.argv', [*command, '--difficulty', 'hard', '--val-frames', '20'])
    runpy.run_path(str(TOOL), run_name='__main__')
    content = json.loads((tmp_path / 'x/train.json').read_text())
    assert content['info']['difficulty'] == 'hard'
    assert [video['length'] for video in content['videos']] == [60]  # the hard data's own
    monkeypatch.setattr('sys.argv', [*command, '--seed', '-1'])
    with pytest.raises(SystemExit, match='error: EmbeddedRecipe'):
        runpy.run_path(str(TOOL), run_name='__main__')
