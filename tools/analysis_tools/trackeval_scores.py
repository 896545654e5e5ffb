"""TrackEval on YouTube-VIS json files: its folders, its data set and its figures.

pip install --no-deps trackeval==1.3.0
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rocovis_mm.evaluation.functional.oracle_gaps import as_results
from rocovis_mm.evaluation.functional.tracks import GroundTruth, Track
from rocovis_mm.formats.run_lengths import Tube, decode_counts

SPLIT = 'youtube_vis_val'
TRACKER = 'tracker'


def has_trackeval() -> bool:
    """Return whether TrackEval can be imported."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(ImportError):
        import trackeval  # noqa: F401

        return True
    return False


def write_folders(truth: GroundTruth, predictions: Sequence[Track], root: Path) -> None:
    """Write files as TrackEval's YouTubeVIS data set reads them.

    It tells videos apart by the folders of their frames, and takes sizes and areas from
    annotations and plain run lengths from segmentations (`trackeval/datasets/youtube_vis.py`).

    Args:
        truth: the ground truth.
        predictions: of its videos.
        root: an empty folder.
    """
    videos = [
        {'id': key, 'file_names': [f'video{key}/{frame}.jpg' for frame in range(video.length)]}
        for key, video in truth.videos.items()
    ]
    annotations = [
        {
            'id': index + 1,
            'video_id': track.video_id,
            'category_id': track.category_id,
            'height': track.tube.height,
            'width': track.tube.width,
            'iscrowd': int(track.crowd),
            'areas': track.tube.areas.tolist(),
            'segmentations': plain_counts(track.tube),
        }
        for index, track in enumerate(truth.tracks)
    ]
    categories = [{'id': key, 'name': name} for key, name in truth.categories.items()]
    content = dict(videos=videos, annotations=annotations, categories=categories)
    folders = root / 'gt' / SPLIT, root / 'trackers' / SPLIT / TRACKER / 'data'
    for folder, own in zip(folders, (content, as_results(predictions))):
        folder.mkdir(parents=True)
        (folder / 'content.json').write_text(json.dumps(own))


def plain_counts(tube: Tube) -> list[dict[str, Any] | None]:
    """Return the masks of a tube as plain run lengths."""
    size = [tube.height, tube.width]
    return [
        code
        and {'size': size, 'counts': decode_counts([code], size[0] * size[1])[0].ravel().tolist()}
        for code in tube.counts
    ]


def score_folders(root: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return TrackEval's HOTA, CLEAR and Identity: class or average -> family -> field."""
    with contextlib.redirect_stdout(io.StringIO()):
        import trackeval

        quiet = {'PRINT_CONFIG': False}
        dataset = trackeval.datasets.YouTubeVIS(
            {
                **quiet,
                'GT_FOLDER': f'{root}/gt/',
                'TRACKERS_FOLDER': f'{root}/trackers/',
                'SPLIT_TO_EVAL': SPLIT.removeprefix('youtube_vis_'),
            }
        )
        silent = ('PRINT_RESULTS', 'TIME_PROGRESS', 'OUTPUT_SUMMARY', 'OUTPUT_DETAILED')
        evaluator = trackeval.Evaluator(
            {**quiet, **dict.fromkeys((*silent, 'PLOT_CURVES'), False), 'LOG_ON_ERROR': None}
        )
        metrics = [trackeval.metrics.HOTA(), *(
            metric({'THRESHOLD': 0.5, **quiet})
            for metric in (trackeval.metrics.CLEAR, trackeval.metrics.Identity)
        )]  # fmt: skip
        found, _ = evaluator.evaluate([dataset], metrics)
    return found['YouTubeVIS'][TRACKER]['COMBINED_SEQ']
