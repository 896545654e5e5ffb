"""The names of DVIS' tracker (``dvis/video_dvis_modules.py``, ``ReferringTracker``).

Its layers have the names of Mask2Former's query decoder, as the rest of the model does.
"""

from __future__ import annotations

from collections.abc import Iterable

TRACKER = """
heads:
    class_embed                 cls_embed
    mask_embed.layers.0         mask_embed.0
    mask_embed.layers.1         mask_embed.2
    mask_embed.layers.2         mask_embed.4
decoder norm:
    decoder_norm                decoder.post_norm
"""
THEIRS = 'tracker.'
OURS = 'track_head.tracker.'
"""Prefixes of the tracker."""
OFFLINE = 'refiner.'
"""Prefix of the temporal refiner, which the offline variant has alone."""


def is_dvis(names: Iterable[str], wanted: str) -> bool:
    """Whether weights are of DVIS online.

    Args:
        names: of the weights, as published.
        wanted: the model that they have to be of, or 'auto'.

    Raises:
        ValueError: they are of DVIS and should not be, or the other way round, or of its
            offline variant.
    """
    names = list(names)
    if not any(name.startswith(THEIRS) for name in names):
        if wanted == 'dvis':
            raise ValueError(
                'no tracker.*: this is no DVIS but a Mask2Former or MinVIS; give --model '
                'mask2former or --model minvis'
            )
        return False
    if wanted not in ('auto', 'dvis'):
        raise ValueError(
            f'tracker.* is there: this is a DVIS, not --model {wanted}; give --model auto'
        )
    if any(name.startswith(OFFLINE) for name in names):
        raise ValueError(
            f'{OFFLINE}* is there: this is the offline DVIS; the online variant alone is known here'
        )
    return True
