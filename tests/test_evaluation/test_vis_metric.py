"""The registered metrics: frames or whole tracks, any ranks, any number of evaluations."""

import json
import zipfile

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from pycocotools import mask as mask_utils
from vis_reference import random_files, to_rle

from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.tracking.report import report_tracking
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.registry import METRICS
from rocovis_mm.structures import VideoTracks

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')  # of pycocotools

STATS = 'AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl'.split()
POOLED = ['AP_pool', 'AP50_pool', 'AP75_pool']


@pytest.fixture
def files(tmp_path):
    """Random ground truth on disk and results whose scores all differ."""
    truth, results = random_files(7, videos=5, scores=0)
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(truth))
    for result in results:  # a track needs a mask for a frame-level sample to show it
        video = next(v for v in truth['videos'] if v['id'] == result['video_id'])
        size = video['height'], video['width']
        if not any(result['segmentations']):
            result['segmentations'][0] = to_rle(np.ones(size, bool))
    return truth, results, str(path)


def expected_figures(truth, results):
    checked = load_ground_truth(truth)
    scores = evaluate_tracks(checked, load_predictions(results, checked))
    return {**name_stats(scores), **name_pooled_stats(scores)}


def build(kind, path, truth, **kwargs):
    metric = METRICS.build(dict(type=f'rocovis_mm.{kind}', ann_file=path, **kwargs))
    # the data set numbers its classes in an order of its own
    metric.dataset_meta = dict(classes=sorted((c['name'] for c in truth['categories']), key=hash))
    return metric


def label_of(metric, truth, result):
    names = {category['id']: category['name'] for category in truth['categories']}
    return list(metric.dataset_meta['classes']).index(names[result['category_id']])


def frame_samples(metric, truth, results, as_tensor=True):
    """A `DetDataSample` for each frame, by video."""
    samples = {}
    for video in truth['videos']:
        own = [r for r in results if r['video_id'] == video['id']]
        for frame in range(video['length']):
            shown = [(i, r) for i, r in enumerate(own) if r['segmentations'][frame]]
            codes = [r['segmentations'][frame] for _, r in shown]
            masks = np.stack([mask_utils.decode(code) for code in codes]) if codes else None
            found = InstanceData(
                instances_id=torch.tensor([i for i, _ in shown], dtype=torch.long),
                labels=torch.tensor([label_of(metric, truth, r) for _, r in shown]),
                scores=torch.tensor([r['score'] for _, r in shown], dtype=torch.float64),
            )
            if masks is not None:
                found.masks = torch.from_numpy(masks).bool() if as_tensor else masks
            sample = DetDataSample(
                metainfo=dict(video_id=video['id'], frame_id=frame), pred_track_instances=found
            )
            samples.setdefault(video['id'], []).append(sample)
    return samples


def track(*frames):
    sample = TrackDataSample()
    sample.video_data_samples = list(frames)
    return sample


def video_tracks(metric, truth, results):
    """The same results as `VideoTracks`, by video."""
    whole = {}
    for video in truth['videos']:
        own = [r for r in results if r['video_id'] == video['id']]
        own.sort(key=lambda r: -r['score'])
        whole[video['id']] = VideoTracks(
            video_id=video['id'],
            length=video['length'],
            scores=np.array([r['score'] for r in own]),
            labels=np.array([label_of(metric, truth, r) for r in own]),
            identities=np.arange(len(own)),
            segmentations=[r['segmentations'] for r in own],
        )
    return whole


def feed(metric, batches):
    """As a runner does it; returns the figures."""
    evaluator = Evaluator(metric)
    for batch in batches:
        evaluator.process(batch)
    return evaluator.evaluate(1)  # a wrong size must not cut anything off


@pytest.mark.parametrize('as_tensor', [True, False])
@pytest.mark.parametrize('level', ['frame', 'video'])
def test_frames_and_videos_score_like_the_results_file(files, level, as_tensor):
    truth, results, path = files
    metric = build('VISMetric', path, truth, classwise=True)
    samples = frame_samples(metric, truth, results, as_tensor)
    if level == 'frame':
        batches = [[track(frame)] for frames in samples.values() for frame in frames]
    else:
        batches = [[track(*frames) for frames in samples.values()]]
    expected = expected_figures(truth, results)
    assert 0 < expected['AP'] < 1
    assert feed(metric, batches) == expected
    assert feed(metric, batches[::-1]) == expected  # again, and in another order
    assert feed(metric, [*batches, batches[0]]) == expected  # a padded sample counts once


def test_whole_tracks_win_over_frames(files):
    truth, results, path = files
    metric = build('VISMetric', path, truth)
    whole = video_tracks(metric, truth, results)
    batches = []
    for video, frames in frame_samples(metric, truth, results[:3]).items():
        samples = [track(frame) for frame in frames]
        samples[-1].set_field(whole[video], 'video_tracks')
        batches += [[sample] for sample in samples]
    expected = expected_figures(truth, results)
    assert feed(metric, batches) == expected
    assert feed(metric, batches + batches) == expected


def test_a_video_without_its_last_frame_is_an_error(files):
    truth, results, path = files
    metric = build('VISMetric', path, truth)
    whole = video_tracks(metric, truth, results)
    (first, shown), (_, frames), *_ = frame_samples(metric, truth, results).items()
    sample = track(*shown)
    sample.set_field(whole[first], 'video_tracks')
    with pytest.raises(ValueError, match='it did not; test each video to its last frame'):
        feed(metric, [[sample], [track(*frames)]])


def test_ranks_do_not_matter(files, monkeypatch):
    """Frames dealt out to three ranks, unequally and with one repeated."""
    truth, results, path = files
    metric = build('VISMetric', path, truth)
    frames = [f for own in frame_samples(metric, truth, results).values() for f in own]
    shares = [frames[::2], frames[1::4], [*frames[3::4], frames[0]]]
    ranks = []
    for share in shares:
        worker = build('VISMetric', path, truth)
        worker.process({}, [track(frame) for frame in share])
        ranks.append(worker.results)
    module = 'mmengine.evaluator.metric.collect_results'
    monkeypatch.setattr(module, lambda part, size, *args, **kwargs: ranks)
    assert metric.evaluate(len(frames)) == expected_figures(truth, results)


def test_tracking_adds_the_figures_of_the_tool(files):
    truth, results, path = files
    metric = build('VISMetric', path, truth, tracking=True, score_thr=0.1)
    batches = [[track(*frames)] for frames in frame_samples(metric, truth, results).values()]
    for result in results:  # the metric drops masks without a pixel, which a file may have
        codes = result['segmentations']
        result['segmentations'] = [
            code if code and mask_utils.area(code) else None for code in codes
        ]
    checked = load_ground_truth(truth)
    tracked = report_tracking(checked, load_predictions(results, checked), ['segm'], 0.1)
    assert 0 < tracked.stats['HOTA'] < 1
    assert feed(metric, batches) == expected_figures(truth, results) | tracked.stats


def test_selections(files):
    truth, results, path = files
    expected = expected_figures(truth, results)
    keys = {
        'VideoAP': STATS,
        'TubeBoundaryAP': [f'{name}_boundary' for name in STATS],
        'APPool': POOLED,
    }
    for kind, names in keys.items():
        metric = build(kind, path, truth)
        samples = frame_samples(metric, truth, results).values()
        found = feed(metric, [[track(*frames)] for frames in samples])
        assert found == {name: expected[name] for name in names}
    metric = build('VISMetric', path, truth, parts=['boundary', 'pool'], prefix='vis')
    found = feed(metric, [[track(*f)] for f in frame_samples(metric, truth, results).values()])
    names = [*keys['TubeBoundaryAP'], *(f'{name}_boundary' for name in POOLED)]
    assert found == {f'vis/{name}': expected[name] for name in names}


def test_identity_is_per_video_and_class_goes_by_majority(files):
    truth, results, path = files
    metric = build('VideoAP', path, truth)
    samples = frame_samples(metric, truth, results)
    longest = max(samples.values(), key=len)
    assert len(longest) >= 3
    longest[0].pred_track_instances.labels[:] = 0  # outvoted by the frames after it
    metric.evaluate = lambda size: None
    metric.process({}, [track(*longest)])
    records = metric.results
    merged = metric._collector.merge(records, metric.truth, [1, 2, 3])
    votes = {}
    for frame in longest:
        found = frame.pred_track_instances
        for identity, label in zip(found.instances_id.tolist(), found.labels.tolist()):
            votes.setdefault(identity, []).append(label)
    expected = [min(sorted(own), key=lambda x: (-own.count(x), x)) for own in votes.values()]
    assert [result['category_id'] - 1 for result in merged] == expected


def test_format_only_writes_where_it_says(files, tmp_path):
    truth, results, path = files
    truth['annotations'] = None
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    prefix = tmp_path / 'new' / 'sub'
    metric = build('VISMetric', path, truth, format_only=True, outfile_prefix=str(prefix))
    samples = frame_samples(metric, truth, results)
    assert feed(metric, [[track(*frames)] for frames in samples.values()]) == {}
    written = json.loads((tmp_path / 'new' / 'sub.json').read_text())
    with zipfile.ZipFile(tmp_path / 'new' / 'sub.zip') as archive:
        assert archive.namelist() == ['results.json']
        assert json.loads(archive.read('results.json')) == written
    key = lambda r: (r['video_id'], r['score'])  # noqa: E731
    assert sorted(map(key, written)) == sorted(map(key, results))
    assert len(load_predictions(written, load_ground_truth(truth, need_annotations=False)))


def test_no_predictions_score_zero(files):
    truth, _, path = files
    metric = build('VISMetric', path, truth)
    assert metric.evaluate(0)['AP'] == 0.0


def test_clear_errors(files):
    truth, results, path = files
    with pytest.raises(ValueError, match='choose some of segm, boundary, pool'):
        build('VISMetric', path, truth, parts=['bbox'])
    with pytest.raises(ValueError, match='outfile_prefix'):
        build('VISMetric', path, truth, format_only=True)
    with pytest.raises(ValueError, match="'Best'; choose a finite score, 'best' or None"):
        build('VISMetric', path, truth, tracking=True, score_thr='Best')
    with pytest.raises(ValueError, match='score_thr=0.5 is for tracking alone'):
        build('VISMetric', path, truth, score_thr=0.5)
    metric = build('VISMetric', path, truth)
    with pytest.raises(ValueError, match=r"truth.json: no category is called 'unheard' \(1 of 2"):
        metric.dataset_meta = dict(classes=('c1', 'unheard'))
    with pytest.raises(ValueError, match="no 'classes'"):
        metric.dataset_meta = {}
    with pytest.raises(OSError, match='elsewhere.json'):
        build('VISMetric', 'elsewhere.json', truth)
    with pytest.raises(ValueError, match='without frames .*without tracks'):
        metric.process({}, [dict(pred_instances=None)])
    for meta, words in [
        (dict(video_id=99, frame_id=0), 'no video has id 99'),
        (dict(video_id=1, frame_id=50), 'frame 50, the annotation file has'),
        (dict(frame_id=0), 'without video_id or frame_id'),
    ]:
        metric = build('VISMetric', path, truth)
        sample = DetDataSample(metainfo=meta, pred_track_instances=InstanceData())
        with pytest.raises(ValueError, match=words):
            feed(metric, [[track(sample)]])
