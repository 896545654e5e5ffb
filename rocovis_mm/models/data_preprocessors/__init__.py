"""From a data loader's batch to a model's input."""

from rocovis_mm.models.data_preprocessors.clip_copy_paste import ClipCopyPaste
from rocovis_mm.models.data_preprocessors.vis_data_preprocessor import VISDataPreprocessor

__all__ = ['ClipCopyPaste', 'VISDataPreprocessor']
