"""The blocks of the paper, one file each; torch only."""

from rocovis_mm.models.layers.mask_propagation_pixel_decoder import MaskPropagationPixelDecoder
from rocovis_mm.models.layers.object_decoder import DecodedObjects, ObjectDecoder
from rocovis_mm.models.layers.propagation_attention import PropagationAttention
from rocovis_mm.models.layers.query_decoder import QueryDecoder
from rocovis_mm.models.layers.referring_tracker import ReferringTracker
from rocovis_mm.models.layers.spatial_identity import mask_probabilities, spatial_identity

__all__ = [
    'DecodedObjects',
    'MaskPropagationPixelDecoder',
    'ObjectDecoder',
    'PropagationAttention',
    'QueryDecoder',
    'ReferringTracker',
    'mask_probabilities',
    'spatial_identity',
]
