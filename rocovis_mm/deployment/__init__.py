"""Models without their Python: one frame and its past in, a prediction and the new past out."""

from rocovis_mm.compat import checked  # noqa: F401
from rocovis_mm.deployment.exported_model import ExportedModel
from rocovis_mm.deployment.exporting import export_onnx, export_program
from rocovis_mm.deployment.frame_step import FrameStep, frame_step

__all__ = ['ExportedModel', 'FrameStep', 'export_onnx', 'export_program', 'frame_step']
