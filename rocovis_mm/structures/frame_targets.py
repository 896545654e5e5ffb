"""What the predictions of one frame are to learn.

N queries, K classes, L predictions (decoder layers).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FrameTargets:
    """What the predictions of one frame of one clip are supervised with.

    Attributes:
        labels: (L, N) long, class of each query, K for "no object".
        instances: (L, N) long, instance whose mask supervises a query (an empty
            mask where that instance is absent); -1: no mask loss.
        keep: (N,) float, factor of each query's propagated mask.
    """

    labels: Tensor
    instances: Tensor
    keep: Tensor
