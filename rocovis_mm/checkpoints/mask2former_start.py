"""A COCO Mask2Former checkpoint of MMDetection as a start."""

from __future__ import annotations

from mmengine.logging import print_log
from torch import Tensor, nn

from rocovis_mm.checkpoints.names import HEADS

SOURCE = 'panoptic_head.'


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
        source = {}
        for key in [key for key in state_dict if key.startswith(prefix)]:
            name = key[len(prefix) :]
            for theirs, ours in zip(HEADS['mask2former'], HEADS['minvis']):
                if name.startswith(theirs):
                    name = ours + name[len(theirs) :]
            source[name] = state_dict.pop(key)
        own = dict([*module.named_parameters(), *module.named_buffers()])
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
