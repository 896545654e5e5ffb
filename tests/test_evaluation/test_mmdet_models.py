"""MMDetection's own VIS models, their real output scored by our metrics."""

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
from mmengine.runner import Runner
from plain_ops import use_plain_ops
from pycocotools import mask as mask_utils

from rocovis_mm.compat.compiled_ops import has_compiled_ops
from rocovis_mm.datasets.embedded import CLASSES, make_tiny_dataset
from rocovis_mm.evaluation.metrics import VISMetric
from rocovis_mm.evaluation.metrics.track_collector import encode_masks
from rocovis_mm.registry import METRICS
from tests.docs_snippets import read_snippet
from tests.test_configs.reduced_configs import parts_of

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


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_tiny_dataset(tmp_path_factory.mktemp('masktrack') / 'data').root


def masktrack_config(root, folder):
    """The config of docs/mixing.md at a reduced size, on generated data."""
    config = read_snippet('docs/mixing.md', 'masktrack_rcnn.py', folder)
    detector = config.model.detector
    detector.backbone.update(depth=18, base_channels=8, stem_channels=8, norm_eval=True)
    detector.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
    detector.rpn_head.update(in_channels=16, feat_channels=16)
    detector.roi_head.bbox_roi_extractor.out_channels = 16
    detector.roi_head.mask_roi_extractor.out_channels = 16
    heads = detector.roi_head
    heads.bbox_head.update(in_channels=16, fc_out_channels=16, num_classes=len(CLASSES))
    heads.mask_head.update(in_channels=16, conv_out_channels=16, num_convs=1, num_classes=5)
    detector.test_cfg.rcnn.update(score_thr=0.0, max_per_img=4)
    detector.test_cfg.rpn.max_per_img = detector.train_cfg.rpn_proposal.max_per_img = 20
    config.model.track_head.roi_extractor.out_channels = 16
    config.model.track_head.embed_head.update(in_channels=16, fc_out_channels=8)
    for split in ('train', 'val', 'test'):
        loader = config[f'{split}_dataloader']
        loader.update(num_workers=0)
        loader.dataset.update(data_root=str(root), metainfo=dict(classes=CLASSES))
        loader.dataset.ann_file = f'{"train" if split == "train" else "val"}.json'
        for step in parts_of(loader.dataset.pipeline):
            if 'scale' in step:
                step.scale = (96, 64)
    config.val_evaluator.ann_file = config.test_evaluator.ann_file = str(root / 'val.json')
    config.work_dir = str(folder)
    config.train_cfg.max_epochs = 1
    config.log_level = 'WARNING'
    return config


def test_masktrack_rcnn(data, tmp_path, monkeypatch):
    """Its own code trains and tests on our data; where mmcv has no compiled ops, on plain ones."""
    use_plain_ops(monkeypatch)
    torch.manual_seed(0)
    runner = Runner.from_cfg(masktrack_config(data, tmp_path))
    seen = []
    process = VISMetric.process

    def watch(self, batch, samples):
        seen.extend(frame for sample in samples for frame in sample['video_data_samples'])
        process(self, batch, samples)

    monkeypatch.setattr(VISMetric, 'process', watch)
    runner.train()
    losses = {key: log.current() for key, log in runner.message_hub.log_scalars.items()}
    assert losses['train/loss_match'] > 0 and losses['train/loss_mask'] > 0
    seen.clear()
    figures = runner.test()
    assert set(figures) >= {'AP', 'AP_boundary', 'AP_pool'}
    videos = json.loads((data / 'val.json').read_text())['videos']
    order = [(frame.video_id, frame.frame_id) for frame in seen]
    assert order == [(video['id'], t) for video in videos for t in range(video['length'])]
    found = [frame.pred_track_instances for frame in seen]
    assert all(frame.masks.shape[1:] == seen[0].ori_shape for frame in found)
    first = [set(f.instances_id.tolist()) for f, (_, t) in zip(found, order) if t == 0]
    assert all(ids == set(range(len(ids))) for ids in first)  # each video begins anew
    assert sum(map(len, first))


@pytest.mark.skipif(has_compiled_ops(), reason='says what happens without compiled ops')
def test_masktrack_rcnn_on_mmcv_lite_says_what_it_lacks(data, tmp_path):
    runner = Runner.from_cfg(masktrack_config(data, tmp_path))
    with pytest.raises(RuntimeError, match=r'compiled op .*\(mmcv-lite\).*install the full mmcv'):
        runner.test()
