"""Video AP, Tube-Boundary AP and AP^Pool for any MMDetection VIS model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dist import get_world_size, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from rocovis_mm.evaluation.functional.evaluate import KINDS, TubeScores, evaluate_tracks
from rocovis_mm.evaluation.functional.report import (
    class_table,
    name_pooled_stats,
    name_stats,
    per_class_stats,
    summary_table,
)
from rocovis_mm.evaluation.functional.tracking.report import (
    check_threshold,
    report_tracking,
    tracking_table,
)
from rocovis_mm.evaluation.functional.tracks import (
    GroundTruth,
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.evaluation.metrics.track_collector import TrackCollector
from rocovis_mm.formats.json_files import write_submission
from rocovis_mm.registry import METRICS

PARTS = (*KINDS, 'pool')


@METRICS.register_module()
class VISMetric(BaseMetric):
    """Scores a VIS model against a benchmark's own annotation file.

    Takes ``TrackDataSample``s of single frames or of whole videos, and `VideoTracks` where a
    model gives them (then those alone count). IoUs are computed once, whatever is asked for.
    Ranks may hold any share of the frames; samples that a sampler repeats count once.

    Keys, as fractions: `AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl`, the same with
    `_boundary`, and `AP_pool AP50_pool AP75_pool`, also with `_boundary`; -1 where there is
    nothing to measure. With `tracking` also `HOTA DetA AssA MOTA IDF1 IDSW` and all others of
    `name_tracking_stats`. Any of them can be `save_best` of a CheckpointHook.

    Args:
        ann_file: the benchmark's json (gz and zip allowed).
        parts: any of 'segm' (Video AP), 'boundary' (Tube-Boundary AP) and 'pool' (AP^Pool of
            the two, or of the masks where 'pool' is alone); None for the class' own.
        classwise: whether to log a table of the categories.
        format_only: whether to only write the submission; needs `outfile_prefix`.
        outfile_prefix: where to write ``<prefix>.json`` and ``<prefix>.zip`` (with
            ``results.json`` inside); None writes nothing.
        mask_source: see `load_ground_truth`.
        other_videos: what becomes of results for videos that are not in `ann_file`: 'error',
            or 'ignore' for a part of the tested videos that is scored apart (with a `prefix`),
            such as YouTube-VIS 2022's long videos.
        jobs: processes that share the videos.
        collect_device: see mmengine's BaseMetric.
        prefix: put before each key with a slash; None for plain keys.
        collect_dir: see mmengine's BaseMetric.
        tracking: whether to also report HOTA, CLEAR MOT and Identity of the masks.
        score_thr: see `report_tracking`; for `tracking` alone.

    Raises:
        ValueError: `parts` is empty or unknown, `format_only` lacks a prefix, `other_videos` is
            something else, or `score_thr` is no threshold or is given without `tracking`.
    """

    default_prefix = ''  # plain keys, so that save_best='AP' works
    default_parts: Sequence[str] = PARTS

    def __init__(
        self,
        ann_file: str,
        parts: Sequence[str] | None = None,
        classwise: bool = False,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        mask_source: str = 'official',
        other_videos: str = 'error',
        jobs: int = 1,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
        tracking: bool = False,
        score_thr: float | str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.parts = tuple(self.default_parts if parts is None else parts)
        if not self.parts or not set(self.parts) <= set(PARTS):
            raise ValueError(f'parts is {list(self.parts)}; choose some of {", ".join(PARTS)}')
        if format_only and not outfile_prefix:
            raise ValueError('format_only=True needs outfile_prefix, where to write to')
        if other_videos not in ('error', 'ignore'):
            raise ValueError(f"other_videos is {other_videos!r}; choose 'error' or 'ignore'")
        check_threshold(score_thr)
        if score_thr is not None and not tracking:
            raise ValueError(
                f'score_thr={score_thr!r} is for tracking alone; add tracking=True, or drop it'
            )
        self.ann_file = ann_file
        self.other_videos = other_videos
        self.classwise = classwise
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        self.mask_source = mask_source
        self.jobs = jobs
        self.tracking = tracking
        self.score_thr = score_thr
        self._truth: GroundTruth | None = None
        self._collector = TrackCollector()

    @property
    def truth(self) -> GroundTruth:
        """The checked annotation file, read when it is first needed."""
        if self._truth is None:
            self._truth = load_ground_truth(
                self.ann_file, self.mask_source, need_annotations=not self.format_only
            )
        return self._truth

    @BaseMetric.dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any]) -> None:
        """Set the data set's metainfo; what does not fit the annotation file fails here.

        A runner sets it before training begins, not hours later at the first evaluation.
        """
        self._dataset_meta = dataset_meta
        if is_main_process():
            self._category_ids()

    @property
    def kinds(self) -> list[str]:
        """The kinds of tube IoU that the parts need."""
        return [kind for kind in KINDS if kind in self.parts] or [KINDS[0]]

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Take in a batch of results; masks become run lengths at once.

        Args:
            data_batch: not used.
            data_samples: ``TrackDataSample``s or their dicts.
        """
        for sample in data_samples:
            self.results.extend(self._collector.records(sample))

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather all ranks' results and score them; afterwards the metric is as new.

        Args:
            size: length of the data set. Not needed: each rank hands over its records as one
                item, so that nothing is cut off where ranks hold unequal shares.
        """
        self.results = [self.results]
        self._collector = TrackCollector()
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list[list[Any]]) -> dict[str, float]:
        """Score what all ranks collected.

        Args:
            results: the records of each rank.
        """
        submission = self._collector.merge(
            [record for rank in results for record in rank],
            self.truth,
            self._category_ids(),
            ignore_other_videos=self.other_videos == 'ignore',
        )
        if self.outfile_prefix:
            plain, packed = write_submission(submission, self.outfile_prefix)
            print_log(f'The results are in {plain} and {packed}', logger='current')
        if self.format_only:
            return {}
        predictions = load_predictions(submission, self.truth)
        scores = evaluate_tracks(self.truth, predictions, self.kinds, self.jobs)
        figures = self._select(scores)
        print_log(f'\n{summary_table({self.ann_file: figures})}', logger='current')
        if self.classwise:
            rows = per_class_stats(scores, self.truth.categories)
            table = class_table(rows, len(self.truth.categories))
            print_log(f'\n{table}', logger='current')
        if self.tracking:
            tracked = report_tracking(self.truth, predictions, KINDS[:1], self.score_thr, self.jobs)
            table = tracking_table({self.ann_file: tracked.figures()})
            print_log(f'\n{table}', logger='current')
            figures.update(tracked.stats)
        return figures

    def _select(self, scores: dict[str, TubeScores]) -> dict[str, float]:
        figures = name_stats({kind: scores[kind] for kind in self.kinds if kind in self.parts})
        if 'pool' in self.parts:
            figures.update(name_pooled_stats(scores))
        return figures

    def _category_ids(self) -> list[int]:
        """Return the json category id of each of the data set's classes, by name."""
        classes = (self.dataset_meta or {}).get('classes')
        if not classes:
            raise ValueError(
                f"{type(self).__name__}: the data set's metainfo has no 'classes'; set them so "
                f'that labels can be matched with the categories of {self.ann_file} by name'
            )
        by_name = {name: category for category, name in self.truth.categories.items()}
        missing = [name for name in classes if name not in by_name]
        if missing:
            raise ValueError(
                f'{self.ann_file}: no category is called {missing[0]!r} ({len(missing)} of '
                f'{len(classes)} classes of the data set are missing; the file has '
                f'{", ".join(sorted(by_name)[:8])}, ...); set metainfo.classes to its names'
            )
        return [by_name[name] for name in classes]


@METRICS.register_module()
class VideoAP(VISMetric):
    """Video AP alone: `AP`, `AP50`, ...; see `VISMetric`."""

    default_parts = ('segm',)


@METRICS.register_module()
class TubeBoundaryAP(VISMetric):
    """Tube-Boundary AP alone: `AP_boundary`, `AP50_boundary`, ...; see `VISMetric`."""

    default_parts = ('boundary',)


@METRICS.register_module()
class APPool(VISMetric):
    """AP^Pool alone: `AP_pool`, `AP50_pool`, `AP75_pool`; see `VISMetric`."""

    default_parts = ('pool',)
