"""Images that annotation files name and folders lack, perhaps as they have other names.

File names from another system may have backslashes, capitals, another Unicode form, or a further
folder in front.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rocovis_mm.formats.vis_annotations import VISVideo


def missing_frames(folder: str, videos: list[VISVideo]) -> dict[int, list[int]]:
    """Return the frames without an image in `folder`, by index of the video.

    Each folder is listed once, which is faster than a look at each file.
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
        folder: that the file names are relative to.
        videos: of the file.
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
    """Return name in the file -> name in `folder` of the images in `missing_frames`."""
    if not missing:
        return {}
    gone = {videos[index].file_names[t] for index, frames in missing.items() for t in frames}
    names = (name for video in videos for name in video.file_names)
    return find_renames(gone, (name for name in names if name not in gone), folder)


class Listings:
    """The names in the folders below `root`; each folder is listed once."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.known: dict[tuple[str, ...], dict[str, list[str]]] = {}

    def names(self, folder: tuple[str, ...]) -> dict[str, list[str]]:
        """Return the names in a folder, grouped by their `plain` form."""
        if folder not in self.known:
            path = os.path.join(self.root, *folder)
            alike = defaultdict(list)
            for name in os.listdir(path) if os.path.isdir(path) else ():
                alike[plain(name)].append(name)
            self.known[folder] = alike
        return self.known[folder]

    def find(self, parts: Sequence[str]) -> str | None:
        """Return the existing path with such parts; None if there is none or more than one."""
        way: tuple[str, ...] = ()
        for part in parts:
            alike = self.names(way).get(plain(part), [])
            if part not in alike and len(alike) != 1:
                return None
            way = (*way, part if part in alike else alike[0])
        return '/'.join(way)


def plain(name: str) -> str:
    """Return a name in lower case and one Unicode form."""
    return unicodedata.normalize('NFC', name).casefold()


def find_renames(missing: Iterable[str], present: Iterable[str], root: str) -> dict[str, str]:
    """Return the names in the folder of images that are missing under their name in the file.

    Leading folders are only left out of all names of a file at once, and no two names get the same
    image.

    Args:
        missing: names without an image.
        present: the file's other names.
        root: the image folder.

    Returns:
        Name in the file -> name of the image, for names with exactly one candidate.
    """
    paths = {
        name: [part for part in re.split(r'[\\/]+', name) if part not in ('', '.')]
        for name in missing
    }
    taken = set(present)
    shared = 0 if taken else len(os.path.commonprefix([path[:-1] for path in paths.values()]))
    listings = Listings(root)
    for skipped in range(shared + 1):
        found = {name: listings.find(path[skipped:]) for name, path in paths.items()}
        found = {name: new for name, new in found.items() if new}
        if found:
            counts = Counter(found.values())
            return {
                name: new for name, new in found.items() if counts[new] == 1 and new not in taken
            }
    return {}
