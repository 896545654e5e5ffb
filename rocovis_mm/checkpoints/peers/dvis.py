"""The names of DVIS' tracker (``dvis/video_dvis_modules.py``, ``ReferringTracker``).

Its layers have the names of Mask2Former's query decoder, as the rest of the model does.
"""

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
