"""COCO -> VIS categories on a file with every COCO category."""

from __future__ import annotations

import json

import pytest

from rocovis_mm.formats.benchmarks import find_benchmark
from rocovis_mm.formats.converters.coco_categories import convert_coco_categories
from tests.test_datasets.drawn_scene import write_json

# COCO's own names, of the categories that matter here
NAMES = {
    1: 'person', 2: 'bicycle', 3: 'car', 4: 'motorcycle', 5: 'airplane', 6: 'bus', 7: 'train',
    8: 'truck', 9: 'boat', 16: 'bird', 17: 'cat', 18: 'dog', 19: 'horse', 20: 'sheep', 21: 'cow',
    22: 'elephant', 23: 'bear', 24: 'zebra', 25: 'giraffe', 34: 'frisbee', 35: 'skis',
    36: 'snowboard', 41: 'skateboard', 42: 'surfboard', 43: 'tennis racket', 90: 'toothbrush',
}  # fmt: skip
RENAMED = {
    'youtube_vis_2019': {
        'bicycle': 'motorbike', 'car': 'sedan', 'motorcycle': 'motorbike', 'skis': 'snowboard',
        'tennis racket': 'tennis_racket', 'bus': None, 'bird': None, 'sheep': None,
        'frisbee': None, 'toothbrush': None,
    },
    'youtube_vis_2021': {
        'bicycle': 'motorbike', 'motorcycle': 'motorbike', 'skis': 'snowboard',
        'frisbee': 'flying_disc', 'tennis racket': 'tennis_racket', 'bus': None, 'sheep': None,
        'toothbrush': None,
    },
    'ovis': {
        'car': 'Vehical', 'bus': 'Vehical', 'truck': 'Vehical', 'train': None, 'bird': None,
        'frisbee': None, 'skis': None, 'snowboard': None, 'skateboard': None, 'surfboard': None,
        'tennis racket': None, 'toothbrush': None,
    },
}  # fmt: skip


@pytest.fixture
def coco(tmp_path):
    """One image per category, with one annotation."""
    content = dict(
        info=dict(year=2017),
        images=[dict(id=10 * key, file_name=f'{key}.jpg', height=4, width=4) for key in NAMES],
        annotations=[
            dict(id=key, image_id=10 * key, category_id=key, segmentation=[[0, 0, 2, 0, 2, 2]])
            for key in NAMES
        ],
        categories=[dict(id=key, name=name) for key, name in NAMES.items()],
    )
    return write_json(tmp_path / 'instances.json', content)


@pytest.mark.parametrize('name', RENAMED)
def test_categories_are_the_benchmarks(coco, tmp_path, name):
    line = convert_coco_categories(coco, name, tmp_path / 'out.json')
    content = json.loads((tmp_path / 'out.json').read_text())
    labels = {category['id']: category['name'] for category in content['categories']}
    assert tuple(labels.values()) == find_benchmark(name).classes
    found = {note['id']: labels[note['category_id']] for note in content['annotations']}
    wanted = {key: RENAMED[name].get(label, label) for key, label in NAMES.items()}
    wanted = {key: label for key, label in wanted.items() if label is not None}
    assert {key: label.lower() for key, label in found.items()} == {
        key: label.lower() for key, label in wanted.items()
    }
    assert [image['id'] for image in content['images']] == [10 * key for key in wanted]
    assert content['info'] == dict(year=2017)
    assert content['annotations'][0]['segmentation'] == [[0, 0, 2, 0, 2, 2]]
    assert f'{len(wanted)} of {len(NAMES)} annotations' in line


def test_again_and_with_other_content(coco, tmp_path):
    out = tmp_path / 'out.json'
    convert_coco_categories(coco, 'ovis', out)
    before = out.stat().st_mtime_ns, out.read_bytes()
    convert_coco_categories(coco, 'ovis', out)
    assert (out.stat().st_mtime_ns, out.read_bytes()) == before
    with pytest.raises(ValueError, match='exists with another content; --overwrite'):
        convert_coco_categories(coco, 'youtube_vis_2021', out)
    assert out.read_bytes() == before[1]
    convert_coco_categories(coco, 'ovis', out, keep_empty=True, overwrite=True)
    assert len(json.loads(out.read_text())['images']) == len(NAMES)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith('.')] == []


def test_clear_errors(coco, tmp_path):
    with pytest.raises(ValueError, match='no map from COCO to vipseg_things'):
        convert_coco_categories(coco, 'vipseg_things', tmp_path / 'out.json')
    content = json.loads(coco.read_text())
    for category in content['categories']:
        category['id'] -= 1
    with pytest.raises(ValueError, match=r'contiguous\.json: categories.*\(1 to 90\)'):
        convert_coco_categories(
            write_json(tmp_path / 'contiguous.json', content), 'ovis', tmp_path / 'out.json'
        )
    with pytest.raises(ValueError, match=r"x\.json: missing key 'images'"):
        convert_coco_categories(write_json(tmp_path / 'x.json', {}), 'ovis', tmp_path / 'out.json')


def test_a_file_without_instances_of_the_classes_gives_none(coco, tmp_path):
    content = json.loads(coco.read_text())
    coco.write_text(json.dumps(dict(content, annotations=[])))
    with pytest.raises(ValueError, match='annotations: none of 0 is of a category'):
        convert_coco_categories(coco, 'ovis', tmp_path / 'out.json')
    assert not (tmp_path / 'out.json').exists()
