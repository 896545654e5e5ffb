"""All problems of an annotation file and its images.

Letters: T frames of a video.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from tqdm import tqdm

from rocovis_mm.checks.records import entries, id_of
from rocovis_mm.checks.suspicions import find_backslashes, find_percent, find_text_order
from rocovis_mm.formats.frame_files import read_header, refuse_several, turned_note
from rocovis_mm.formats.images import decode_image
from rocovis_mm.formats.missing_images import missing_frames, renamed_frames
from rocovis_mm.formats.validation import listed
from rocovis_mm.formats.vis_annotations import (
    VISAnnotations,
    VISVideo,
    inspect_vis_annotations,
    other_format,
)

ZERO = 'number from 1, as tools take an id 0 for none (an unmatched track, a missing id)'
IMAGE_REMEDIES = dict(
    name='correct file_names, as --fix does',
    missing='put them there, or correct --img-root',
    broken='copy or extract them again',
    size='correct height and width of the video, or the images',
    turned='loaders and most viewers turn such images; save them with turned pixels and without '
    'that entry (magick mogrify -auto-orient), or correct height and width and check the masks',
    several='loaders take the first; write each to an image of its own',
)


@dataclass(frozen=True)
class ImageFault:
    """A fault of one image.

    Attributes:
        video_id: id of its video.
        frame: its frame, from 0.
        name: its file name in the json.
        kind: ``missing``, ``name`` (the folder has it under another name), ``broken`` (cannot be
            decoded, or is cut off), ``several`` (frames or pages), ``size``, or ``turned`` (of
            another size because of its EXIF orientation).
        size: its height and width, for a fault of size.
        found: its name in the folder, for a fault of name.
    """

    video_id: int
    frame: int
    name: str
    kind: str
    size: tuple[int, int] | None = None
    found: str | None = None


def find_problems(content: Any, name: str) -> tuple[VISAnnotations, list[str]]:
    """Check the content of an annotation file.

    Args:
        content: of the json; without ``annotations``, or with null, it is a test set.
        name: of the file, for the messages.

    Returns:
        The valid part, and one message for each problem.
    """
    has_tracks = not isinstance(content, dict) or content.get('annotations') is not None
    annotations, problems = inspect_vis_annotations(content, name, has_tracks, every_mask=True)
    if other_format(content) is None and isinstance(content, dict):
        problems += find_zero_ids(content, name)
        problems += find_empty_tracks(annotations, name)
        names = [category['name'] for category in annotations.categories]
        problems += find_nothing_to_learn(annotations, name, names)
        problems += find_percent(content, annotations, name)
        problems += find_text_order(annotations, name)
    return annotations, problems


def check(
    content: Any,
    name: str,
    look: Callable[[Sequence[VISVideo]], list[ImageFault]] | None = None,
    class_lists: Sequence[Sequence[str]] = (),
    num_classes: int | None = None,
) -> tuple[VISAnnotations, list[str]]:
    """Check an annotation file, its images and its agreement with a config.

    Args:
        content: of the json.
        name: of the file, for the messages.
        look: returns the faults of the images of some videos; None does not look at images.
        class_lists: of the config's data sets, see `rocovis_mm.utils.run_config.config_classes`.
        num_classes: of the config's model.

    Returns:
        The valid part, and one message for each problem.
    """
    annotations, problems = find_problems(content, name)
    if look is not None:
        problems += describe_image_faults(look(annotations.videos), name)
    else:
        problems += find_backslashes(annotations, name)
    for classes in class_lists if annotations.categories else ():
        problems += compare_classes(annotations, name, classes, num_classes)
    return annotations, problems


def find_zero_ids(content: dict[str, Any], name: str) -> list[str]:
    """Return one message for each id 0."""
    return [
        f'{name}: {key}: an id is 0; {ZERO}'
        for key in ('videos', 'categories', 'annotations')
        for record in entries(content, key)
        if id_of(record) == 0
    ]


def find_empty_tracks(annotations: VISAnnotations, name: str) -> list[str]:
    """Return one message for each track that has no mask in any frame."""
    return [
        f'{name}: video {video.id}, annotation {track.id}: it has no mask in any frame; remove it'
        for video in annotations.videos
        for track in video.tracks
        if not track.tube.area
    ]


def find_nothing_to_learn(
    annotations: VISAnnotations, name: str, classes: Sequence[str]
) -> list[str]:
    """Return a message if no track of the classes is an instance.

    Tracks without any mask, and files without tracks, have messages of their own.
    """
    names = {category['id']: category['name'] for category in annotations.categories}
    tracks = [track for video in annotations.videos for track in video.tracks if track.tube.area]
    if not tracks:
        return []
    if any(names[track.category_id] in classes and not track.is_crowd for track in tracks):
        return []
    return [
        f'{name}: annotations: no video holds an instance of the classes {list(classes)} that is '
        'not a crowd; training needs some'
    ]


def find_image_faults(
    videos: Sequence[VISVideo], folder: str, decode: bool = True, threads: int = 1
) -> list[ImageFault]:
    """Return the faults of all images of some videos, with a progress bar.

    Args:
        videos: of the annotation file.
        folder: that their file names are relative to.
        decode: whether images are decoded in full; otherwise only their header is read.
        threads: that decode.
    """
    missing = missing_frames(folder, list(videos))
    renames = renamed_frames(folder, videos, missing)
    jobs = [
        (video, {t: renames.get(video.file_names[t]) for t in missing.get(index, [])})
        for index, video in enumerate(videos)
    ]

    def look(job: tuple[VISVideo, dict[int, str | None]]) -> list[ImageFault]:
        return list(faults_of(*job, folder, decode))

    with ThreadPoolExecutor(threads) as pool:
        found = tqdm(pool.map(look, jobs), desc='images', unit='video', total=len(jobs))
        return [fault for faults in found for fault in faults]


def faults_of(
    video: VISVideo, missing: dict[int, str | None], folder: str, decode: bool
) -> Iterator[ImageFault]:
    """Yield the faults of a video's images.

    Args:
        video: of the annotation file.
        missing: frames without an image of their name -> the other name of the image, if any.
        folder: that file names are relative to.
        decode: whether images are decoded in full.
    """
    for frame, name in enumerate(video.file_names):
        fault = partial(ImageFault, video.id, frame, name)
        if frame in missing:
            found = missing[frame]
            yield fault('name', found=found) if found else fault('missing')
            continue
        path = os.path.join(folder, name)
        try:
            size = read_size(path, decode)
        except OSError:
            yield fault('broken')
        except ValueError:
            yield fault('several')
        else:
            if size != (video.height, video.width):
                yield fault('turned' if turned_note(path) else 'size', size)


def read_size(path: str, decode: bool) -> tuple[int, int]:
    """Return the height and width of an image as it is loaded.

    Raises:
        OSError: it cannot be read, or is not whole.
        ValueError: the file holds several frames or pages.
    """
    if decode:
        with open(path, 'rb') as stream:
            image = decode_image(stream.read())
        if image is None:
            raise OSError(f'{path}: is not a whole image')
        return image.shape[:2]
    try:
        header = read_header(path)
    except SyntaxError as error:  # Pillow, of broken PNG chunks
        raise OSError(str(error)) from None
    refuse_several(header.frames)
    return header.size


def describe_image_faults(faults: Sequence[ImageFault], name: str) -> list[str]:
    """Return one message for each video and kind of fault, with the names of the images."""
    groups: dict[tuple[int, str, Any], list[str]] = {}
    for fault in faults:
        named = f'{fault.name} ({fault.found})' if fault.found else fault.name
        groups.setdefault((fault.video_id, fault.kind, fault.size), []).append(named)
    words = dict(
        missing='missing',
        name='in the folder under other names',
        broken='no whole image',
        several='files of several frames',
    )
    return [
        f'{name}: video {video}: {len(names)} images are '
        + (words.get(kind) or describe_size(size, kind))
        + f': {", ".join(names)}; {IMAGE_REMEDIES[kind]}'
        for (video, kind, size), names in groups.items()
    ]


def describe_size(size: tuple[int, int], kind: str) -> str:
    """Return the text for an image size that is not the video's."""
    turned = ', turned as their EXIF orientation says' if kind == 'turned' else ''
    return f'{size[0]} x {size[1]} (height x width){turned}, not as the json says'


def compare_classes(
    annotations: VISAnnotations, name: str, classes: Sequence[str], num_classes: int | None
) -> list[str]:
    """Return the differences between the file's categories and the classes of a config.

    Args:
        annotations: content of the file.
        name: of the file, for the messages.
        classes: of the config's data set.
        num_classes: of the config's model; None if it has none.
    """
    problems = []
    by_name = {category['name']: category['id'] for category in annotations.categories}
    absent = [each for each in classes if each not in by_name]
    if absent:
        problems.append(
            f"{name}: categories: the config's classes {listed(absent)} are not there; correct "
            f"metainfo['classes'], the file has {listed(sorted(by_name))}"
        )
    numbers = Counter(track.category_id for video in annotations.videos for track in video.tracks)
    problems += [
        f'{name}: categories: {numbers[identifier]} annotations are of {label!r}, which is none of '
        "the config's classes, and would be left out; add it to metainfo['classes'] or remove them"
        for label, identifier in by_name.items()
        if label not in classes and numbers[identifier]
    ]
    if len(absent) < len(classes) < len(by_name):
        problems += find_nothing_to_learn(annotations, name, classes)
    if num_classes is not None and num_classes != len(classes):
        problems.append(
            f'{name}: the config has {len(classes)} classes but a model for {num_classes}; set '
            'num_classes of the model to the number of classes'
        )
    return problems
