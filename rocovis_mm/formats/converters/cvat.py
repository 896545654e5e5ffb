"""CVAT's 'COCO 1.0' export of video tasks -> YouTube-VIS json.

The export holds images and annotations in COCO's form and no videos. Annotations with the same
``attributes.track_id`` are one instance. Other COCO files may have ``track_id`` in annotations and
``video_id`` and ``frame_id`` in images.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

from rocovis_mm.formats.converters.cocovid import convert_cocovid, write_vis
from rocovis_mm.formats.converters.files import read_parts, require_records
from rocovis_mm.formats.frame_files import natural_order
from rocovis_mm.formats.validation import Place, as_identifier
from rocovis_mm.formats.vis_annotations import is_tracked_images

Record = dict[str, Any]

FORMAT = "COCO json, as CVAT's export 'COCO 1.0', holds images, annotations and categories"
KEYS = dict(
    images=('id', 'file_name'),
    annotations=('id', 'image_id', 'category_id'),
    categories=('id',),
)
SHAPES = 'in CVAT draw it as a track, not as a shape, and export again'


def cvat_to_vis(
    source: str | Path, out: str | Path, overwrite: bool = False, keep_crowds: bool = False
) -> list[str]:
    """Write a CVAT export as YouTube-VIS json.

    Images in one folder are one video, in natural order of their names.

    Args:
        source: ``instances_default.json`` of the export.
        out: the json to write.
        overwrite: whether a file with another content is replaced.
        keep_crowds: whether masks in run lengths with ``iscrowd`` 1 stay crowds. CVAT marks all
            masks that are drawn with the brush as crowds.

    Returns:
        Lines that report the result.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not valid; names the file, the place in it and the remedy.
    """
    content = read_parts(source, KEYS, FORMAT)
    place = Place(str(source))
    if content.get('videos'):
        place.fail("it holds 'videos'", 'convert CocoVID with cocovid_to_vis.py')
    if not is_tracked_images(content):
        place.fail('none of its annotations has attributes.track_id', SHAPES)
    read, brushed = convert_cvat(content, place, keep_crowds)
    lines = [write_vis(read, source, out, overwrite)]
    if brushed and not keep_crowds:
        lines.append(
            f'{brushed} masks in run lengths are instances here; CVAT exports all masks of the '
            'brush with iscrowd 1 (--keep-crowds keeps them crowds)'
        )
    return lines


def convert_cvat(content: Record, place: Place, keep_crowds: bool) -> tuple[Record, int]:
    """Turn the content of an export into that of a YouTube-VIS file.

    Returns:
        The new content, and the number of crowds that become instances if they are not kept.
    """
    require_records(content, KEYS, place, FORMAT)
    videos, images = [], []
    for video, frames in group_frames(content['images'], place):
        videos.append(video)
        images += [dict(image, video_id=video['id'], frame_id=t) for t, image in enumerate(frames)]
    notes, brushed = [], 0
    for index, note in enumerate(content.get('annotations') or ()):
        track = track_of(note, place / 'annotations' / index)
        is_brushed = isinstance(note.get('segmentation'), dict) and note.get('iscrowd') == 1
        crowd = note.get('iscrowd') or 0
        brushed += is_brushed
        crowd = 0 if is_brushed and not keep_crowds else crowd
        kept = {key: value for key, value in note.items() if key != 'track_id'}
        notes.append(dict(kept, instance_id=track, iscrowd=crowd))
    tracked = dict(content, videos=videos, images=images, annotations=notes)
    return convert_cocovid(tracked, place.file), brushed


def group_frames(images: list[Record], place: Place) -> list[tuple[Record, list[Record]]]:
    """Return each video and its images in order.

    A video is the images with one ``video_id`` if all have one, else those in one folder. Their
    order is that of ``frame_id`` if all have one, else that of their names.
    """
    groups: dict[Any, list[Record]] = defaultdict(list)
    known = all('video_id' in image for image in images)
    for image in images:
        folder = str(PurePosixPath(image['file_name'].replace('\\', '/')).parent)
        groups[image['video_id'] if known else folder].append(image)
    found = []
    for number, group in enumerate(groups if known else sorted(groups, key=natural_order), start=1):
        frames = sorted(groups[group], key=lambda image: natural_order(image['file_name']))
        if all('frame_id' in image for image in frames):
            frames.sort(key=lambda image: image['frame_id'])
        names = [image['file_name'] for image in frames]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            (place / 'images').fail(
                f'two are called {twice}', 'export each task by itself, so that each is one video'
            )
        name = PurePosixPath(names[0].replace('\\', '/')).parent.name or Path(place.file).stem
        found.append((dict(id=group if known else number, name=name), frames))
    return found


def track_of(note: Record, place: Place) -> int:
    """Return the track that an annotation belongs to, or fail."""
    if note.get('track_id') is not None:
        return as_identifier(note['track_id'], place / 'track_id', SHAPES)
    attributes = note.get('attributes')
    if not isinstance(attributes, dict) or attributes.get('track_id') is None:
        place.fail('it has no attributes.track_id', SHAPES)
    return as_identifier(attributes['track_id'], place / 'attributes' / 'track_id', SHAPES)
