"""VIPSeg's panoptic masks -> VIPSeg-things: its thing classes as instances in YouTube-VIS json.

VIPSeg's masks have two forms, and both are read:

* ``panomasks``, as released: one number per pixel, 0 for nothing, a class (from 1) for stuff,
  class x 100 + instance for things (its ``README.md`` and ``create_panoptic_video_labels.py:53``).
* ``panomasksRGB`` with ``panoptic_gt_VIPSeg_{split}.json``, as written by its scripts: a colour
  r + 256 g + 65536 b per segment. A segment keeps its number over the video, and the json holds
  its class (``create_panoptic_video_labels.py:92``).

The json's classes count from 0, one less than those in the numbers. As in its own json, a class
without an instance number is one segment. Numbers whose class is stuff are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from rocovis_mm.formats.benchmarks import find_benchmark
from rocovis_mm.formats.converters.files import convert_dataset, dump_json, read_lines, read_parts
from rocovis_mm.formats.converters.id_masks import (
    TrackGatherer,
    codes_of,
    ids_in,
    image_size,
    read_id_image,
    readable,
    video_record,
)
from rocovis_mm.formats.frame_files import list_images, natural_order
from rocovis_mm.formats.whole_files import whole_file

THINGS = frozenset(key for key, _, _ in find_benchmark('vipseg_things').table)
NUM_CLASSES = 124
INSTANCES_PER_CLASS = 100
JPEG_QUALITY = 75  # of `change2_720p.py`, which leaves it to Pillow
UNPACK = 'unpack VIPSeg again, or name its folder'
COLORS = 'masks with colours belong in panomasksRGB and need their json'


def category_of(number: int, place: Path) -> int:
    """Return the class, from 0, of a number in ``panomasks``, or fail."""
    label = number if number <= NUM_CLASSES else number // INSTANCES_PER_CLASS
    if not 1 <= label <= NUM_CLASSES:
        raise ValueError(f'{place}: number {number} is of no class (1 to {NUM_CLASSES}); {UNPACK}')
    return label - 1


@dataclass(frozen=True)
class VideoMaker:
    """Makes the part of one video; T frames of H x W pixels.

    Attributes:
        images: folder of the videos' images.
        masks: folder of the videos' masks; None for a split without masks.
        colored: whether they are colours with a json, not numbers.
        height: of the resized images and masks; None keeps their size.
        resized: folder of the resized images.
    """

    images: Path
    masks: Path | None
    colored: bool = False
    height: int | None = None
    resized: Path | None = None

    def __call__(self, video: dict[str, Any]) -> dict[str, Any]:
        """Return a video's part.

        Args:
            video: ``name``; ``frames``, its T image names; ``segments``, T dicts of segment
                number -> class if masks are colours.
        """
        name, frames = video['name'], video['frames']
        sizes = [self.settle_image(name, frame) for frame in frames]
        odd = next((frame for frame, size in zip(frames, sizes) if size != sizes[0]), None)
        if odd is not None:
            raise ValueError(
                f'{self.images / name / odd}: is not of the size of {frames[0]}; the frames of a '
                'video must have one size'
            )
        record = video_record(name, frames, sizes[0])
        return dict(video=record, tracks=self.read_tracks(video, sizes[0]))

    def settle_image(self, name: str, frame: str) -> tuple[int, int]:
        """Resize an image if asked to, and return its new height and width.

        Width and interpolation are those of VIPSeg's `change2_720p.py:18`.
        """
        source = self.images / name / frame
        height, width = image_size(source)
        if self.height is None:
            return height, width
        size = self.height, int(self.height * width / height)
        target = self.resized / name / frame
        if not target.is_file() or image_size(target) != size:
            with readable(source, UNPACK), Image.open(source) as picture:
                upright = ImageOps.exif_transpose(picture).convert('RGB')
                small = upright.resize(size[::-1], Image.Resampling.BILINEAR)
            with whole_file(target) as stream:
                small.save(stream, format='JPEG', quality=JPEG_QUALITY)
        return size

    def read_tracks(
        self, video: dict[str, Any], size: tuple[int, int]
    ) -> list[dict[str, Any]] | None:
        """Return the things of a video as annotations without ids; None without masks."""
        if self.masks is None:
            return None
        gatherer = TrackGatherer(len(video['frames']))
        categories: dict[int, int] = {}
        for t, frame in enumerate(video['frames']):
            path = (self.masks / video['name'] / frame).with_suffix('.png')
            ids = self.read_colors(path) if self.colored else read_id_image(path, COLORS)
            if self.colored:
                found = video['segments'][t]
            else:
                found = {number: category_of(number, path) for number in ids_in(ids)}
            for identity, category in found.items():
                if categories.setdefault(identity, category) != category:
                    raise ValueError(
                        f'{path}: segment {identity} has class {category}, in an earlier frame '
                        f'{categories[identity]}; make the json again with the script of VIPSeg'
                    )
            things = [identity for identity, category in found.items() if category in THINGS]
            for identity, code in codes_of(self.fit(ids, size, path), things):
                gatherer.add(t, identity, code)
        return gatherer.tracks(categories)

    @staticmethod
    def read_colors(path: Path) -> np.ndarray:
        """Return the segment numbers (H, W) of a frame's pixels."""
        with readable(path, UNPACK), Image.open(path) as picture:
            colors = np.asarray(picture.convert('RGB')).astype(np.int32)
        return colors @ np.array([1, 256, 65536], np.int32)

    def fit(self, ids: np.ndarray, size: tuple[int, int], path: Path) -> np.ndarray:
        """Return ids (H, W) in the size of their image, to which they are resized if it was."""
        if self.height is not None:
            picture = Image.fromarray(ids).resize(size[::-1], Image.Resampling.NEAREST)
            ids = np.asarray(picture)
        if ids.shape != size:
            raise ValueError(
                f'{path}: is {ids.shape[0]} x {ids.shape[1]}, its image {size[0]} x {size[1]} '
                f'(height x width); {UNPACK}'
            )
        return ids


def convert_vipseg(
    root: str | Path,
    out: str | Path,
    splits: Sequence[str] = ('train', 'val'),
    height: int | None = None,
    jobs: int = 1,
    overwrite: bool = False,
) -> list[str]:
    """Write ``{split}.json``, and ``images/`` if they are resized.

    The finished images and videos of an earlier run are reused.

    Args:
        root: VIPSeg's folder, with ``imgs`` or ``images`` and ``panomasks`` or
            ``panomasksRGB``.
        out: folder of the new data set.
        splits: ``train``, ``val``, ``test``; the last has no masks.
        height: of the resized images and masks; None uses the images as they are.
        jobs: processes.
        overwrite: whether annotation files that were made with other settings are replaced.

    Returns:
        One line for each split.

    Raises:
        FileNotFoundError: a file or folder does not exist.
        ValueError: a file or folder is not valid; names it and the remedy.
    """
    root, out = Path(root), Path(out)
    images = first_folder(root, ('imgs', 'images'))
    if height is not None and (out / 'images').resolve() == images.resolve():
        raise ValueError(f'{out}: its images would be overwritten; choose another output folder')
    return [convert_split(root, images, out, split, height, jobs, overwrite) for split in splits]


def convert_split(
    root: Path, images: Path, out: Path, split: str, height: int | None, jobs: int, overwrite: bool
) -> str:
    """Write one split and return a line that reports the result."""
    colored = not (root / 'panomasks').is_dir()
    masks = first_folder(root, ('panomasks', 'panomasksRGB'))
    if colored:
        videos = list_colored(root / f'panoptic_gt_VIPSeg_{split}.json', images)
    else:
        videos = list_numbered(find_split(root, split), images)
        masks = masks if check_masks(videos, masks) else None
    path = out / f'{split}.json'
    listing = {name: video['frames'] for name, video in videos.items()}
    settings = dict(
        version=1,
        masks=masks and masks.name,
        height=height,
        frames=hashlib.sha256(dump_json(listing).encode()).hexdigest(),
    )
    content = dict(
        description=f'VIPSeg-things, {split}',
        categories=find_benchmark('vipseg_things').categories,
    )
    maker = VideoMaker(images, masks, colored, height, out / 'images')
    counts = convert_dataset(path, settings, content, maker, videos, jobs, overwrite)
    if counts is None:
        return f'{path}: exists already'
    return f'{path}: {counts["videos"]} videos, {counts.get("annotations", 0)} things'


def first_folder(root: Path, names: Sequence[str]) -> Path:
    """Return the first of two folders that exists."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f'{root}: has neither {names[0]}/ nor {names[1]}/; {UNPACK}')


def find_split(root: Path, split: str) -> Path:
    """Return the file that lists a split's videos; it may be beside a resized copy."""
    for folder in (root, root.parent):
        if (folder / f'{split}.txt').is_file():
            return folder / f'{split}.txt'
    raise FileNotFoundError(f'{root / split}.txt: no such file; it is part of VIPSeg, put it there')


def list_numbered(listing: Path, images: Path) -> dict[str, dict[str, Any]]:
    """Return the videos of a split file with the names of their images."""
    names = [line.strip() for line in read_lines(listing, UNPACK) if line.strip()]
    if not names:
        raise ValueError(f'{listing}: lists no videos; take it from VIPSeg again')
    gone = [name for name in names if not (images / name).is_dir()]
    if gone:
        raise FileNotFoundError(
            f'{images}: {len(gone)} of the {len(names)} videos of {listing} are missing, first '
            f'{gone[0]}; {UNPACK}'
        )
    return {name: dict(name=name, frames=list_frames(images / name)) for name in names}


def list_frames(folder: Path) -> list[str]:
    """Return the names of a video's images in order."""
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder; {UNPACK}')
    frames = [path.name for path in list_images(folder)]
    if not frames:
        raise ValueError(f'{folder}: no images in it; {UNPACK}')
    return frames


def check_masks(videos: dict[str, dict[str, Any]], masks: Path) -> bool:
    """Return whether a split has masks, and refuse masks for some of its frames only."""
    listed = {name: masks / name for name in videos if (masks / name).is_dir()}
    if not listed:
        return False
    for name, video in videos.items():
        if name not in listed:
            raise ValueError(f'{masks / name}: no such folder, other videos have one; {UNPACK}')
        there = {path.stem for path in list_images(listed[name]) if path.suffix == '.png'}
        frames = {Path(frame).stem for frame in video['frames']}
        if there != frames:
            odd = min(there ^ frames)
            lack = 'no image' if odd in there else 'no mask'
            raise ValueError(f'{listed[name] / odd}.png: there is {lack} for it; {UNPACK}')
    return True


def list_colored(annotations: Path, images: Path) -> dict[str, dict[str, Any]]:
    """Return the videos of VIPSeg's json with their images and the classes of their segments."""
    remedy = "make it with VIPSeg's create_panoptic_video_labels.py and splitjson.py"
    content = read_parts(annotations, dict(annotations=('video_id', 'annotations')), remedy)
    videos = {}
    for number, record in enumerate(content['annotations']):
        try:
            name = str(record['video_id'])
            by_stem = {Path(frame).stem: frame for frame in list_frames(images / name)}
            notes = sorted(record['annotations'], key=lambda note: natural_order(note['file_name']))
            frames = [by_stem[Path(note['file_name']).stem] for note in notes]
            segments = [
                {int(part['id']): int(part['category_id']) for part in note['segments_info']}
                for note in notes
            ]
            videos[name] = dict(name=name, frames=frames, segments=segments)
        except KeyError as error:
            raise ValueError(
                f'{annotations}: annotations[{number}]: no {error.args[0]!r}, a key or the name '
                f'of an image in {images}; {remedy}'
            ) from None
    return videos
