"""'CVAT for video 1.1' xml, one file per video (`cvat/apps/dataset_manager/formats/cvat.py`).

A track has a polygon or mask per frame. ``outside`` ends its visibility. CVAT exports each visible
frame. Other files may hold key frames alone: as in CVAT, a mask then stays until the next one, and
a polygon moves in straight lines to the next one if that has as many points.

The run lengths of a mask go along the rows of its box and start with background.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from pycocotools import mask as mask_utils

from rocovis_mm.formats.boxes import bounding_box
from rocovis_mm.formats.converters.content_builder import ContentBuilder, Labelled
from rocovis_mm.formats.converters.outlines import PolygonLoss, fill_areas, outlines_of_areas
from rocovis_mm.formats.converters.vis_content import (
    Record,
    Settings,
    number_of,
    report_others,
    sources,
    tracks_of,
    video_names,
)
from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.formats.validation import MAX_LENGTH, MAX_SIDE, Place, as_identifier, as_integer
from rocovis_mm.formats.whole_files import whole_file

FORM = "a 'CVAT for video 1.1' xml has meta, and tracks with a polygon or mask per frame"
AGAIN = "export the task again as 'CVAT for video 1.1'"
UNPACK = 'annotations'
"""Name of the xml in CVAT's zip files; the video's name is then that of the task."""


class Shape(NamedTuple):
    """A polygon (P, 2) float or a mask (H, W) bool in a frame, and whether it is outside."""

    frame: int
    outside: bool
    points: np.ndarray | None
    mask: np.ndarray | None


def read_cvat_video(path: Path, settings: Settings, lines: list[str]) -> Record:
    """Read an xml file, or a folder with one per video."""
    videos, masks, filled = [], [], 0
    others: Counter[str] = Counter()
    for index, (stem, file) in enumerate(sources(path, '.xml', FORM).items(), start=1):
        place = Place(str(file))
        root = parse(file, place)
        name = (text_of(root, 'name') if stem == UNPACK else None) or stem
        video = settings.find_video(name, place) or new_video(index, name, root, place)
        videos.append(video)
        for track in root.iter('track'):
            where = Place(str(file), f'track {track.get("id")}')
            number = integer(track, 'id', where)
            label = track.get('label')
            if not label:
                where.fail('it has no label', AGAIN)
            shapes = read_shapes(track, root, video, where, others)
            for t, mask, made in each_frame(shapes, video):
                filled += made
                if mask.any():
                    code = encode_mask(mask)
                    masks.append(Labelled(video, number, t, code, label, where))
    report_others(others, lines)
    if filled:
        lines.append(f'{filled} masks between or after key frames follow from these')
    return ContentBuilder(settings, lines).labelled(videos, masks, path)


def parse(file: Path, place: Place) -> ElementTree.Element:
    """Return the root of an xml file."""
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        place.fail(f'not a complete xml file ({error})', AGAIN)
    if root.tag != 'annotations' or root.find('image') is not None:
        kind = "'CVAT for images'" if root.tag == 'annotations' else f'<{root.tag}>'
        place.fail(f'it is {kind}', AGAIN)
    if len(root.findall('meta/project/tasks/task')) > 1:
        place.fail('it holds the tasks of a project', 'export each task by itself')
    return root


def text_of(root: ElementTree.Element, key: str) -> str | None:
    """Return the text of a value of the task or job."""
    found = root.find(f'meta/*/{key}')
    return None if found is None or found.text is None else found.text.strip()


def meta_number(root: ElementTree.Element, key: str, default: int, place: Place) -> int:
    """Return a whole number of the task's data."""
    text = text_of(root, key) or str(default)
    if not text.isdecimal():
        (place / 'meta' / key).fail(f'it is {text!r}, not a whole number', AGAIN)
    return as_integer(int(text), place / 'meta' / key, AGAIN, 0, MAX_LENGTH)


def integer(
    element: ElementTree.Element,
    key: str,
    place: Place,
    low: int | None = None,
    high: int = MAX_SIDE,
) -> int:
    """Return an attribute that is a whole number, an id if `low` is None, or fail."""
    text = element.get(key)
    if text is None or not re.fullmatch(r'[+-]?\d+', text.strip()):
        place.fail(f'{key} is {text!r}, not a whole number', AGAIN)
    if low is None:
        return as_identifier(int(text), place / key, AGAIN)
    return as_integer(int(text), place / key, AGAIN, low, high)


def new_video(index: int, name: str, root: ElementTree.Element, place: Place) -> Record:
    """Return the entry of a video by the task's data; CVAT's names of frames are taken."""
    size = root.find('meta//original_size')
    texts = [None if size is None else size.findtext(key) for key in ('height', 'width')]
    if not all(text and text.strip().isdecimal() for text in texts):
        place.fail('meta has no original_size', f'{AGAIN}, or give --ground-truth GT.json')
    first, step = numbering(root, place)
    found = (shape.get('frame', '') for track in root.iter('track') for shape in track)
    frames = [int(text) for text in found if text.isdecimal()]
    length = meta_number(root, 'size', max(frames, default=0) // step + 1, place)
    files = [f'{name}/frame_{first + t * step:06d}.png' for t in range(length)]
    height, width = (int(text) for text in texts)
    return dict(id=index, height=height, width=width, length=length, file_names=files)


def numbering(root: ElementTree.Element, place: Place) -> tuple[int, int]:
    """Return the number of the first frame and the step between frames."""
    step = re.search(r'step\s*=\s*(\d+)', text_of(root, 'frame_filter') or '')
    first = meta_number(root, 'start_frame', 0, place)
    return first, max(int(step.group(1)), 1) if step else 1


def read_shapes(
    track: ElementTree.Element,
    root: ElementTree.Element,
    video: Record,
    place: Place,
    others: Counter[str],
) -> list[Shape]:
    """Return the polygons and masks of a track in the order of frames."""
    first, step = numbering(root, place)
    shapes = {}
    for element in track:
        if element.tag not in ('polygon', 'mask'):
            others[element.tag] += 1
            continue
        number = integer(element, 'frame', place, 0, MAX_LENGTH)
        where = Place(place.file, f'{place.path}, frame {number}')
        frame, rest = divmod(number - first, step)
        if rest or not 0 <= frame < video['length']:
            where.fail(
                f'it is none of the {video["length"]} frames of the video, from {first} in steps '
                f'of {step}',
                'give the ground truth of this video',
            )
        if frame in shapes:
            where.fail('the track has two shapes in it', 'draw parts as one mask')
        outside = element.get('outside') == '1'
        points = read_points(element, where) if element.tag == 'polygon' else None
        mask = read_mask(element, video, where) if element.tag == 'mask' else None
        shapes[frame] = Shape(frame, outside, points, mask)
    return [shapes[frame] for frame in sorted(shapes)]


def read_points(element: ElementTree.Element, place: Place) -> np.ndarray:
    """Return the points (P, 2) of a polygon."""
    try:
        pairs = [list(map(float, pair.split(','))) for pair in element.get('points', '').split(';')]
        points = np.array(pairs).reshape(len(pairs), 2)
    except ValueError:
        place.fail('points are not "x,y;x,y;..."', AGAIN)
    if len(points) < 3 or not np.isfinite(points).all():
        place.fail(f'a polygon of {len(points)} points', 'draw three or more')
    return points


def read_mask(element: ElementTree.Element, video: Record, place: Place) -> np.ndarray:
    """Return a mask (H, W) bool."""
    left, top = (integer(element, key, place, 0) for key in ('left', 'top'))
    width, height = (integer(element, key, place, 1) for key in ('width', 'height'))
    try:
        counts = [int(text) for text in element.get('rle', '').split(',')]
    except ValueError:
        counts = []
    if min(counts, default=-1) < 0 or sum(counts) != width * height:
        place.fail(f'rle does not add up to its box of {width} x {height} pixels', AGAIN)
    if top + height > video['height'] or left + width > video['width']:
        place.fail(
            f'its box reaches ({left + width}, {top + height}), the frame has '
            f'{video["width"]} x {video["height"]} pixels',
            'give the ground truth of this video',
        )
    mask = np.zeros((video['height'], video['width']), bool)
    inner = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
    mask[top : top + height, left : left + width] = inner
    return mask


def each_frame(shapes: list[Shape], video: Record) -> Iterable[tuple[int, np.ndarray, bool]]:
    """Yield frame, mask (H, W) bool and whether it is between key frames, where visible."""
    for shape, after in zip(shapes, [*shapes[1:], None]):
        if shape.outside:
            continue
        end = video['length'] if after is None else after.frame
        for t in range(shape.frame, end):
            if shape.mask is not None:
                mask = shape.mask
            else:
                points = shape.points
                if after is not None and after.points is not None:
                    if after.points.shape == points.shape:
                        share = (t - shape.frame) / (after.frame - shape.frame)
                        points = (1 - share) * points + share * after.points
                mask = fill_areas(points, video['height'], video['width'])
            yield t, mask, t > shape.frame


def write_cvat_video(content: Record, path: Path, settings: Settings, lines: list[str]) -> None:
    """Write an xml file per video into a folder."""
    names, loss = video_names(content['videos']), PolygonLoss()
    labels = {category['id']: category['name'] for category in content['categories']}
    for video, notes in tracks_of(content):
        name = names[video['id']]
        root = ElementTree.Element('annotations')
        ElementTree.SubElement(root, 'version').text = '1.1'
        add_meta(root, name, video, labels.values())
        for note in sorted(notes, key=number_of):
            attributes = dict(id=str(number_of(note)), label=labels[note['category_id']])
            track = ElementTree.SubElement(root, 'track', **attributes, source='manual')
            add_shapes(track, note, f'{name}, track {number_of(note)}', settings, loss)
        ElementTree.indent(root)
        with whole_file(path / f'{name}.xml', settings.overwrite) as stream:
            stream.write(ElementTree.tostring(root, 'utf-8', xml_declaration=True))
    if settings.polygons:
        loss.report(lines)
    lines.append(f'{len(names)} videos, {len(content["annotations"])} tracks -> {path}')


def add_meta(root: ElementTree.Element, name: str, video: Record, labels: Iterable[str]) -> None:
    """Add the data of the task."""
    task = ElementTree.SubElement(ElementTree.SubElement(root, 'meta'), 'task')
    last = video['length'] - 1
    values = dict(
        name=name, size=video['length'], mode='interpolation', start_frame=0, stop_frame=last
    )
    for key, value in values.items():
        ElementTree.SubElement(task, key).text = str(value)
    group = ElementTree.SubElement(task, 'labels')
    for label in labels:
        ElementTree.SubElement(ElementTree.SubElement(group, 'label'), 'name').text = label
    size = ElementTree.SubElement(task, 'original_size')
    for key in ('width', 'height'):
        ElementTree.SubElement(size, key).text = str(video[key])


def add_shapes(
    track: ElementTree.Element, note: Record, name: str, settings: Settings, loss: PolygonLoss
) -> None:
    """Add a shape for each mask of a track, and one that is outside after the last of a row."""
    before = None
    for t, code in enumerate(note['segmentations']):
        common = dict(frame=str(t), keyframe='1', occluded='0', z_order='0')
        if code is not None:
            mask = mask_utils.decode(code).astype(bool)
            if settings.polygons:
                before = 'polygon', polygon_of(mask, loss, f'{name}, frame {t}')
            else:
                before = 'mask', mask_of(mask)
            ElementTree.SubElement(track, before[0], outside='0', **common, **before[1])
        elif before is not None:
            ElementTree.SubElement(track, before[0], outside='1', **common, **before[1])
            before = None


def mask_of(mask: np.ndarray) -> dict[str, str]:
    """Return the attributes of a mask."""
    box = bounding_box(mask)
    flat = box.cut(mask).ravel()
    edges = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff(np.concatenate([[0], edges, [flat.size]]))
    sides = dict(
        left=box.left, top=box.top, width=box.right - box.left, height=box.bottom - box.top
    )
    rle = ', '.join(map(str, counts.tolist()))
    return dict(rle=rle, **{key: str(value) for key, value in sides.items()})


def polygon_of(mask: np.ndarray, loss: PolygonLoss, name: str) -> dict[str, str]:
    """Return the attributes of the polygon around the largest part, and measure what is lost."""
    drawn = [(polygon, fill_areas(polygon, *mask.shape)) for polygon in outlines_of_areas(mask)]
    polygon, covered = max(drawn, key=lambda each: np.count_nonzero(each[1]))
    loss.add(mask, covered, name)
    return dict(points=';'.join(f'{x:.2f},{y:.2f}' for x, y in polygon.tolist()))
