"""Real processes, joined by gloo: unequal shares of frames score as one whole."""

import json
import os

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from processes import run_ranks
from pycocotools import mask as mask_utils
from vis_reference import random_files

from rocovis_mm.registry import METRICS

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')


def frame_samples(truth, results):
    """All frames of all videos in order."""
    for video in truth['videos']:
        own = [r for r in results if r['video_id'] == video['id']]
        for frame in range(video['length']):
            shown = [(i, r) for i, r in enumerate(own) if r['segmentations'][frame]]
            masks = [mask_utils.decode(r['segmentations'][frame]) for _, r in shown]
            found = InstanceData(
                instances_id=torch.tensor([i for i, _ in shown], dtype=torch.long),
                labels=torch.tensor([r['category_id'] - 1 for _, r in shown], dtype=torch.long),
                scores=torch.tensor([r['score'] for _, r in shown], dtype=torch.float64),
                masks=np.stack(masks) if masks else np.zeros((0, 1, 1)),
            )
            sample = TrackDataSample()
            meta = dict(video_id=video['id'], frame_id=frame)
            sample.video_data_samples = [DetDataSample(metainfo=meta, pred_track_instances=found)]
            yield sample


def score_on_rank(ranks, folder):
    """One process: takes its share, every rank has the figures afterwards."""
    rank = int(os.environ.get('RANK', 0))
    if ranks > 1:
        torch.distributed.init_process_group('gloo')
    truth, results = random_files(7, videos=5, scores=0)
    path = str(folder / 'truth.json')
    metric = METRICS.build(dict(type='rocovis_mm.VISMetric', ann_file=path))
    metric.dataset_meta = dict(classes=('c1', 'c2', 'c3'))
    evaluator = Evaluator(metric)
    samples = list(frame_samples(truth, results))
    share = samples if ranks == 1 else (samples[:2] if rank else samples[1:])  # one comes twice
    for sample in share:
        evaluator.process([sample])
    figures = evaluator.evaluate(len(samples))
    (folder / f'{ranks}_{rank}.json').write_text(json.dumps(figures))
    if ranks > 1:  # a process that leaves while gloo's threads run may be aborted
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def test_two_ranks_score_like_one(tmp_path):
    truth, _ = random_files(7, videos=5, scores=0)
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    for ranks in (1, 2):
        run_ranks(ranks, score_on_rank, ranks, tmp_path, folder=tmp_path)
    alone, first, second = (
        json.loads((tmp_path / name).read_text()) for name in ('1_0.json', '2_0.json', '2_1.json')
    )
    assert alone == first == second
    assert 0 < alone['AP'] < 1
