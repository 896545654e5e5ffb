"""Draws the predictions of a model while it is validated or tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.evaluation.functional.tracks import Track, load_ground_truth
from rocovis_mm.registry import HOOKS
from rocovis_mm.visualization.media import read_image
from rocovis_mm.visualization.shown import Shown
from rocovis_mm.visualization.video_results import mask_of

Outputs = Optional[Sequence[TrackDataSample]]


@HOOKS.register_module()
class VISVisualizationHook(Hook):
    """Draws frames in testing, all of them, and in validation, some.

    The options ``--show`` and ``--show-dir`` of MMDetection's and this project's
    ``tools/test.py`` set its arguments.

    Args:
        draw: whether anything is drawn.
        interval: validation frames from one drawn to the next; they go to the
            visualizer's backends. Testing draws every frame.
        score_thr: instances below it are left out.
        show: open a window.
        wait_time: seconds it stays.
        test_out_dir: folder for ``<video id>/<frame number>.jpg``; where it is
            None, test frames go to the visualizer's backends.
        draw_gt: whether the annotation is drawn left of the prediction, if the data set's
            annotation file has any.
    """

    priority = 'NORMAL'

    def __init__(
        self,
        draw: bool = False,
        interval: int = 50,
        score_thr: float = 0.3,
        show: bool = False,
        wait_time: float = 0.0,
        test_out_dir: str | None = None,
        draw_gt: bool = True,
    ) -> None:
        self.draw = draw
        self.interval = interval
        self.score_thr = score_thr
        self.show = show
        self.wait_time = wait_time
        self.test_out_dir = test_out_dir
        self.draw_gt = draw_gt
        self.annotations: dict[str, AnnotatedFrames] = {}
        self.shown = Shown(score_thr)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Outputs = None
    ) -> None:
        """Draw the first frame of every `interval`-th batch."""
        if self.draw and batch_idx % self.interval == 0:
            for frame in list(frames_of(outputs))[:1]:
                name = f'val_video_{frame.video_id}_frame_{frame.frame_id:05d}'
                self.draw_frame(runner, 'val', frame, name, runner.iter, None)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Outputs = None
    ) -> None:
        """Draw every frame."""
        if not self.draw:
            return
        for frame in frames_of(outputs):
            path = None
            if self.test_out_dir is not None:
                path = Path(self.test_out_dir, str(frame.video_id), f'{frame.frame_id:05d}.jpg')
            name = f'test_video_{frame.video_id}'
            self.draw_frame(runner, 'test', frame, name, frame.frame_id, path)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Warn if the pictures of this validation show no prediction."""
        self.report(runner, 'the pictures of the validation')

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Warn if the pictures show no prediction."""
        self.report(runner, self.test_out_dir or 'the pictures of the test')

    def report(self, runner: Runner, place: str) -> None:
        """Warn if no rank has drawn a prediction, and count anew."""
        counted, self.shown = self.shown, Shown(self.score_thr)
        if not self.draw:
            return
        number, best = torch.tensor(counted.number), torch.tensor(counted.best)
        all_reduce(number)
        all_reduce(best, 'max')
        counted.number, counted.best = int(number), float(best)
        complaint = counted.complaint(place, 'default_hooks.visualization.score_thr')
        if complaint:
            runner.logger.warning(complaint)

    def draw_frame(
        self,
        runner: Runner,
        split: str,
        frame: DetDataSample,
        name: str,
        step: int,
        path: Path | None,
    ) -> None:
        """Draw one frame into a file, or into the backends where `path` is None.

        Args:
            runner: that validates or tests.
            split: 'val' or 'test'.
            frame: with its prediction.
            name: of the picture; without a slash, which would be a folder that MMEngine's
                local backend does not make.
            step: as the backends count.
            path: of the file, or None.
        """
        shown = DetDataSample(metainfo=frame.metainfo)
        if 'pred_track_instances' in frame:
            shown.pred_track_instances = frame.pred_track_instances
            self.shown.count(frame.pred_track_instances.scores.tolist())
        if self.draw_gt:
            instances = self.annotated(runner, split).instances(frame.video_id, frame.frame_id)
            if instances is not None:
                shown.gt_instances = instances
        Visualizer.get_current_instance().add_datasample(
            name,
            read_image(frame.img_path),
            shown,
            draw_gt=self.draw_gt,
            show=self.show,
            wait_time=self.wait_time,
            out_file=path and str(path),
            pred_score_thr=self.score_thr,
            step=step,
        )

    def annotated(self, runner: Runner, split: str) -> AnnotatedFrames:
        """Return the annotations of a split's data set."""
        if split not in self.annotations:
            loader = getattr(runner, f'{split}_dataloader', None)
            self.annotations[split] = AnnotatedFrames(getattr(loader, 'dataset', None))
        return self.annotations[split]


class AnnotatedFrames:
    """The annotation file of a data set for testing, read at the first use.

    Masks stay compressed until the use of their frame.

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


def frames_of(outputs: Outputs) -> Iterator[DetDataSample]:
    """Yield the frames of a batch of track samples."""
    for sample in outputs or ():
        yield from sample.video_data_samples
