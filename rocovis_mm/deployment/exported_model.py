"""Runs an exported ONNX file over videos, frame by frame.

N queries, K classes, H x W a frame, h x w its mask logits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from rocovis_mm.streaming.frame_masks import FrameMasks, FrameSizes, frame_masks
from rocovis_mm.streaming.track_recorder import TrackRecorder, TrackRule
from rocovis_mm.structures import VideoTracks

Arrays = dict[str, np.ndarray]
"""Name -> tensor of a stream's state."""
METADATA = 'rocovis_mm'
"""Key of an ONNX file's metadata with the settings of :class:`ExportedModel`."""


class ExportedModel:
    """A step that ``tools/deployment/export.py`` wrote, in onnxruntime.

    The state of a stream belongs to the caller. :meth:`step` takes it and returns the new
    one, so one file serves any number of streams.

    Args:
        path: the ONNX file.
        providers: of onnxruntime, best first.

    Attributes:
        size: (H, W) of the frames it takes.
        classes: names by label.
        category_ids: json category ids by label, for :meth:`VideoTracks.to_results`.

    Raises:
        ModuleNotFoundError: onnxruntime is not installed.
        ValueError: the file was not written by ``tools/deployment/export.py``.
    """

    def __init__(
        self, path: str | Path, providers: Iterable[str] = ('CPUExecutionProvider',)
    ) -> None:
        require_packages('onnxruntime')
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path), providers=list(providers))
        metadata = self.session.get_modelmeta().custom_metadata_map.get(METADATA)
        if metadata is None:
            raise ValueError(
                f'{path} has no metadata {METADATA!r}: export it with tools/deployment/export.py'
            )
        self.metadata = json.loads(metadata)
        self.size = tuple(self.metadata['size'])
        self.rule = TrackRule(**self.metadata['track_rule'])
        labels = range(self.metadata['num_classes'])
        self.classes = tuple(self.metadata.get('classes') or map(str, labels))
        ids = self.metadata.get('category_ids')
        self.category_ids = tuple(ids or (label + 1 for label in labels))

    def first_state(self) -> Arrays:
        """Return the state before the first frame, all zeros."""
        return {
            x.name: np.zeros(x.shape, np.int64 if x.type == 'tensor(int64)' else np.float32)
            for x in self.session.get_inputs()
            if x.name != 'frame'
        }

    def step(self, frame: np.ndarray, state: Arrays) -> tuple[np.ndarray, np.ndarray, Arrays]:
        """Predict one frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            state: of the frame before, or :meth:`first_state`.

        Returns:
            class logits (1, N, K + 1), mask logits (1, N, h, w) and the new state.

        Raises:
            ValueError: the frame is of another size.
        """
        if frame.shape != (*self.size, 3) or frame.dtype != np.uint8:
            raise ValueError(
                f'the frame is {frame.dtype} {frame.shape}, the exported file takes uint8 '
                f'{(*self.size, 3)}: resize the frame, or export the model for its size'
            )
        class_logits, mask_logits, *after = self.session.run(None, dict(state, frame=frame))
        return class_logits, mask_logits, dict(zip(state, after))

    def segment(self, class_logits: np.ndarray, mask_logits: np.ndarray) -> FrameMasks:
        """Return the masks of one frame; see :func:`frame_masks`."""
        classes, masks = torch.from_numpy(class_logits[0]), torch.from_numpy(mask_logits[0])
        foreground = torch.ones(len(classes))
        if self.metadata['scale_output']:
            foreground = 1 - classes.softmax(-1)[:, -1]
        sizes = FrameSizes(tuple(self.metadata['padded']), self.size, self.size)
        scoring = self.rule.mask_scoring, self.rule.scoring_size
        return frame_masks(classes, masks, foreground, sizes, *scoring)

    def track(self, frames: Iterable[np.ndarray], video_id: int = 0) -> VideoTracks:
        """Return the tracks of a video.

        Args:
            frames: (H, W, 3) uint8, BGR each, in order.
            video_id: of the result.

        Raises:
            ValueError: there are no frames, or one is of another size.
        """
        queries = self.session.get_outputs()[0].shape[1]
        recorder = TrackRecorder(queries, self.metadata['num_classes'], self.rule)
        state = self.first_state()
        for frame in frames:
            class_logits, mask_logits, state = self.step(frame, state)
            recorder.add_frame(self.segment(class_logits, mask_logits))
        if not recorder.length:
            raise ValueError(f'video {video_id} has no frames')
        return recorder.finish(video_id)


def require_packages(*names: str) -> None:
    """Check that packages for ONNX files are installed.

    Raises:
        ModuleNotFoundError: names the missing ones and the command that installs them.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f'ONNX files need {", ".join(missing)}: pip install -r requirements/export.txt'
        )
