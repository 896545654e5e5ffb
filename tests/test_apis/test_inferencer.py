"""Videos through the inferencer give what tools/test.py gives; what does not fit is named."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from PIL import Image
from processes import run_script
from tiny_model import shake, sharpen

import rocovis_mm.apis.inferencer as inferencer_module
import rocovis_mm.apis.video_run as video_run
from rocovis_mm.apis import RoCoVISInferencer, SourceLostError, results_from_log
from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.registry import DATASETS, MODELS
from rocovis_mm.visualization.media import write_mp4
from tests.tiny_streams import FakeCapture, frames, same_tracks, tiny_inferencer, tiny_run_config

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    return make_tiny_dataset(tmp_path_factory.mktemp('data') / 'tiny', val_videos=2)


def folders_of(dataset) -> dict[int, list[Path]]:
    """Return the validation videos' files by their ids."""
    content = json.loads((dataset.root / 'val.json').read_text())
    names = {video['id']: video['file_names'] for video in content['videos']}
    return {i: [dataset.root / 'JPEGImages' / name for name in names[i]] for i in names}


def test_the_inferencer_and_a_stream_give_what_the_runners_loop_gives(inferencer, dataset):
    """The loop: items of the data set, collated, through the model's ``test_step``."""
    config = inferencer.config
    with DefaultScope.overwrite_default_scope('mmdet'):
        items = DATASETS.build(
            dict(
                type='rocovis_mm.VISDataset',
                data_root=str(dataset.root),
                ann_file='val.json',
                data_prefix=dict(img='JPEGImages'),
                test_mode=True,
                pipeline=config.test_dataloader.dataset.pipeline,
            )
        )
    expected = {}
    for item in items:
        (sample,) = inferencer.model.test_step(pseudo_collate([item]))
        if 'video_tracks' in sample:
            tracks = sample.video_tracks
            results = tracks.to_results(list(inferencer.category_ids))
            expected[tracks.video_id] = [
                dict(id=slot, **result) for slot, result in zip(tracks.identities.tolist(), results)
            ]
    videos = folders_of(dataset)
    assert expected.keys() == videos.keys()
    for video_id, paths in videos.items():
        found = inferencer(paths[0].parent, video_id=video_id)
        assert same_tracks(found.tracks, expected[video_id])
        with inferencer.stream(video_id=video_id) as stream:
            for path in paths:
                stream.push(cv2.imread(str(path)))
        assert stream.finish().tracks == expected[video_id]


CONFIG = """
_base_ = [
    '{base}/models/rocovis_tiny.py',
    '{base}/datasets/embedded_vis.py',
    '{base}/schedules/schedule_iter.py',
]
data_root = '{data}/'
workers = dict(num_workers=0, persistent_workers=False)
model = dict(track_head=dict(num_classes=_base_.num_classes))
test_dataloader = dict(dataset=dict(data_root=data_root), **workers)
test_evaluator = dict(ann_file=data_root + 'val.json')
"""


@pytest.fixture(scope='module')
def trained(dataset, tmp_path_factory):
    """A config and a checkpoint of weights that see things."""
    folder = tmp_path_factory.mktemp('run')
    path = folder / 'tiny.py'
    path.write_text(CONFIG.format(base=REPOSITORY / 'configs' / '_base_', data=dataset.root))
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(Config.fromfile(path).model)
    shake(model)
    sharpen(model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), folder / 'tiny.pth')
    return path, folder / 'tiny.pth'


def test_the_inferencer_gives_what_tools_test_gives(trained, dataset, tmp_path):
    """The tool as a user runs it, its results file to the last digit."""
    options = ('--out', tmp_path / 'results.json', '--format-only', '--work-dir', tmp_path)
    done = run_script(REPOSITORY / 'tools/test.py', *trained, *options)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = json.loads((tmp_path / 'results.json').read_text())
    inferencer = RoCoVISInferencer(*trained)
    found = []
    for video_id, paths in folders_of(dataset).items():
        out = tmp_path / f'{video_id}.json'
        inferencer(f'{paths[0].parent}/*', video_id=video_id, out=out)
        found += json.loads(out.read_text())
    assert all(isinstance(track.pop('id'), int) for track in found)
    assert same_tracks(found, expected, tolerance=1e-6)


def test_a_video_file_gives_what_its_frames_give(rocovis, tmp_path):
    path = write_mp4(tmp_path / 'video.mp4', [x[..., ::-1] for x in frames(5)], 10.0)
    capture = cv2.VideoCapture(str(path))
    read = [capture.read()[1] for _ in range(5)]
    seen = []
    found = rocovis(path, callback=lambda frame, result: seen.append((frame, result)))
    assert all(np.array_equal(frame, x) for (frame, _), x in zip(seen, read))
    assert [result.frame for _, result in seen] == list(range(5))
    assert same_tracks(found.tracks, rocovis(iter(read)).tracks)


@pytest.mark.parametrize('name', ['out.mp4', 'out.gif', 'out'])
def test_the_video_can_be_drawn(rocovis, tmp_path, name):
    rocovis(frames(3), out=tmp_path / name)
    if name == 'out':
        assert len(list((tmp_path / name).iterdir())) == 3
    else:
        capture = cv2.VideoCapture(str(tmp_path / name))
        assert sum(capture.read()[0] for _ in range(4)) == 3


def test_frames_come_one_by_one(rocovis):
    """A result is there before the next frame is."""
    given = []

    def camera():
        for n, frame in enumerate(frames(40)):
            given.append(n)
            yield frame

    with rocovis.frames(camera()) as run:
        for frame, result in run:
            assert frame.shape == (48, 72, 3)
            assert len(given) <= result.frame + 1 + video_run.FILE_QUEUE + 1
        assert run.finish().length == 40
        with pytest.raises(ValueError, match='was iterated over before'):
            next(iter(run))


def test_what_went_through_before_an_error_is_kept(inferencer, tmp_path):
    clip = frames(5)
    expected = inferencer(clip[:3]).tracks

    def broken():
        yield from clip[:3]
        raise OSError('the disk was pulled out')

    for given, error in (
        (broken(), 'the disk was pulled out'),
        ([*clip[:3], None], 'frame 3 of the stream is NoneType'),
        ([*clip[:3], *frames(1, (96, 72))], r'frame 3 of the stream is \(96, 72\)'),
    ):
        path = tmp_path / f'{len(list(tmp_path.iterdir()))}.jsonl'
        with inferencer.frames(given, results_jsonl=path, keep_masks=True) as run:
            with pytest.raises((OSError, ValueError), match=error):
                list(run)
            assert same_tracks(run.finish().tracks, expected)
        assert same_tracks(results_from_log(path), expected)


def test_a_camera_that_is_unplugged(rocovis, fake_camera, monkeypatch, tmp_path):
    monkeypatch.setattr(video_run, 'LIVE_QUEUE', 10)  # none is dropped
    camera = fake_camera(frames(3))
    with pytest.raises(SourceLostError, match='camera 0: stopped after 3 frames'):
        rocovis(0, out=tmp_path / 'out.gif', results_jsonl=tmp_path / 'stream.jsonl')
    assert camera.released
    expected = rocovis(frames(3)).tracks
    assert same_tracks(results_from_log(tmp_path / 'stream.jsonl'), expected)
    with Image.open(tmp_path / 'out.gif') as image:
        assert image.n_frames >= 3


@pytest.mark.parametrize(('given', 'length'), [({}, 3), (dict(memory_frames=2), 2)])
def test_what_is_remembered_of_a_camera_is_bounded(fake_camera, monkeypatch, given, length):
    monkeypatch.setattr(video_run, 'LIVE_QUEUE', 10)
    monkeypatch.setattr(inferencer_module, 'LIVE_MEMORY', 3)
    fake_camera(frames(6))
    with tiny_inferencer(method='genvis').frames(0, **given) as run:
        with pytest.raises(SourceLostError):
            list(run)
        assert len(run.session) == 6
        assert len(run.session.video.state.memory) == length


def test_fake_cameras_are_like_real_ones():
    """What the tests rely on: OpenCV's capture without a device has the same methods."""
    for name in ('isOpened', 'get', 'read', 'release'):
        assert callable(getattr(cv2.VideoCapture, name)) and hasattr(FakeCapture, name)
    assert cv2.VideoCapture().read() == (False, None)


def test_a_built_model_a_config_and_files_give_the_same(trained):
    clip = frames(3)
    expected = RoCoVISInferencer(*trained)
    again = RoCoVISInferencer(Config.fromfile(trained[0]), trained[1], device='cpu')
    model = RoCoVISInferencer(expected.model)
    assert expected.classes == again.classes and len(expected.classes) > 1
    assert same_tracks(expected(clip).tracks, again(clip).tracks)
    assert same_tracks(expected(clip).tracks, model(clip).tracks)


def test_a_checkpoints_classes_and_category_ids_count(trained, tmp_path):
    checkpoint = torch.load(trained[1])
    count = len(RoCoVISInferencer(*trained).classes)
    names, numbers = [f'class {n}' for n in range(count)], [10 * n + 7 for n in range(count)]
    checkpoint['meta'] = dict(dataset_meta=dict(classes=names, category_ids=numbers))
    torch.save(checkpoint, tmp_path / 'other.pth')
    inferencer = RoCoVISInferencer(trained[0], tmp_path / 'other.pth')
    assert inferencer.classes == tuple(names)
    categories = {track['category_id'] for track in inferencer(frames(2)).tracks}
    assert categories <= set(numbers)


def test_what_does_not_go_together_is_named(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match='no such config'):
        RoCoVISInferencer(tmp_path / 'none.py')
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        RoCoVISInferencer(trained[0], tmp_path / 'none.pth')
    with pytest.warns(UserWarning, match='the model is random'):
        RoCoVISInferencer(trained[0])
    checkpoint = torch.load(trained[1])
    del checkpoint['state_dict']['track_head.query_decoder.cls_embed.bias']
    torch.save(checkpoint, tmp_path / 'part.pth')
    with pytest.raises(ValueError, match=r'part\.pth: .* 1 missing: .*cls_embed\.bias'):
        RoCoVISInferencer(trained[0], tmp_path / 'part.pth')
    checkpoint = torch.load(trained[1])
    checkpoint['state_dict']['of_another.weight'] = torch.zeros(2)
    torch.save(checkpoint, tmp_path / 'more.pth')
    with pytest.warns(UserWarning, match=r'more\.pth: holds 1 parameters .*of_another\.weight'):
        RoCoVISInferencer(trained[0], tmp_path / 'more.pth')
    with pytest.raises(ValueError, match='3 classes for a model of'):
        RoCoVISInferencer(*trained, classes='abc')
    with pytest.raises(
        ValueError, match='Linear is no online model.*CTVIS, DVIS, GenVIS, IDOL, .*RoCoVIS'
    ):
        RoCoVISInferencer(torch.nn.Linear(2, 2))
    model = MODELS.build(tiny_run_config().model)
    with pytest.raises(ValueError, match='no test pipeline'):
        RoCoVISInferencer(model)
    with pytest.raises(ValueError, match='begins with AlignedResize'):
        RoCoVISInferencer(model, pipeline=[dict(type='rocovis_mm.AlignedResize')])
