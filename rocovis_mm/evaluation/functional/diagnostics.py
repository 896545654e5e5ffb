"""Reading a pair of files: frequent mistakes are named in one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rocovis_mm.evaluation.functional.tracks import (
    GroundTruth,
    Track,
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.validation import Place

SHOWN_IDS = 5


def read_truth(path: str, results_path: str, **how: Any) -> tuple[Any, GroundTruth]:
    """Return the content of the annotation file and the checked ground truth.

    Args:
        path: of the annotation file.
        results_path: of the results file.
        how: arguments of `load_ground_truth`.

    Raises:
        ValueError: as `load_ground_truth`, or the two files are swapped.
    """
    content = read_json(path)
    if isinstance(content, list):
        other = read_json(results_path)
        if isinstance(other, Mapping) and 'videos' in other:
            Place(path).fail(
                f'these look swapped: it is a list, as results files are, and {results_path} has '
                'videos, as ground truth has',
                f'give the ground truth first: {results_path} {path}',
            )
    return content, load_ground_truth(content, name=path, **how)


def read_results(results: Any, truth: GroundTruth, name: str) -> list[Track]:
    """Return the predictions of a results file.

    Args:
        results: content of the file.
        truth: the ground truth of all videos.
        name: of the file.

    Raises:
        ValueError: as `load_predictions`, or no video is one of the ground truth.
    """
    records = results if isinstance(results, list) else []
    ids = [record.get('video_id') for record in records if isinstance(record, Mapping)]
    videos = {video for video in ids if isinstance(video, int)}
    if videos and len(ids) == len(records) and videos.isdisjoint(truth.videos):
        Place(name).fail(
            f'none of its {len(videos)} videos ({_first(videos)}) is among the '
            f'{len(truth.videos)} of {truth.name} ({_first(truth.videos)}), as in results of '
            'another split',
            'score it against the ground truth of the same split',
        )
    return load_predictions(results, truth, name)


def nothing_to_score(truth: GroundTruth, predictions: Sequence[Track], name: str) -> str | None:
    """Return a line if no prediction is of a video that is scored, else None.

    Args:
        truth: the videos that are scored.
        predictions: of the results file.
        name: of the results file.
    """
    if not predictions:
        return f'{name}: it has no predictions, so that every figure is 0'
    if all(track.video_id not in truth.videos for track in predictions):
        return f'{name}: none of its predictions is of a video that is scored'
    return None


def videos_without(truth: GroundTruth, predictions: Sequence[Track], name: str) -> str | None:
    """Return a line with the number and the first ids of the videos without predictions, or None.

    The arguments are those of :func:`nothing_to_score`.
    """
    found = {track.video_id for track in predictions}
    empty = [video for video in truth.videos if video not in found]
    if not empty:
        return None
    return (
        f'{name}: {len(empty)} of {len(truth.videos)} videos have no predictions: {_first(empty)}'
    )


def _first(ids: Iterable[int]) -> str:
    """Return the lowest ids as text."""
    ids = sorted(ids)
    rest = ', ...' if len(ids) > SHOWN_IDS else ''
    return ', '.join(map(str, ids[:SHOWN_IDS])) + rest
