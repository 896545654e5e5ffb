"""Runs an exported file over videos, frame by frame.

N queries, K classes, H x W a frame, h x w its mask logits.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rocovis_mm.deployment.exported_streams import ExportedStreams
from rocovis_mm.deployment.file_metadata import read_metadata
from rocovis_mm.deployment.runtimes import Arrays, open_runtime
from rocovis_mm.streaming.engine import StreamEngine
from rocovis_mm.streaming.session import StreamSession
from rocovis_mm.structures import VideoTracks


class ExportedModel:
    """A step that ``tools/deployment/export.py`` wrote, in onnxruntime or OpenVINO.

    The state of a stream belongs to the caller. :meth:`step` takes it and returns the new
    one, so one file serves any number of streams. ``RoCoVISInferencer`` takes a file by its path
    and does this for videos, cameras and streams.

    Args:
        path: the .onnx or .xml file.
        device: of :func:`open_runtime`.
        precision: of :func:`open_runtime`.
        threads: of :func:`open_runtime`.
        profile: of :func:`open_runtime`.

    Attributes:
        path: as above.
        metadata: see :class:`FileMetadata`.
        runtime: the graph.
        size: (H, W) of the frames it takes.
        classes: names by label.
        category_ids: json category ids by label, for :meth:`VideoTracks.to_results`.

    Raises:
        FileNotFoundError: there is no such file.
        ModuleNotFoundError: the runtime is not installed.
        ValueError: the file was not written by this version of ``tools/deployment/export.py``, or
            the device or the precision is not there.
    """

    def __init__(
        self,
        path: str | Path,
        device: str = 'auto',
        precision: str | None = None,
        threads: int | None = None,
        profile: bool = False,
    ) -> None:
        self.path = Path(path)
        self.runtime = open_runtime(path, device, precision, threads, profile)
        self.metadata = read_metadata(self.runtime.metadata, path)
        self.size = self.metadata.size
        self.classes = self.metadata.classes
        self.category_ids = self.metadata.category_ids

    def first_state(self) -> Arrays:
        """Return the state before the first frame, all zeros."""
        return {
            name: np.zeros_like(x) for name, x in self.runtime.inputs.items() if name != 'frame'
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
                f'{(*self.size, 3)}: resize the frame, export the model for its size, or give the '
                'file to RoCoVISInferencer, which takes frames of any size'
            )
        class_logits, mask_logits, *after = self.runtime.run(dict(state, frame=frame))
        return class_logits, mask_logits, dict(zip(state, after))

    def track(self, frames: Iterable[np.ndarray], video_id: int = 0) -> VideoTracks:
        """Return the tracks of a video.

        Args:
            frames: (H, W, 3) uint8, BGR each, of one size, in order.
            video_id: of the result.

        Raises:
            ValueError: there are no frames, or they are of different sizes.
        """
        engine = StreamEngine(ExportedStreams(self))
        names = self.classes, self.category_ids
        with StreamSession(engine, self.metadata.pipeline, *names, video_id=video_id) as stream:
            for frame in frames:
                engine.run([stream.fit(frame)])
        if not len(stream):
            raise ValueError(f'video {video_id} has no frames')
        return stream.finish().video
