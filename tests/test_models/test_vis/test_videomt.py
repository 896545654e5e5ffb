"""VidEoMT frame by frame against transformers' own forward over the clip.

transformers is no part of the pinned environment, as MMDetection imports it at every start where
it is installed. The row `videomt` of the matrix (noxfile.py) runs these tests; so does
``pip install 'transformers>=5.4'``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from pycocotools import mask as coco
from tiny_model import stream_sample

from rocovis_mm.apis import RoCoVISInferencer
from rocovis_mm.checkpoints.fitting import load_model
from rocovis_mm.deployment.frame_step import frame_step
from rocovis_mm.models.tracking_heads.videomt_head import import_transformers
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState
from tests.conftest import REPOSITORY
from tests.optional import needs

SIZE, QUERIES, CLASSES = 32, 5, ('cat', 'dog', 'bird')
SIZES = dict(
    hidden_size=32, num_hidden_layers=3, num_attention_heads=2, image_size=SIZE, patch_size=8,
    num_upscale_blocks=1, num_blocks=2, num_queries=QUERIES, num_register_tokens=2,
)  # fmt: skip
FRAMES = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
FRAMES = np.stack([cv2.resize(frame, (56, 40)) for frame in FRAMES])  # (T, H, W, 3), smooth


@pytest.fixture(scope='module')
def transformers():
    return needs('transformers')


@pytest.fixture(scope='module')
def folder(transformers, tmp_path_factory):
    """A folder as save_pretrained writes it, of random weights with decided masks."""
    torch.manual_seed(3)
    names = dict(enumerate(CLASSES))
    config = transformers.VideomtConfig(**SIZES, id2label=names)
    network = transformers.VideomtForUniversalSegmentation(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
        network.mask_head.fc3.weight.mul_(8)
    path = tmp_path_factory.mktemp('weights') / 'videomt'
    network.save_pretrained(path)
    return path


@pytest.fixture(scope='module')
def config(folder):
    """The shipped config, of this folder and its size of images."""
    config = Config.fromfile(REPOSITORY / 'configs/_base_/videomt_custom.py')
    config.model.track_head.weights = str(folder)
    for loader in (config.val_dataloader, config.test_dataloader):
        (resize,) = (step for step in loader.dataset.pipeline if step.type.endswith('Resize'))
        resize.scale = (SIZE, SIZE)
    return config


@pytest.fixture(scope='module')
def inferencer(config):
    return RoCoVISInferencer(config, device='cpu')


@pytest.fixture(scope='module')
def clip():
    """(2, 4, 3, S, S) normalised images of two clips."""
    return torch.randn(2, 4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def own_forward(transformers, folder, clip):
    """Return class logits (T, B, N, K + 1) and mask logits (T, B, N, h, w) of transformers."""
    network = transformers.VideomtForUniversalSegmentation.from_pretrained(folder).eval()
    with torch.no_grad():
        out = network(pixel_values_videos=clip)
    shape = (clip.shape[1], clip.shape[0])
    return [x.unflatten(0, shape) for x in (out.class_queries_logits, out.masks_queries_logits)]


def tool():
    path = REPOSITORY / 'tools/model_converters/videomt_to_mm.py'
    spec = importlib.util.spec_from_file_location('videomt_to_mm', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stream(model, clip):
    state, found = StreamState(), []
    with torch.no_grad():
        for images in clip.unbind(1):
            prediction, state = model.step(images, state)
            found.append((prediction.class_logits[-1], prediction.mask_logits[-1]))
            assert state.memory == () and state.queries.shape == (len(clip), QUERIES, 32)
    return [torch.stack(x) for x in zip(*found)]


def test_frames_equal_the_forward_over_their_clip(transformers, folder, inferencer, clip):
    expected = own_forward(transformers, folder, clip)
    for ours, theirs in zip(stream(inferencer.model, clip), expected):
        assert (ours - theirs).abs().max() < 1e-5 < theirs.std()
    alone = stream(inferencer.model, clip[1:])
    assert (alone[1] - expected[1][:, 1:]).abs().max() < 1e-5


def test_a_video_is_scored_as_published(transformers, folder, inferencer, tmp_path):
    """The mean of the logits scores; masks are enlarged to the input, then to the frame."""
    images = np.stack([cv2.resize(frame, (SIZE, SIZE)) for frame in FRAMES])[..., ::-1]
    pixels = (images - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    clip = torch.from_numpy(pixels).float().permute(0, 3, 1, 2)[None]
    classes, masks = (x[:, 0] for x in own_forward(transformers, folder, clip))
    scores = classes.mean(0).softmax(-1)[:, :-1].flatten()
    masks = F.interpolate(masks, (SIZE, SIZE), mode='bilinear', align_corners=False)
    masks = F.interpolate(masks, FRAMES.shape[1:3], mode='bilinear', align_corners=False) > 0
    found = inferencer(list(FRAMES))
    best = scores.argsort(descending=True)[:10]
    assert [x.score for x in found.standing] == pytest.approx(scores[best].tolist(), abs=1e-5)
    assert [x.identity for x in found.standing] == (best // len(CLASSES)).tolist()
    assert [CLASSES[x.label] for x in found.standing] == [CLASSES[i % 3] for i in best.tolist()]
    tracks = json.loads(found.save(tmp_path / 'results.json').read_text())
    assert len(tracks) == 10 and {track['category_id'] for track in tracks} <= {1, 2, 3}
    ours, theirs = [], []
    for track in tracks:
        for t, code in enumerate(track['segmentations']):
            ours.append(np.zeros(FRAMES.shape[1:3], bool) if code is None else coco.decode(code))
            theirs.append(masks[t, track['id']].numpy())
    ours, theirs = np.stack(ours).astype(bool), np.stack(theirs)
    assert 0.05 < theirs.mean() < 0.95 and (ours == theirs).mean() > 0.9999


def test_streams_do_not_leak_and_equal_whole_videos(inferencer):
    """Two streams in one batch, one of them a frame behind; the runner's loop gives the same."""
    videos = [FRAMES, FRAMES[::-1]]
    whole = [inferencer(list(video)) for video in videos]
    streams = [inferencer.stream(), inferencer.stream()]
    inferencer.push([(streams[0], FRAMES[0])])
    for t in range(1, len(FRAMES)):
        inferencer.push([(streams[0], videos[0][t]), (streams[1], videos[1][t - 1])])
    inferencer.push([(streams[1], videos[1][-1])])
    for session, expected in zip(streams, whole):
        assert session.finish().tracks == expected.tracks
    packed = [inferencer.stream().fit(frame).read() for frame in FRAMES]
    sample = stream_sample(3, list(range(5)), 5, (SIZE, SIZE), ori_shape=FRAMES.shape[1:3])
    images = torch.stack([image for image, *_ in packed])
    (sample,) = inferencer.model.predict({'img': [images]}, pseudo_collate([sample]))
    assert sample.video_tracks.segmentations == whole[0].video.segmentations


def test_a_slot_given_back_reads_its_first_query(inferencer, clip):
    model = inferencer.model
    with torch.no_grad():
        _, state = model.step(clip[:, 0], StreamState())
        fresh = state.restart(torch.tensor([1, 4]), model.first_queries())
    assert torch.equal(fresh.queries[0, [1, 4]], model.first_queries()[[1, 4]])
    assert torch.equal(fresh.queries[:, [0, 2, 3]], state.queries[:, [0, 2, 3]])


def test_names_weights_and_checkpoints_are_those_of_the_folder(
    config, folder, inferencer, tmp_path, capsys
):
    model = inferencer.model
    assert inferencer.classes == CLASSES and model.is_init
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.init_weights()  # as a runner calls it
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    tool().main([str(folder), str(tmp_path / 'x.pth')])
    assert '5 queries, 3 classes, images of 32 x 32' in capsys.readouterr().out
    head = dict(type='rocovis_mm.VidEoMTHead', config=dict(SIZES, num_labels=3))
    other = MODELS.build(dict(config.model.to_dict(), track_head=head))
    assert not other.is_init
    checkpoint, fit = load_model(other, str(tmp_path / 'x.pth'))
    assert fit.whole and checkpoint['meta']['dataset_meta'] == dict(classes=CLASSES)
    assert all(torch.equal(value, before[key]) for key, value in other.state_dict().items())


def test_what_does_not_fit_is_named(transformers, folder, inferencer, tmp_path):
    build = MODELS.get('VidEoMTHead')
    with pytest.raises(FileNotFoundError, match='nowhere/config.json: no such file'):
        build(weights='nowhere')
    for both in (dict(), dict(weights=folder, config=SIZES)):
        with pytest.raises(ValueError, match='give the folder of the weights'):
            build(**both)
    content = json.loads((folder / 'config.json').read_text())
    for name, changes, said in (
        ('other', dict(model_type='eomt'), "model_type is 'eomt', not 'videomt'"),
        ('less', dict(num_hidden_layers=4), 'do not fit config.json .*missing, such as layers.3'),
        ('reshaped', dict(num_queries=6), r'reshaped: the weights .*(fit|loaded)'),
    ):
        path = tmp_path / name
        path.mkdir()
        (path / 'config.json').write_text(json.dumps({**content, **changes}))
        (path / 'model.safetensors').symlink_to(folder / 'model.safetensors')
        with pytest.raises(ValueError, match=said):
            build(weights=path)
    with pytest.raises(ValueError, match=r'images of \(40, 32\).*scale=\(32, 32\)'):
        inferencer.model.step(torch.zeros(1, 3, 40, SIZE), StreamState())
    with pytest.raises(SystemExit, match='error: nowhere/config.json: no such file'):
        tool().main(['nowhere', str(tmp_path / 'x.pth')])
    with pytest.raises(TypeError, match='VidEoMT cannot be exported: no step'):
        frame_step(inferencer.model, (SIZE, SIZE))
    with pytest.raises(NotImplementedError, match='not trained here'):
        inferencer.model.loss({}, [])


def test_without_transformers_its_installation_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(ImportError, match=r"pip install 'transformers>=5\.4'"):
        import_transformers()
    assert 'transformers>=5.4' in (Path(REPOSITORY) / 'requirements/videomt.txt').read_text()
