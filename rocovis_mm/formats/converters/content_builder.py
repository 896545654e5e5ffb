"""From the masks of single frames to annotations of tracks."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import NamedTuple

from rocovis_mm.formats.converters.davis import IGNORED
from rocovis_mm.formats.converters.vis_content import Record, Settings
from rocovis_mm.formats.validation import Place


class Labelled(NamedTuple):
    """The mask of a track in a frame, with the name of its class."""

    video: Record
    number: int
    frame: int
    code: Record
    label: str
    place: Place
    iscrowd: int = 0


class ContentBuilder:
    """Gathers masks frame by frame as annotations.

    Args:
        settings: of the conversion.
        lines: gets a line about regions to be ignored.
    """

    def __init__(self, settings: Settings, lines: list[str]) -> None:
        self.settings, self.lines = settings, lines
        self.notes: dict[tuple[int, int], Record] = {}
        self.ignored: list[tuple[Record, int, Record, Place]] = []

    def add(
        self,
        video: Record,
        number: int,
        frame: int,
        code: Record,
        category_id: int,
        place: Place,
        iscrowd: int = 0,
    ) -> None:
        """Add the mask of a track in a frame, or fail."""
        note = self.notes.setdefault(
            (video['id'], number),
            dict(
                video_id=video['id'],
                category_id=category_id,
                iscrowd=iscrowd,
                segmentations=[None] * video['length'],
                track_id=number,
            ),
        )
        if note['category_id'] != category_id:
            place.fail(
                f'track {number} is of category {category_id} here and of '
                f'{note["category_id"]} in another frame',
                'give each track one class',
            )
        if note['iscrowd'] != iscrowd:
            place.fail(
                f'track {number} is a crowd in one frame and none in another',
                'give each track one flag',
            )
        if note['segmentations'][frame] is not None:
            place.fail(f'track {number} has two masks in frame {frame}', 'keep one of them')
        note['segmentations'][frame] = code

    def ignore(self, video: Record, frame: int, code: Record, place: Place) -> None:
        """Add a region to be ignored, which becomes a crowd of each category if these are kept."""
        self.ignored.append((video, frame, code, place))

    def _add_ignored(self, categories: list[Record]) -> None:
        keep, taken = self.settings.keep_crowds, {number for _, number in self.notes}
        fate = 'are crowds of every class' if keep else 'are dropped (--keep-crowds keeps them)'
        if self.ignored:
            self.lines.append(f'{len(self.ignored)} masks of regions to be ignored {fate}')
        free = (number for number in count(IGNORED) if number not in taken)
        for category, number in zip(categories if keep else (), free):
            for video, frame, code, place in self.ignored:
                self.add(video, number, frame, code, category['id'], place, iscrowd=1)

    def labelled(self, videos: list[Record], masks: list[Labelled], path: Path) -> Record:
        """Return the content of masks with names of classes."""
        names = sorted({mask.label for mask in masks})
        categories = self.settings.categories(names, Place(str(path)))
        ids = {category['name']: category['id'] for category in categories}
        for video, number, frame, code, label, place, iscrowd in masks:
            self.add(video, number, frame, code, ids[label], place, iscrowd)
        return self.content(videos, categories)

    def content(self, videos: list[Record], categories: list[Record]) -> Record:
        """Return all; the id of an annotation is its track's number if no two tracks share one.

        Args:
            videos: of the source; those of the ground truth, if any, take their place.
            categories: of the tracks.
        """
        self._add_ignored(categories)
        videos = videos if self.settings.truth is None else self.settings.truth['videos']
        order = {video['id']: index for index, video in enumerate(videos)}
        keys = sorted(self.notes, key=lambda key: (order[key[0]], key[1]))
        notes = [self.notes[key] for key in keys]
        numbers = [note.pop('track_id') for note in notes]
        unique = len(set(numbers)) == len(numbers) and 0 not in numbers
        notes = [
            dict(note, id=number) if unique else dict(note, id=index, track_id=number)
            for index, (note, number) in enumerate(zip(notes, numbers), start=1)
        ]
        return dict(videos=videos, categories=categories, annotations=notes)
