"""Weights and outputs of the peers' published codes, and our models with these weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2_weights import weight
from mmengine.config import Config
from pycocotools import mask as coco_mask
from tiny_model import BASES
from torch import Tensor

from rocovis_mm.checkpoints import fitting_config, read_sizes
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import VideoTracks

FOLDER = 'fixtures/peers'


def facts(name: str, shared_dir: Path) -> dict[str, Any]:
    """Return what is written about a fixture."""
    return json.loads((shared_dir / FOLDER / f'{name}.json').read_text())


def outputs(name: str, shared_dir: Path) -> dict[str, Tensor]:
    """Return the input frames and what the published code made of them."""
    with np.load(shared_dir / FOLDER / f'{name}.npz') as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays}


def weights(name: str, shared_dir: Path) -> dict[str, Tensor]:
    """Return the state dict by the rule and its exceptions; repeated tensors are the same."""
    found = facts(name, shared_dir)
    made = {}
    for key, shape in found['keys'].items():
        original = key.replace('transformer.decoder.bbox_embed.', 'bbox_embed.')
        tensor = weight(original, tuple(shape))
        exception = found['rule_exceptions'].get(original, {})
        tensor = tensor * exception.get('multiply_by', 1) + torch.tensor(exception.get('add', 0))
        for channel, factor in exception.get('multiply_input_channels', {}).items():
            tensor[:, int(channel)] *= factor
        made[key] = tensor
    return made


def build_detr(
    checkpoint: dict[str, Any], base: str, heads: int, **options: Any
) -> torch.nn.Module:
    """Return a model on top of Deformable DETR at a converted checkpoint's sizes.

    Args:
        checkpoint: converted.
        base: of the config.
        heads: of all attentions, which no weight's shape tells.
        **options: of the model.
    """
    state_dict, kind = checkpoint['state_dict'], checkpoint['meta']['detectron2']['model']
    config = Config.fromfile(BASES / f'{base}.py')
    config.merge_from_dict(dict(model=fitting_config(read_sizes(state_dict, kind), kind)))
    config.model.backbone.init_cfg = None
    config.model.track_head.encoder.num_heads = config.model.track_head.decoder.num_heads = heads
    config.model.update(options)
    model = MODELS.build(config.model).eval()
    model.load_state_dict(state_dict, strict=True)
    return model


def close(ours: Tensor, theirs: Tensor) -> None:
    """Compare within 1e-4 of the largest magnitude."""
    atol = 1e-4 * max(1, theirs.abs().max().item())
    torch.testing.assert_close(ours, theirs, atol=atol, rtol=0)


def check_tracks(tracks: VideoTracks, fixture: dict[str, Tensor], first_label: int = 0) -> None:
    """Check a video's tracks, ours best first, against the published ones."""
    order = fixture['video_scores'].argsort(descending=True, stable=True)
    np.testing.assert_allclose(tracks.scores, fixture['video_scores'][order], atol=1e-5)
    assert (tracks.labels + first_label).tolist() == fixture['video_labels'][order].tolist()
    expected = fixture['video_masks'][order].numpy()
    nothing = np.zeros(expected.shape[2:], np.uint8)
    masks = [
        [nothing if rle is None else coco_mask.decode(rle) for rle in segmentations]
        for segmentations in tracks.segmentations
    ]
    assert (np.array(masks) == expected).mean() >= 0.9999
