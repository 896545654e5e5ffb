"""A tiny model learns one generated clip by heart: all parts work together."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from pycocotools import mask as coco_mask
from tiny_model import BASES, clip_sample, stream_sample

from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.registry import MODELS

FRAMES, ITERATIONS, ENLARGED = 4, 200, 4  # masks come at a quarter of the input


def load_clip(root) -> tuple[dict, torch.Tensor, np.ndarray, list[int]]:
    """Return annotations, images (T, 3, H, W), masks (G, T, H, W) and labels, enlarged."""
    dataset = make_tiny_dataset(
        root, height=32, width=48, train_videos=1, train_frames=FRAMES, val_videos=1
    )
    content = json.loads(dataset.train_json.read_text())
    frames, tubes = [], []
    for name in content['videos'][0]['file_names']:
        image = cv2.imread(str(dataset.images / name))
        frames.append(cv2.resize(image, None, fx=ENLARGED, fy=ENLARGED))
    for annotation in content['annotations']:
        masks = [decode(x, frames[0].shape[:2]) for x in annotation['segmentations']]
        tubes.append(np.stack(masks).repeat(ENLARGED, 1).repeat(ENLARGED, 2))
    categories = [category['id'] for category in content['categories']]
    labels = [categories.index(annotation['category_id']) for annotation in content['annotations']]
    images = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    return content, images, np.stack(tubes), labels


def decode(segmentation, enlarged: tuple[int, int]) -> np.ndarray:
    if segmentation is None:
        return np.zeros([side // ENLARGED for side in enlarged], bool)
    height, width = segmentation['size']
    if isinstance(segmentation['counts'], list):
        segmentation = coco_mask.frPyObjects(segmentation, height, width)
    return coco_mask.decode(segmentation).astype(bool)


def train(model, images: torch.Tensor, sample) -> None:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, ITERATIONS, pct_start=0.1)
    batch = model.data_preprocessor(
        dict(inputs=dict(img=[images]), data_samples=[sample]), training=True
    )
    for _ in range(ITERATIONS):
        losses = model(**batch, mode='loss')
        optimizer.zero_grad()
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()


def average_precision(model, content: dict, images: torch.Tensor) -> float:
    model.eval()
    size = tuple(images.shape[-2:])
    original = tuple(side // ENLARGED for side in size)
    video = content['videos'][0]['id']
    results = []
    for t in range(FRAMES):  # as a stream
        sample = stream_sample(video, [t], FRAMES, size, ori_shape=original)
        data = dict(inputs=dict(img=[images[t : t + 1]]), data_samples=[sample])
        (sample,) = model(**model.data_preprocessor(data), mode='predict')
        if 'video_tracks' in sample:
            results = sample.video_tracks.to_results([c['id'] for c in content['categories']])
    truth = load_ground_truth(content)
    return evaluate_tracks(truth, load_predictions(results, truth))['segm'].stats()['AP']


@pytest.mark.slow
def test_a_tiny_model_learns_a_generated_clip_by_heart(tmp_path):
    torch.manual_seed(0)
    content, images, tubes, labels = load_clip(tmp_path / 'clip')
    config = Config.fromfile(BASES / 'rocovis_tiny.py').model
    config.track_head.num_classes = len(content['categories'])
    model = MODELS.build(config)
    model.init_weights()
    assert average_precision(model, content, images) < 0.1
    train(model, images, clip_sample(tubes, labels))
    assert average_precision(model, content, images) > 0.95
