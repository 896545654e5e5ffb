"""Annotation and results files as checked tracks; T frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.run_lengths import Tube
from rocovis_mm.formats.segmentations import parse_tube
from rocovis_mm.formats.validation import (
    Place,
    as_finite,
    as_identifier,
    require,
    require_type,
)
from rocovis_mm.formats.vis_annotations import (
    VISTrack,
    VISVideo,
    inspect_vis_annotations,
)

MASK_SOURCES = ('official', 'refined', 'original')


@dataclass(frozen=True)
class Track:
    """A ground truth or a prediction.

    Attributes:
        index: its position in the file.
        video_id: the video it is in.
        category_id: its class, as the json numbers them.
        tube: its masks.
        average_area: mean pixels over the frames in which it has any; 0 for none.
        score: of a prediction; 0 for ground truth.
        crowd: whether it covers many objects (ground truth only).
        boundary_tube: the masks whose boundaries count, where they are others than `tube`.
    """

    index: int
    video_id: int
    category_id: int
    tube: Tube
    average_area: float
    score: float = 0.0
    crowd: bool = False
    boundary_tube: Tube | None = None

    @property
    def outline(self) -> Tube:
        """The masks whose boundaries count."""
        return self.tube if self.boundary_tube is None else self.boundary_tube

    @property
    def masks(self) -> tuple[str | None, ...]:
        """The codes of all frames. One query under several classes gives tracks of equal codes."""
        return tuple(self.tube.counts)


@dataclass(frozen=True)
class GroundTruth:
    """A checked annotation file.

    Attributes:
        name: of the file, for messages.
        videos: by id.
        categories: name of each category by id.
        tracks: in the order of the file; empty where the benchmark keeps them to itself.
    """

    name: str
    videos: dict[int, VISVideo]
    categories: dict[int, str]
    tracks: list[Track]

    def subset(self, video_ids: Iterable[int]) -> GroundTruth:
        """Return the ground truth of some of the videos.

        Raises:
            ValueError: an id is not in the file.
        """
        chosen = dict.fromkeys(video_ids)
        unknown = [video for video in chosen if video not in self.videos]
        if unknown:
            raise ValueError(
                f'{self.name}: no video has id {unknown[0]} of the subset; '
                'list ids of the ground truth only'
            )
        return replace(
            self,
            videos={video: self.videos[video] for video in chosen},
            tracks=[track for track in self.tracks if track.video_id in chosen],
        )


def load_ground_truth(
    source: str | Path | Mapping[str, Any],
    mask_source: str = 'official',
    need_annotations: bool = True,
    name: str = 'ground truth',
) -> GroundTruth:
    """Read and check a YouTube-VIS-style annotation file.

    Args:
        source: path of the json (gz and zip allowed), or its content.
        mask_source: 'official' takes masks from `segmentations` and boundaries from
            `segmentations_refined` where an annotation has them, as HQ-YTVIS' tool does;
            'refined' or 'original' takes both from one of the two.
        need_annotations: whether a file without annotations is an error.
        name: of the file in messages, where `source` is its content.

    Raises:
        ValueError: names the file, the video or annotation, the key and the remedy.
    """
    if mask_source not in MASK_SOURCES:
        raise ValueError(f'mask_source is {mask_source!r}; choose one of {", ".join(MASK_SOURCES)}')
    from_file = isinstance(source, (str, Path))
    name = str(source) if from_file else name
    content = read_json(source) if from_file else source
    with_tracks = isinstance(content, Mapping) and bool(content.get('annotations'))
    found, problems = inspect_vis_annotations(
        content, name, with_tracks, mask_source, for_scoring=True
    )
    if problems:
        raise ValueError(problems[0])
    if need_annotations and not with_tracks:
        Place(name).fail(
            'it has no annotations (the benchmark keeps those of this split on its server)',
            'score a split that has them, or use --format-only (format_only=True) to check the '
            'results and pack them for the server',
        )
    tracks = [_truth_track(track, video.id) for video in found.videos for track in video.tracks]
    return GroundTruth(
        name,
        {video.id: video for video in found.videos},
        {int(record['id']): record['name'] for record in found.categories},
        sorted(tracks, key=lambda track: track.index),
    )


def _truth_track(track: VISTrack, video_id: int) -> Track:
    """Return an annotation as it is scored."""
    return Track(
        track.index,
        video_id,
        track.category_id,
        track.tube,
        mean_area(track.tube.areas if track.areas is None else track.areas),
        crowd=track.is_crowd,
        boundary_tube=track.boundary_tube,
    )


def _read_owner(record: Any, truth: GroundTruth, place: Place) -> tuple[VISVideo, int]:
    """Return the video and the category of a prediction."""
    remedy = 'each entry needs video_id, category_id and segmentations'
    require_type(record, dict, place, remedy)
    video = as_identifier(
        require(record, 'video_id', place, remedy), place / 'video_id', 'ids are whole numbers'
    )
    if video not in truth.videos:
        (place / 'video_id').fail(
            f'video {video} is not among the {len(truth.videos)} videos of {truth.name}',
            'score it against the ground truth of the same split',
        )
    category = as_identifier(
        require(record, 'category_id', place, remedy),
        place / 'category_id',
        'ids are whole numbers',
    )
    if category not in truth.categories:
        (place / 'category_id').fail(
            f'unknown category {category}; {truth.name} has {_span(truth.categories)}',
            "write the json's own category ids, not indices from 0",
        )
    return truth.videos[video], category


def _span(categories: Mapping[int, str]) -> str:
    if not categories:
        return 'none'
    return f'{len(categories)} categories, ids {min(categories)} to {max(categories)}'


def mean_area(areas: Sequence[float | None] | np.ndarray) -> float:
    """Return the mean of the areas that are not 0, or 0.

    As `ytvoseval.py:91` (`_prepare`): the ground truth's come from `areas` of the json.
    """
    valid = np.array([area for area in areas if area])
    return float(valid.mean()) if valid.size else 0.0


def load_predictions(
    source: str | Path | list[Any], truth: GroundTruth, name: str = 'predictions'
) -> list[Track]:
    """Read and check a results file in YouTube-VIS submission form.

    Args:
        source: path of the json (gz and zip allowed), or its content.
        truth: the ground truth.
        name: of the file in messages, where `source` is its content.

    Returns:
        Predictions in the order of the file.

    Raises:
        ValueError: names file, index, key and remedy.
    """
    from_file = isinstance(source, (str, Path))
    place = Place(str(source) if from_file else name)
    content = read_json(source) if from_file else source
    form = 'a results file is a list of {video_id, category_id, score, segmentations}'
    tracks = []
    for index, record in enumerate(require_type(content, list, place, form)):
        where = place / index
        video, category = _read_owner(record, truth, where)
        score = as_finite(
            require(record, 'score', where, 'each prediction needs a score'),
            where / 'score',
            'write a finite score for each prediction',
        )
        tube = parse_tube(
            require(record, 'segmentations', where, form), video, where / 'segmentations'
        )
        tracks.append(Track(index, video.id, category, tube, mean_area(tube.areas), score))
    return tracks
