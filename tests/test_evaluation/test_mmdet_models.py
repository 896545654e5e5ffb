"""MMDetection's own VIS model, its real output scored by our metrics."""

import json
from pathlib import Path

import mmdet
import mmdet.models  # noqa: F401  (registers them)
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from pycocotools import mask as mask_utils

from rocovis_mm.evaluation.metrics.track_collector import encode_masks
from rocovis_mm.registry import METRICS

HEIGHT, WIDTH, LENGTH = 48, 64, 3
CONFIG = 'mask2former_vis/mask2former_r50_8xb2-8e_youtubevis2021.py'


@pytest.fixture(scope='module')
def output():
    """What a Mask2FormerVideo with random weights says about a video of noise."""
    config = Config.fromfile(Path(mmdet.__file__).parent / '.mim' / 'configs' / CONFIG).model
    config.backbone.update(init_cfg=None, depth=18)
    config.init_cfg = None
    config.track_head.update(in_channels=[64, 128, 256, 512], num_queries=12)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(config).eval()
    size = dict(ori_shape=(HEIGHT, WIDTH), img_shape=(HEIGHT, WIDTH), batch_input_shape=(64, 64))
    sample = TrackDataSample()
    sample.video_data_samples = [
        DetDataSample(metainfo=dict(video_id=3, frame_id=frame, scale_factor=(1.0, 1.0), **size))
        for frame in range(LENGTH)
    ]
    with torch.no_grad():
        return model.predict(torch.randn(1, LENGTH, 3, 64, 64), [sample])[0]


def test_mask2former_video(output, tmp_path):
    frames = [frame.pred_track_instances for frame in output.video_data_samples]
    best = int(frames[0].scores.argmax())
    masks = [encode_masks(frame.masks[best : best + 1], 1)[0] for frame in frames]
    label = int(frames[0].labels[best])
    truth = {
        'videos': [{'id': 3, 'height': HEIGHT, 'width': WIDTH, 'length': LENGTH}],
        'categories': [{'id': k + 1, 'name': f'class {k}'} for k in range(40)],
        'annotations': [{'id': 1, 'video_id': 3, 'category_id': label + 1, 'segmentations': masks}],
    }
    assert sum(mask_utils.area(mask) for mask in masks if mask) > 0
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(truth))
    metric = METRICS.build(dict(type='rocovis_mm.VISMetric', ann_file=str(path)))
    metric.dataset_meta = dict(classes=[f'class {k}' for k in range(40)])
    evaluator = Evaluator(metric)
    evaluator.process([output])
    figures = evaluator.evaluate(1)
    assert figures['AR100'] == figures['AR100_boundary'] == 1.0
    assert figures['AP'] == figures['AP_boundary'] == pytest.approx(1.0)  # it has the best score
