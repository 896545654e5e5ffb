"""Our models with weights of the peers' published codes, and comparisons with their outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2_weights import HEADS, build, facts, outputs, weights
from pycocotools import mask as coco_mask
from torch import Tensor, nn

from rocovis_mm.checkpoints import to_detectron2, to_mm
from rocovis_mm.structures import VideoTracks


def published_peer(
    name: str, shared_dir: Path, **options: Any
) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a model with converted weights, and its fixture; conversion is undone exactly.

    Args:
        name: of the fixture. It begins with the kind of the model.
        shared_dir: folder of the fixtures.
        **options: of the model.
    """
    published = weights(name, shared_dir)
    checkpoint = to_mm({'model': published})
    kind = name.removesuffix('_clips').removesuffix('_online')
    assert checkpoint['meta']['detectron2']['model'] == kind
    back = to_detectron2(checkpoint)['model']
    assert back.keys() == published.keys()
    assert all(torch.equal(back[key], x) for key, x in published.items())
    heads = facts(name, shared_dir)['overrides'].get('heads', HEADS)
    return build(checkpoint, heads, **options), outputs(name, shared_dir)


def assert_near(ours: Tensor, theirs: Tensor) -> None:
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
