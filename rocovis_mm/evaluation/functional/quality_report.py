"""Tables of the losses of AP and of temporal consistency, and the losses in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rocovis_mm.evaluation.functional.report import Table, percent


def gap_table(names: Sequence[str], summaries: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of the losses of AP, one row for each results file, with the words below.

    Args:
        names: of the files.
        summaries: ``OracleGaps.summary()`` of each.
    """
    columns = {
        'AP': 'AP',
        'lost_to_tracking': 'lost to tracking',
        'lost_to_ranking': 'of it to ranking',
        'lost_to_classes': 'lost to classes',
        'lost_to_masks': 'lost to masks',
        'AP_tracking': 'AP, perfect tracking',
        'AP_class': 'AP, perfect classes too',
    }
    rows = [[name, *(own[key] for key in columns)] for name, own in zip(names, summaries)]
    records = [{'file': name, **own} for name, own in zip(names, summaries)]
    notes = [
        (f'{name}: ' if len(names) > 1 else '') + line
        for name, own in zip(names, summaries)
        for line in gap_words(own)
    ]
    return Table('gaps', ['where AP is lost (%)', *columns.values()], rows, records, notes)


def gap_segments(figures: Mapping[str, Any]) -> dict[str, float]:
    """Return AP and its losses by title, as shares that add up to 1; none where nothing counts.

    Args:
        figures: ``OracleGaps.summary()``.
    """
    if figures['AP'] < 0:
        return {}
    ranking = figures['lost_to_ranking']
    return {
        'AP': figures['AP'],
        'lost to ranking': ranking,
        'lost to linking': figures['lost_to_tracking'] - ranking,
        'lost to classes': figures['lost_to_classes'],
        'lost to masks': figures['lost_to_masks'],
    }


def gap_words(figures: Mapping[str, Any]) -> list[str]:
    """Return sentences on the losses of AP.

    Args:
        figures: ``OracleGaps.summary()``.
    """
    if figures['AP'] < 0:
        return ['No ground truth counts, so no AP is lost.']
    tracking, ranking, classes, masks = (
        percent(figures[f'lost_to_{name}']) for name in ('tracking', 'ranking', 'classes', 'masks')
    )
    lines = [
        f'Of the {percent(1 - figures["AP"])} AP that are missing, {tracking} are lost to tracking '
        f'({ranking} of them to ranking: scores, duplicates and false positives), {classes} to '
        f'classes and {masks} to masks.'
    ]
    for stage, title in (('tracking', 'perfect tracking'), ('class', 'perfect classes')):
        if number := figures[f'unsolved_{stage}']:
            low, high = (percent(figures[f'AP_{stage}{end}']) for end in ('', '_upper'))
            videos = 'videos are' if number > 1 else 'video is'
            lines.append(
                f'{number} {videos} not solved exactly (too large, '
                f'or the time ran out). The AP with {title} is between {low} and {high}.'
            )
    return lines


def consistency_table(names: Sequence[str], summaries: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of jitter and flicker, one row for each results file.

    Args:
        names: of the files.
        summaries: of ``summarize_consistency``.
    """
    columns = {
        'matched_tracks': 'matched tracks',
        'jitter': 'jitter',
        'jitter_videos': 'jitter, mean of videos',
        'flicker': 'flicker',
        'flicker_videos': 'flicker, mean of videos',
        'lost_frames': 'lost frames',
    }
    rows = [[name, *(own[key] for key in columns)] for name, own in zip(names, summaries)]
    records = [
        {'file': name, **{key: own[key] for key in columns}} for name, own in zip(names, summaries)
    ]
    return Table('consistency', ['consistency (%)', *columns.values()], rows, records)
