"""One frame of one stream as a function of tensors whose shapes never change.

M frames of memory, N queries, C channels, K classes, H x W a frame, h x w its mask logits.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rocovis_mm.models.data_preprocessors.vis_data_preprocessor import pad_to
from rocovis_mm.models.vis import DVIS, GenVIS, MinVIS, OfflineVISModel, OnlineVISModel, RoCoVIS
from rocovis_mm.structures import (
    AlignedQueries,
    FramePrediction,
    MemoryFrame,
    QueryMemory,
    StreamState,
)


class FrameStep(nn.Module):
    """Preprocesses a frame and returns its prediction and the new state.

    A stream's memory grows from nothing to M frames. Here it always has M places, oldest
    first, of which the last ``remembered`` count. The others are hidden from every
    attention. So one graph serves the first frame and all others, with the results of the
    model. The state before the first frame is all zeros.

    Args:
        model: at test time.
        size: (H, W) of the frames.

    Attributes:
        state_shapes: name -> shape of each tensor of the state, all float but
            ``remembered``, which is one integer (long).
    """

    by_query: tuple[str, ...] = ()
    """Names of the memory's tensors that are (1, M, N, C), a part of each query."""

    def __init__(self, model: OnlineVISModel, size: tuple[int, int]) -> None:
        super().__init__()
        self.model = model.eval()
        self.size = tuple(size)
        self.padded = model.data_preprocessor.padded_shape(size)
        first = model.first_queries()
        if first is None:
            first = model.track_head.query_decoder.query_feat.weight
        channels = first.shape[-1]
        self.state_shapes: dict[str, tuple[int, ...]] = {
            'queries': (1, model.num_queries, channels),
            'remembered': (1,),
            **self.memory_shapes(channels),
        }

    @abstractmethod
    def memory_shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape (1, M, ...) of the memory's tensors."""

    @abstractmethod
    def predict(
        self, images: Tensor, queries: Tensor, visible: Tensor, memory: dict[str, Tensor]
    ) -> tuple[FramePrediction, dict[str, Tensor]]:
        """Return the prediction and name -> (1, ...) of the frame's memory.

        Args:
            images: (1, 3, H', W'), normalised and padded.
            queries: (1, N, C); zeros at the first frame of MinVIS and DVIS.
            visible: (1, M) bool, places of the memory that count.
            memory: name -> (1, M, ...).
        """

    @property
    def memory_frames(self) -> int:
        """M; 1 where nothing is remembered but queries."""
        shapes = [shape for name, shape in self.state_shapes.items() if self.is_memory(name)]
        return shapes[0][1] if shapes else 1

    @staticmethod
    def is_memory(name: str) -> bool:
        """Whether a tensor of the state holds M past frames."""
        return name not in ('queries', 'remembered')

    def first_state(self) -> dict[str, Tensor]:
        """Return the state before the first frame."""
        return {
            name: torch.zeros(shape, dtype=torch.long if name == 'remembered' else torch.float32)
            for name, shape in self.state_shapes.items()
        }

    def forward(self, frame: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Predict one frame.

        Args:
            frame: (H, W, 3) uint8, BGR.
            *state: tensors in the order of `state_shapes`.

        Returns:
            class logits (1, N, K + 1), mask logits (1, N, h, w) of the padded frame,
            and the new state.
        """
        past = dict(zip(self.state_shapes, state))
        memory = {name: x for name, x in past.items() if self.is_memory(name)}
        remembered = past['remembered']
        queries, first = past['queries'], self.model.first_queries()
        if first is not None:
            queries = torch.where(remembered > 0, queries, first[None])
        places = torch.arange(self.memory_frames, 0, -1, device=frame.device)
        images = self.model.data_preprocessor.normalise(frame.permute(2, 0, 1)[None])
        prediction, newest = self.predict(
            pad_to(images, self.padded), queries, (places <= remembered)[None], memory
        )
        after = {
            'queries': prediction.queries,
            'remembered': (remembered + 1).clamp(max=self.memory_frames),
        }
        for name, x in memory.items():
            after[name] = torch.cat([x[:, 1:], newest[name][:, None]], dim=1)
        new_state = (after[name] for name in self.state_shapes)
        return (prediction.class_logits[-1], prediction.mask_logits[-1], *new_state)


class RoCoVISStep(FrameStep):
    """Queries of the frame before, keys and values of M frames."""

    def memory_shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape (1, M, h_s * w_s, C)."""
        head = self.model.track_head
        height, width = self.padded
        return {
            f'{kind}_{stride}': (1, head.memory_frames, height * width // stride**2, channels)
            for stride in head.pixel_decoder.propagation_strides
            for kind in ('keys', 'values')
        }

    def predict(
        self, images: Tensor, queries: Tensor, visible: Tensor, memory: dict[str, Tensor]
    ) -> tuple[FramePrediction, dict[str, Tensor]]:
        """Run ``decode`` and ``advance``. The first frame is its own past."""
        head = self.model.track_head
        strides = head.pixel_decoder.propagation_strides
        features = self.model.extract_features(images)
        first = ~visible[:, -1]
        frames = []
        if strides:
            itself = self.as_its_own_past(features)
            for m in range(self.memory_frames):
                past = MemoryFrame(
                    {s: memory[f'keys_{s}'][:, m] for s in strides},
                    {s: memory[f'values_{s}'][:, m] for s in strides},
                )
                frames.append(past)
            frames[-1] = MemoryFrame(
                {s: torch.where(first, itself.keys[s], x) for s, x in past.keys.items()},
                {s: torch.where(first, itself.values[s], x) for s, x in past.values.items()},
            )
        counted = torch.cat([visible[:, :-1], torch.ones_like(visible[:, -1:])], dim=1)
        state = StreamState(queries, tuple(frames))
        prediction = head.decode(features, state, 'last', counted if strides else None)
        after = head.advance(StreamState(queries), prediction)
        newest = after.memory[-1] if strides else MemoryFrame({}, {})
        return prediction, {
            **{f'keys_{s}': x for s, x in newest.keys.items()},
            **{f'values_{s}': x for s, x in newest.values.items()},
        }

    def as_its_own_past(self, features: tuple[Tensor, ...]) -> MemoryFrame:
        """Return the memory of a first frame: itself, the background vector everywhere."""
        decoder = self.model.track_head.pixel_decoder
        return decoder.as_its_own_past(decoder.project(features))


class GenVISStep(FrameStep):
    """Queries of the frame before, keys and values of M frames."""

    by_query = ('keys', 'values')

    def memory_shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape (1, M, N, C)."""
        head = self.model.track_head
        if head.memory_frames is None:
            raise ValueError(
                'track_head.memory_frames=None remembers every frame, and an exported step has '
                'fixed shapes: set a number, with --cfg-options model.track_head.memory_frames=10'
            )
        shape = (1, head.memory_frames, head.num_queries, channels)
        return {'keys': shape, 'values': shape}

    def predict(
        self, images: Tensor, queries: Tensor, visible: Tensor, memory: dict[str, Tensor]
    ) -> tuple[FramePrediction, dict[str, Tensor]]:
        """Run ``decode`` and ``advance``."""
        head = self.model.track_head
        frames = zip(memory['keys'].unbind(1), memory['values'].unbind(1))
        state = StreamState(queries, tuple(QueryMemory(*frame) for frame in frames))
        prediction = head.decode(self.model.extract_features(images), state, visible)
        newest = head.advance(StreamState(queries), prediction.queries).memory[-1]
        return prediction, {'keys': newest.keys, 'values': newest.values}


class MinVISStep(FrameStep):
    """Aligned embeddings of the frame before."""

    def memory_shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        """Return no shapes."""
        return {}

    def predict(
        self, images: Tensor, queries: Tensor, visible: Tensor, memory: dict[str, Tensor]
    ) -> tuple[FramePrediction, dict[str, Tensor]]:
        """Run ``decode``."""
        features = self.model.extract_features(images)
        state = StreamState(queries)
        return self.model.track_head.decode(features, state, visible[:, -1]), {}


class DVISStep(FrameStep):
    """Tracks and aligned queries of the frame before."""

    def memory_shapes(self, channels: int) -> dict[str, tuple[int, ...]]:
        """Return name -> shape (1, 1, N, C)."""
        return {'aligned': (1, 1, self.model.num_queries, channels)}

    def predict(
        self, images: Tensor, queries: Tensor, visible: Tensor, memory: dict[str, Tensor]
    ) -> tuple[FramePrediction, dict[str, Tensor]]:
        """Run ``decode``."""
        features = self.model.extract_features(images)
        state = StreamState(queries, (AlignedQueries(memory['aligned'][:, -1]),))
        prediction, after = self.model.track_head.decode(features, state, visible[:, -1])
        return prediction, {'aligned': after.memory[0].queries}


STEPS: dict[type[OnlineVISModel], Callable[..., FrameStep]] = {
    RoCoVIS: RoCoVISStep,
    GenVIS: GenVISStep,
    MinVIS: MinVISStep,
    DVIS: DVISStep,
}


def frame_step(model: OnlineVISModel, size: tuple[int, int]) -> FrameStep:
    """Return a model's step at a fixed frame size.

    Raises:
        TypeError: a model of another kind, or one that links queries by a memory.
        ValueError: the model remembers all frames.
    """
    why = ''
    if getattr(model, 'associator', None) is not None:
        why = ': it links queries by a memory whose size changes'
    elif isinstance(model, OfflineVISModel):
        why = ': it reads a whole video, whose length is not fixed'
    for kind, step in STEPS.items():
        if isinstance(model, kind) and not why:
            return step(model, size)
    why = why or ': no step of fixed shapes is written for it'
    *others, last = (kind.__name__ for kind in STEPS)
    raise TypeError(
        f'{type(model).__name__} cannot be exported{why}. {", ".join(others)} and {last} can'
    )
