"""Published models with weights that a rule makes, and the outputs of their published code.

A fixture is NAME.json (names and shapes of all weights, exceptions from the rule) and NAME.npz
(frames and outputs), in ``fixtures/detectron2`` or ``fixtures/peers`` of a folder `shared`.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from rocovis_mm.checkpoints import fitting_config, read_sizes
from rocovis_mm.registry import MODELS

BASES = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'models'
DETECTRON2 = ('mask2former', 'minvis', 'genvis')
"""Names of the fixtures that are in ``fixtures/detectron2``."""
HEADS = 4
"""Of attention in the fixtures of Mask2Former's kind; no weight's shape tells the number."""
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


def weight(name: str, shape: Sequence[int]) -> Tensor:
    """Return the tensor that the rule makes of a name and a shape."""
    if name.endswith('empty_weight'):
        return torch.cat([torch.ones(shape[0] - 1), torch.tensor([0.1])])
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    noise = torch.randn(tuple(shape), generator=generator)
    if name.endswith('running_var'):
        return 1 + 0.1 * noise.abs()
    if len(shape) > 1 and not name.endswith('running_mean'):
        return noise / math.sqrt(math.prod(shape[1:]))
    return 0.1 * noise + float(name.endswith('weight'))


def path_of(name: str, shared: Path) -> Path:
    """Return the path of a fixture without its suffix."""
    return shared / 'fixtures' / ('detectron2' if name in DETECTRON2 else 'peers') / name


def facts(name: str, shared: Path) -> dict[str, Any]:
    """Return the json of a fixture."""
    return json.loads(path_of(name, shared).with_suffix('.json').read_text())


def outputs(name: str, shared: Path) -> dict[str, Tensor]:
    """Return the input frames and the outputs of the published code."""
    with np.load(path_of(name, shared).with_suffix('.npz')) as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def weights(name: str, shared: Path) -> dict[str, Tensor]:
    """Return the state dict by the rule and its exceptions; repeated tensors are the same."""
    found = facts(name, shared)
    exceptions = found.get('rule_exceptions', {})
    made = {}
    for key, shape in found['keys'].items():
        original = key.replace('transformer.decoder.bbox_embed.', 'bbox_embed.')
        exception = exceptions.get(original, {})
        tensor = weight(original, shape) * exception.get('multiply_by', 1)
        tensor = tensor + torch.tensor(exception.get('add', 0))
        for channel, factor in exception.get('multiply_input_channels', {}).items():
            tensor[:, int(channel)] *= factor
        made[key] = tensor
    return made


def normalized(frames: Tensor) -> Tensor:
    """Return frames (T, 3, H, W), RGB in 0 to 255, as the models read them."""
    return (frames - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def build(checkpoint: dict[str, Any], heads: int = HEADS, **options: Any) -> nn.Module:
    """Return the model of a converted checkpoint, at its sizes and with its weights.

    Args:
        checkpoint: converted.
        heads: of all attentions, which no weight's shape tells.
        **options: of the model, merged into its config.
    """
    state_dict, kind = checkpoint['state_dict'], checkpoint['meta']['detectron2']['model']
    config = Config.fromfile(BASES / f'{kind}_r50.py')
    config.merge_from_dict(dict(model=fitting_config(read_sizes(state_dict, kind), kind)))
    config.merge_from_dict(dict(model=options))
    config.model.backbone.init_cfg = None
    set_heads(config.model.track_head, heads)
    model = MODELS.build(config.model).eval()
    model.load_state_dict(state_dict, strict=True)
    return model


def set_heads(head: Any, heads: int) -> None:
    """Set the number of attention heads in the config of a track head, in place."""
    if 'pixel_decoder' not in head:  # on Deformable DETR
        head.encoder.num_heads = head.decoder.num_heads = heads
        return
    layer = head.transformer_decoder.layer_cfg
    parts = [layer.self_attn_cfg, layer.cross_attn_cfg]
    parts += [head.pixel_decoder.encoder.layer_cfg.self_attn_cfg, head.get('object_decoder', {})]
    for part in parts:
        part['num_heads'] = heads
