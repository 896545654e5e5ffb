"""Copy-paste between the clips of a batch, over time.

B clips, T frames, G instances of a clip, H x W the padded input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rocovis_mm.registry import MODELS
from rocovis_mm.structures import ClipTargets


@MODELS.register_module()
class ClipCopyPaste(nn.Module):
    """Puts instances of another clip of the batch, with their motion, in front of each clip.

    A pasted instance keeps its class and its way through the frames. A random shift, size,
    mirroring and colour change it as a whole. The clip gains an object before another
    background, and the occlusions, exits and entries that come of it (after Ghiasi et al.,
    *Simple Copy-Paste*, carried over to clips). Ids of pasted instances are negative.

    Args:
        prob: probability that a clip receives anything.
        max_instances: at most so many are pasted.
        max_shift: largest shift, as a share of height and width.
        scale_range: range of the factor of an instance's height and width; its logarithm is
            drawn evenly.
        flip_prob: probability that an instance is mirrored.
        gain_range: range of the factor of each of an instance's three normalised channels.
    """

    def __init__(
        self,
        prob: float = 0.5,
        max_instances: int = 2,
        max_shift: float = 0.3,
        scale_range: tuple[float, float] = (1.0, 1.0),
        flip_prob: float = 0.0,
        gain_range: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        if not (0 <= prob <= 1 and max_instances >= 1 and 0 <= max_shift <= 1):
            raise ValueError(
                f'ClipCopyPaste: prob={prob}, max_instances={max_instances}, '
                f'max_shift={max_shift}; give shares from 0 to 1 and at least one instance'
            )
        if not 0 <= flip_prob <= 1:
            raise ValueError(f'ClipCopyPaste: flip_prob={flip_prob}; give a share from 0 to 1')
        for name, (low, high) in dict(scale_range=scale_range, gain_range=gain_range).items():
            if not 0 < low <= high:
                raise ValueError(f'ClipCopyPaste: {name}={(low, high)}; give 0 < low <= high')
        self.prob = prob
        self.max_instances = max_instances
        self.max_shift = max_shift
        self.scale_range = scale_range
        self.flip_prob = flip_prob
        self.gain_range = gain_range

    @torch.no_grad()
    def forward(
        self, images: Tensor, targets: Sequence[ClipTargets]
    ) -> tuple[Tensor, list[ClipTargets]]:
        """Return the batch with instances pasted.

        Args:
            images: (B, T, 3, H, W).
            targets: B clip targets.
        """
        if len(targets) < 2:  # nobody to receive from
            return images, list(targets)
        pasted_images, pasted_targets = [], []
        for b, target in enumerate(targets):
            image, source = images[b], targets[b - 1]
            if len(source) and torch.rand(()) < self.prob:
                image, target = self.paste(image, target, images[b - 1], source)
            pasted_images.append(image)
            pasted_targets.append(target)
        # stack would lose the memory layout of the frames
        return torch.cat(pasted_images).unflatten(0, images.shape[:2]), pasted_targets

    def paste(
        self, image: Tensor, target: ClipTargets, source_image: Tensor, source: ClipTargets
    ) -> tuple[Tensor, ClipTargets]:
        """Paste a random choice of `source`'s instances into one clip.

        Args:
            image: (T, 3, H, W), the clip that receives.
            target: its instances.
            source_image: (T, 3, H, W), the clip that gives.
            source: its instances.
        """
        count = int(torch.randint(1, self.max_instances + 1, ()))
        chosen = torch.randperm(len(source))[:count].to(source.labels.device)
        image, masks = image.clone(), target.masks
        for mask in source.masks[chosen]:
            pasted = self.paste_instance(image, source_image, mask)
            masks = torch.cat([masks & ~pasted, pasted[None]])
        return image, ClipTargets(
            torch.cat([target.labels, source.labels[chosen]]),
            masks,
            torch.cat([target.ids, -1 - source.ids[chosen]]),
            target.generator,
        )

    def paste_instance(self, image: Tensor, source_image: Tensor, mask: Tensor) -> Tensor:
        """Paste one instance, changed at random, and return its mask (T, H, W) in the clip.

        Args:
            image: (T, 3, H, W), written to.
            source_image: (T, 3, H, W).
            mask: (T, H, W) of the instance in `source_image`.
        """
        pasted = torch.zeros_like(mask)
        box = enclosing_box(mask)
        if box is None:
            return pasted
        pixels, shape = self.vary(source_image[(..., *box)], mask[(..., *box)])
        sides = zip(box, shape.shape[-2:], mask.shape[-2:])
        into, out_of = zip(*(self.draw_place(*side) for side in sides))
        shape = shape[(..., *out_of)]
        pasted[(..., *into)] = shape
        image[(..., *into)] = torch.where(
            shape[:, None], pixels[(..., *out_of)], image[(..., *into)]
        )
        return pasted

    def vary(self, pixels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (T, 3, h', w') pixels and the mask (T, h', w') in another size and colour.

        Args:
            pixels: (T, 3, h, w).
            mask: (T, h, w).
        """
        low, high = (math.log(factor) for factor in self.scale_range)
        factor = math.exp(low + (high - low) * float(torch.rand(())))
        size = tuple(max(round(side * factor), 1) for side in mask.shape[-2:])
        if size != tuple(mask.shape[-2:]):
            both = torch.cat([pixels, mask[:, None].to(pixels)], dim=1)
            both = F.interpolate(both, size, mode='bilinear', align_corners=False, antialias=True)
            pixels, mask = both[:, :3], both[:, 3] > 0.5
        if torch.rand(()) < self.flip_prob:
            pixels, mask = pixels.flip(-1), mask.flip(-1)
        low, high = self.gain_range
        gain = low + (high - low) * torch.rand(3, 1, 1)
        return pixels * gain.to(pixels), mask

    def draw_place(self, old: slice, length: int, whole: int) -> tuple[slice, slice]:
        """Draw the place of a piece along one side of the frame.

        Args:
            old: pixels that the instance came from; its centre is shifted.
            length: of the piece now.
            whole: of the frame.

        Returns:
            the pixels that both have in common: in the frame, and in the piece.
        """
        shift = int((torch.rand(()) * 2 - 1) * self.max_shift * whole)
        start = (old.start + old.stop - length) // 2 + shift
        first = min(max(start, 0), whole)
        end = max(min(start + length, whole), first)
        return slice(first, end), slice(first - start, end - start)


def enclosing_box(mask: Tensor) -> tuple[slice, slice] | None:
    """Return rows and columns around a mask (T, H, W) in all of its frames; None: it is empty."""
    seen = mask.any(0)
    if not seen.any():
        return None
    rows, columns = (seen.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
