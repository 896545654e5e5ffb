"""Images that annotation files name and folders lack."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rocovis_mm.formats.file_names import find_renames
from rocovis_mm.formats.vis_annotations import VISVideo


def missing_frames(folder: str, videos: list[VISVideo]) -> dict[int, list[int]]:
    """Return the frames without an image in `folder`, by index of the video.

    Each folder is listed once, which is cheap where a look at each file is not.
    """
    listed: dict[str, set[str]] = {}
    missing: dict[int, list[int]] = {}
    for index, video in enumerate(videos):
        for frame, name in enumerate(video.file_names):
            parent, base = os.path.split(os.path.join(folder, name))
            if parent not in listed:
                listed[parent] = set(os.listdir(parent)) if os.path.isdir(parent) else set()
            if base not in listed[parent]:
                missing.setdefault(index, []).append(frame)
    return missing


def find_missing_images(path: str | Path, folder: str, videos: list[VISVideo]) -> list[str]:
    """Return one problem for each video whose images are not all in `folder`.

    Args:
        path: the annotation file, for the messages.
        folder: what the file names are relative to.
        videos: the file's videos.
    """
    missing = missing_frames(folder, videos)
    renames = renamed_frames(folder, videos, missing)
    problems = []
    for index, frames in missing.items():
        first = videos[index].file_names[frames[0]]
        remedy = 'correct data_prefix or unpack the images again'
        if first in renames:
            remedy = (
                f'the folder has {renames[first]}, so correct file_names, for example with '
                'tools/misc/check_dataset.py --fix'
            )
        problems.append(
            f'{path}: video {videos[index].id}: {len(frames)} of {videos[index].length} images '
            f'are missing from {folder!r}, first {first}; {remedy}'
        )
    return problems


def renamed_frames(
    folder: str, videos: Sequence[VISVideo], missing: Mapping[int, Sequence[int]]
) -> dict[str, str]:
    """Return the names in the folder of images that are missing under the file's names.

    Args:
        folder: what the file names are relative to.
        videos: the file's videos.
        missing: see `missing_frames`.
    """
    if not missing:
        return {}
    gone = {videos[index].file_names[t] for index, frames in missing.items() for t in frames}
    names = (name for video in videos for name in video.file_names)
    return find_renames(gone, (name for name in names if name not in gone), folder)
