"""Models without their Python: one frame and its past in, a prediction and the new past out."""

from rocovis_mm.compat import checked  # noqa: F401
from rocovis_mm.deployment.exported_model import ExportedModel
from rocovis_mm.deployment.exported_streams import ExportedStreams
from rocovis_mm.deployment.exporting import export_onnx, export_openvino, export_program
from rocovis_mm.deployment.frame_step import FrameStep, frame_step
from rocovis_mm.deployment.runtimes import is_exported

__all__ = [
    'ExportedModel',
    'ExportedStreams',
    'FrameStep',
    'export_onnx',
    'export_openvino',
    'export_program',
    'frame_step',
    'is_exported',
]
