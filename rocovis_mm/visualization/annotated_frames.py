"""Annotations of single frames, for drawing beside what a model says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData

from rocovis_mm.evaluation.functional.tracks import Track, load_ground_truth
from rocovis_mm.visualization.video_results import mask_of


class AnnotatedFrames:
    """The annotation file of a data set for testing, read when the first frame is asked for.

    Masks stay compressed until their frame is asked for.

    Args:
        dataset: a ``rocovis_mm.VISDataset``; of any other kind nothing is known.
    """

    def __init__(self, dataset: Any) -> None:
        self.ann_file: str | None = getattr(dataset, 'ann_file', None)
        category_ids = (getattr(dataset, 'metainfo', None) or {}).get('category_ids', ())
        self.labels = {category: label for label, category in enumerate(category_ids)}
        self.tracks: dict[int, list[Track]] | None = None

    def read(self) -> dict[int, list[Track]]:
        """Return the annotated tracks of the data set's classes, by video id."""
        if self.tracks is None:
            self.tracks = {}
            if self.ann_file and self.labels:
                for track in load_ground_truth(self.ann_file, need_annotations=False).tracks:
                    if track.category_id in self.labels:
                        self.tracks.setdefault(track.video_id, []).append(track)
        return self.tracks

    def instances(self, video_id: int, frame_id: int) -> InstanceData | None:
        """Return a frame's annotated instances; None where the file has none at all.

        ``instances_ids`` counts from 0 in each video, so that neighbours differ in colour.
        """
        tracks = self.read()
        if not tracks:
            return None
        seen = [
            (number, track)
            for number, track in enumerate(tracks.get(video_id, []))
            if track.tube.areas[frame_id]
        ]
        masks = [mask_of(track.tube, frame_id) for _, track in seen]
        return InstanceData(
            instances_ids=torch.tensor([number for number, _ in seen], dtype=torch.long),
            labels=torch.tensor([self.labels[t.category_id] for _, t in seen], dtype=torch.long),
            masks=torch.from_numpy(np.array(masks, dtype=bool)),
        )
