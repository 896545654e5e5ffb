"""Folders of labelme json, ``VIDEO/FRAME.json``; ``group_id`` is the number of the track.

A shape is a polygon or a mask: a PNG in base64 and the first and last pixel of its box
(`labelme/_label_file.py`, `labelme/utils/shape.py`). All shapes of a group in a frame are one mask.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as mask_utils

from rocovis_mm.formats.boxes import bounding_box
from rocovis_mm.formats.converters.content_builder import ContentBuilder, Labelled
from rocovis_mm.formats.converters.outlines import PolygonLoss, fill_pixels, outlines_of_pixels
from rocovis_mm.formats.converters.vis_content import (
    Record,
    Settings,
    frame_stems,
    number_of,
    report_others,
    tracks_of,
    video_names,
    write_json,
)
from rocovis_mm.formats.frame_files import in_order, list_folders
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.record_reader import read_crowd
from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.formats.validation import (
    MAX_SIDE,
    Place,
    as_finite,
    as_identifier,
    as_integer,
    require,
    require_type,
)

FORM = 'labelme has a json with shapes, imagePath, imageHeight and imageWidth for each image'
GROUP = "set 'Group ID' of each shape to the number of its track"
POINTS = 'a shape has points [[x, y], ...], a polygon three or more, a mask two'
VERSION = '5.5.0'


def read_labelme(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read a folder of json files, or a folder with one per video."""
    videos, masks = [], []
    others: Counter[str] = Counter()
    for index, folder in enumerate(list_videos(path), start=1):
        place = Place(str(folder))
        contents = {file: read_frame(file) for file in in_order(folder.glob('*.json'))}
        video = settings.find_video(folder.name, place) or new_video(index, folder.name, contents)
        videos.append(video)
        frames = {stem: t for t, stem in enumerate(frame_stems(video))}
        for file, content in contents.items():
            if file.stem not in frames:
                (place / file.name).fail(
                    f'{settings.truth_name} has no such frame in this video',
                    'give the ground truth of these videos',
                )
            masks += read_masks(content, video, frames[file.stem], Place(str(file)), others)
    report_others(others, lines)
    return ContentBuilder(settings, lines).labelled(videos, masks, path)


def list_videos(path: Path) -> list[Path]:
    """Return the folders with json files, or the given folder if the files are in it."""
    if not path.is_dir():
        raise FileNotFoundError(f'{path}: no such folder; {FORM}')
    folders = [path] if any(path.glob('*.json')) else list_folders(path)
    folders = [folder for folder in folders if any(folder.glob('*.json'))]
    if not folders:
        raise ValueError(f'{path}: no json in it or its folders; {FORM}')
    return folders


def read_frame(file: Path) -> Record:
    """Return the content of a json with its parts checked."""
    content, place = read_json(file), Place(str(file))
    require_type(content, dict, place, FORM)
    shapes = require_type(require(content, 'shapes', place, FORM), list, place / 'shapes', FORM)
    for index, shape in enumerate(shapes):
        where = place / 'shapes' / index
        label = require(require_type(shape, dict, where, FORM), 'label', where, FORM)
        require_type(label, str, where / 'label', FORM)
    return content


def new_video(index: int, name: str, contents: dict[Path, Record]) -> Record:
    """Return the entry of a video that is known by its json files alone."""
    sizes = set()
    for file, content in contents.items():
        keys, place = ('imageHeight', 'imageWidth'), Place(str(file))
        sides = (as_integer(content.get(key), place / key, FORM, 1, MAX_SIDE) for key in keys)
        sizes.add(tuple(sides))
        if len(sizes) > 1:
            place.fail(
                f'frames of the sizes {sorted(sizes)}', 'all frames of a video have one size'
            )
    height, width = sizes.pop()
    files = [
        f'{name}/{file.stem}{PurePosixPath(str(content.get("imagePath"))).suffix or ".jpg"}'
        for file, content in contents.items()
    ]
    return dict(id=index, height=height, width=width, length=len(files), file_names=files)


def read_masks(
    content: Record, video: Record, frame: int, place: Place, others: Counter[str]
) -> Iterator[Labelled]:
    """Yield the mask of each group of shapes in a frame."""
    groups: dict[int, tuple[np.ndarray, str, int, Place]] = {}
    for index, shape in enumerate(content['shapes']):
        where = place / 'shapes' / index
        kind = shape.get('shape_type', 'polygon')
        if kind not in ('polygon', 'mask'):
            others[str(kind)] += 1
            continue
        number = shape.get('group_id')
        if number is None:
            (where / 'group_id').fail('it has none', GROUP)
        number = as_identifier(number, where / 'group_id', GROUP)
        flags = require_type(shape.get('flags') or {}, dict, where / 'flags', FORM)
        kept = (shape['label'], int(read_crowd(flags, where / 'flags')))
        mask = draw(shape, kind, video, where)
        before, *known, _ = groups.setdefault(number, (mask, *kept, where))
        if known != list(kept):
            where.fail(f'group {number} has the label and iscrowd {known} and {[*kept]}', GROUP)
        groups[number] = before | mask, *kept, where
    for number, (mask, label, crowd, where) in groups.items():
        yield Labelled(video, number, frame, encode_mask(mask), label, where, crowd)


def draw(shape: Record, kind: str, video: Record, place: Place) -> np.ndarray:
    """Return the mask (H, W) bool of a polygon or mask."""
    height, width = video['height'], video['width']
    points = require_type(shape.get('points'), list, place / 'points', POINTS)
    flat = [value for point in points for value in require_type(point, list, place, POINTS)]
    numbers = [as_finite(value, place / 'points', POINTS) for value in flat]
    if len(numbers) != 2 * len(points) or len(points) < (3 if kind == 'polygon' else 2):
        (place / 'points').fail(f'{len(points)} points of {len(numbers)} numbers', POINTS)
    if kind == 'polygon':
        return fill_pixels(np.reshape(numbers, (-1, 2)), height, width)
    left, top, right, bottom = (int(number) for number in numbers[:4])
    inner = decode_png(shape.get('mask'), place / 'mask')
    box = (bottom - top + 1, right - left + 1)
    if inner.shape != box or top < 0 or left < 0 or bottom >= height or right >= width:
        (place / 'mask').fail(
            f'its height and width are {inner.shape}, those of its box {box} in a frame of '
            f'{(height, width)}',
            'save the file again with labelme',
        )
    mask = np.zeros((height, width), bool)
    mask[top : bottom + 1, left : right + 1] = inner
    return mask


def decode_png(text: Any, place: Place) -> np.ndarray:
    """Return the pixels (h, w) bool of a PNG in base64."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True))) as image:
            return np.asarray(image.convert('L')).astype(bool)
    except (TypeError, binascii.Error, ValueError, OSError, SyntaxError) as error:
        place.fail(f'no PNG in base64 ({error})', 'save the file again with labelme')


def write_labelme(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write a json per frame, to be put beside the images; ``flags.iscrowd`` marks crowds."""
    names = video_names(content['videos'])
    labels = {category['id']: category['name'] for category in content['categories']}
    loss, frames = PolygonLoss(), 0
    for video, notes in tracks_of(content):
        for t, stem in enumerate(frame_stems(video)):
            shapes = []
            for note in (note for note in notes if note['segmentations'][t] is not None):
                name = f'{names[video["id"]]}/{stem}, track {number_of(note)}'
                mask = mask_utils.decode(note['segmentations'][t]).astype(bool)
                made = polygon_shapes(mask, loss, name) if settings.polygons else [mask_shape(mask)]
                flags = dict(iscrowd=True) if note.get('iscrowd') else {}
                common = dict(group_id=number_of(note), description='', flags=flags)
                label = labels[note['category_id']]
                shapes += [dict(label=label, **shape, **common) for shape in made]
            frame = dict(
                version=VERSION,
                flags={},
                shapes=shapes,
                imagePath=PurePosixPath(video['file_names'][t]).name,
                imageData=None,
                imageHeight=video['height'],
                imageWidth=video['width'],
            )
            write_json(path / names[video['id']] / f'{stem}.json', frame, settings)
            frames += 1
    if settings.polygons:
        loss.report(lines)
    lines.append(f'{len(names)} videos, {frames} frames -> {path}')


def mask_shape(mask: np.ndarray) -> Record:
    """Return the shape of a mask, exactly."""
    box = bounding_box(mask)
    stream = io.BytesIO()
    Image.fromarray(box.cut(mask).astype(np.uint8)).save(stream, format='PNG')
    points = [[box.left, box.top], [box.right - 1, box.bottom - 1]]
    return dict(
        points=points, shape_type='mask', mask=base64.b64encode(stream.getvalue()).decode('ascii')
    )


def polygon_shapes(mask: np.ndarray, loss: PolygonLoss, name: str) -> list[Record]:
    """Return a polygon for each part of a mask, and measure what is lost."""
    polygons = outlines_of_pixels(mask)
    loss.add(
        mask, np.any([fill_pixels(polygon, *mask.shape) for polygon in polygons], axis=0), name
    )
    return [dict(points=p.tolist(), shape_type='polygon', mask=None) for p in polygons]
