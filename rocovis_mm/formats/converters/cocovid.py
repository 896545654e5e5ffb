"""CocoVID, which MMDetection and MMTracking read, <-> YouTube-VIS json, without loss.

CocoVID has an entry per image and an annotation per mask. YouTube-VIS has lists with an entry per
frame. MMDetection's `tools/dataset_converters/youtubevis2coco.py` converts in one direction. Here
a conversion and its reverse restore the content:

* CocoVID holds data of whole tracks, also of tracks without any mask, under ``tracks``, which its
  readers ignore;
* YouTube-VIS holds further data of CocoVID's images and masks (ids, keys of the user) under
  ``cocovid`` of a video or annotation, in lists with an entry per frame.

Missing boxes, areas, lengths and names of videos are computed.

Letters: T frames of a video.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pycocotools import mask as mask_utils
from tqdm import tqdm

from rocovis_mm.formats.converters.files import read_parts, require_records, write_dataset
from rocovis_mm.formats.record_reader import raise_problems
from rocovis_mm.formats.segmentations import parse_tube
from rocovis_mm.formats.validation import Place
from rocovis_mm.formats.vis_annotations import (
    FORMAT,
    VISVideo,
    inspect_vis_annotations,
    is_tracked_images,
    other_format,
)

Record = dict[str, Any]

COCO_FORMAT = 'a CocoVID json holds videos, images, annotations and categories'
VIS_KEYS = dict(videos=('id', 'file_names', 'height', 'width'), categories=('id',))
COCO_KEYS = dict(
    videos=('id',),
    images=('id', 'video_id', 'frame_id', 'file_name'),
    categories=('id',),
)
RECORD_KEYS = dict(
    COCO_KEYS,
    annotations=('id', 'image_id', 'category_id', 'instance_id'),
    tracks=('id', 'video_id', 'category_id'),
)
BOTH = ('videos', 'annotations', 'images', 'tracks')
"""Keys of a file that a conversion creates. It copies all others."""
PER_MASK = dict(segmentations='segmentation', bboxes='bbox', areas='area')
"""Lists of a YouTube-VIS annotation, and the key of an entry in CocoVID."""
OF_TRACK = ('video_id', 'category_id', 'instance_id', 'image_id', 'iscrowd')
"""Keys of a CocoVID annotation that follow from its YouTube-VIS annotation."""
EXTRA = 'cocovid'


def vis_to_cocovid(source: str | Path, out: str | Path, overwrite: bool = False) -> str:
    """Write a YouTube-VIS file as CocoVID, where the id of an instance is its annotation's.

    Args:
        source: YouTube-VIS json; may lack annotations.
        out: the json to write.
        overwrite: whether a file with another content is replaced.

    Returns:
        A line with the counts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not valid, or has an id 0, which MMDetection takes for no id.
    """
    return write_dataset(
        out, cocovid_records(read_parts(source, VIS_KEYS, FORMAT), str(source)), overwrite
    )


def cocovid_records(content: Record, name: str) -> Record:
    """Return the content of a CocoVID file, its records as iterators.

    Args:
        content: of a YouTube-VIS json; may lack annotations.
        name: of the file, for the messages.

    Raises:
        ValueError: as for `vis_to_cocovid`.
    """
    has_tracks = content.get('annotations') is not None
    tracks = content.get('annotations') or []
    raise_problems(inspect_vis_annotations(content, name, bool(tracks))[1])
    if any(track['id'] == 0 for track in tracks):
        Place(name, 'annotations').fail(
            'an id is 0, which MMDetection takes for no id (`mmdet/datasets/base_video_dataset.py:'
            '139`)',
            'number from 1, as tools/misc/check_dataset.py --fix does',
        )
    records: Record = {key: value for key, value in content.items() if key not in BOTH}
    records['videos'] = map(coco_video, content['videos'])
    records['images'] = coco_images(content['videos'])
    if has_tracks:
        records['annotations'] = coco_annotations(content['videos'], tracks)
        records['tracks'] = map(track_record, tracks)
    return records


def coco_video(video: Record) -> Record:
    """Return the CocoVID entry of a video."""
    kept = {key: value for key, value in video.items() if key not in ('file_names', EXTRA)}
    return {'name': str(Path(video['file_names'][0]).parent), **kept}


def numbers(known: Iterable[int]) -> Iterator[int]:
    """Count from 1, or from the first number above the known ones."""
    return itertools.count(max((0, *known)) + 1)


def image_ids(videos: list[Record]) -> dict[int, list[int]]:
    """Return the T image ids of each video: its own ones, or new ones."""
    known = {video['id']: video.get(EXTRA, {}).get('id') for video in videos}
    free = numbers(number for ids in known.values() if ids for number in ids)
    return {
        video['id']: known[video['id']] or [next(free) for _ in video['file_names']]
        for video in videos
    }


def coco_images(videos: list[Record]) -> Iterator[Record]:
    """Yield the images of all videos."""
    ids = image_ids(videos)
    for video in videos:
        extra = video.get(EXTRA, {})
        for frame, name in enumerate(video['file_names']):
            yield dict(
                file_name=name,
                height=video['height'],
                width=video['width'],
                video_id=video['id'],
                **{'frame_id': frame, **take_entry(extra, frame), 'id': ids[video['id']][frame]},
            )


def take_entry(lists: Record, frame: int) -> Record:
    """Return the entries of a frame that are not null."""
    entries = {key: values[frame] for key, values in lists.items() if isinstance(values, list)}
    return {key: value for key, value in entries.items() if value is not None}


def coco_annotations(videos: list[Record], tracks: list[Record]) -> Iterator[Record]:
    """Yield the masks of all tracks, video by video and frame by frame."""
    images = image_ids(videos)
    free = numbers(
        number for track in tracks for number in track.get(EXTRA, {}).get('id', ()) if number
    )
    of_video = defaultdict(list)
    for track in tracks:
        of_video[track['video_id']].append(track)
    for video in tqdm(videos, desc='CocoVID', unit='video'):
        for frame, image in enumerate(images[video['id']]):
            for track in of_video[video['id']]:
                if track['segmentations'][frame]:
                    note = coco_annotation(track, frame, video)
                    yield {**note, 'id': note.get('id') or next(free), 'image_id': image}


def coco_annotation(track: Record, frame: int, video: Record) -> Record:
    """Return the annotation of one mask of a track, without ``image_id``."""
    extra = track.get(EXTRA, {})
    mask = track['segmentations'][frame]
    box, area = measure(mask, video['height'], video['width'])
    note = dict(
        video_id=track['video_id'],
        category_id=track['category_id'],
        instance_id=extra.get('instance_id', track['id']),
        iscrowd=track.get('iscrowd') or 0,
        segmentation=mask,
    )
    for key, made in (('bboxes', box), ('areas', area)):
        given = track.get(key)
        given = given[frame] if isinstance(given, list) and frame < len(given) else None
        note[PER_MASK[key]] = made if given is None else given
    return {**note, **take_entry(extra, frame)}


def measure(mask: Any, height: int, width: int) -> tuple[list[float], int]:
    """Return the box [x, y, width, height] and the area of a mask in any form."""
    frame = VISVideo(0, height, width, 1)
    tube = parse_tube([mask], frame, Place('mask'))
    if tube.counts[0] is None:
        return [0.0, 0.0, 0.0, 0.0], 0
    code = dict(size=[height, width], counts=tube.counts[0])
    return mask_utils.toBbox(code).tolist(), int(tube.areas[0])


def track_record(track: Record) -> Record:
    """Return the data of a track, with its instance's id, that CocoVID's annotations lack."""
    record = {key: value for key, value in track.items() if key not in (*PER_MASK, EXTRA)}
    record['id'] = track.get(EXTRA, {}).get('instance_id', track['id'])
    absent = [not mask for mask in track['segmentations']]
    for key in ('bboxes', 'areas'):
        values = track.get(key)
        if values is not None and [value is None for value in values] != absent:
            record[key] = values
    return record


def cocovid_to_vis(source: str | Path, out: str | Path, overwrite: bool = False) -> str:
    """Write a CocoVID file as YouTube-VIS json.

    The id of an annotation is its instance's if no two videos share one. Otherwise annotations are
    numbered from 1.

    Args:
        source: CocoVID json whose annotations have masks and ``instance_id``.
        out: the json to write.
        overwrite: whether a file with another content is replaced.

    Returns:
        A line with the counts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not valid; names the file, the video, image or annotation and the
            remedy.
    """
    content = read_parts(source, {}, COCO_FORMAT)
    if is_tracked_images(content):
        Place(str(source)).fail(*other_format(content))
    return write_vis(convert_cocovid(content, str(source)), source, out, overwrite)


def write_vis(content: Record, source: str | Path, out: str | Path, overwrite: bool) -> str:
    """Check the YouTube-VIS content made from `source`, write it and return the counts."""
    has_tracks = bool(content.get('annotations'))
    raise_problems(inspect_vis_annotations(content, str(source), has_tracks)[1])
    return write_dataset(out, content, overwrite)


def convert_cocovid(content: Record, name: str) -> Record:
    """Turn the content of a CocoVID file into that of a YouTube-VIS file.

    Args:
        content: of the json. Without
            ``annotations``, as in a test set, the result has none.
        name: of the file, for the messages.

    Raises:
        ValueError: it is not valid.
    """
    place = Place(name)
    require_records(content, RECORD_KEYS, place, COCO_FORMAT)
    images = group_images(content, place)
    videos = [vis_video(video, images[video['id']], place) for video in content['videos']]
    read: Record = {key: value for key, value in content.items() if key not in BOTH}
    read['videos'] = videos
    if content.get('annotations') is not None:
        read['annotations'] = vis_annotations(content, videos, images, place)
    return read


def group_images(content: Record, place: Place) -> dict[int, list[Record]]:
    """Return the images of each video in the order of their frames."""
    images: dict[int, list[Record]] = {video['id']: [] for video in content['videos']}
    for index, image in enumerate(content['images']):
        if image['video_id'] not in images:
            (place / 'images' / index).fail(
                f'there is no video {image["video_id"]}', 'remove the image or correct video_id'
            )
        images[image['video_id']].append(image)
    for video, frames in images.items():
        frames.sort(key=lambda image: image['frame_id'])
        steps = [image['frame_id'] for image in frames]
        if not steps or len(set(steps)) < len(steps):
            Place(place.file, f'video {video}').fail(
                'two images have the same frame_id' if steps else 'it has no images',
                'number the images of a video from 0',
            )
    return images


def vis_video(video: Record, images: list[Record], place: Place) -> Record:
    """Return the YouTube-VIS entry of a video with T images."""
    sides = {}
    for key in ('height', 'width'):
        sizes = {record[key] for record in (video, *images) if record.get(key) is not None}
        if len(sizes) != 1:
            Place(place.file, f'video {video["id"]}').fail(
                f'its {key} is {" and ".join(map(str, sorted(sizes))) or "not given"}',
                'give one size for the video or for all of its images',
            )
        sides[key] = sizes.pop()
    told = ('file_name', 'height', 'width', 'video_id')
    extra = gather_lists(images, told)
    if extra['frame_id'] == list(range(len(images))):
        del extra['frame_id']
    names = [image['file_name'] for image in images]
    return {**video, **sides, 'length': len(images), 'file_names': names, EXTRA: extra}


def gather_lists(entries: list[Record | None], told: Iterable[str]) -> Record:
    """Return the values of all keys but those in `told` as lists with an entry per frame."""
    keys = {key: None for entry in entries if entry for key in entry if key not in told}
    return {key: [entry.get(key) if entry else None for entry in entries] for key in keys}


def vis_annotations(
    content: Record, videos: list[Record], images: dict[int, list[Record]], place: Place
) -> list[Record]:
    """Return the YouTube-VIS annotations."""
    spot = {
        image['id']: (video, frame)
        for video, frames in images.items()
        for frame, image in enumerate(frames)
    }
    lengths = {video['id']: video['length'] for video in videos}
    known = {(track['video_id'], track['id']): track for track in content.get('tracks') or ()}
    masks: dict[tuple[int, int], list[Record | None]] = {
        key: [None] * lengths[key[0]] for key in known if key[0] in lengths
    }
    for index, note in enumerate(content['annotations']):
        where = place / 'annotations' / index
        check_annotation(note, spot, where)
        video, frame = spot[note['image_id']]
        entries = masks.setdefault((video, note['instance_id']), [None] * lengths[video])
        if entries[frame] is not None:
            where.fail(
                f'instance {note["instance_id"]} has two masks in image {note["image_id"]}',
                'give each instance of a video an id of its own',
            )
        entries[frame] = note
    instances = [instance for _, instance in masks]
    keep_ids = len(set(instances)) == len(instances) and 0 not in instances
    sizes = {video['id']: (video['height'], video['width']) for video in videos}
    return [
        vis_annotation(
            key[1] if keep_ids else number, key, entries, known.get(key), sizes[key[0]], place
        )
        for number, (key, entries) in enumerate(
            tqdm(masks.items(), desc='YouTube-VIS', unit='track'), start=1
        )
    ]


def check_annotation(note: Record, spot: dict[int, tuple[int, int]], where: Place) -> None:
    """Refuse a CocoVID annotation that is in no video or has no mask."""
    if note['image_id'] not in spot:
        where.fail(f'there is no image {note["image_id"]}', 'remove it or correct image_id')
    if note.get('video_id', spot[note['image_id']][0]) != spot[note['image_id']][0]:
        where.fail('its video_id is not that of its image', 'correct one of the two')
    if not note.get('segmentation'):
        where.fail('it has no segmentation', 'video instance segmentation needs masks, not boxes')


def vis_annotation(
    identifier: int,
    key: tuple[int, int],
    entries: list[Record | None],
    known: Record | None,
    size: tuple[int, int],
    place: Place,
) -> Record:
    """Return one YouTube-VIS annotation.

    Args:
        identifier: its id.
        key: its video and instance.
        entries: T CocoVID annotations, None where it is absent.
        known: its record in the file's ``tracks``, if any.
        size: height and width of the frames.
        place: of the file.
    """
    present = [note for note in entries if note is not None]
    categories = {note['category_id'] for note in (*present, *([known] if known else ()))}
    if len(categories) != 1:
        Place(place.file, f'video {key[0]}, instance {key[1]}').fail(
            f'it has the categories {sorted(categories)}', 'give each instance one category'
        )
    crowds = [note.get('iscrowd') or 0 for note in present]
    extra = gather_lists(entries, (*OF_TRACK, *PER_MASK.values()))
    if len(set(crowds)) > 1:
        extra['iscrowd'] = [note and (note.get('iscrowd') or 0) for note in entries]
    if identifier != key[1]:
        extra['instance_id'] = key[1]
    made = [None if note is None else measure(note['segmentation'], *size) for note in entries]
    record = dict(
        id=identifier,
        video_id=key[0],
        category_id=categories.pop(),
        iscrowd=min(crowds, default=0),
        segmentations=[note and note['segmentation'] for note in entries],
        bboxes=[note and note.get('bbox', new[0]) for note, new in zip(entries, made)],
        areas=[note and note.get('area', new[1]) for note, new in zip(entries, made)],
    )
    return {**record, **(known or {}), 'id': identifier, EXTRA: extra}
