"""Names and category ids of every benchmark are the published ones, whoever writes results."""

from __future__ import annotations

import argparse
import json
import sys
import warnings

import pytest
import torch
from mmengine.config import Config, ConfigDict

from rocovis_mm.apis import RoCoVISInferencer
from rocovis_mm.apis.categories import resolve_categories
from rocovis_mm.apis.inferencer import build_model, inference_dataset
from rocovis_mm.registry import METRICS
from rocovis_mm.utils import load_config
from rocovis_mm.utils.run_config import metrics_of
from tests.conftest import REPOSITORY
from tests.test_configs.reduced_configs import CONFIGS, read_config
from tests.test_datasets.benchmark_layouts import WRITERS, write_benchmark
from tests.tiny_streams import PIPELINE, frames, tiny_config

PUBLISHED = dict(youtube_vis_2022='youtube_vis_2021', hq_ytvis='youtube_vis_2019')
"""The benchmark whose categories another one has."""
BENCHMARK_CONFIGS = [
    name for name in CONFIGS if any(f'_{part.replace("_", "-")}' in name for part in WRITERS)
]


ONE = (torch.ones(1),)


class Negate(torch.nn.Module):
    """A program that takes no time to export."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x


@pytest.fixture(scope='module')
def published(shared_dir):
    """Names and ids of each benchmark, in the order of the labels."""
    facts = json.loads((shared_dir / 'facts/datasets.json').read_text())['categories']
    facts['vipseg_things'] = [each for each in facts['vipseg'] if each['isthing']]
    facts = {name: facts[PUBLISHED.get(name, name)] for name in WRITERS}
    return {
        name: tuple(tuple(each[key] for each in rows) for key in ('name', 'id'))
        for name, rows in facts.items()
    }


def with_tiny_model(name: str, options: dict | None = None) -> Config:
    """A benchmark's data config with a model of so many classes that takes a moment."""
    path = REPOSITORY / f'configs/rocovis/rocovis_r50_{name.replace("_", "-")}.py'
    config = load_config(path, options or {})
    model = tiny_config(strides=(16,))
    model.track_head.num_classes = config.num_classes
    model.data_preprocessor = dict(type='rocovis_mm.VISDataPreprocessor', pad_size_divisor=32)
    config.model = model
    config.test_dataloader.dataset.pipeline = PIPELINE
    return config


@pytest.mark.parametrize('name', BENCHMARK_CONFIGS)
def test_of_every_benchmark_config(name, published):
    config = read_config(name)
    # SeqFormer's first release and VMT have further class outputs
    classes = config.model.get('num_labels') or config.model.track_head.num_classes
    found = resolve_categories(inference_dataset(config), {}, None, classes)
    assert (found.names, found.ids) == published[config.benchmark]


def test_the_configs_cover_all_benchmarks():
    assert {read_config(name).benchmark for name in BENCHMARK_CONFIGS} == set(WRITERS)
    named = [name for name in CONFIGS if 'benchmark' in read_config(name)]
    assert named == BENCHMARK_CONFIGS


@pytest.mark.parametrize('name', WRITERS)
def test_results_of_the_inferencer_the_metric_and_an_exported_file(
    name, published, tmp_path, monkeypatch
):
    names, ids = published[name]
    options = write_benchmark(tmp_path, name)
    config = with_tiny_model(name, options)
    torch.manual_seed(0)
    model = build_model(config)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'converted.pth')

    inferencer = RoCoVISInferencer(config, tmp_path / 'converted.pth', device='cpu')
    assert (inferencer.classes, inferencer.category_ids) == (names, ids)
    found = inferencer(frames(2))
    assert [track['category_id'] for track in found.tracks] == [
        ids[label] for label in found.video.labels
    ]

    metric = METRICS.build(metrics_of(config, 'test')[0])
    metric.dataset_meta = dict(classes=names)
    assert metric._category_ids() == list(ids)

    monkeypatch.syspath_prepend(str(REPOSITORY / 'tools/deployment'))
    import export as tool

    monkeypatch.delitem(sys.modules, 'export')
    handed = []
    monkeypatch.setattr(tool, 'load_config', lambda *_: config)
    write = lambda *arguments: handed.append(arguments[3:5])  # noqa: E731
    monkeypatch.setitem(tool.WRITERS, '.onnx', write)
    monkeypatch.setattr(tool, 'export_program', lambda *_: torch.export.export(Negate(), ONE))
    monkeypatch.setattr(tool, 'by_runtime', lambda path: (None, None))
    monkeypatch.setattr(tool, 'largest_difference', lambda *_: 0.0)
    options = dict(cfg_options=None, size=(64, 96), verify=0, allow_missing=False)
    options['config'] = 'config.py'
    options['checkpoint'] = str(tmp_path / 'converted.pth')
    for out in ('model.onnx', 'model.pt2'):
        tool.export(argparse.Namespace(**options, out=str(tmp_path / out)))
    assert handed == [(names, ids)]
    kept = dict(rocovis_mm='')
    torch.export.load(tmp_path / 'model.pt2', extra_files=kept)
    kept = json.loads(kept['rocovis_mm'])
    assert kept['classes'] == list(names) and kept['category_ids'] == list(ids)


def dataset(tmp_path, **meta):
    """A config of a data set whose file numbers its categories 7, 3 and 5."""
    categories = [dict(id=7, name='x'), dict(id=3, name='y'), dict(id=5, name='z')]
    (tmp_path / 'val.json').write_text(json.dumps(dict(categories=categories)))
    found = dict(data_root=f'{tmp_path}/', ann_file='val.json')
    return ConfigDict(found, metainfo=meta) if meta else ConfigDict(found)


def test_what_counts_before_what(tmp_path):
    def resolve(config, trained, classes=None, number=3):
        return resolve_categories(config, trained, classes, number)

    plain = dataset(tmp_path)
    assert resolve(plain, {}) == (('x', 'y', 'z'), (7, 3, 5))  # as the data set numbers them
    assert resolve(plain, dict(classes=['z', 'x']), number=2) == (('z', 'x'), (5, 7))
    assert resolve(plain, dict(classes='abc')) == (('a', 'b', 'c'), (1, 2, 3))
    assert resolve(plain, dict(classes='xyz', category_ids=[9, 8, 6])).ids == (9, 8, 6)
    assert resolve(plain, {}, classes=['i', 'j', 'k']) == (('i', 'j', 'k'), (7, 3, 5))
    assert resolve(plain, {}, classes=['y'], number=1) == (('y',), (3,))
    assert resolve(plain, {}, number=2) == (('0', '1'), (1, 2))
    chosen = dataset(tmp_path, classes=('z', 'y'))
    assert resolve(chosen, {}, number=2) == (('z', 'y'), (5, 3))
    numbered = dataset(tmp_path, classes=('z', 'y'), category_ids=[50, 30])
    assert resolve(numbered, dict(classes=['z', 'y']), number=2).ids == (50, 30)
    assert resolve(numbered, dict(classes=['y', 'x']), number=2).ids == (3, 7)
    part = dataset(tmp_path, benchmark='ovis', classes=('Cat', 'Person'))
    assert resolve(part, {}, number=2) == (('Cat', 'Person'), (3, 1))
    assert resolve(part, dict(classes=['Dog', 'Cat']), number=2).ids == (4, 3)
    assert resolve(part, dict(classes=['x', 'y']), number=2).ids == (7, 3)
    (tmp_path / 'val.json').write_text('{"categories": 3}')
    assert resolve(chosen, {}, number=2) == (('z', 'y'), (1, 2))


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(ValueError, match='3 classes for a model of 4'):
        resolve_categories(dataset(tmp_path, classes='xyz'), {}, None, 4)
    with pytest.raises(ValueError, match='2 category_ids for 3 classes'):
        resolve_categories(dataset(tmp_path), dict(category_ids=[1, 2]), None, 3)


def test_random_weights_have_names_and_ids_too(published):
    config = with_tiny_model('vipseg_things')
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        inferencer = RoCoVISInferencer(config, device='cpu')
    assert (inferencer.classes, inferencer.category_ids) == published['vipseg_things']
