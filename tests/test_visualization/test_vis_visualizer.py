"""The visualizer and hook as a runner uses them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import HOOKS, VISUALIZERS
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer
from PIL import Image

from rocovis_mm.visualization import VISLocalVisualizer
from rocovis_mm.visualization.palette import identity_color

HEIGHT, WIDTH = 40, 60


def make_frame(frame_id: int, image_path: str, identities=(4, 9), scores=(0.9, 0.2)):
    masks = np.zeros((2, HEIGHT, WIDTH), dtype=bool)
    masks[0, 10:30, 5 + frame_id : 25 + frame_id] = True
    masks[1, 10:30, 35:55] = True
    frame = DetDataSample(
        metainfo=dict(video_id=3, frame_id=frame_id, img_path=image_path, video_length=2)
    )
    frame.pred_track_instances = InstanceData(
        instances_id=torch.tensor(identities),
        labels=torch.tensor([0, 1]),
        scores=torch.tensor(scores),
        masks=torch.from_numpy(masks),
    )
    return frame


@pytest.fixture
def visualizer():
    built = VISUALIZERS.build(
        dict(
            type='rocovis_mm.VISLocalVisualizer',
            name=f'vis_{np.random.randint(1 << 30)}',
            alpha=1.0,
            scale=1,
        )
    )
    built.dataset_meta = dict(classes=('cat', 'dog'))
    return built


@pytest.fixture
def image_path(tmp_path):
    path = tmp_path / 'frame.png'
    Image.new('RGB', (WIDTH, HEIGHT), (50, 60, 70)).save(path)
    return str(path)


def test_confident_instances_are_drawn_in_their_colour(visualizer, image_path, tmp_path):
    image = np.full((HEIGHT, WIDTH, 3), 50, np.uint8)
    frame = make_frame(0, image_path)
    drawn = visualizer.add_datasample('x', image, frame, out_file=str(tmp_path / 'out.png'))
    assert tuple(drawn[23, 15]) == identity_color(4)
    assert (drawn[20, 45] == 50).all()  # below the threshold
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'out.png')), drawn)


def test_captions_name_class_identity_and_score(visualizer, image_path):
    instances = make_frame(0, image_path).pred_track_instances
    assert visualizer.captions(instances, [4, 9]) == ['cat #4 0.90', 'dog #9 0.20']
    visualizer.dataset_meta = {}
    assert visualizer.captions(instances, [4, 9]) == ['0 #4 0.90', '1 #9 0.20']


def test_annotation_and_prediction_stand_side_by_side(visualizer, image_path):
    frame = make_frame(0, image_path)
    frame.gt_instances = InstanceData(
        labels=torch.tensor([1]),
        instances_ids=torch.tensor([9]),
        masks=BitmapMasks(np.ones((1, HEIGHT, WIDTH), np.uint8), HEIGHT, WIDTH),
    )
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert visualizer.add_datasample('x', image, frame).shape == (HEIGHT, 2 * WIDTH, 3)
    assert visualizer.add_datasample('x', image, frame, draw_gt=False).shape == image.shape


def test_frames_without_masks_are_left_as_they_are(visualizer):
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    frame = DetDataSample()
    frame.pred_track_instances = InstanceData(
        instances_id=torch.zeros(0), labels=torch.zeros(0), scores=torch.zeros(0)
    )
    for sample in (None, DetDataSample(), frame):
        assert (visualizer.add_datasample('x', image, sample) == image).all()


def test_testing_draws_every_frame_into_the_folder_of_its_video(
    monkeypatch, visualizer, image_path, tmp_path
):
    monkeypatch.setattr(Visualizer, 'get_current_instance', classmethod(lambda cls: visualizer))
    folder = tmp_path / 'shown'
    hook = HOOKS.build(
        dict(type='rocovis_mm.VISVisualizationHook', draw=True, test_out_dir=str(folder))
    )
    sample = TrackDataSample()
    sample.video_data_samples = [make_frame(t, image_path) for t in range(2)]
    hook.after_test_iter(SimpleNamespace(iter=0), 0, None, [sample])
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob('*.jpg'))
    assert names == ['3/00000.jpg', '3/00001.jpg']
    shown = np.asarray(Image.open(folder / '3' / '00000.jpg')).astype(int)
    assert np.abs(shown[25, 15] - identity_color(4)).max() < 30


def test_validation_hands_some_frames_to_the_backends(monkeypatch, visualizer, image_path):
    monkeypatch.setattr(Visualizer, 'get_current_instance', classmethod(lambda cls: visualizer))
    sent = []
    monkeypatch.setattr(
        VISLocalVisualizer, 'add_image', lambda self, name, image, step: sent.append((name, step))
    )
    hook = HOOKS.build(dict(type='rocovis_mm.VISVisualizationHook', draw=True, interval=2))
    sample = TrackDataSample()
    sample.video_data_samples = [make_frame(0, image_path)]
    for index in range(4):
        hook.after_val_iter(SimpleNamespace(iter=100), index, None, [sample])
    assert sent == [('val/video_3', 100)] * 2
    hook.draw = False
    hook.after_val_iter(SimpleNamespace(iter=100), 0, None, [sample])
    assert len(sent) == 2
