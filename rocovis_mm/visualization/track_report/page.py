"""The report as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from rocovis_mm.evaluation.functional.error_analysis import PREDICTION_VERDICTS
from rocovis_mm.evaluation.functional.quality_report import gap_segments, gap_words
from rocovis_mm.evaluation.functional.report import percent
from rocovis_mm.visualization.palette import GAP_COLORS, identity_color
from rocovis_mm.visualization.track_report import wording
from rocovis_mm.visualization.track_report.contents import Report, ReportTrack, ReportVideo
from rocovis_mm.visualization.track_report.pictures import Pictures
from rocovis_mm.visualization.track_report.timelines import telling_frames

MAX_ROWS = 1000
"""Rows of a table."""
UNFOLDED = 4
"""Videos whose section is unfolded to begin with."""
TRACKING = ('HOTA', 'DetA', 'AssA', 'LocA', 'MOTA', 'IDF1')
"""Shares of the tracking metrics among the overall figures."""
TEMPLATES = Path(__file__).with_name('templates')
Pair = tuple[ReportVideo, ReportTrack]


@dataclass(frozen=True)
class Figure:
    """The pictures of a frame, annotation above prediction.

    Attributes:
        frame: its number, from 1.
        images: title and address of each.
        changes: switches and jumps of tracks.
    """

    frame: int
    images: list[tuple[str, str]]
    changes: list[str]


@dataclass(frozen=True)
class Section:
    """A video with its pictures."""

    video: ReportVideo
    figures: list[Figure]


def draw_page(
    report: Report, pictures: Pictures, max_videos: int, frames: int, max_tracks: int
) -> str:
    """Return the whole page; its policy lets no resource from elsewhere be loaded.

    Args:
        report: its contents.
        pictures: draws frames.
        max_videos: videos with pictures and timelines, the worst; the tables have all.
        frames: pictures of a video, at most.
        max_tracks: timelines of a video's annotations, and of its predictions, at most.
    """
    chosen = report.videos[:max_videos]
    sections = [Section(video, draw_figures(video, pictures, frames)) for video in chosen]
    style, script = ((TEMPLATES / name).read_text('utf-8') for name in ('report.css', 'report.js'))
    annotated, predicted = rank_tracks(report)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters['percent'] = percent
    environment.globals.update(
        color=css_color,
        axis_numbers=axis_numbers,
        describe=wording.describe,
        remarks=wording.remarks,
        tell=wording.tell,
        tell_all=wording.tell_all,
    )
    return environment.get_template('page.html').render(
        report=report,
        sections=sections,
        annotated=annotated,
        predicted=predicted,
        cards=summary_cards(report),
        gaps=gap_bar(report),
        gap_words=gap_words(report.gaps) if report.gaps else [],
        notes=left_out(report, chosen, pictures),
        linked={video.video.id: video.first_tracks(max_tracks) for video in chosen},
        max_tracks=max_tracks,
        max_rows=MAX_ROWS,
        unfolded=UNFOLDED,
        style=Markup(style),
        script=Markup(script),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def css_color(identity: int) -> str:
    """Return the colour of an identity as style sheets write it."""
    return '#{:02x}{:02x}{:02x}'.format(*identity_color(identity))


def axis_numbers(length: int) -> list[int]:
    """Return the frames whose number is above the timelines, from 1; about twelve."""
    step = next(n for n in (5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if length / n <= 12)
    return [1, *range(step, length + 1, step)]


def draw_figures(video: ReportVideo, pictures: Pictures, limit: int) -> list[Figure]:
    """Return the pictures of a video's most telling frames."""
    sides = [video.annotations, video.predictions] if video.annotations else [video.predictions]
    titles = ['annotation', 'prediction'][-len(sides) :]
    lines = [track.timeline for side in sides for track in side]
    return [
        Figure(
            frame + 1,
            list(zip(titles, pictures.draw_frame(video, frame, sides))),
            wording.changes(video, frame),
        )
        for frame in telling_frames(lines, video.video.length, limit)
    ]


def summary_cards(report: Report) -> list[tuple[int | str, str]]:
    """Return the overall figures, each with its name."""
    figures, errors = report.figures, report.errors
    cards: list[tuple[int | str, str]] = [(len(report.videos), 'videos')]
    if not report.judged:
        tracks = [track for video in report.videos for track in video.predictions]
        cards.append((len(tracks), 'tracks'))
        cards.append((sum(track.timeline.breaks for track in tracks), 'breaks'))
        return [*cards, (sum(track.switches for track in tracks), 'jumps')]
    names = dict(AP='AP', AP50='AP50', AP75='AP75', AR10='AR10')
    names |= dict(AP_boundary='Boundary AP', AP_pool='AP pooled')
    cards += [(percent(figures[name]), title) for name, title in names.items()]
    cards += [(f'{100 * figures[name]:.2f}', name) for name in TRACKING]  # MOTA may be below 0
    cards.append((int(figures['IDSW']), 'IDSW'))
    cards += [(int(errors[name]), name) for name in ('tracks', 'missed', 'switched')]
    cards.append((percent(errors['best_share']), '% held by one'))
    cards += [(percent(report.consistency[name]), f'% {name}') for name in ('jitter', 'flicker')]
    return cards + [(int(errors[name]), name) for name in PREDICTION_VERDICTS if errors[name]]


def gap_bar(report: Report) -> list[tuple[str, float, str]]:
    """Return title, share and colour of each part of the bar that shows where AP is lost."""
    segments = gap_segments(report.gaps) if report.gaps else {}
    return [(title, share, GAP_COLORS[title]) for title, share in segments.items()]


def rank_tracks(report: Report) -> tuple[list[Pair], list[Pair]]:
    """Return the annotations and the predictions of all videos, the worst first."""
    real = [(video, track) for video in report.videos for track in video.annotations]
    found = [(video, track) for video in report.videos for track in video.predictions]
    real.sort(key=lambda pair: (pair[1].verdict == 'crowd', pair[1].best_share))
    if report.judged:
        found.sort(key=lambda pair: (not pair[1].is_problem, -pair[1].track.score))
    else:
        found.sort(key=lambda pair: (-pair[1].suspicion, -pair[1].track.score))
    return real, found


def left_out(report: Report, chosen: Sequence[ReportVideo], pictures: Pictures) -> list[str]:
    """Return notes on the parts that the sections leave out."""
    notes = []
    if not report.videos:
        notes.append('There are no videos.')
    if len(chosen) < len(report.videos):
        notes.append(f'The worst {len(chosen)} of {len(report.videos)} videos; raise --videos.')
    if chosen and not any(video.images for video in chosen):
        notes.append('No images: masks are drawn on grey; give --images.')
    if pictures.missing:
        notes.append(f'{pictures.missing} images are missing or damaged; check --images.')
    return notes
