"""Draws what the model says of each frame while it is validated or tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from rocovis_mm.compat.host_structures import TrackDataSample
from rocovis_mm.registry import HOOKS
from rocovis_mm.visualization.annotated_frames import AnnotatedFrames
from rocovis_mm.visualization.media import read_image
from rocovis_mm.visualization.shown import Shown


@HOOKS.register_module()
class VISVisualizationHook(Hook):
    """Draws frames in testing, all of them, and in validation, some.

    Its arguments are those that the ``--show`` and ``--show-dir`` of MMDetection's
    and this project's ``tools/test.py`` set.

    Args:
        draw: whether anything is drawn.
        interval: validation frames from one drawn to the next; they go to the
            visualizer's backends. Testing draws every frame.
        score_thr: instances below it are left out.
        show: open a window.
        wait_time: seconds it stays.
        test_out_dir: folder for ``<video id>/<frame number>.jpg``; where it is
            None, test frames go to the visualizer's backends.
        draw_gt: whether the annotation stands left of the prediction, where the data set's
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
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[TrackDataSample] | None = None,
    ) -> None:
        """Draw the first frame of every `interval`-th batch."""
        if self.draw and batch_idx % self.interval == 0:
            for frame in list(frames_of(outputs))[:1]:
                name = f'val_video_{frame.video_id}_frame_{frame.frame_id:05d}'
                self.draw_frame(runner, 'val', frame, name, runner.iter, None)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[TrackDataSample] | None = None,
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
        """Say so where the pictures of this validation show no prediction."""
        self.report(runner, 'the pictures of the validation')

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Say so where the pictures show no prediction."""
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


def frames_of(outputs: Sequence[TrackDataSample] | None) -> Iterator[DetDataSample]:
    """Yield the frames of a batch of track samples."""
    for sample in outputs or ():
        yield from sample.video_data_samples
