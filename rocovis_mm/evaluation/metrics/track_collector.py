"""From a model's data samples to tracks in submission form; n instances, H, W."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rocovis_mm.evaluation.functional.tracks import GroundTruth
from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.structures import RLE, VideoTracks


@dataclass(frozen=True)
class FrameRecord:
    """The instances of one frame.

    Attributes:
        video_id: of the video, as in the annotation file.
        frame_id: from 0.
        ids: n identities, one per video and instance.
        labels: n indices into the data set's classes.
        scores: n floats.
        masks: n run-length codes or None; None altogether where they were not kept because
            the model hands over whole tracks at the end of each video.
    """

    video_id: int
    frame_id: int
    ids: list[int]
    labels: list[int]
    scores: list[float]
    masks: list[RLE | None] | None


@dataclass
class _Growing:
    """A track while its frames are gathered."""

    segmentations: list[RLE | None]
    labels: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)


class TrackCollector:
    """Turns data samples into records, and the records of all ranks into tracks."""

    def __init__(self) -> None:
        self._tracks_are_given = False

    def records(self, sample: Any) -> list[Any]:
        """Return what one ``TrackDataSample`` (or its dict) tells: frames or whole tracks."""
        tracks = _get(sample, 'video_tracks')
        if tracks is not None:
            self._tracks_are_given = True
            return [tracks]
        frames = _get(sample, 'video_data_samples')
        if frames is None:
            raise ValueError(
                'a sample came without frames (video_data_samples) and without tracks '
                '(video_tracks); the metric takes the TrackDataSample of a video model'
            )
        return [self._frame_record(frame) for frame in frames]

    def _frame_record(self, frame: Any) -> FrameRecord:
        video_id, frame_id = _get(frame, 'video_id'), _get(frame, 'frame_id')
        if video_id is None or frame_id is None:
            raise ValueError(
                'a frame came without video_id or frame_id in its metainfo; add both to '
                'meta_keys of the step that packs the inputs'
            )
        found = _get(frame, 'pred_track_instances')
        if getattr(found, 'tracks_follow', False):  # what is not looked at need not be made
            return FrameRecord(int(video_id), int(frame_id), [], [], [], None)
        ids = _to_list(_get(found, 'instances_id'))
        masks = None
        if not self._tracks_are_given:
            masks = encode_masks(_get(found, 'masks'), len(ids))
        return FrameRecord(
            int(video_id),
            int(frame_id),
            ids,
            _to_list(_get(found, 'labels')),
            _to_list(_get(found, 'scores')),
            masks,
        )

    @staticmethod
    def merge(
        records: Iterable[Any],
        truth: GroundTruth,
        category_ids: Sequence[int],
        ignore_other_videos: bool = False,
    ) -> list[dict[str, Any]]:
        """Return all tracks in submission form, videos in ascending order of id.

        Args:
            records: of all ranks, in any order; repeated ones count once.
            truth: tells which videos there are and how long they are.
            category_ids: json category id of each label.
            ignore_other_videos: whether records of videos that are not in `truth` are left
                out, instead of being an error.
        """
        whole: dict[int, VideoTracks] = {}
        frames: dict[int, dict[int, FrameRecord]] = {}
        for record in records:
            if record.video_id not in truth.videos:
                if ignore_other_videos:
                    continue
                raise ValueError(
                    f'{truth.name}: no video has id {record.video_id}, but results came for it; '
                    'give the metric the ann_file of the data set that is tested, or '
                    "other_videos='ignore' to score the videos of a part of it"
                )
            if isinstance(record, VideoTracks):
                whole.setdefault(record.video_id, record)
            else:
                frames.setdefault(record.video_id, {}).setdefault(record.frame_id, record)
        results = []
        for video in sorted({*whole, *frames}):
            if video in whole:
                results.extend(whole[video].to_results(list(category_ids)))
            else:
                length = truth.videos[video].length
                results.extend(link_frames(frames[video], length, category_ids))
        return results


def link_frames(
    frames: dict[int, FrameRecord], length: int, category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """Link one video's frames by identity.

    A track's score is the mean over the frames it is in and its class the most frequent one,
    as MMDetection has it (`mmdet/evaluation/metrics/youtube_vis_metric.py:243`).

    Raises:
        ValueError: a frame is outside of the video, or masks were not kept.
    """
    growing: dict[int, _Growing] = {}
    for frame_id in sorted(frames):
        frame = frames[frame_id]
        if not 0 <= frame_id < length:
            raise ValueError(
                f'video {frame.video_id}: results came for frame {frame_id}, the annotation file '
                f'has {length} frames; test the data set that ann_file describes'
            )
        if frame.masks is None:
            raise ValueError(
                f'video {frame.video_id}: the model gives whole tracks (video_tracks) with the '
                'last frame of each video, with this one it did not; test each video to its last '
                'frame'
            )
        for identity, label, score, mask in zip(frame.ids, frame.labels, frame.scores, frame.masks):
            track = growing.setdefault(identity, _Growing([None] * length))
            track.labels.append(label)
            track.scores.append(score)
            track.segmentations[frame_id] = mask
    video_id = next(iter(frames.values())).video_id
    return [
        dict(
            video_id=video_id,
            category_id=category_ids[_most_frequent(track.labels)],
            score=statistics.mean(track.scores),  # exact: a constant score stays itself
            segmentations=track.segmentations,
        )
        for track in growing.values()
    ]


def _most_frequent(labels: Sequence[int]) -> int:
    """Return the most frequent label, of several the lowest."""
    counts = Counter(labels)
    return min(counts, key=lambda label: (-counts[label], label))


def encode_masks(masks: Any, number: int) -> list[RLE | None]:
    """Return the compressed run lengths of n masks, None for an empty one.

    Args:
        masks: (n, H, W) tensor or array, MMDetection mask structures, a list of run-length
            codes, or None where nothing was drawn.
        number: n.
    """
    if masks is None:
        return [None] * number
    if isinstance(masks, (list, tuple)) and all(isinstance(mask, dict) for mask in masks):
        return [_with_text(mask) for mask in masks]
    if hasattr(masks, 'to_ndarray'):
        masks = masks.to_ndarray()
    if isinstance(masks, torch.Tensor):
        masks = masks.detach().cpu().numpy()
    masks = np.asarray(masks).astype(bool)
    return [encode_mask(mask) if mask.any() else None for mask in masks]


def _with_text(code: RLE) -> RLE:
    """Return a run-length code that json can hold."""
    counts = code['counts']
    return {
        'size': [int(side) for side in code['size']],
        'counts': counts.decode() if isinstance(counts, bytes) else counts,
    }


def _get(holder: Any, key: str) -> Any:
    """Return an item of a dict or an attribute of a data element; None without it."""
    return holder.get(key) if hasattr(holder, 'get') else getattr(holder, key, None)


def _to_list(values: Any) -> list[Any]:
    """Return the items of a tensor, an array or a sequence; none for None."""
    if values is None:
        return []
    return values.tolist() if hasattr(values, 'tolist') else list(values)
