"""The base class of video models and Mask2Former's layers, of whichever host there is."""

from rocovis_mm.compat.dependencies import hosted_by_mmtrack

if hosted_by_mmtrack():
    from rocovis_mm.compat.mmtrack.base_model import BaseMOTModel
    from rocovis_mm.compat.mmtrack.layers import (
        DetrTransformerEncoder,
        Mask2FormerTransformerDecoder,
    )
    from rocovis_mm.compat.mmtrack.pixel_decoder import MSDeformAttnPixelDecoder
else:
    from mmdet.models.layers import (
        DetrTransformerEncoder,
        Mask2FormerTransformerDecoder,
        MSDeformAttnPixelDecoder,
    )
    from mmdet.models.mot import BaseMOTModel

__all__ = [
    'BaseMOTModel',
    'DetrTransformerEncoder',
    'MSDeformAttnPixelDecoder',
    'Mask2FormerTransformerDecoder',
]
