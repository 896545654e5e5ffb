"""Mending an annotation file: correct values where possible, take out unreadable records.

Each function changes the content of a json in place and returns a line for each change. Nothing is
guessed. A mask is never altered, only taken out together with its frame or its track.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from rocovis_mm.checks.problems import ImageFault
from rocovis_mm.checks.records import count_frames, id_of, pick_frames
from rocovis_mm.checks.spelling import (
    mend_keys,
    mend_numbers,
    mend_slashes,
    rename_images,
    sort_frames,
)
from rocovis_mm.formats.converters.cocovid import COCO_FORMAT, COCO_KEYS, convert_cocovid
from rocovis_mm.formats.converters.files import require_parts
from rocovis_mm.formats.record_reader import MEASURES, read_measure
from rocovis_mm.formats.validation import Place, require, require_type
from rocovis_mm.formats.vis_annotations import (
    FORMAT,
    VISVideo,
    inspect_vis_annotations,
    other_format,
)

Content = dict[str, Any]

PARTS = ('categories', 'videos', 'annotations')


def mend(
    content: Content,
    name: str,
    look: Callable[[Sequence[VISVideo]], list[ImageFault]] | None = None,
) -> list[str]:
    """Mend the content of an annotation file in place.

    Args:
        content: of the json.
        name: of the file.
        look: returns the faults of the images of some videos; None does not look at images.

    Returns:
        A line for each change.

    Raises:
        ValueError: it is another kind of file, lacks its videos or categories, or nothing of it
            would be left.
    """
    done = convert_back(content, name)
    if content.get('annotations') is None:
        content.pop('annotations', None)  # a test set
    done += keep_objects(content, name)
    done += mend_numbers(content) + mend_keys(content) + mend_lists(content)
    if look is None:
        done += mend_slashes(content)
    else:
        done += mend_images(content, name, look)
    done += sort_frames(content) + mend_ids(content)
    if 'annotations' in content:
        done += drop_odd_lists(content) + take_out_tracks(content)
    refuse_empty(content, name, done)
    return done


def mend_images(
    content: Content, name: str, look: Callable[[Sequence[VISVideo]], list[ImageFault]]
) -> list[str]:
    """Correct the names of images and sizes of videos; take out frames without a whole image."""

    def faults() -> list[ImageFault]:
        return look(inspect_vis_annotations(content, name, with_tracks=False)[0].videos)

    found = faults()
    done = rename_images(content, found)
    if done:
        found = faults()
    return done + mend_sizes(content, found) + take_out_frames(content, found)


def refuse_empty(content: Content, name: str, done: Sequence[str]) -> None:
    """Refuse a data set without videos, categories or annotations, with the reason in `done`."""
    for key in ('videos', 'categories', 'annotations'):
        if not content.get(key, True):
            why = next((f' ({line})' for line in done if 'taken out' in line), '')
            raise ValueError(f'{name}: none of its {key} would be left{why}; correct that first')


def convert_back(content: Content, name: str) -> list[str]:
    """Turn CocoVID back into YouTube-VIS, and refuse other formats."""
    place = Place(name)
    other = other_format(require_type(content, dict, place, FORMAT))
    if other is None:
        return []
    if not content.get('images') or not content.get('videos'):
        place.fail(*other)
    require_parts(content, COCO_KEYS, place, COCO_FORMAT)
    read = convert_cocovid(content, name)
    content.clear()
    content.update(read)
    return ['converted from CocoVID to YouTube-VIS json']


def keep_objects(content: Content, name: str) -> list[str]:
    """Take out records that are no objects."""
    done = []
    for key in PARTS:
        if key == 'annotations' and key not in content:
            continue
        records = require(content, key, Place(name), FORMAT)
        require_type(records, list, Place(name, key), FORMAT)
        done += keep(content, key, [isinstance(each, dict) for each in records], 'not an object')
    return done


def keep(content: Content, key: str, sound: Sequence[bool], why: str) -> list[str]:
    """Keep the sound records of a key."""
    if all(sound):
        return []
    content[key] = [record for record, good in zip(content[key], sound) if good]
    return [f'{sound.count(False)} {key} taken out: {why}']


def mend_lists(content: Content) -> list[str]:
    """Take out duplicate records and videos without images, and correct lengths."""
    done = []
    for key in PARTS:
        records = content.get(key, [])
        first = [not any(record == other for other in same) for record, same in earlier(records)]
        done += keep(content, key, first, 'they are duplicates')
    videos = content['videos']
    named = [isinstance(v.get('file_names'), list) and bool(v['file_names']) for v in videos]
    done += keep(content, 'videos', named, 'they list no images')
    for video in content['videos']:
        length = len(video['file_names'])
        if video.get('length', length) != length:
            done.append(f'video {video.get("id")}: length {video["length"]} is now {length}')
            video['length'] = length
    return done


def earlier(records: Sequence[Content]) -> list[tuple[Content, list[Content]]]:
    """Return each record with the earlier ones of the same id."""
    seen: dict[int | None, list[Content]] = defaultdict(list)
    pairs = []
    for record in records:
        same = seen[id_of(record)]
        pairs.append((record, list(same)))
        same.append(record)
    return pairs


def mend_sizes(content: Content, faults: Sequence[ImageFault]) -> list[str]:
    """Set the size of a video to the one of all its images and all its masks."""
    found = defaultdict(list)
    for fault in faults:
        if fault.kind in ('size', 'turned'):
            found[fault.video_id].append(fault.size)
    masks = defaultdict(list)
    for note in content.get('annotations', []):
        entries = note.get('segmentations')
        for mask in entries if isinstance(entries, list) else []:
            if isinstance(mask, dict) and mask:
                masks[id_of(note, 'video_id')].append(mask.get('size'))
    done = []
    for video in content['videos']:
        sizes = set(found[id_of(video)])
        whole = len(found[id_of(video)]) == len(video['file_names'])
        new = sizes.pop() if whole and len(sizes) == 1 else None
        if new and all(size == list(new) for size in masks[id_of(video)]):
            old = video['height'], video['width']
            video['height'], video['width'] = new
            done.append(f'video {video["id"]}: height and width {old} are now {new}, as its images')
    return done


def take_out_frames(content: Content, faults: Sequence[ImageFault]) -> list[str]:
    """Take out frames whose image is missing or broken, and videos without any other frame."""
    bad = defaultdict(set)
    for fault in faults:
        if fault.kind not in ('size', 'turned'):
            bad[fault.video_id].add(fault.frame)
    kept = {
        id_of(video): [t for t in range(len(video['file_names'])) if t not in bad[id_of(video)]]
        for video in content['videos']
        if bad[id_of(video)]
    }
    lengths = count_frames(content)
    done = [
        f'video {video}: {lengths[video] - len(frames)} of {lengths[video]} frames taken out: no '
        'whole image'
        for video, frames in kept.items()
    ]
    pick_frames(content, kept)
    gone = {video for video, frames in kept.items() if not frames}
    why = 'none of its images is whole'
    done += keep(content, 'videos', [id_of(v) not in gone for v in content['videos']], why)
    if 'annotations' in content:
        rest = [id_of(note, 'video_id') not in gone for note in content['annotations']]
        done += keep(content, 'annotations', rest, 'their video is taken out')
    return done


def mend_ids(content: Content) -> list[str]:
    """Renumber ids 0 and the ids of annotations that are not unique."""
    notes = content.get('annotations', [])
    done = []
    for key, reference in (('categories', 'category_id'), ('videos', 'video_id')):
        zero = [record for record in content[key] if id_of(record) == 0]
        lines = renumber(zero[:1], content[key], key)
        for note in notes if lines else []:
            if id_of(note, reference) == 0:
                note[reference] = zero[0]['id']
        done += lines
    again = [note for note, same in earlier(notes) if same or not id_of(note)]
    return done + renumber(again, notes, 'annotations')


def renumber(records: Sequence[Content], among: Sequence[Content], key: str) -> list[str]:
    """Renumber records above all other ids."""
    highest = max([0, *(id_of(record) or 0 for record in among)])
    done = []
    for new, record in enumerate(records, start=highest + 1):
        done.append(f'{key}: id {record.get("id")} is now {new}')
        record['id'] = new
    return done


def drop_odd_lists(content: Content) -> list[str]:
    """Take out boxes and areas that cannot be read, as they follow from the masks."""
    lengths = count_frames(content)
    done = []
    for note in content['annotations']:
        length = lengths.get(id_of(note, 'video_id'))
        for key in MEASURES if length is not None else ():
            try:
                read_measure(note, key, length, Place(''))
            except ValueError as error:
                del note[key]
                why = str(error).removeprefix(f': {key}').lstrip(': ')
                done.append(f'annotation {note["id"]}: {key} taken out: {why}')
    return done


def take_out_tracks(content: Content) -> list[str]:
    """Take out annotations that cannot be read or have no mask at all."""
    videos = {id_of(video): video for video in reversed(content['videos'])}
    frame = dict(content, annotations=[])
    readable = {v.id for v in inspect_vis_annotations(frame, 'it', with_tracks=False)[0].videos}
    noise = inspect_vis_annotations(dict(frame, videos=[]), 'it', with_tracks=False)[1]
    done, sound = [], []
    for note in content['annotations']:
        owner = id_of(note, 'video_id')
        if owner in videos and owner not in readable:
            sound.append(True)  # the video is the problem
            continue
        alone = dict(frame, videos=[videos[owner]] if owner in videos else [], annotations=[note])
        read, problems = inspect_vis_annotations(alone, 'it', every_mask=True)
        problems = [problem for problem in problems if problem not in noise]
        if problems and all('.segmentations_refined' in problem for problem in problems):
            del note['segmentations_refined']
            done.append(f'annotation {note["id"]}: segmentations_refined taken out: not readable')
            read, problems = inspect_vis_annotations(alone, 'it')[0], []
        if not problems and not any(track.tube.area for v in read.videos for track in v.tracks):
            problems = ['it has no mask in any frame']
        sound.append(not problems)
        if problems:
            why = problems[0].removeprefix('it: ')
            done.append(f'annotation {note.get("id")} of video {owner} taken out: {why}')
    keep(content, 'annotations', sound, '')
    return done
