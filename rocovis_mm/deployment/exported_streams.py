"""An exported file as a model of :class:`StreamEngine`.

B streams, N queries, C channels, K classes, M frames of memory, H x W the frames of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from rocovis_mm.deployment.runtimes import Arrays
from rocovis_mm.models.data_preprocessors.vis_data_preprocessor import note_shape
from rocovis_mm.models.tracking_heads.rocovis_head import foreground
from rocovis_mm.structures import FramePrediction, StreamState

if TYPE_CHECKING:
    from rocovis_mm.deployment.exported_model import ExportedModel


@dataclass(frozen=True)
class ExportedState(StreamState):
    """The memory of a batch of streams of an exported file.

    Attributes:
        streams: name -> tensor of fixed shape, of each of B streams.
        by_query: tensors (1, M, N, C), in which a query that is given back is zeroed.
    """

    streams: tuple[Arrays, ...] = ()
    by_query: tuple[str, ...] = ()

    @property
    def started(self) -> bool:
        """Whether there was a frame."""
        return bool(self.streams)

    def map(self, function: Callable[[Tensor], Tensor]) -> ExportedState:
        """Return the state with `function` applied to every tensor of all streams."""
        streams = (
            {name: function(torch.from_numpy(x)).numpy() for name, x in stream.items()}
            for stream in self.streams
        )
        return replace(self, streams=tuple(streams))

    def newest(self, frames: int) -> ExportedState:
        """Return the state with at most so many past frames, the last ones.

        The others keep their places. No attention looks at them.
        """
        streams = (
            dict(stream, remembered=np.minimum(stream['remembered'], frames))
            for stream in self.streams
        )
        return replace(self, streams=tuple(streams))

    def restart(self, slots: Tensor, queries: Tensor | None) -> ExportedState:
        """Return the state with some slots as before the first frame; see :class:`StreamState`."""
        if queries is None:
            return self
        streams, rows = [], slots.cpu().numpy()
        for stream in self.streams:
            fresh = {name: stream[name].copy() for name in ('queries', *self.by_query)}
            fresh['queries'][:, rows] = queries[slots].numpy()
            for name in self.by_query:
                fresh[name][:, :, rows] = 0
            streams.append({**stream, **fresh})
        return replace(self, streams=tuple(streams))

    def split(self) -> list[ExportedState]:
        """Return one state of batch size 1 for every stream of the batch."""
        return [replace(self, streams=(stream,)) for stream in self.streams]

    @staticmethod
    def cat(states: Sequence[ExportedState]) -> ExportedState:
        """Return the batch of `states`."""
        streams = (stream for state in states for stream in state.streams)
        return replace(states[0], streams=tuple(streams))


class ExportedStreams:
    """Advances streams on an exported file; see :class:`StreamModel`.

    Args:
        file: the file. Its frames have one size, to which the test pipeline in its metadata
            brings all others.

    Attributes:
        file: as above.
        num_queries: N.
        num_classes: K.
        track_rule: how frames become tracks.
    """

    def __init__(self, file: ExportedModel) -> None:
        self.file = file
        metadata = file.metadata
        self.num_queries = metadata.num_queries
        self.num_classes = metadata.num_classes
        self.track_rule = metadata.track_rule
        first = metadata.first_queries
        self._first_queries = None if first is None else torch.from_numpy(first)

    def data_preprocessor(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Note the padded size in each frame. The file itself normalises and pads."""
        for sample in data['data_samples']:
            note_shape(sample, self.file.metadata.padded, pad_masks=False)
        return data

    def first_queries(self) -> Tensor | None:
        """Return the learned queries (N, C), or None where none are carried on."""
        return self._first_queries

    def foreground(self, class_logits: Tensor) -> Tensor:
        """Return the factor of each query's pixel probabilities, (B, N), from (B, N, K + 1)."""
        if self.file.metadata.scale_output:
            return foreground(class_logits)
        return torch.ones_like(class_logits[..., 0])

    def step(self, images: Tensor, state: StreamState) -> tuple[FramePrediction, ExportedState]:
        """Predict one frame of B streams, one stream after the other.

        Args:
            images: (B, 3, H, W) uint8, BGR.
            state: of the frame before.
        """
        metadata = self.file.metadata
        started = isinstance(state, ExportedState) and state.started
        past = state.streams if started else [self.file.first_state() for _ in images]
        classes, masks, streams = [], [], []
        for image, arrays in zip(images, past):
            frame = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
            class_logits, mask_logits, after = self.file.step(frame, arrays)
            classes.append(torch.from_numpy(class_logits))
            masks.append(torch.from_numpy(mask_logits))
            streams.append(after)
        queries = torch.cat([torch.from_numpy(stream['queries']) for stream in streams])
        prediction = FramePrediction((torch.cat(classes),), (torch.cat(masks),), queries)
        return prediction, ExportedState(streams=tuple(streams), by_query=metadata.by_query)
