"""The benchmarks' data configs, on the drawn scene in each one's layout and json dialect."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from pycocotools import mask as mask_utils

from rocovis_mm.formats.benchmarks import find_benchmark
from rocovis_mm.registry import DATASETS, METRICS
from rocovis_mm.structures import VideoTracks
from rocovis_mm.utils import load_config
from tests.conftest import REPOSITORY
from tests.test_datasets.benchmark_layouts import (
    WRITERS,
    class_of,
    compressed,
    write_benchmark,
)
from tests.test_datasets.drawn_scene import HEIGHT, LENGTH, WIDTH, masks_of

SHORT_SIDES = range(288, 513, 32)


@pytest.fixture(scope='module', params=WRITERS)
def benchmark(request, tmp_path_factory):
    """Name, options and folder of a benchmark on disk."""
    root = tmp_path_factory.mktemp(request.param)
    return request.param, write_benchmark(root, request.param), root


def load(name, options, **more):
    path = REPOSITORY / f'configs/_base_/datasets/{name}.py'
    return load_config(path, dict(options, num_workers=0, **more))


def build(config, split, **changes):
    with DefaultScope.overwrite_default_scope('mmdet'):
        return DATASETS.build(dict(config[f'{split}_dataloader'].dataset, **changes))


def test_what_is_read_is_what_was_drawn(benchmark):
    name, options, _ = benchmark
    config = load(name, options)
    dataset = build(config, 'train', pipeline=[])
    assert dataset.metainfo['classes'] == find_benchmark(name).classes
    assert config.num_classes == len(dataset.metainfo['classes'])
    (item,) = (dataset[index] for index in range(len(dataset)))
    assert len(item['img_paths']) == LENGTH
    found = {}
    for instance in item['instances']:
        codes = [dict(size=[HEIGHT, WIDTH], counts=counts) for counts in instance['counts']]
        masks = np.stack(
            [
                mask_utils.decode(code) if code['counts'] else np.zeros((HEIGHT, WIDTH), np.uint8)
                for code in codes
            ]
        )
        found[dataset.metainfo['classes'][instance['label']]] = masks
    expected = {class_of(key, name): masks for key, masks in masks_of('one').items()}
    assert found.keys() == expected.keys()
    for key, masks in expected.items():
        np.testing.assert_array_equal(found[key], masks)


def test_the_pipelines_run(benchmark):
    name, options, _ = benchmark
    config = load(name, options)
    np.random.seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        train, val, test = (
            next(iter(Runner.build_dataloader(config[f'{split}_dataloader'], seed=0)))
            for split in ('train', 'val', 'test')
        )
    assert len(train['inputs']['img']) == 2
    for clip, sample in zip(train['inputs']['img'], train['data_samples']):
        assert len(clip) == len(sample) == 5
        sides = sorted(clip.shape[-2:])
        assert sides[0] in SHORT_SIDES or sides[1] == 768
        assert sides[1] <= 768
        assert any(len(frame.gt_instances) for frame in sample)
    for batch in (val, test):
        (frame,), (sample,) = batch['inputs']['img'], batch['data_samples']
        assert frame.shape[-2:] == (360, 576)
        assert sample[0].metainfo['ori_shape'] == (HEIGHT, WIDTH)


def evaluate(config, name, videos):
    """Hand the drawn masks to the test metrics as if a model had found them."""
    dataset = build(config, 'test', pipeline=[])
    items = [dataset.get_data_info(index) for index in range(len(dataset))]
    value, figures = config.test_evaluator, {}
    for settings in value if isinstance(value, list) else [value]:
        metric = METRICS.build(settings)
        metric.dataset_meta = dataset.metainfo
        for video in videos:
            number = next(i['video_id'] for i in items if f'/{video}/' in i['img_path'])
            masks = masks_of(video)
            labels = [dataset.metainfo['classes'].index(class_of(each, name)) for each in masks]
            tracks = VideoTracks(
                video_id=number,
                length=LENGTH,
                scores=np.linspace(0.9, 0.5, len(masks)),
                labels=np.array(labels),
                identities=np.arange(len(masks)),
                segmentations=[
                    [compressed(mask) if mask.any() else None for mask in track]
                    for track in masks.values()
                ],
            )
            metric.process({}, [dict(video_tracks=tracks, video_data_samples=[])])
        figures.update(metric.evaluate(len(dataset)))
    return figures


OWN_SPLIT = dict(val_ann='train.json', val_images='train/JPEGImages', val_has_masks=True)
SCORED = dict(  # options, videos that are tested, keys
    youtube_vis_2019=(OWN_SPLIT, ['one'], ['AP']),
    youtube_vis_2021=(OWN_SPLIT, ['one'], ['AP']),
    youtube_vis_2022=(dict(val_has_masks=True), ['one', 'two'], ['AP', 'long/AP']),
    ovis=({}, ['two'], ['AP']),
    hq_ytvis=(dict(mask_source='refined'), ['two'], ['AP']),
    vipseg_things=({}, ['two'], ['AP']),
)


def test_drawn_masks_score_1(benchmark):
    name, options, _ = benchmark
    more, videos, keys = SCORED[name]
    figures = evaluate(load(name, options, **more), name, videos)
    for key in keys:
        for each in (key, f'{key}_boundary', f'{key}_pool'):
            assert figures[each] == pytest.approx(1.0)
    if name == 'youtube_vis_2022':  # each video counts in one of the two alone
        missed = evaluate(load(name, options, **more), name, ['one'])
        assert (missed['AP'], missed['long/AP']) == (pytest.approx(1.0), 0.0)


def test_results_of_other_videos_are_an_error_unless_they_are_to_be_ignored(tmp_path):
    options = write_benchmark(tmp_path, 'youtube_vis_2022')
    config = load('youtube_vis_2022', options, val_has_masks=True)
    for metric in config.test_evaluator:
        del metric['other_videos']
    with pytest.raises(ValueError, match=r"valid_short\.json: no video has id 2.*'ignore'"):
        evaluate(config, 'youtube_vis_2022', ['one', 'two'])
    with pytest.raises(ValueError, match="other_videos is 'skip'"):
        METRICS.build(dict(config.test_evaluator[0], other_videos='skip'))


def test_hq_ytvis_is_scored_as_its_own_tool_does(tmp_path):
    """Coarse masks count for AP, refined ones for the boundaries; so neither is reached."""
    options = write_benchmark(tmp_path, 'hq_ytvis')
    figures = evaluate(load('hq_ytvis', options), 'hq_ytvis', ['two'])
    assert 0 < figures['AP'] < 1 and figures['AP_boundary'] <= figures['AP']


WRITTEN = {name: {} for name in WRITERS if name.startswith('youtube')}
WRITTEN['ovis'] = dict(val_has_masks=False)


@pytest.mark.parametrize('name', WRITTEN)
def test_results_are_written_where_a_server_keeps_the_masks(tmp_path, name):
    options = write_benchmark(tmp_path, name)
    more = dict(WRITTEN[name], results=str(tmp_path / 'new/results'))
    assert evaluate(load(name, options, **more), name, ['two']) == {}
    (result,) = json.loads((tmp_path / 'new/results.json').read_text())
    ids = {each: key for key, each, _ in find_benchmark(name).table}
    assert result['category_id'] == ids[class_of('green', name)]
    assert (tmp_path / 'new/results.zip').is_file()


@pytest.mark.parametrize('name', ['youtube_vis_2022', 'hq_ytvis'])
def test_a_dumped_config_is_the_same(name, tmp_path):
    options = write_benchmark(tmp_path, name)
    config = load(name, options)
    config.dump(tmp_path / 'dumped.py')
    again = Config.fromfile(tmp_path / 'dumped.py')
    assert again.to_dict() == config.to_dict()
    assert build(again, 'val').metainfo == build(config, 'val').metainfo


def test_a_file_of_another_benchmark_is_refused(benchmark, tmp_path):
    name, options, _ = benchmark
    config = copy.deepcopy(load(name, options))
    other = 'ovis' if name != 'ovis' else 'hq_ytvis'
    config.train_dataloader.dataset.metainfo.benchmark = other
    with pytest.raises(ValueError, match=r'\.json: classes .* are not among its categories'):
        build(config, 'train')


def test_hq_ytvis_trains_on_refined_masks_only_where_asked(tmp_path):
    options = write_benchmark(tmp_path, 'hq_ytvis')
    config = load('hq_ytvis', options)
    refined = build(config, 'train', pipeline=[])[0]['instances']
    usual = build(config, 'train', pipeline=[], refined_masks=False)[0]['instances']
    assert [(i['areas'] < j['areas']).any() for i, j in zip(refined, usual)] == [True, True]
    path = tmp_path / 'hq_ytvis/ytvis_hq-train.json'
    content = json.loads(path.read_text())
    del content['annotations'][1]['segmentations_refined']
    path.write_text(json.dumps(content))
    mixed = build(config, 'train', pipeline=[])[0]['instances']
    np.testing.assert_array_equal(mixed[0]['areas'], refined[0]['areas'])
    np.testing.assert_array_equal(mixed[1]['areas'], usual[1]['areas'])
