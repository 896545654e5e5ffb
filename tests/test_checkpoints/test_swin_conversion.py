"""Swin transformers: a plain reference under Detectron2's names against MMDetection's module.

B images, h x w patches, C channels, w window size.
"""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from comparing import difference
from detectron2_weights import weight, weights
from mmdet.registry import MODELS
from tiny_mask2former import mask2former_config
from torch import Tensor

from rocovis_mm.checkpoints import ModelSizes, fitting_config, to_detectron2, to_mm

CHANNELS, DEPTHS, HEADS, WINDOW = 12, (2, 2, 2, 1), (1, 2, 3, 4), 4
BLOCK = {
    'norm1.weight': (1,),
    'norm1.bias': (1,),
    'attn.qkv.weight': (3, 1),
    'attn.qkv.bias': (3,),
    'attn.proj.weight': (1, 1),
    'attn.proj.bias': (1,),
    'norm2.weight': (1,),
    'norm2.bias': (1,),
    'mlp.fc1.weight': (4, 1),
    'mlp.fc1.bias': (4,),
    'mlp.fc2.weight': (1, 4),
    'mlp.fc2.bias': (1,),
}
"""Shapes of a block's tensors, in units of its channels."""


def swin_weights() -> dict[str, Tensor]:
    """Return the weights of a small Swin under the names of Mask2Former's code."""
    shapes = {
        'patch_embed.proj.weight': (CHANNELS, 3, 4, 4),
        'patch_embed.proj.bias': (CHANNELS,),
        'patch_embed.norm.weight': (CHANNELS,),
        'patch_embed.norm.bias': (CHANNELS,),
    }
    for i, depth in enumerate(DEPTHS):
        width = CHANNELS * 2**i
        shapes |= {f'norm{i}.weight': (width,), f'norm{i}.bias': (width,)}
        for j in range(depth):
            block = f'layers.{i}.blocks.{j}.'
            shapes |= {block + name: tuple(n * width for n in s) for name, s in BLOCK.items()}
            table = ((2 * WINDOW - 1) ** 2, HEADS[i])
            shapes[f'{block}attn.relative_position_bias_table'] = table
        if i + 1 < len(DEPTHS):
            merge = f'layers.{i}.downsample.'
            shapes |= {f'{merge}norm.weight': (4 * width,), f'{merge}norm.bias': (4 * width,)}
            shapes[f'{merge}reduction.weight'] = (2 * width, 4 * width)
    made = {name: weight(name, shape) for name, shape in shapes.items()}
    return {name: 4 * tensor if name.endswith('table') else tensor for name, tensor in made.items()}


def relative_index() -> Tensor:
    """Which entry of the table a pair of pixels reads, pair by pair."""
    pixels = [(y, x) for y in range(WINDOW) for x in range(WINDOW)]
    return torch.tensor(
        [
            [(y - v + WINDOW - 1) * (2 * WINDOW - 1) + x - u + WINDOW - 1 for v, u in pixels]
            for y, x in pixels
        ]
    )


class Reference:
    """Swin, one image at a time and one window at a time, as the paper tells it."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.weights = weights
        self.index = relative_index()

    def norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *self.pair(name))

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, *self.pair(name))

    def pair(self, name: str) -> tuple[Tensor, Tensor | None]:
        return self.weights[f'{name}.weight'], self.weights.get(f'{name}.bias')

    def __call__(self, image: Tensor) -> list[Tensor]:
        """image: (3, H, W); the four maps (C_i, h_i, w_i)."""
        height, width = image.shape[1:]
        image = F.pad(image, (0, -width % 4, 0, -height % 4))
        x = F.conv2d(image[None], *self.pair('patch_embed.proj'), stride=4)[0].permute(1, 2, 0)
        x = self.norm(x, 'patch_embed.norm')  # (h, w, C)
        maps = []
        for i, depth in enumerate(DEPTHS):
            for j in range(depth):
                x = self.block(x, f'layers.{i}.blocks.{j}', HEADS[i], shift=j % 2 * (WINDOW // 2))
            maps.append(self.norm(x, f'norm{i}').permute(2, 0, 1))
            if i + 1 < len(DEPTHS):
                x = self.merge(x, f'layers.{i}.downsample')
        return maps

    def merge(self, x: Tensor, name: str) -> Tensor:
        """Four pixels become one: left column from the top, then the right one."""
        height, width = x.shape[:2]
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        x = torch.cat([x[row::2, column::2] for column in (0, 1) for row in (0, 1)], dim=-1)
        return self.linear(self.norm(x, f'{name}.norm'), f'{name}.reduction')

    def block(self, x: Tensor, name: str, heads: int, shift: int) -> Tensor:
        x = x + self.windows(self.norm(x, f'{name}.norm1'), f'{name}.attn', heads, shift)
        hidden = F.gelu(self.linear(self.norm(x, f'{name}.norm2'), f'{name}.mlp.fc1'))
        return x + self.linear(hidden, f'{name}.mlp.fc2')

    def windows(self, x: Tensor, name: str, heads: int, shift: int) -> Tensor:
        """Attention inside windows; a rolled map keeps what was not side by side apart."""
        height, width = x.shape[:2]
        x = F.pad(x, (0, 0, 0, -width % WINDOW, 0, -height % WINDOW))
        x = x.roll((-shift, -shift), (0, 1))
        rows, columns = (self.region(n, shift) for n in x.shape[:2])
        regions = rows[:, None] * 3 + columns[None, :]
        out = torch.empty_like(x)
        for y in range(0, x.shape[0], WINDOW):
            for u in range(0, x.shape[1], WINDOW):
                place = (slice(y, y + WINDOW), slice(u, u + WINDOW))
                region = regions[place].flatten()
                apart = region[:, None] != region[None, :]
                attended = self.attend(x[place].flatten(0, 1), name, heads, apart)
                out[place] = attended.unflatten(0, (WINDOW, WINDOW))
        return out.roll((shift, shift), (0, 1))[:height, :width]

    def region(self, size: int, shift: int) -> Tensor:
        region = torch.zeros(size, dtype=torch.long)
        if shift:
            region[-WINDOW:], region[-shift:] = 1, 2
        return region

    def attend(self, x: Tensor, name: str, heads: int, apart: Tensor) -> Tensor:
        query, key, value = self.linear(x, f'{name}.qkv').chunk(3, dim=-1)
        size = x.shape[-1] // heads
        bias = self.weights[f'{name}.relative_position_bias_table'][self.index]  # (w*w, w*w, heads)
        parts = []
        for head in range(heads):
            q, k, v = (z[:, head * size : (head + 1) * size] for z in (query, key, value))
            scores = q @ k.T / math.sqrt(size) + bias[..., head]
            parts.append((scores - 100.0 * apart).softmax(-1) @ v)
        return self.linear(torch.cat(parts, dim=-1), f'{name}.proj')


@pytest.fixture(scope='module')
def source(shared_dir) -> dict[str, Tensor]:
    """A whole model: the fixture's heads on a small Swin."""
    heads = {
        name: tensor
        for name, tensor in weights('mask2former', shared_dir).items()
        if not name.startswith('backbone.')
    }
    swin = {f'backbone.{name}': tensor for name, tensor in swin_weights().items()}
    index = {
        name.replace('bias_table', 'index'): relative_index()
        for name in swin
        if name.endswith('bias_table')
    }
    return {**swin, **index, **heads}


@torch.no_grad()
@pytest.mark.parametrize('size', [(64, 96), (77, 102)])
def test_mmdetections_swin_computes_what_the_reference_computes(source, size):
    converted = to_mm({'model': source})
    config = converted['meta']['detectron2']['sizes']['backbone_config']
    model = MODELS.build(config)
    model.eval()
    prefix = 'backbone.'
    state = {
        name[len(prefix) :]: tensor
        for name, tensor in converted['state_dict'].items()
        if name.startswith(prefix)
    }
    model.load_state_dict(state, strict=True)
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    reference = Reference(swin_weights())
    for level, found in enumerate(model(images)):
        expected = torch.stack([reference(image)[level] for image in images])
        assert not difference(found, expected, atol=1e-4, rtol=1e-4)


def test_sizes_of_a_swin(source):
    sizes = to_mm({'model': source})['meta']['detectron2']['sizes']
    assert sizes['backbone'] == 'Swin (12, depths (2, 2, 2, 1))'
    assert sizes['backbone_config'] == dict(
        type='mmdet.SwinTransformer',
        embed_dims=12,
        depths=[2, 2, 2, 1],
        num_heads=[1, 2, 3, 4],
        window_size=4,
        mlp_ratio=4,
        patch_size=4,
        out_indices=[0, 1, 2, 3],
        qkv_bias=True,
    )


def test_the_fitting_config_takes_the_place_of_the_resnet(source):
    converted = to_mm({'model': source})
    sizes = ModelSizes(**converted['meta']['detectron2']['sizes'])
    config = mask2former_config()
    config.merge_from_dict(dict(model=fitting_config(sizes, 'mask2former')))
    config.model.panoptic_head.pixel_decoder.encoder.layer_cfg.self_attn_cfg.num_heads = 4
    model = MODELS.build(config.model)
    result = model.load_state_dict(converted['state_dict'], strict=True)
    assert not result.missing_keys and not result.unexpected_keys


PUBLISHED = {
    'r101_8xb2-lsj-50e_coco': 'ResNet-101',
    'swin-t-p4-w7-224_8xb2-lsj-50e_coco': 'Swin-T',
    'swin-s-p4-w7-224_8xb2-lsj-50e_coco': 'Swin-S',
    'swin-b-p4-w12-384_8xb2-lsj-50e_coco-panoptic': 'Swin-B',
    'swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic': 'Swin-L',
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_the_published_models_go_there_and_back(name, monkeypatch):
    """Names and shapes of MMDetection's full-size models, without memory."""
    monkeypatch.setattr(torch, 'linspace', partial(torch.linspace, device='cpu'))  # Swin reads it
    config = mask2former_config(f'mask2former_{name}').model
    with torch.device('meta'):
        theirs = MODELS.build(config).state_dict()
    notes = dict(made=[key for key in theirs if key.endswith(('index', 'tracked'))], kept={})
    back = to_detectron2({'state_dict': theirs, 'meta': {'detectron2': notes}})
    assert not any(key.startswith('panoptic_head') for key in back['model'])
    converted = to_mm(back)
    found = converted['state_dict']
    assert {key: x.shape for key, x in found.items()} == {key: x.shape for key, x in theirs.items()}
    sizes = ModelSizes(**converted['meta']['detectron2']['sizes'])
    assert sizes.backbone == PUBLISHED[name]
    head = config.panoptic_head
    assert sizes.num_classes == head.num_things_classes + head.num_stuff_classes
    assert sizes.num_queries == head.num_queries
    for key, value in sizes.backbone_config.items():
        wanted = config.backbone.get(key, value)
        assert value == (f'mmdet.{wanted}' if key == 'type' else wanted) or (
            list(value) == list(wanted)
        ), key
    assert list(sizes.in_channels) == list(head.in_channels)


def test_there_and_back_loses_nothing(source):
    back = to_detectron2(to_mm({'model': source}))['model']
    assert set(back) == set(source)
    assert all(torch.equal(back[name], source[name]) for name in source)


def test_index_buffers_are_made_where_they_lack_and_checked_where_they_are(source):
    bare = {name: x for name, x in source.items() if not name.endswith('position_index')}
    whole, made = (to_mm({'model': each}) for each in (source, bare))
    assert len(made['meta']['detectron2']['made']) == sum(DEPTHS)
    assert all(
        torch.equal(whole['state_dict'][name], tensor)
        for name, tensor in made['state_dict'].items()
    )
    assert set(to_detectron2(made)['model']) == set(bare)
    name = 'backbone.layers.1.blocks.0.attn.relative_position_index'
    with pytest.raises(ValueError, match='relative_position_index is not the one of Swin'):
        to_mm({'model': {**source, name: source[name].flip(0)}})


def test_attention_masks_are_left_out_and_come_back(source):
    name = 'backbone.layers.0.blocks.1.attn_mask'
    mask = torch.full((4, 16, 16), -100.0)
    converted = to_mm({'model': {**source, name: mask}})
    assert converted['meta']['detectron2']['left_out'][name].startswith('worked out anew')
    assert name not in converted['state_dict']
    assert torch.equal(to_detectron2(converted)['model'][name], mask)


def test_a_missing_block_is_named(source):
    cut = {name: x for name, x in source.items() if 'layers.2.blocks.0.' not in name}
    with pytest.raises(ValueError, match=r'layers\.2\.blocks\.0\.norm1\.weight'):
        to_mm({'model': cut})
