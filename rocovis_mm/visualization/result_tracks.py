"""Tracks of a results file, with or without an annotation file; T frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rocovis_mm.evaluation.functional.tracks import (
    GroundTruth,
    Track,
    load_ground_truth,
    load_predictions,
)
from rocovis_mm.formats.frame_files import list_images
from rocovis_mm.formats.vis_annotations import VISVideo


def load_tracks(
    results: Any, results_file: str | Path, annotation_file: str | Path | None = None
) -> tuple[GroundTruth, list[Track]]:
    """Check the content of a results file and return it with its videos.

    Args:
        results: content in YouTube-VIS submission form.
        results_file: its name, for messages.
        annotation_file: YouTube-VIS json, with or without annotations. Without the file, the
            videos and the categories are those of the results.

    Raises:
        ValueError: names the file at fault, the place in it and the remedy.
        OSError: the annotation file cannot be opened.
    """
    source = annotation_file or describe_results(results, str(results_file))
    truth = load_ground_truth(source, need_annotations=False, name=str(results_file))
    return truth, load_predictions(results, truth, str(results_file))


def by_video(tracks: Sequence[Track], truth: GroundTruth) -> dict[int, list[Track]]:
    """Return the tracks of each video; none for a video without any."""
    groups: dict[int, list[Track]] = {video: [] for video in truth.videos}
    for track in tracks:
        groups[track.video_id].append(track)
    return groups


def describe_results(results: Any, name: str) -> dict[str, Any]:
    """Return the videos and categories of a results file without an annotation file.

    Raises:
        ValueError: the size of a video is not known.
    """
    videos: dict[Any, dict[str, Any]] = {}
    categories: dict[Any, str] = {}
    for record in results if isinstance(results, list) else []:
        if not isinstance(record, dict) or not isinstance(record.get('segmentations'), list):
            continue
        masks = record['segmentations']
        video = videos.setdefault(
            record.get('video_id'), dict(id=record.get('video_id'), length=len(masks))
        )
        for mask in masks:
            if isinstance(mask, dict) and isinstance(mask.get('size'), list):
                video['height'], video['width'] = mask['size'][:2]
                break
            if isinstance(mask, list) and mask:
                raise ValueError(
                    f'{name}: polygons do not tell the size of video {video["id"]}; give the '
                    'annotation file too'
                )
        categories[record.get('category_id')] = f'category {record.get("category_id")}'
    for video in videos.values():
        video.setdefault('height', 1)  # it has no mask at all
        video.setdefault('width', 1)
    return dict(
        videos=list(videos.values()),
        categories=[dict(id=key, name=text) for key, text in categories.items()],
    )


def video_name(video: VISVideo) -> str:
    """Return the folder of a video's images, or its id."""
    folder = Path(video.file_names[0]).parent.as_posix() if video.file_names else '.'
    return str(video.id) if folder == '.' else folder


def find_images(video: VISVideo, folder: str | Path | None) -> list[Path]:
    """Return the paths of a video's images, whether they exist or not; none if unknown."""
    if folder is None:
        return []
    if video.file_names:
        return [Path(folder, name) for name in video.file_names]
    own = Path(folder, str(video.id))
    return list_images(own) if own.is_dir() else []
