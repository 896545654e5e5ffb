"""How much of a clip a stage of training looks at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingStage:
    """The treatment of the given clips in one stage of a training.

    Attributes:
        single_frames: train each frame as a clip of its own.
        scale: factor of the input's height and width, at most 1.
        augment: whether the model's ``clip_augment`` is applied.
    """

    single_frames: bool = False
    scale: float = 1.0
    augment: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.scale <= 1:
            raise ValueError(f'TrainingStage.scale={self.scale}: give a factor in (0, 1]')
