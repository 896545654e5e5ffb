"""The targets of the predictions of one frame.

N queries, K classes, L predictions (decoder layers).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FrameTargets:
    """The targets of the predictions of one frame of one clip.

    Attributes:
        labels: (L, N) long, class of each query, K for "no object".
        instances: (L, N) long, instance whose mask supervises a query (an empty
            mask where that instance is absent); -1: no mask loss.
        keep: (N,) float, factor of each query's propagated mask.
    """

    labels: Tensor
    instances: Tensor
    keep: Tensor
