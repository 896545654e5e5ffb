"""The form between all formats: the content of a YouTube-VIS json, for annotations and results.

It holds ``videos``, ``categories`` and ``annotations`` with compressed run lengths. The annotation
of a result has a ``score``. ``track_id`` is the number of a track in its video. A track without one
has the id of its annotation as number.

Letters: T frames of a video · H, W height and width.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pycocotools import mask as mask_utils

from rocovis_mm.formats.converters.cocovid import EXTRA
from rocovis_mm.formats.converters.files import write_dataset
from rocovis_mm.formats.json_files import dump_json, read_json
from rocovis_mm.formats.validation import Place, as_finite, as_identifier, require, require_type
from rocovis_mm.formats.vis_annotations import ORIGINAL, inspect_vis_annotations
from rocovis_mm.formats.whole_files import whole_file

Record = dict[str, Any]
RESULTS = 'a results file is a list of {video_id, category_id, score, segmentations}'
RESULT_KEYS = ('video_id', 'category_id', 'score', 'track_id', 'segmentations')
WHOLE_KEYS = ('id', 'video_id', 'category_id', 'track_id', 'height', 'width', 'length')
"""Keys whose values are whole numbers, also where the json has 2.0."""


@dataclass(frozen=True)
class Settings:
    """Options of a conversion.

    Attributes:
        truth: content with the videos and categories that the source belongs to.
        truth_name: its file, for messages.
        classes: json with the names of classes, as `davis_to_vis.py` reads it.
        results: whether a json of results is written; None writes one if tracks have scores.
        polygons: whether masks are written as polygons, in formats that hold both.
        keep_crowds: whether regions to be ignored become annotations with ``iscrowd`` 1.
        every: step between annotated frames (SA-V); None takes it from the file names.
        overwrite: whether a file with another content is replaced.
    """

    truth: Record | None = None
    truth_name: str = ''
    classes: str | Path | None = None
    results: bool | None = None
    polygons: bool = False
    keep_crowds: bool = False
    every: int | None = None
    overwrite: bool = False

    def need_truth(self, source: str | Path) -> Record:
        """Return the videos and categories of the source, or fail."""
        if self.truth is None:
            Place(str(source)).fail(
                'it does not say which videos it belongs to', 'give --ground-truth GT.json'
            )
        return self.truth

    def find_video(self, name: str, place: Place) -> Record | None:
        """Return the ground truth's video of that name, or fail; None without ground truth."""
        if self.truth is None:
            return None
        ids = {known: video_id for video_id, known in video_names(self.truth['videos']).items()}
        if name not in ids:
            place.fail(
                f'no video of {self.truth_name} is called {name!r} (it has {list(ids)[:3]})',
                'give the ground truth of these videos, or rename the file or folder',
            )
        return next(video for video in self.truth['videos'] if video['id'] == ids[name])

    def categories(self, names: Iterable[str], place: Place) -> list[Record]:
        """Return the ground truth's categories, which must have all names, or number the names."""
        names = dict.fromkeys(names)
        if self.truth is None:
            return [dict(id=number, name=name) for number, name in enumerate(names, start=1)]
        known = {category['name'] for category in self.truth['categories']}
        for name in names:
            if name not in known:
                place.fail(
                    f'{self.truth_name} has no category {name!r}',
                    'rename the class in one of the two, or name the classes with --classes',
                )
        return self.truth['categories']


def read_vis(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read YouTube-VIS annotations or results."""
    content = read_json(path)
    if not isinstance(content, list):
        return require_type(content, dict, Place(str(path)), 'give annotations or results')
    truth, place = settings.need_truth(path), Place(str(path))
    notes = []
    for index, record in enumerate(content):
        require_type(record, dict, place / index, RESULTS)
        as_finite(
            require(record, 'score', place / index, RESULTS), place / index / 'score', RESULTS
        )
        number = record.get('track_id', record.get('id'))
        notes.append({**record, 'id': index + 1, 'iscrowd': 0, 'track_id': number})
    lacking = sum(note['track_id'] is None for note in notes)
    if 0 < lacking < len(notes):
        lines.append(
            f'{lacking} of {len(notes)} results have no track_id, so the numbers of the other '
            'tracks are dropped'
        )
    if lacking:
        notes = [{key: note[key] for key in note if key != 'track_id'} for note in notes]
    return dict(videos=truth['videos'], categories=truth['categories'], annotations=notes)


def checked(content: Record, name: str) -> Record:
    """Check content and return it with compressed run lengths, None for each empty mask.

    Args:
        content: of a YouTube-VIS json; may lack annotations.
        name: of the source, for messages.

    Raises:
        ValueError: it is not valid, or two tracks of a video have one number.
    """
    with_tracks = isinstance(content, dict) and bool(content.get('annotations'))
    found, problems = inspect_vis_annotations(content, name, with_tracks, for_scoring=True)
    if problems:
        more = f' (and {len(problems) - 1} more like it)' if len(problems) > 1 else ''
        raise ValueError(f'{problems[0]}{more}')
    codes = {
        track.id: [
            dict(size=[video.height, video.width], counts=counts) if area else None
            for counts, area in zip(track.tube.counts, track.tube.areas)
        ]
        for video in found.videos
        for track in video.tracks
    }
    lengths = {video.id: video.length for video in found.videos}
    ids: dict[str, set[int]] = dict(videos=set(), annotations=set())
    for index, video in enumerate(content['videos']):
        place = Place(name, f'videos[{index}]')
        check_extra(video, lengths[video['id']], place, ids['videos'])
    seen = set()
    notes = []
    for index, note in enumerate(content.get('annotations') or ()):
        place = Place(name, f'annotations[{index}]')
        check_extra(note, lengths[note['video_id']], place, ids['annotations'])
        number = as_identifier(number_of(note), place / 'track_id', 'ids are whole numbers')
        if (note['video_id'], number) in seen:
            place.fail(
                f'video {note["video_id"]} has two tracks with the number {number}',
                'number the tracks of a video uniquely',
            )
        seen.add((note['video_id'], number))
        if 'score' in note:
            as_finite(note['score'], place / 'score', 'write a finite score')
        notes.append({**with_whole_numbers(note), 'segmentations': codes[note['id']]})
        if 'instance_id' in note.get(EXTRA, {}):
            notes[-1][EXTRA] = {**note[EXTRA], 'instance_id': number}
    videos = [{**video, 'length': lengths[video['id']]} for video in content['videos']]
    return {
        **content,
        'videos': list(map(with_whole_numbers, videos)),
        'categories': list(map(with_whole_numbers, content['categories'])),
        'annotations': notes,
    }


def check_extra(record: Record, length: int, place: Place, seen: set[int]) -> None:
    """Refuse further data of CocoVID that has not an entry per frame, or an id twice.

    Args:
        record: of a video or annotation.
        length: T, of the video.
        place: of the record.
        seen: ids of earlier records, to which those of this one are added.
    """
    remedy = 'convert the CocoVID file again, or remove this key'
    place = place / EXTRA
    for key, values in require_type(record.get(EXTRA, {}), dict, place, remedy).items():
        if key == 'instance_id':
            continue
        if len(require_type(values, list, place / key, remedy)) != length:
            (place / key).fail(f'{len(values)} entries for {length} frames', remedy)
        known = seen if key == 'id' else set()
        for value in values if key in ('id', 'frame_id') else ():
            if value is None and ORIGINAL in record:  # no mask
                continue
            if as_identifier(value, place / key, remedy) in known:
                (place / key).fail(f'it has {value} twice', remedy)
            known.add(value)


def with_whole_numbers(record: Record) -> Record:
    """Return a checked record whose ids and sizes are integers."""
    values = {key: record[key] for key in WHOLE_KEYS if isinstance(record.get(key), float)}
    return {**record, **{key: int(value) for key, value in values.items() if value.is_integer()}}


def number_of(note: Record) -> int:
    """Return the number of a track in its video."""
    return note.get('track_id', note.get(EXTRA, {}).get('instance_id', note['id']))


def video_names(videos: list[Record]) -> dict[int, str]:
    """Return the name of each video: of its folder, or else its id."""
    names = {}
    for video in videos:
        files = video.get('file_names') or ['']
        folder = PurePosixPath(files[0].replace('\\', '/')).parent.name
        names[video['id']] = folder if folder.strip('.') else str(video.get('name') or video['id'])
    if len(set(names.values())) < len(names) or any(
        '/' in name or not name.strip('.') for name in names.values()
    ):
        return {key: str(key) for key in names}
    return names


def frame_stems(video: Record) -> list[str]:
    """Return the T names of the frames without folder and ending, or numbers if two are equal."""
    stems = [PurePosixPath(name.replace('\\', '/')).stem for name in video.get('file_names') or ()]
    return (
        stems
        if len(set(stems)) == video['length']
        else [f'{t:05d}' for t in range(video['length'])]
    )


def numbering(video: Record) -> tuple[int, int] | None:
    """Return the number of the first frame and the step between frames.

    The names of the files end in these numbers. None if they do not, or if steps differ.
    """
    found = [re.search(r'(\d+)$', stem) for stem in frame_stems(video)]
    numbers = [int(each.group()) for each in found if each]
    steps = {after - before for before, after in zip(numbers, numbers[1:])} or {1}
    return (numbers[0], steps.pop()) if found and all(found) and len(steps) == 1 else None


def with_file_names(content: Record) -> Record:
    """Return content whose videos all have file names."""
    names = video_names(content['videos'])
    videos = [
        video
        if video.get('file_names')
        else {**video, 'file_names': [f'{names[video["id"]]}/{s}.jpg' for s in frame_stems(video)]}
        for video in content['videos']
    ]
    return {**content, 'videos': videos}


def tracks_of(content: Record) -> Iterator[tuple[Record, list[Record]]]:
    """Yield each video and its annotations: higher scores first, crowds last."""
    of_video: dict[int, list[Record]] = {video['id']: [] for video in content['videos']}
    for note in content['annotations']:
        of_video[note['video_id']].append(note)
    for video in content['videos']:
        notes = of_video[video['id']]
        yield (
            video,
            sorted(notes, key=lambda note: (note.get('iscrowd') or 0, -note.get('score', 0))),
        )


def has_scores(content: Record) -> bool:
    """Return whether any annotation has a score."""
    return any('score' in note for note in content['annotations'])


def scored(content: Record, lines: list[str]) -> Record:
    """Return content in which each track has a score."""
    lacking = sum('score' not in note for note in content['annotations'])
    if lacking:
        lines.append(f'{lacking} tracks have no score and get the score 1')
    return {**content, 'annotations': [{'score': 1.0, **note} for note in content['annotations']]}


def result_of(note: Record) -> Record:
    """Return the annotation of a track as a record of a results file."""
    return {key: note[key] for key in RESULT_KEYS if key in note}


def write_vis(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write YouTube-VIS annotations or results."""
    notes = content['annotations']
    if settings.results:
        write_json(path, list(map(result_of, notes)), settings)
        lines.append(f'{len(notes)} tracks -> {path}')
        return
    notes = [{**measures(note), **note} for note in notes]
    lines.append(write_dataset(path, {**content, 'annotations': notes}, settings.overwrite))


def write_json(path: Path, content: Any, settings: Settings) -> None:
    """Write a json."""
    with whole_file(path, settings.overwrite) as stream:
        stream.write(dump_json(content).encode())


def measures(note: Record) -> Record:
    """Return the boxes and areas of an annotation."""
    codes = note['segmentations']
    return dict(
        bboxes=[None if code is None else mask_utils.toBbox(code).tolist() for code in codes],
        areas=[None if code is None else int(mask_utils.area(code)) for code in codes],
    )


def report_others(others: Counter[str], lines: list[str]) -> None:
    """Add a line with the numbers of shapes that are neither polygons nor masks."""
    if others:
        counts = ', '.join(f'{number} of type {kind}' for kind, number in others.items())
        lines.append(f'only polygons and masks are read; left out: {counts}')


def sources(path: Path, ending: str, form: str) -> dict[str, Path]:
    """Return the files of a folder by their names without `ending`, or the one file given."""
    if path.is_file():
        return {path.name.removesuffix(ending): path}
    if not path.is_dir():
        raise FileNotFoundError(f'{path}: no such file or folder; {form}')
    found = {each.name.removesuffix(ending): each for each in sorted(path.glob(f'*{ending}'))}
    if not found:
        raise ValueError(f'{path}: no file in it ends in {ending}; {form}')
    return found
