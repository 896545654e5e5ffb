"""The texts of the report on tracks and videos."""

from __future__ import annotations

from rocovis_mm.evaluation.functional.report import percent
from rocovis_mm.visualization.track_report.contents import ReportTrack, ReportVideo
from rocovis_mm.visualization.track_report.timelines import HELD, Span

SPOKEN_SPANS = 12
"""Changes of a timeline that a screen reader is told."""
SENTENCES = {
    'missed': 'missed: there, but no prediction covers it',
    'stray': 'stray: covers no annotated track',
    'lost': 'lost: no mask, though its track is there',
    'present': 'present',
    'absent': 'absent',
}


def describe(video: ReportVideo) -> str:
    """Return a video's figures in a line."""
    words = [f'{video.video.length} frames']
    if video.annotations:
        words += [
            f'{len(video.annotations)} annotated',
            f'{len(video.predictions)} predicted',
            f'AP {percent(video.figures["AP"])}',
            f'{percent(video.held_share)} % held',
        ]
        counts = {name: video.count(name) for name in ('missed', 'switched')}
        words += [f'{count} {name}' for name, count in counts.items() if count]
    else:
        words.append(f'{len(video.predictions)} tracks')
    return ' · '.join(words)


def changes(video: ReportVideo, frame: int) -> list[str]:
    """Return the switches and jumps of a frame."""
    found = []
    for track in video.predictions or video.annotations:
        if track.timeline.switched[frame]:
            number = int(track.timeline.partners[frame])
            turn = 'jumps' if number < 0 else f'→ {track.partner_name(number)}'
            found.append(f'{track.name} {turn}')
    return found


def remarks(track: ReportTrack, verdict: str) -> list[str]:
    """Return score, verdict and counts of a track.

    Args:
        track: an annotation or a prediction.
        verdict: its verdict as markup.
    """
    parts = [] if track.annotated else [f'{track.track.score:.2f}']
    if track.verdict:
        parts.append(verdict)
    if track.annotated and track.verdict != 'crowd':
        parts.append(f'{percent(track.best_share)} % held by one')
    if track.switches:
        noun, plural = ('switch', 'es') if track.verdict else ('jump', 's')
        parts.append(f'{track.switches} {noun}{plural if track.switches > 1 else ""}')
    if not track.verdict and track.timeline.breaks:
        parts.append(f'comes back {track.timeline.breaks} ×')
    return parts


def tell(video: ReportVideo, track: ReportTrack, span: Span) -> str:
    """Return a span in words."""
    frames = f'frame {span.start + 1}'
    if span.end > span.start + 1:
        frames = f'frames {span.start + 1} to {span.end}'
    if span.state == HELD:
        verb = 'covered by' if track.annotated else 'covers'
        words = f'{verb} {video.partner(track, span).name}'
    else:
        words = SENTENCES[span.state]
    if span.switched:
        words = f'switched, {words}' if span.state == HELD else f'jumped, {words}'
    return f'{frames} {words}' + (', mostly occluded' if span.occluded else '')


def tell_all(video: ReportVideo, track: ReportTrack) -> str:
    """Return the first changes of a timeline in words."""
    spans = track.timeline.spans()
    told = [tell(video, track, span) for span in spans[:SPOKEN_SPANS]]
    if len(spans) > SPOKEN_SPANS:
        told.append(f'and {len(spans) - SPOKEN_SPANS} more changes')
    return '; '.join(told)
