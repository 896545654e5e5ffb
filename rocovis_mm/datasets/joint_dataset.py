"""Several data sets to train on together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset, ConcatDataset

from rocovis_mm.registry import DATASETS


@DATASETS.register_module()
class JointDataset(ConcatDataset):
    """Data sets from which ``ClipSampler`` draws at a ratio that is independent of their sizes.

    Each has a pipeline of its own. All give clips of the same length with labels of the same
    classes, so that a batch may hold items of several data sets.

    Args:
        datasets: configs or data sets. The first one gives the metainfo. In training by epochs,
            an epoch contains each item of the first one once on average.
        ratios: relative frequency of each data set, such as (0.75, 1.0).

    Raises:
        ValueError: the data sets do not fit together; the message names them and the remedy.
    """

    def __init__(
        self, datasets: Sequence[dict[str, Any] | BaseDataset], ratios: Sequence[float]
    ) -> None:
        if not datasets or len(datasets) != len(ratios) or not all(0 < r < np.inf for r in ratios):
            raise ValueError(
                f'JointDataset: {len(datasets)} datasets and ratios={list(ratios)}; give each data '
                'set a positive ratio, and leave out unused data sets'
            )
        parts = [DATASETS.build(part) if isinstance(part, dict) else part for part in datasets]
        for part in parts:
            check_part(part, parts[0])
        keys = {key for part in parts for key in part.metainfo}
        super().__init__(parts, ignore_keys=sorted(keys))
        self.shares = np.array(ratios, dtype=float) / sum(ratios)


def check_part(part: BaseDataset, first: BaseDataset) -> None:
    """Refuse a data set that is for testing, is empty, or has other classes or clip lengths."""
    name = f'JointDataset: {part.ann_file}'
    if part.test_mode:
        raise ValueError(f'{name} has test_mode=True; joint data are for training')
    if len(part) == 0:
        raise ValueError(f'{name} holds no items; check its filters or leave it out')
    ours, theirs = (tuple(each.metainfo.get('classes', ())) for each in (part, first))
    if ours != theirs:
        raise ValueError(
            f'{name} has the classes {list(ours)}, {first.ann_file} has {list(theirs)}; set the '
            "same metainfo=dict(classes=...) for both, and the images' category_map"
        )
    lengths = [clip_length(each) for each in (part, first)]
    if lengths[0] != lengths[1]:
        raise ValueError(
            f'{name} gives clips of {lengths[0]} frames, {first.ann_file} of {lengths[1]}; set the '
            'same num_frames in the SampleClip and PseudoClip of their pipelines'
        )


def clip_length(dataset: BaseDataset) -> int | None:
    """Return the number of frames of the pipeline's clips, or None if no transform has one."""
    transforms = dataset.pipeline.transforms
    return next((step.num_frames for step in transforms if hasattr(step, 'num_frames')), None)
