"""From a batch of the data loader to the tensors of a model."""

from rocovis_mm.models.data_preprocessors.vis_data_preprocessor import VISDataPreprocessor

__all__ = ['VISDataPreprocessor']
