"""The contents of a report: the tracks of a results file, judged by the ground truth if any."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rocovis_mm.evaluation.functional.consistency import summarize_consistency, track_consistency
from rocovis_mm.evaluation.functional.error_analysis import ErrorReport, analyze_errors
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.oracle_gaps import oracle_gaps
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.tracking.report import report_tracking
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.vis_annotations import VISVideo
from rocovis_mm.visualization.result_tracks import (
    by_video,
    find_images,
    load_tracks,
    video_name,
)
from rocovis_mm.visualization.shown import Shown
from rocovis_mm.visualization.track_report.timelines import (
    HELD,
    Span,
    Timeline,
    compare_tracks,
    lone_timeline,
)
from rocovis_mm.visualization.video_results import choose_tracks, match_identities


@dataclass(frozen=True)
class ReportTrack:
    """One track with its timeline and verdict.

    Attributes:
        name: A1, A2, ... of annotations, P1, P2, ... of predictions; unique in a video.
        identity: number that gives its colour.
        category: name of its class.
        track: its masks, class and score.
        timeline: its states by frame.
        verdict: of an annotation 'found', 'missed', 'switched', 'missed, switched' or 'crowd';
            of a prediction one of `error_analysis.PREDICTION_VERDICTS`; '' where nothing is
            annotated.
        best_share: share of an annotation's frames that its best prediction holds.
        joint_share: share that all predictions hold together.
    """

    name: str
    identity: int
    category: str
    track: Track
    timeline: Timeline
    verdict: str = ''
    best_share: float = 0.0
    joint_share: float = 0.0

    @property
    def annotated(self) -> bool:
        """Whether it is an annotation, not a prediction."""
        return self.name[0] == 'A'

    @property
    def frames(self) -> int:
        """Number of frames in which it has a mask."""
        return int((self.track.tube.areas > 0).sum())

    @property
    def switches(self) -> int:
        """Switches, or jumps where nothing is annotated."""
        return int(self.timeline.switched.sum())

    @property
    def suspicion(self) -> int:
        """Breaks and jumps or switches, the signs of an error without a ground truth."""
        return self.timeline.breaks + self.switches

    @property
    def is_problem(self) -> bool:
        """Whether it has an error."""
        wrong = self.verdict not in ('', 'found', 'correct', 'ignored', 'crowd')
        return wrong or self.switches > 0 or (not self.verdict and self.suspicion > 0)

    def partner_name(self, number: int) -> str:
        """Return the name of the track on the other side with a number of its timeline."""
        return f'{"P" if self.annotated else "A"}{number + 1}'

    @property
    def partner_order(self) -> list[str]:
        """Names of its partners in order of time, without immediate repeats."""
        return [self.partner_name(number) for number in self.timeline.partner_order]

    def search_words(self, video: ReportVideo) -> str:
        """Return the text that the filter searches for this track of a video."""
        words = {f'video {video.video.id}', video.name, self.category, self.verdict}
        return ' '.join(sorted(words)).lower()


@dataclass(frozen=True)
class ReportVideo:
    """One video.

    Attributes:
        video: its id, size and length.
        name: of its folder, or its id.
        images: T paths; empty where there are none.
        annotations: worst first.
        predictions: worst first.
        hidden: predictions that are not shown: low scores, and further classes of a track.
        figures: AP, HOTA and others, as fractions; empty where nothing is annotated.
    """

    video: VISVideo
    name: str
    images: list[Path]
    annotations: list[ReportTrack]
    predictions: list[ReportTrack]
    hidden: int
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def tracks(self) -> list[ReportTrack]:
        """Annotations and predictions."""
        return self.annotations + self.predictions

    @cached_property
    def by_name(self) -> dict[str, ReportTrack]:
        """Its tracks by their names."""
        return {track.name: track for track in self.tracks}

    @property
    def has_problem(self) -> bool:
        """Whether any of its tracks has an error."""
        return any(track.is_problem for track in self.tracks)

    @property
    def search_words(self) -> str:
        """The text that the filter searches, of all tracks."""
        words = {f'video {self.video.id}', self.name}
        words |= {word for track in self.tracks for word in (track.category, track.verdict)}
        return ' '.join(sorted(words)).lower()

    def count(self, verdict: str) -> int:
        """Return the number of annotations with a verdict, such as 'missed'."""
        return sum(verdict in track.verdict for track in self.annotations)

    def partner(self, track: ReportTrack, span: Span) -> ReportTrack | None:
        """Return the track on the other side that a span of a track is covered by or covers."""
        return self.by_name[track.partner_name(span.partner)] if span.state == HELD else None

    def first_tracks(self, limit: int) -> set[str]:
        """Return the names of the worst annotations and predictions, `limit` of each."""
        return {track.name for track in self.annotations[:limit] + self.predictions[:limit]}

    @property
    def held_share(self) -> float:
        """Mean share of the annotations' frames that their best prediction holds; -1 for none."""
        shares = [track.best_share for track in self.annotations if track.verdict != 'crowd']
        return sum(shares) / len(shares) if shares else -1.0

    @property
    def badness(self) -> tuple[float, int, int]:
        """The key by which videos are sorted, the worst first."""
        wrong = sum(track.verdict not in ('', 'correct', 'ignored') for track in self.predictions)
        share = self.held_share if self.held_share >= 0 else 1.0
        return share, -wrong, -sum(track.suspicion for track in self.predictions)


@dataclass(frozen=True)
class Report:
    """All of a results file.

    Attributes:
        results: name of the results file.
        truth: name of the annotation file; '' where none was given.
        judged: whether there are annotations.
        score_threshold: predictions below it are not shown and do not count for HOTA; they do
            count for AP.
        videos: worst first.
        figures: AP, HOTA and others, as fractions; empty where nothing is annotated.
        errors: counts of `ErrorReport.summary`, of the predictions that are shown.
        gaps: where AP is lost (`OracleGaps.summary`); empty where nothing is annotated.
        consistency: of matched tracks (`summarize_consistency`); likewise.
    """

    results: str
    truth: str
    judged: bool
    score_threshold: float
    videos: list[ReportVideo]
    figures: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    gaps: dict[str, Any] = field(default_factory=dict)
    consistency: dict[str, Any] = field(default_factory=dict)


def load_report(
    results_file: str | Path,
    annotation_file: str | Path | None = None,
    image_folder: str | Path | None = None,
    score_threshold: float = 0.3,
) -> Report:
    """Read files and judge all tracks.

    Args:
        results_file: in YouTube-VIS submission form (json, gz, zip).
        annotation_file: YouTube-VIS json, with or without annotations.
        image_folder: that ``file_names`` are relative to; without an annotation file it
            holds a folder for each video, named by the video's id.
        score_threshold: tracks below it are not shown.

    Raises:
        ValueError: names the file at fault, the place in it and the remedy.
        OSError: a file cannot be opened.

    Warns:
        UserWarning: no track reaches the threshold.
    """
    truth, predictions = load_tracks(read_json(results_file), results_file, annotation_file)
    grouped = by_video(predictions, truth)
    shown = {video: choose_tracks(own, score_threshold) for video, own in grouped.items()}
    counter = Shown(score_threshold)
    counter.count(track.score for track in predictions)
    complaint = counter.complaint(results_file, '--score-thr')
    if complaint:
        warnings.warn(complaint)
    judged = bool(truth.tracks)
    drawn = [track for own in shown.values() for track in own]
    verdicts = analyze_errors(truth, drawn) if judged else ErrorReport()
    videos = [
        judge_video(video, truth, grouped, shown, verdicts, image_folder, score_threshold)
        for video in truth.videos.values()
    ]
    videos.sort(key=lambda video: video.badness)
    figures, gaps, consistency = {}, {}, {}
    if judged:
        scores = evaluate_tracks(truth, predictions)
        figures = {**name_stats(scores), **name_pooled_stats(scores)}
        figures |= report_tracking(truth, predictions, ['segm'], score_threshold).stats
        gaps = oracle_gaps(truth, predictions, scores=scores['segm']).summary()
        consistency = summarize_consistency(track_consistency(truth, predictions))
    return Report(
        Path(results_file).name,
        '' if annotation_file is None else Path(annotation_file).name,
        judged,
        score_threshold,
        videos,
        figures,
        verdicts.summary() if judged else {},
        gaps,
        consistency,
    )


def judge_video(
    video: VISVideo,
    truth: GroundTruth,
    predictions: Mapping[int, list[Track]],
    shown: Mapping[int, list[Track]],
    verdicts: ErrorReport,
    image_folder: str | Path | None,
    score_threshold: float,
) -> ReportVideo:
    """Return a video with its tracks judged.

    Args:
        video: from the annotation file.
        truth: of all videos.
        predictions: of all videos, by video.
        shown: the predictions to show, by video.
        verdicts: on the predictions to show.
        image_folder: of the images, or None.
        score_threshold: tracks below it do not count for the tracking metrics.
    """
    found, subset = shown[video.id], truth.subset([video.id])
    real = subset.tracks
    tubes = [track.tube for track in found]
    if truth.tracks:
        lines, real_lines = compare_tracks(tubes, [track.tube for track in real], video.length)
        own = predictions[video.id]
        figures = name_stats(evaluate_tracks(subset, own, ['segm']))
        figures |= report_tracking(subset, own, ['segm'], score_threshold).stats
    else:
        lines, real_lines, figures = [lone_timeline(tube) for tube in tubes], [], {}
    said = {row['index']: row['verdict'] for row in verdicts.predictions}
    rows = {row['index']: row for row in verdicts.tracks}
    identities = match_identities(found, real)
    predicted = [
        ReportTrack(
            f'P{n + 1}',
            identities[n],
            truth.categories[track.category_id],
            track,
            lines[n],
            said.get(track.index, ''),
        )
        for n, track in enumerate(found)
    ]
    annotated = [
        judge_annotation(n, track, truth.categories[track.category_id], real_lines[n], rows)
        for n, track in enumerate(real)
    ]
    return ReportVideo(
        video,
        video_name(video),
        find_images(video, image_folder),
        sorted(annotated, key=lambda row: (row.verdict == 'crowd', row.best_share)),
        sorted(predicted, key=prediction_order),
        len(predictions[video.id]) - len(found),
        figures,
    )


def judge_annotation(
    number: int,
    track: Track,
    category: str,
    timeline: Timeline,
    rows: Mapping[int, Mapping[str, Any]],
) -> ReportTrack:
    """Return an annotation with its verdict and shares. Crowds are not judged."""
    row = rows.get(track.index)
    name = f'A{number + 1}'
    if row is None:
        return ReportTrack(name, number, category, track, timeline, 'crowd')
    verdict = ', '.join(name for name in ('missed', 'switched') if row[name]) or 'found'
    return ReportTrack(
        name, number, category, track, timeline, verdict, row['best_share'], row['joint_share']
    )


def prediction_order(row: ReportTrack) -> tuple[bool, int, float]:
    """Return the key of a prediction's order: wrong ones first, then by switches and score."""
    return row.verdict in ('correct', 'ignored', ''), -row.suspicion, -row.track.score
