"""HOTA of resamples of whole videos; V videos, B resamples, A thresholds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from rocovis_mm.evaluation.functional.tracking.hota import mean_hota
from rocovis_mm.evaluation.functional.tracking.summary import Fields, VideoCounts

SUMS = ('HOTA_TP', 'HOTA_FN', 'HOTA_FP', 'AssA')


def resampled_hota(
    videos: Sequence[VideoCounts], counts: np.ndarray, categories: int
) -> dict[str, np.ndarray]:
    """Return the class-averaged HOTA and AssA of each resample of the videos.

    The numbers that HOTA adds up are sums over videos, so that the figures are exactly those of a
    file that holds each video as often as it is drawn. Masks are not matched again.

    Args:
        videos: V counts of one kind, see `count_videos`.
        counts: (B, V), how often each video is in a resample.
        categories: number of all categories of the ground truth.

    Returns:
        ``HOTA`` and ``AssA``, (B,) each.
    """
    by_class: dict[int, list[tuple[int, Fields]]] = defaultdict(list)
    for video, (per_class, _) in enumerate(videos):
        for category, fields in per_class.items():
            by_class[category].append((video, fields))
    total = np.zeros((2, len(counts)))
    for own in by_class.values():
        drawn = counts[:, [video for video, _ in own]]
        hits, missed, wrong, association = (
            drawn @ np.stack([fields['HOTA'][name] for _, fields in own]) for name in SUMS
        )
        total += mean_hota(hits, hits + missed + wrong, association)
    return dict(zip(('HOTA', 'AssA'), total / max(1, categories)))
