"""The figures, the tables and the plot of tools/run_comparison.py.

V videos, B resamples of them, S seeds.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rocovis_mm.evaluation.functional.bootstrap import (
    difference_interval,
    draw_counts,
    resampled_ap,
)
from rocovis_mm.evaluation.functional.evaluate import match_videos
from rocovis_mm.evaluation.functional.identity import identity_stats
from rocovis_mm.evaluation.functional.report import Table
from rocovis_mm.evaluation.functional.table_files import markdown_table
from rocovis_mm.evaluation.functional.tracks import (
    GroundTruth,
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.evaluation.functional.video_groups import group_videos
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.visualization.curves import draw_comparison

METRICS = {
    'AP': 'AP',
    'AP50': 'AP50',
    'AP75': 'AP75',
    'APs': 'APs',
    'AP^B': 'AP_boundary',
    'AP^Pool': 'AP_pool',
}
"""Column -> name in metrics.json."""
RESAMPLED = {'AP': ('segm', 'AP'), 'AP^B': ('boundary', 'AP'), 'AP^Pool': ('segm', 'AP_pool')}
"""Column -> kind of tube IoU and name in `resampled_ap`."""
RESAMPLES = 1000


@dataclass(frozen=True)
class Scored:
    """A tested run.

    Attributes:
        figures: by column; in percent but for the number of ID switches; -1 for nothing to find.
        resampled: (B,) of each of `RESAMPLED`, in percent.
        groups: the same figures of each group of videos alone, by column and group.
    """

    figures: dict[str, float]
    resampled: dict[str, np.ndarray]
    groups: dict[str, float]


def score(truth: GroundTruth, groups: Mapping[str, Sequence[int]], folder: Path) -> Scored:
    """Score the results of a run; the resamples are the same for every run.

    Args:
        truth: the ground truth.
        groups: name -> ids of videos.
        folder: of the run.
    """
    metrics = json.loads((folder / 'metrics.json').read_text())
    found = load_predictions(folder / 'results.json', truth)
    identity = identity_stats(truth, found)
    shares = {title: metrics[name] for title, name in METRICS.items()}
    shares['late recall'] = identity['late_recall']
    figures = {title: 100 * share if share >= 0 else -1.0 for title, share in shares.items()}
    figures['ID switches'] = identity['id_switches']
    inside = [[video in own for video in sorted(truth.videos)] for own in groups.values()]
    counts = draw_counts(np.random.default_rng(0), RESAMPLES, len(truth.videos))
    counts = np.concatenate([counts, np.array(inside, int).reshape(-1, len(truth.videos))])
    videos = match_videos(truth, found)
    by_kind = {
        kind: resampled_ap([cells[kind] for cells in videos], counts)
        for kind in ('segm', 'boundary')
    }
    resampled = {title: 100 * by_kind[kind][name] for title, (kind, name) in RESAMPLED.items()}
    return Scored(
        figures,
        {title: values[:RESAMPLES] for title, values in resampled.items()},
        {
            f'{title}, {name}': float(values[row])
            for row, name in enumerate(groups, RESAMPLES)
            for title, values in resampled.items()
        },
    )


def name_groups(truth_path: Path, truth: GroundTruth) -> dict[str, list[int]]:
    """Return the ids of the videos of each tag, where the file has none of each known group."""
    tagged: dict[str, list[int]] = {}
    for video in read_json(truth_path)['videos']:
        for tag in video.get('tags', ()):
            tagged.setdefault(tag, []).append(video['id'])
    groups = tagged or group_videos(truth)
    return {f'{name} ({len(ids)} videos)': ids for name, ids in sorted(groups.items()) if ids}


def differences(runs: Mapping[str, Sequence[Scored]]) -> list[dict[str, Any]]:
    """Return each pair of rows, the later minus the earlier, with 95 % intervals.

    Videos and seeds are drawn anew with replacement, for both rows alike.

    Args:
        runs: row -> its S runs, in the order of the seeds.
    """
    seeds = len(next(iter(runs.values())))
    seed_counts = draw_counts(np.random.default_rng(1), RESAMPLES, seeds)
    found = []
    for (before, theirs), (after, ours) in itertools.combinations(runs.items(), 2):
        row: dict[str, Any] = dict(row=after, against=before)
        for title in RESAMPLED:
            pair = [np.stack([run.resampled[title] for run in own]) for own in (ours, theirs)]
            mean = [np.mean([run.figures[title] for run in own]) for own in (ours, theirs)]
            low, high = difference_interval(*pair, seed_counts)
            row[title] = dict(difference=mean[0] - mean[1], low=low, high=high)
        found.append(row)
    return found


def write_report(
    work_dir: Path,
    settings: Mapping[str, Any],
    truth_path: Path,
    folders: Mapping[str, Sequence[Path]],
    facts: Mapping[str, Mapping[str, float]],
) -> None:
    """Score all runs; write comparison.md, comparison.json and comparison.png.

    Args:
        work_dir: where to.
        settings: arguments of the comparison.
        truth_path: annotations of the videos that score.
        folders: row -> folder of each seed's run.
        facts: row -> figures that do not depend on the seed.
    """
    truth = load_ground_truth(truth_path)
    groups = name_groups(truth_path, truth)
    runs = {row: [score(truth, groups, path) for path in own] for row, own in folders.items()}
    figures = {row: by_column([run.figures for run in own]) for row, own in runs.items()}
    apart = {row: by_column([run.groups for run in own]) for row, own in runs.items()}
    pairs = differences(runs)
    content = dict(settings=settings, facts=facts, figures=figures, differences=pairs, groups=apart)
    (work_dir / 'comparison.json').write_text(json.dumps(content, indent=1, default=str) + '\n')
    last, order = list(runs)[-1], list(runs)
    shown = [
        pair
        for pair in pairs
        if pair['row'] == last or order.index(pair['row']) == order.index(pair['against']) + 1
    ]
    boundary = [name for name in next(iter(apart.values())) if name.startswith('AP^B')]
    text = '\n\n'.join(
        [table(figures, facts=facts), difference_table(shown), table(apart, boundary)]
    )
    (work_dir / 'comparison.md').write_text(text + '\n')
    drawn = [name for name, values in figures[last].items() if min(values) >= 0]
    draw_comparison(figures, drawn, work_dir / 'comparison.png')
    print(text)


def by_column(seeds: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return the values of the seeds for each name."""
    return {name: [each[name] for each in seeds] for name in seeds[0]}


def table(
    figures: Mapping[str, Mapping[str, Sequence[float]]],
    names: Sequence[str] | None = None,
    facts: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """Return a Markdown table: a line for each row, mean and spread in each column."""
    names = list(next(iter(figures.values()))) if names is None else names
    lines = [['', *names]]
    for row, values in figures.items():
        lines.append([row, *(mean_and_spread(values[name]) for name in names)])
    if facts:
        lines[0] += ['iterations', 'ms per frame']
        for line in lines[1:]:
            own = facts[line[0]]
            line += [str(own['iterations']), f'{own["ms_per_frame"]:.1f}']
    return markdown_table(Table('figures', lines[0], lines[1:]))


def mean_and_spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation over the seeds, '-' where there was nothing to find."""
    return f'{np.mean(values):.1f} ± {np.std(values):.1f}' if min(values) >= 0 else '-'


def difference_table(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Return a Markdown table: a line for each pair, difference and interval in each column."""
    lines = [['', 'against', *RESAMPLED]]
    for pair in pairs:
        cells = [
            f'{each["difference"]:+.1f} [{each["low"]:+.1f}, {each["high"]:+.1f}]'
            for each in (pair[title] for title in RESAMPLED)
        ]
        lines.append([pair['row'], pair['against'], *cells])
    return markdown_table(Table('figures', lines[0], lines[1:]))
