"""Detectron2's checkpoints in MMDetection's and our models; what is refused; the way back."""

from __future__ import annotations

import json
from collections import OrderedDict

import pytest
import torch
from comparing import difference
from detectron2_weights import FOLDER, normalized, outputs, weight, weights
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from tiny_mask2former import mask2former_config, mask2former_logits
from tiny_model import BASES
from torch import Tensor, nn

from rocovis_mm import checkpoints
from rocovis_mm.checkpoints import ModelSizes, fitting_config, to_detectron2, to_mm

KINDS = ('mask2former', 'minvis', 'genvis')


@pytest.fixture(scope='module')
def published(shared_dir) -> dict[str, dict[str, Tensor]]:
    """The published models' weights."""
    return {kind: weights(kind, shared_dir) for kind in KINDS}


def shrink(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keep the names; make every dimension but the first small, to be quick."""
    return {
        name: tensor[(..., *(slice(2) for _ in tensor.shape[1:]))].clone()
        for name, tensor in weights.items()
    }


def config_of(converted: dict, heads: int) -> ConfigDict:
    """Return the model's config at the sizes that were read off the weights."""
    notes = converted['meta']['detectron2']
    kind = notes['model']
    config = (
        mask2former_config() if kind == 'mask2former' else Config.fromfile(BASES / f'{kind}_r50.py')
    )
    fitting = fitting_config(ModelSizes(**notes['sizes']), kind)
    config.merge_from_dict(dict(model=fitting))
    config.model.backbone.pop('init_cfg', None)
    head = config.model.get('track_head') or config.model.panoptic_head
    layers = [head.pixel_decoder.encoder.layer_cfg, head.transformer_decoder.layer_cfg]
    if kind == 'genvis':
        head.object_decoder.num_heads = heads
    for layer in layers:
        for attention in ('self_attn_cfg', 'cross_attn_cfg'):
            if attention in layer:
                layer[attention].num_heads = heads
    return config.model


def loaded(converted: dict, heads: int = 4) -> nn.Module:
    """Build the model and load the converted weights into it, strictly."""
    model = MODELS.build(config_of(converted, heads))
    model.load_state_dict(converted['state_dict'], strict=True)
    return model.eval()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two state dicts are the same: names, types and bits."""
    return set(one) == set(other) and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


@torch.no_grad()
def test_mmdetections_mask2former_computes_what_the_published_code_computed(published, shared_dir):
    model = loaded(to_mm({'model': published['mask2former']}))
    expected = outputs('mask2former', shared_dir)
    class_logits, mask_logits = mask2former_logits(model, normalized(expected['frames']))
    assert not difference(class_logits[-1], expected['pred_logits'], atol=1e-4)
    assert not difference(mask_logits[-1], expected['pred_masks'], atol=1e-4)


@pytest.mark.parametrize('kind', ['minvis', 'genvis'])
def test_our_models_take_every_weight_and_miss_none(published, kind):
    model = loaded(to_mm({'model': published[kind]}, kind))
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


@pytest.mark.parametrize('kind', KINDS)
def test_every_tensor_is_used_or_named_with_a_reason(published, kind):
    source = published[kind]
    converted = to_mm({'model': source}, kind)
    notes = converted['meta']['detectron2']
    assert all(reason for reason in notes['left_out'].values())
    assert set(notes['left_out']) == {name for name in source if name.endswith('empty_weight')}
    used = len(converted['state_dict']) - len(notes['made'])
    assert used == len(source) - len(notes['left_out'])
    assert all(name.endswith('num_batches_tracked') for name in notes['made'])


@pytest.mark.parametrize('kind', KINDS)
def test_there_and_back_loses_nothing(published, kind, tmp_path):
    source = published[kind]
    torch.save(to_mm({'model': source}, kind), tmp_path / 'there.pth')
    there = torch.load(tmp_path / 'there.pth', weights_only=True)
    back = to_detectron2(there)
    assert same(back['model'], source)
    # else Mask2Former's code would take the names for old ones
    assert back['model']._metadata['sem_seg_head']['version'] == 2
    assert back['model']._metadata['sem_seg_head.predictor']['version'] == 2
    again = to_mm(back, kind)
    assert same(again['state_dict'], there['state_dict'])


def test_back_and_there_loses_nothing_of_a_model_trained_here(published):
    """Without notes of a conversion, and with norms that have counted batches."""
    state = to_mm({'model': shrink(published['minvis'])}, 'minvis')['state_dict']
    counter = 'backbone.layer1.0.bn1.num_batches_tracked'
    state[counter] = torch.tensor(7)
    back = to_detectron2({'state_dict': state, 'meta': {'iter': 3}})['model']
    assert back['backbone.res2.0.conv1.norm.num_batches_tracked'] == 7
    assert sum(name.endswith('num_batches_tracked') for name in back) == 1
    assert 'criterion.empty_weight' not in back
    assert same(to_mm({'model': back}, 'minvis')['state_dict'], state)


GENVIS_NAMES = {
    'vita_module.input_proj_dec.weight': 'frame_query_proj.weight',
    'vita_module.fq_pos.weight': 'frame_query_pos.weight',
    'vita_module.enc_self_attn.1.self_attn.in_proj_weight': (
        'encoder.layers.1.self_attn.attn.in_proj_weight'
    ),
    'vita_module.enc_self_attn.1.norm.bias': 'encoder.layers.1.norms.0.bias',
    'vita_module.enc_ffn.0.linear1.weight': 'encoder.layers.0.ffn.layers.0.0.weight',
    'vita_module.enc_ffn.0.linear2.bias': 'encoder.layers.0.ffn.layers.1.bias',
    'vita_module.enc_ffn.0.norm.weight': 'encoder.layers.0.norms.1.weight',
    'vita_module.transformer_cross_attention_layers.0.multihead_attn.out_proj.bias': (
        'decoder.layers.0.cross_attn.attn.out_proj.bias'
    ),
    'vita_module.transformer_cross_attention_layers.1.norm.weight': (
        'decoder.layers.1.norms.0.weight'
    ),
    'vita_module.transformer_self_attention_layers.0.norm.weight': (
        'decoder.layers.0.norms.1.weight'
    ),
    'vita_module.transformer_ffn_layers.1.norm.weight': 'decoder.layers.1.norms.2.weight',
    'vita_module.decoder_norm.weight': 'decoder.post_norm.weight',
    'vita_module.query_feat.weight': 'query_feat.weight',
    'vita_module.query_embed.weight': 'query_embed.weight',
    'vita_module.class_embed.weight': 'cls_embed.weight',
    'vita_module.mask_embed.layers.1.weight': 'mask_embed.2.weight',
    'vita_module.vita_mask_features.weight': 'mask_feature.weight',
    'vita_module.sim_embed_frame.weight': 'frame_sim_embed.weight',
    'vita_module.sim_embed_clip.weight': 'object_sim_embed.weight',
    'vita_module.pre_memory_embed_k.weight': 'memory_key.weight',
    'vita_module.pre_memory_embed_v.weight': 'memory_value.weight',
    'vita_module.pre_query_embed_k.weight': 'query_key.weight',
    'vita_module.pre_query_embed_v.weight': 'query_value.weight',
}


def test_tensors_of_the_same_shape_go_where_they_belong(published):
    state = to_mm({'model': published['genvis']})['state_dict']
    for theirs, ours in GENVIS_NAMES.items():
        assert torch.equal(
            state[f'track_head.object_decoder.{ours}'], published['genvis'][theirs]
        ), theirs


def older(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Name weights as Mask2Former's code did before version 2."""
    return {
        name.replace('sem_seg_head.pixel_decoder.', 'sem_seg_head.').replace(
            'predictor.query_feat', 'predictor.static_query'
        ): tensor
        for name, tensor in weights.items()
    }


def test_the_normalisation_of_old_files_is_kept_and_comes_back(published):
    source = {
        'pixel_mean': torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1),
        'pixel_std': torch.ones(3, 1, 1),
        **shrink(published['minvis']),
    }
    converted = to_mm({'model': source}, 'minvis')
    assert 'data_preprocessor' in converted['meta']['detectron2']['left_out']['pixel_mean']
    assert same(to_detectron2(converted)['model'], source)


def test_older_names_and_those_of_parallel_training_are_understood(published):
    new = shrink(published['mask2former'])
    old = older(new)
    assert 'sem_seg_head.mask_features.weight' in old
    assert 'sem_seg_head.predictor.static_query.weight' in old
    expected = to_mm({'model': new})['state_dict']
    assert same(to_mm({'model': old})['state_dict'], expected)
    parallel = {f'module.{name}': tensor for name, tensor in new.items()}
    assert same(to_mm({'model': parallel})['state_dict'], expected)
    with pytest.raises(ValueError, match='is there twice, under its old and its new name'):
        to_mm({'model': {**new, **old}})


def test_a_training_checkpoint_and_bare_weights_and_averages(published):
    new = shrink(published['genvis'])
    expected = to_mm({'model': new})['state_dict']
    training = {
        'model': OrderedDict(new),
        'optimizer': {'state': {}},
        'iteration': 4,
        'trainer': {'iteration': 4},
    }
    assert same(to_mm(training)['state_dict'], expected)
    assert same(to_mm(new)['state_dict'], expected)
    averages = {name: tensor + 1 for name, tensor in new.items()}
    both = {**training, 'model_ema': averages}
    assert to_mm(both)['meta']['detectron2']['averages'] == ['model_ema']
    assert same(to_mm(both)['state_dict'], expected)
    assert same(
        to_mm(both, entry='model_ema')['state_dict'], to_mm({'model': averages})['state_dict']
    )


def changed(weights: dict[str, Tensor], drop: str = '', add: str = '') -> dict:
    """Return weights without a tensor, or with one more."""
    kept = {name: tensor for name, tensor in weights.items() if name != drop}
    return {'model': {**kept, add: torch.zeros(1)} if add else kept}


LAYER = 'sem_seg_head.predictor.transformer_ffn_layers'


@pytest.mark.parametrize(
    'name',
    [
        'backbone.stem.conv1.norm.running_var',
        'backbone.res4.5.conv3.norm.bias',
        'backbone.res4.0.shortcut.norm.weight',
        'sem_seg_head.pixel_decoder.adapter_1.weight',
        'sem_seg_head.pixel_decoder.transformer.level_embed',
        'sem_seg_head.pixel_decoder.transformer.encoder.layers.0.linear1.bias',
        f'{LAYER}.1.linear2.weight',
        'sem_seg_head.predictor.class_embed.bias',
        'sem_seg_head.predictor.query_feat.weight',
    ],
)
def test_a_missing_tensor_is_named(published, name):
    with pytest.raises(ValueError, match='1 tensors of a mask2former are missing') as error:
        to_mm(changed(shrink(published['mask2former']), drop=name))
    assert str(error.value).endswith(f': {name}')


def test_a_missing_layer_or_part_is_named(published):
    whole = shrink(published['mask2former'])
    cut = {name: x for name, x in whole.items() if '_layers.1.' not in name}
    with pytest.raises(ValueError, match='are missing') as error:
        to_mm({'model': cut})
    assert f'{LAYER}.1.linear1.weight' in str(error.value)
    cut = {name: x for name, x in whole.items() if not name.startswith('backbone.')}
    with pytest.raises(ValueError, match='backbone.res5.0.conv1.weight'):
        to_mm({'model': cut})
    cut = {name: x for name, x in whole.items() if name.startswith('backbone.')}
    with pytest.raises(ValueError, match='no sem_seg_head') as error:
        to_mm({'model': cut})
    assert ', '.join(checkpoints.KINDS) in str(error.value)


@pytest.mark.parametrize(
    'name',
    [
        'backbone.stem.conv1_1.weight',
        'backbone.res2.00.conv1.weight',
        'sem_seg_head.pixel_decoder.layer_4.weight',
        'sem_seg_head.predictor.something.new',
        'reid_head.weight',
        'Backbone.stem.conv1.weight',
        'criterion.empty_weights',
    ],
)
def test_an_unknown_tensor_is_named(published, name):
    with pytest.raises(ValueError, match='1 tensors have no place in a mask2former') as error:
        to_mm(changed(shrink(published['mask2former']), add=name))
    assert str(error.value).endswith(f': {name}')


def test_the_wrong_model_is_refused(published):
    mask2former, genvis = (shrink(published[kind]) for kind in ('mask2former', 'genvis'))
    with pytest.raises(ValueError, match='no vita_module.*--model mask2former or --model minvis'):
        to_mm({'model': mask2former}, 'genvis')
    for kind in ('mask2former', 'minvis'):
        with pytest.raises(ValueError, match=f'this is a GenVIS, not --model {kind}'):
            to_mm({'model': genvis}, kind)


def test_vita_starts_a_genvis_where_that_is_asked_for(published):
    vita = {name: x for name, x in published['genvis'].items() if 'vita_module.pre_' not in name}
    with pytest.raises(ValueError, match='this is VITA.*give --model genvis'):
        to_mm({'model': vita})
    converted = to_mm({'model': vita}, 'genvis')
    anew = converted['meta']['detectron2']['begin_anew']
    assert len(anew) == 8
    found = MODELS.build(config_of(converted, 4)).load_state_dict(
        converted['state_dict'], strict=False
    )
    assert set(found.missing_keys) == set(anew) and not found.unexpected_keys
    assert same(to_detectron2(converted)['model'], vita)
    name = 'vita_module.pre_query_embed_v.bias'
    with pytest.raises(ValueError, match=f'are missing.*: {name}'):
        to_mm(changed(published['genvis'], drop=name))


def test_no_detectron2_checkpoint_is_refused(published):
    converted = to_mm({'model': shrink(published['minvis'])}, 'minvis')
    with pytest.raises(ValueError, match='a checkpoint of MMEngine.*--reverse'):
        to_mm(converted)
    with pytest.raises(ValueError, match="names are OpenMMLab's.*--reverse"):
        to_mm({'model': converted['state_dict']})
    with pytest.raises(ValueError, match="no entry 'model'.*there are: optimizer, iteration"):
        to_mm({'optimizer': {}, 'iteration': 3})
    with pytest.raises(ValueError, match="no entry 'model_ema'.*there are: model"):
        to_mm({'model': {}}, entry='model_ema')
    with pytest.raises(ValueError, match="'model' holds no weights but dict"):
        to_mm({'model': {}})
    with pytest.raises(ValueError, match="'epoch' in 'model' is a int, not a tensor"):
        to_mm({'model': {'backbone.x': torch.ones(1), 'epoch': 3}})


def test_what_detectron2_has_not_is_refused_on_the_way_back(published):
    source = {'model': shrink(published['minvis'])}
    with pytest.raises(ValueError, match='no entry state_dict.*without --reverse'):
        to_detectron2(source)
    converted = to_mm(source, 'minvis')
    with pytest.raises(ValueError, match='this is a minvis, not --model genvis'):
        to_detectron2(converted, 'genvis')
    state = converted['state_dict']
    mean = {**state, 'data_preprocessor.mean': torch.ones(3)}
    assert same(to_detectron2({**converted, 'state_dict': mean})['model'], source['model'])
    ours = {**state, 'track_head.pixel_decoder.propagation.16.background': torch.ones(1)}
    with pytest.raises(ValueError, match='a RoCoVIS with instance mask propagation'):
        to_detectron2({'state_dict': ours})
    with pytest.raises(ValueError, match='no place in a minvis that Detectron2 has.*neck.x'):
        to_detectron2({'state_dict': {**state, 'neck.x': torch.ones(1)}})
    with pytest.raises(ValueError, match='neither panoptic_head'):
        to_detectron2({'state_dict': {'roi_head.x': torch.ones(1)}})


def resized(shared_dir, kind: str, sizes: dict[int, int]) -> dict[str, Tensor]:
    """Return weights of the published names with other sizes, by a table old -> new."""
    keys = json.loads((shared_dir / FOLDER / f'{kind}.json').read_text())['keys']
    made = {}
    for name, shape in keys.items():
        if not name.startswith('backbone.') and 'input_proj.' not in name:
            shape = [sizes.get(size, size) for size in shape]
        elif 'input_proj.' in name:
            shape = [sizes[shape[0]], *shape[1:]]
        made[name] = weight(name, tuple(shape))
    return made


def test_sizes_are_read_off_the_weights(shared_dir):
    """Other classes, queries, channels and layers; nothing is taken for granted."""
    source = resized(shared_dir, 'genvis', {16: 20, 8: 41, 64: 96, 192: 288, 128: 160, 1024: 256})
    part = 'vita_module.enc_'
    source.update(
        {
            name.replace(f'{part}{row}.1.', f'{part}{row}.2.'): tensor
            for name, tensor in source.items()
            for row in ('self_attn', 'ffn')
            if f'{part}{row}.1.' in name
        }
    )
    converted = to_mm({'model': source})
    sizes = converted['meta']['detectron2']['sizes']
    assert sizes == dict(
        backbone='ResNet-50',
        backbone_config=dict(type='mmdet.ResNet', depth=50, style='pytorch'),
        in_channels=(256, 512, 1024, 2048),
        num_classes=40,
        num_queries=20,
        feat_channels=96,
        out_channels=96,
        query_channels=96,
        encoder_levels=3,
        encoder_layers=2,
        encoder_ffn=256,
        encoder_heads_x_points=16,
        decoder_layers=3,
        decoder_ffn=160,
        object_queries=20,
        object_channels=96,
        object_encoder_layers=3,
        object_decoder_layers=2,
        object_ffn=160,
    )
    loaded(converted)


def test_deeper_and_shallower_resnets_and_more_fine_levels(published):
    source = shrink(published['mask2former'])
    deep = dict(source)
    for block in range(6, 23):
        deep.update(
            {
                name.replace('res4.5.', f'res4.{block}.'): tensor
                for name, tensor in source.items()
                if 'res4.5.' in name
            }
        )
    converted = to_mm({'model': deep})
    assert converted['meta']['detectron2']['sizes']['backbone'] == 'ResNet-101'
    assert same(to_detectron2(converted)['model'], deep)
    odd = {name: tensor for name, tensor in source.items() if 'res4.5.' not in name}
    with pytest.raises(ValueError, match=r'blocks \(3, 4, 5, 3\)'):
        to_mm({'model': odd})

    pixel = 'sem_seg_head.pixel_decoder.'
    finer = {name: x for name, x in source.items() if 'input_proj.2.' not in name}
    for name in list(finer):
        if name.startswith((f'{pixel}adapter_1', f'{pixel}layer_1')):
            finer[name.replace('_1.', '_2.')] = finer[name] + 1
    converted = to_mm({'model': finer})
    lateral = 'panoptic_head.pixel_decoder.lateral_convs.{}.conv.weight'
    state = converted['state_dict']
    assert torch.equal(state[lateral.format(0)], finer[f'{pixel}adapter_2.weight'])
    assert torch.equal(state[lateral.format(1)], finer[f'{pixel}adapter_1.weight'])
    assert same(to_detectron2(converted)['model'], finer)
