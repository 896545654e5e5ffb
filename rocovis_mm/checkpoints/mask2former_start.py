"""A COCO Mask2Former checkpoint of MMDetection as a start."""

from __future__ import annotations

from collections import OrderedDict

from mmengine.logging import print_log
from torch import Tensor, nn

SOURCE = 'panoptic_head.'
RENAMED = (
    ('panoptic_head.pixel_decoder.', 'track_head.pixel_decoder.'),
    ('panoptic_head.', 'track_head.query_decoder.'),
)
"""Prefix in MMDetection's Mask2Former -> prefix here; the first that fits counts."""


def rename(key: str) -> str:
    """Return the name that a key of MMDetection's Mask2Former has here."""
    for old, new in RENAMED:
        if key.startswith(old):
            return new + key[len(old) :]
    return key


class Mask2FormerStart:
    """Load hook: gives the weights of MMDetection's Mask2Former our names, and reports.

    Acts only on a state dict that holds ``panoptic_head.*``. Tensors of another
    shape (the class head of another number of classes) are left at their
    initial values, as are the parameters that Mask2Former does not have.
    """

    def __call__(
        self, module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *args: object
    ) -> None:
        """Rewrite `state_dict` in place and log what was loaded, skipped and new."""
        if not any(key.startswith(prefix + SOURCE) for key in state_dict):
            return
        source = OrderedDict(
            (rename(key[len(prefix) :]), state_dict.pop(key))
            for key in [k for k in state_dict if k.startswith(prefix)]
        )
        own = {
            name: tensor for name, tensor in (*module.named_parameters(), *module.named_buffers())
        }
        loaded, skipped = [], []
        for name, tensor in source.items():
            if name in own and own[name].shape == tensor.shape:
                state_dict[prefix + name] = tensor
                loaded.append(name)
            elif name in own:
                shapes = f'{tuple(tensor.shape)} there, {tuple(own[name].shape)} here'
                skipped.append(f'{name} ({shapes})')
            else:
                skipped.append(f'{name} (no such tensor here)')
        new = [name for name in own if name not in loaded]
        print_log(
            f'Start from MMDetection Mask2Former: {len(loaded)} tensors loaded; '
            f'{len(skipped)} skipped: {skipped}; {len(new)} new: {new}',
            logger='current',
        )
