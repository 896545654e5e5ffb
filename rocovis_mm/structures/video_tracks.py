"""The tracks of one whole video, as a metric or a results file takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RLE = dict[str, Any]
"""A compressed COCO run-length code: ``size`` [height, width] and ``counts`` (str)."""


@dataclass(frozen=True)
class VideoTracks:
    """Scored tracks of one video; M tracks, T frames.

    Attributes:
        video_id: id of the video in its annotation file.
        length: number of frames T.
        scores: (M,) float in [0, 1], best first.
        labels: (M,) int, index into the data set's classes (from 0).
        identities: (M,) int, the identity each track is of: its query, as long as no query
            was given back and no associator numbers the tracks; two tracks of one identity
            share its masks under different classes.
        segmentations: M lists of T entries, an RLE or None where there is no mask.
    """

    video_id: int
    length: int
    scores: np.ndarray
    labels: np.ndarray
    identities: np.ndarray
    segmentations: list[list[RLE | None]]

    def to_results(self, category_ids: Sequence[int]) -> list[dict[str, Any]]:
        """Return the tracks in YouTube-VIS submission form.

        Args:
            category_ids: json category id of each label.
        """
        return [
            dict(
                video_id=self.video_id,
                category_id=category_ids[int(label)],
                score=float(score),
                segmentations=segmentations,
            )
            for score, label, segmentations in zip(self.scores, self.labels, self.segmentations)
        ]
