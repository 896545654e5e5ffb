"""File names of an annotation file that are not quite those of the images.

They were written on another system: with backslashes, in capitals, in another Unicode form, or from
another folder, so that a part of the path stands in front.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence


class Listings:
    """The names in folders, each folder listed once.

    Args:
        root: folder that paths are relative to.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.known: dict[tuple[str, ...], dict[str, list[str]]] = {}

    def names(self, folder: tuple[str, ...]) -> dict[str, list[str]]:
        """Return the names in a folder by what they have in common with others like them."""
        if folder not in self.known:
            path = os.path.join(self.root, *folder)
            alike = defaultdict(list)
            for name in os.listdir(path) if os.path.isdir(path) else ():
                alike[plain(name)].append(name)
            self.known[folder] = alike
        return self.known[folder]

    def find(self, parts: Sequence[str]) -> str | None:
        """Return the path that is there for a path's parts; None where there is not just one."""
        way: tuple[str, ...] = ()
        for part in parts:
            alike = self.names(way).get(plain(part), [])
            if part not in alike and len(alike) != 1:
                return None
            way = (*way, part if part in alike else alike[0])
        return '/'.join(way)


def plain(name: str) -> str:
    """Return a name in small letters and one Unicode form."""
    return unicodedata.normalize('NFC', name).casefold()


def split_path(name: str) -> list[str]:
    """Return the parts of a path of any system."""
    return [part for part in re.split(r'[\\/]+', name) if part not in ('', '.')]


def find_renames(missing: Iterable[str], present: Iterable[str], root: str) -> dict[str, str]:
    """Return the names of images that are there for those that are not.

    Parts of a path are only left out in front of all names of a file, and no image is given to two
    names.

    Args:
        missing: names without an image.
        present: the file's other names.
        root: the image folder.

    Returns:
        Name in the file -> name of the image; those without an image, or with several that may be
        meant, are not in it.
    """
    paths = {name: split_path(name) for name in missing}
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
