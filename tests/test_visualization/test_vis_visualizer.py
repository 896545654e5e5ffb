"""The visualizer and hook as a runner uses them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import HOOKS, VISUALIZERS
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer
from moving_boxes import make_content
from PIL import Image

from rocovis_mm.formats.images import decode_image
from rocovis_mm.visualization.media import read_image
from rocovis_mm.visualization.palette import identity_color
from rocovis_mm.visualization.vis_visualization_hook import AnnotatedFrames
from rocovis_mm.visualization.vis_visualizer import VISLocalVisualizer

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


@pytest.mark.parametrize(('threshold', 'complaints'), [(0.1, 0), (0.999, 1)])
def test_pictures_without_any_prediction_are_spoken_of(
    monkeypatch, visualizer, image_path, tmp_path, threshold, complaints
):
    monkeypatch.setattr(Visualizer, 'get_current_instance', classmethod(lambda cls: visualizer))
    said = []
    runner = SimpleNamespace(iter=0, logger=SimpleNamespace(warning=said.append))
    options = dict(draw=True, test_out_dir=str(tmp_path / 'shown'), score_thr=threshold)
    hook = HOOKS.build(dict(type='rocovis_mm.VISVisualizationHook', **options))
    sample = TrackDataSample()
    sample.video_data_samples = [make_frame(t, image_path) for t in range(2)]
    hook.after_test_iter(runner, 0, None, [sample])
    hook.after_test_epoch(runner)
    assert len(said) == complaints
    if complaints:
        assert 'shown: no track has a score of 0.999' in said[0]
        assert 'lower default_hooks.visualization.score_thr' in said[0]
    hook.draw = False
    hook.after_val_epoch(runner)
    assert len(said) == complaints


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
    assert sent == [('val_video_3_frame_00000', 100)] * 2
    hook.draw = False
    hook.after_val_iter(SimpleNamespace(iter=100), 0, None, [sample])
    assert len(sent) == 2


@pytest.fixture
def dataset(tmp_path):
    """A data set for testing whose labels are in another order than the json's categories."""
    path = tmp_path / 'truth.json'
    path.write_text(json.dumps(make_content(videos=3)), encoding='utf-8')
    return SimpleNamespace(ann_file=str(path), metainfo=dict(category_ids=[12, 10]))


def test_annotations_of_a_frame_are_those_of_the_classes(dataset):
    frames = AnnotatedFrames(dataset)
    found = frames.instances(video_id=3, frame_id=5)
    assert found.labels.tolist() == [1, 0]  # categories 10 and 12; 11 is not among the classes
    assert found.instances_ids.tolist() == [0, 1]
    assert found.masks.flatten(1).sum(1).tolist() == [16, 16]
    assert found.masks[1, 34:38, 20:24].all()
    assert len(frames.instances(video_id=3, frame_id=4)) == 0  # away
    for unknown in (None, SimpleNamespace(), SimpleNamespace(ann_file='x.json', metainfo={})):
        assert AnnotatedFrames(unknown).instances(1, 0) is None


def test_the_annotation_stands_left_of_the_prediction(
    monkeypatch, visualizer, dataset, tmp_path, image_path
):
    monkeypatch.setattr(Visualizer, 'get_current_instance', classmethod(lambda cls: visualizer))
    Image.new('RGB', (72, 48), (50, 60, 70)).save(image_path)
    frame = make_frame(0, image_path)
    frame.pred_track_instances.masks = torch.zeros(2, 48, 72, dtype=torch.bool)
    sample = TrackDataSample()
    sample.video_data_samples = [frame]
    runner = SimpleNamespace(iter=0, test_dataloader=SimpleNamespace(dataset=dataset))
    widths = []
    for draw_gt in (True, False):
        hook = HOOKS.build(
            dict(
                type='rocovis_mm.VISVisualizationHook',
                draw=True,
                draw_gt=draw_gt,
                test_out_dir=str(tmp_path / 'shown'),
            )
        )
        hook.after_test_iter(runner, 0, None, [sample])
        shown = np.asarray(Image.open(tmp_path / 'shown' / '3' / '00000.jpg')).astype(int)
        widths.append(shown.shape[1])
        if draw_gt:
            far = np.abs(shown - (50, 60, 70)).mean(-1)
            assert far[2:14, :12].mean() > 40  # the first annotated box
            assert far[:, 80:].max() < 12  # nothing predicted
    assert widths == [144, 72]
    assert 'gt_instances' not in frame  # what the metric sees is left as it was


@pytest.mark.parametrize('kind', ['LocalVisBackend', 'TensorboardVisBackend'])
def test_validation_pictures_arrive_in_the_backend(monkeypatch, tmp_path, image_path, kind):
    if kind == 'TensorboardVisBackend':
        pytest.importorskip('tensorboard')
    visualizer = VISUALIZERS.build(
        dict(
            type='rocovis_mm.VISLocalVisualizer',
            name=f'vis_{kind}_{np.random.randint(1 << 30)}',
            vis_backends=[dict(type=kind)],
            save_dir=str(tmp_path),
            scale=1,
        )
    )
    monkeypatch.setattr(Visualizer, 'get_current_instance', classmethod(lambda cls: visualizer))
    hook = HOOKS.build(dict(type='rocovis_mm.VISVisualizationHook', draw=True, interval=1))
    for frame in range(2):
        sample = TrackDataSample()
        sample.video_data_samples = [make_frame(frame, image_path)]
        hook.after_val_iter(SimpleNamespace(iter=100), frame, None, [sample])
    visualizer.close()
    if kind == 'LocalVisBackend':
        names = sorted(path.name for path in (tmp_path / 'vis_data').rglob('*.png'))
        assert names == [f'val_video_3_frame_0000{frame}_100.png' for frame in range(2)]
    else:
        events = b''.join(path.read_bytes() for path in tmp_path.rglob('events.out.*'))
        assert all(f'val_video_3_frame_0000{frame}'.encode() in events for frame in range(2))


def test_class_names_are_known_on_every_rank(monkeypatch, visualizer, image_path):
    monkeypatch.setattr('mmengine.dist.utils.get_dist_info', lambda group=None: (1, 2))
    visualizer.dataset_meta = dict(classes=('cat', 'dog'))
    instances = make_frame(0, image_path).pred_track_instances
    assert visualizer.captions(instances, [4, 9])[0] == 'cat #4 0.90'
    monkeypatch.undo()
    visualizer.dataset_meta = None
    assert visualizer.dataset_meta == {}


def test_a_turned_photo_is_read_as_the_model_reads_it(tmp_path):
    turned = Image.new('RGB', (60, 40))
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn
    turned.save(tmp_path / 'photo.jpg', exif=exif)
    content = (tmp_path / 'photo.jpg').read_bytes()
    assert read_image(tmp_path / 'photo.jpg').shape == decode_image(content).shape == (60, 40, 3)
