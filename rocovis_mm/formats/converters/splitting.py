"""Splitting an annotation file in two, by video, with the classes in balance.

Letters: n videos · K categories.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from tqdm import tqdm

from rocovis_mm.formats.converters.files import read_parts, write_annotations
from rocovis_mm.formats.validation import listed
from rocovis_mm.formats.vis_annotations import FORMAT

VIDEOS = dict(videos=('id', 'file_names'), categories=('id', 'name'))
FIRST, SECOND = 0, 1


def balanced_split(tracks: Sequence[Counter[int]], second: int, seed: int) -> np.ndarray:
    """Choose the videos of the second half so that each class is divided as the videos are.

    The method is iterative stratification (Sechidis et al., "On the stratification of multi-label
    data", 2011): beginning with the rarest class, each of its videos goes to the half that needs
    that class most. A class with two videos or more is in both halves, as far as there is room.

    Args:
        tracks: number of tracks by category for each of n videos.
        second: number of videos of the second half, 1 to n - 1.
        seed: of the order of the videos and of ties.

    Returns:
        (n,) int, 0 for the first half, 1 for the second.
    """
    rng = np.random.default_rng(seed)
    categories = sorted({category for video in tracks for category in video})
    counts = np.array([[video[category] for category in categories] for video in tracks], float)
    room = np.array([len(tracks) - second, second])
    wanted = counts.sum(0) * (room / len(tracks))[:, None]  # (2, K) tracks
    halves = np.full(len(tracks), -1)

    def assign(video: int, half: int) -> None:
        halves[video] = half
        room[half] -= 1
        wanted[half] -= counts[video]

    order = rng.permutation(len(tracks))
    has = counts > 0
    while True:
        left = has[halves < 0].sum(0)  # (K,) videos
        if not left.any():
            break
        category = int(np.where(left > 0, left, np.inf).argmin())
        for video in (v for v in order if halves[v] < 0 and has[v, category]):
            assign(int(video), choose_half(category, has, halves, wanted, room))
    for video in (v for v in order if halves[v] < 0):  # without tracks
        assign(int(video), int(room.argmax()))
    return halves


def choose_half(
    category: int, has: np.ndarray, halves: np.ndarray, wanted: np.ndarray, room: np.ndarray
) -> int:
    """Return the half that the next video of a category goes to."""
    if not room.all():
        return int(room.argmax())
    if has[:, category].sum() > 1:
        for half in (SECOND, FIRST):
            if not has[halves == half, category].any():
                return half
    if wanted[FIRST, category] == wanted[SECOND, category]:
        return int(room.argmax())
    return int(wanted[:, category].argmax())


def split_dataset(
    source: str | Path,
    outs: tuple[str | Path, str | Path],
    fraction: float = 0.1,
    seed: int = 0,
    overwrite: bool = False,
) -> list[str]:
    """Write the videos of an annotation file to two files without a change to their records.

    Args:
        source: YouTube-VIS json with annotations.
        outs: the two files to write.
        fraction: share of the videos in the second file, at least one video.
        seed: the same file, fraction and seed give the same split.
        overwrite: whether files with another content are replaced.

    Returns:
        Lines with the number of tracks of each class in each file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be split like this; names the file and the remedy.
    """
    content = read_parts(source, dict(VIDEOS, annotations=('video_id', 'category_id')), FORMAT)
    videos = content['videos']
    if not 0 < fraction < 1 or len(videos) < 2:
        raise ValueError(
            f'{source}: {len(videos)} videos cannot be split at {fraction}; give two videos '
            'or more and a fraction between 0 and 1'
        )
    names = {category['id']: str(category['name']) for category in content['categories']}
    if not names:
        raise ValueError(f'{source}: categories: it is empty; list the classes')
    tracks: dict[Any, Counter[int]] = {video['id']: Counter() for video in videos}
    for index, note in enumerate(content['annotations']):
        for kind, known in (('video', tracks), ('category', names)):
            if note[f'{kind}_id'] not in known:
                raise ValueError(
                    f'{source}: annotations[{index}]: there is no {kind} {note[f"{kind}_id"]!r}; '
                    'mend the file with tools/misc/check_dataset.py --fix'
                )
        tracks[note['video_id']][note['category_id']] += 1
    second = min(max(round(fraction * len(videos)), 1), len(videos) - 1)
    halves = balanced_split(list(tracks.values()), second, seed)
    half_of = {video['id']: int(half) for video, half in zip(videos, halves)}
    write_halves(content, half_of.__getitem__, outs, overwrite)
    return describe_split(tracks, half_of, names, outs)


def split_by_videos(
    source: str | Path,
    reference: str | Path,
    outs: tuple[str | Path, str | Path],
    overwrite: bool = False,
) -> list[str]:
    """Write the videos that are also in a reference file, and the others, to two files.

    Two videos are the same if the folders of their first images have the same name. If several
    folders of a file share a name, such as ``img1``, their paths must agree. YouTube-VIS 2022's
    validation file, split by the one of 2021, gives its short and long videos.

    Args:
        source: YouTube-VIS json; may lack annotations.
        reference: another one.
        outs: the files for the videos that are in both, and for the others.
        overwrite: whether files with another content are replaced.

    Returns:
        Lines with the number of videos in each file.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: one of the two halves would be empty.
    """
    content, other = (read_parts(path, VIDEOS, FORMAT) for path in (source, reference))
    ours, theirs = folders_of(content['videos'], source), folders_of(other['videos'], reference)
    by_name = all(len({x.name for x in each}) == len(set(each)) for each in (ours, theirs))
    keys, known = (
        [folder.name if by_name else str(folder) for folder in each] for each in (ours, theirs)
    )
    half_of = {video['id']: int(key not in known) for video, key in zip(content['videos'], keys)}
    if len(set(half_of.values())) < 2:
        which = 'all' if FIRST in half_of.values() else 'none'
        raise ValueError(f'{source}: {which} of its videos are in {reference}; name other files')
    write_halves(content, half_of.__getitem__, outs, overwrite)
    return [f'{out}: {list(half_of.values()).count(half)} videos' for half, out in enumerate(outs)]


def folders_of(videos: Sequence[dict[str, Any]], source: str | Path) -> list[PurePosixPath]:
    """Return the folder of each video's first image, or fail if there is none."""
    folders = []
    for index, video in enumerate(videos):
        names = video['file_names']
        first = names[0] if isinstance(names, list) and names else ''
        folder = PurePosixPath(str(first).replace('\\', '/')).parent
        if not folder.name:
            raise ValueError(
                f'{source}: videos[{index}].file_names: {first!r} is in no folder, which videos '
                'are identified by; put the images of each video in a folder of its own'
            )
        folders.append(folder)
    return folders


def write_halves(
    content: dict[str, Any],
    half_of: Callable[[Any], int],
    outs: tuple[str | Path, str | Path],
    overwrite: bool,
) -> None:
    """Write videos and annotations to their file, and everything else to both files."""
    if Path(outs[FIRST]).absolute() == Path(outs[SECOND]).absolute():
        raise ValueError(f'{outs[FIRST]}: both halves have this output; give two files')
    head = {key: content[key] for key in content if key not in ('videos', 'annotations')}
    for half, out in enumerate(outs):
        records: dict[str, Iterator[dict[str, Any]]] = dict(
            videos=(video for video in content['videos'] if half_of(video['id']) == half)
        )
        if content.get('annotations') is not None:
            notes = tqdm(content['annotations'], desc=Path(out).name, unit='annotation')
            records['annotations'] = (note for note in notes if half_of(note['video_id']) == half)
        write_annotations(out, head, records, overwrite)


def describe_split(
    tracks: dict[Any, Counter[int]],
    half_of: dict[Any, int],
    names: dict[int, str],
    outs: tuple[str | Path, str | Path],
) -> list[str]:
    """Return lines with the videos of both halves and the tracks of each class."""
    sums = [Counter[int](), Counter[int]()]
    for video, counts in tracks.items():
        sums[half_of[video]].update(counts)
    lines = [
        f'{out}: {list(half_of.values()).count(half)} videos, {sum(sums[half].values())} tracks'
        for half, out in enumerate(outs)
    ]
    found = {key: name for key, name in names.items() if key in sums[FIRST] or key in sums[SECOND]}
    width = max((len(name) for name in found.values()), default=0)
    for key, name in found.items():
        lines.append(f'  {name:<{width}}  {sums[FIRST][key]:>6} {sums[SECOND][key]:>6}')
    empty = [name for key, name in names.items() if key not in found]
    if empty:
        lines.append(f'  {len(empty)} classes without tracks: {listed(empty, 30)}')
    return lines
