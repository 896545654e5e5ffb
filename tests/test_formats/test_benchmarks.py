"""The benchmarks' classes: as published, and settled per data set."""

from __future__ import annotations

import json

import pytest

from rocovis_mm.datasets import VISDataset
from rocovis_mm.formats.benchmarks import BENCHMARKS, expand_benchmark, find_benchmark
from tests.test_datasets.drawn_scene import vis_json, write_images, write_json

SIZES = dict(
    youtube_vis_2019=40,
    youtube_vis_2021=40,
    youtube_vis_2022=40,
    ovis=25,
    hq_ytvis=40,
    vipseg_things=58,
)


def test_sizes_and_ids():
    assert {name: len(each.table) for name, each in BENCHMARKS.items()} == SIZES
    for each in BENCHMARKS.values():
        ids = [key for key, _, _ in each.table]
        assert ids == sorted(set(ids)) and min(ids) > 0
        assert len(set(each.classes)) == len(each.classes) == len(each.palette)
        assert set(each.coco_to_vis.values()) <= set(ids)
        if each.name != 'vipseg_things':
            assert ids == list(range(1, len(ids) + 1))


def test_as_published(shared_dir):
    facts = json.loads((shared_dir / 'facts/datasets.json').read_text())
    published = facts['categories']
    published['vipseg_things'] = [c for c in published.pop('vipseg') if c.pop('isthing')]
    published['youtube_vis_2022'] = published['youtube_vis_2021']
    published['hq_ytvis'] = published['youtube_vis_2019']
    assert published.keys() == BENCHMARKS.keys()
    for name, categories in published.items():
        assert find_benchmark(name).categories == categories
    maps = facts['coco_category_id_to_vis_category_id']
    for name, key in (('youtube_vis_2019', '2019'), ('youtube_vis_2021', '2021'), ('ovis', 'ovis')):
        (mapping,) = (each for title, each in maps.items() if title.endswith(key))
        ours = {str(coco): vis for coco, vis in find_benchmark(name).coco_to_vis.items()}
        assert ours == mapping


def build(tmp_path, name, **metainfo):
    """A data set of the drawn scene with a benchmark's categories."""
    folder = tmp_path / name
    labels = dict(red=3, blue=8, green=3)
    write_json(folder / 'ann.json', vis_json(find_benchmark(name).categories, labels))
    write_images(folder / 'img')
    return VISDataset(
        ann_file=str(folder / 'ann.json'),
        data_prefix=dict(img=str(folder / 'img')),
        metainfo=dict(benchmark=name, **metainfo),
        serialize_data=False,
    )


def test_two_benchmarks_in_one_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a folder is called as a benchmark is
    first, second = build(tmp_path, 'ovis'), build(tmp_path, 'youtube_vis_2019')
    for dataset, name in ((first, 'ovis'), (second, 'youtube_vis_2019')):
        benchmark = find_benchmark(name)
        assert dataset.metainfo['classes'] == benchmark.classes
        assert dataset.metainfo['palette'] == benchmark.palette
        assert 'benchmark' not in dataset.metainfo
        labels = [i['label'] for item in dataset.data_list for i in item['instances']]
        assert labels == [2, 7, 2]
    assert VISDataset.METAINFO == {}


def test_a_part_of_the_classes_keeps_its_colours(tmp_path):
    dataset = build(tmp_path, 'ovis', classes=('Elephant', 'Cat'))
    assert dataset.metainfo['palette'] == [(110, 76, 0), (255, 77, 255)]
    assert dataset.metainfo['category_ids'] == [8, 3]
    own = expand_benchmark(dict(benchmark='ovis', palette=[(0, 0, 0)], classes=['Cat']))
    assert own == dict(classes=['Cat'], palette=[(0, 0, 0)])
    assert expand_benchmark(None) == {} and expand_benchmark(dict(a=1)) == dict(a=1)


def test_clear_errors(tmp_path):
    with pytest.raises(ValueError, match="no benchmark is called 'ytvis'.*youtube_vis_2019, "):
        expand_benchmark(dict(benchmark='ytvis'))
    with pytest.raises(ValueError, match=r"ovis has no classes \['Vehicle'\]"):
        build(tmp_path, 'ovis', classes=('Vehicle',))
