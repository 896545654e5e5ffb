"""A results file in Rerun, with the ground truth beside it; T frames of H x W pixels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rocovis_mm.evaluation.functional.tracks import Track
from rocovis_mm.formats.json_files import read_json
from rocovis_mm.formats.vis_annotations import VISVideo
from rocovis_mm.visualization.fonts import readable
from rocovis_mm.visualization.media import read_image
from rocovis_mm.visualization.rerun_log import SIDES, FrameInstances, RerunLog, send_layout
from rocovis_mm.visualization.result_tracks import by_video, find_images, load_tracks
from rocovis_mm.visualization.shown import Shown
from rocovis_mm.visualization.video_results import choose_tracks, mask_of, match_identities

if TYPE_CHECKING:
    from rerun import RecordingStream


@dataclass(frozen=True)
class ViewedTrack:
    """A track of a video on one side.

    Attributes:
        identity: gives its colour. A prediction has the identity of the annotation that it
            overlaps best.
        name: class and id, such as 'cat #3'.
        track: its masks and its score.
    """

    identity: int
    name: str
    track: Track


@dataclass(frozen=True)
class ViewedVideo:
    """A video with its tracks by side.

    Attributes:
        video: its id, size and length.
        images: paths of its images; empty where there are none.
        sides: the tracks of the predictions and, if the file has annotations, of the truth.
    """

    video: VISVideo
    images: list[Path]
    sides: dict[str, list[ViewedTrack]]

    @property
    def place(self) -> str:
        """The path of its entities in Rerun."""
        return f'video_{self.video.id}'

    def image(self, frame: int) -> np.ndarray | None:
        """Return a frame's image (H, W, 3), RGB, or None if there is none.

        Raises:
            ValueError: it is missing, damaged or of another size than the masks.
        """
        if frame >= len(self.images):
            return None
        image = read_image(self.images[frame])
        height, width = self.video.height, self.video.width
        if image.shape[:2] != (height, width):
            raise ValueError(
                f'{self.images[frame]}: {image.shape[1]} x {image.shape[0]} pixels, but the masks '
                f'of video {self.video.id} have {width} x {height}; give the folder of the images '
                'that belong to the masks'
            )
        return image


def load_viewed_videos(
    results_file: str | Path,
    annotation_file: str | Path | None = None,
    image_folder: str | Path | None = None,
    video_ids: Sequence[int] | None = None,
    score_threshold: float = 0.3,
) -> list[ViewedVideo]:
    """Read the files of a view.

    Args:
        results_file: in YouTube-VIS submission form (json, gz, zip).
        annotation_file: YouTube-VIS json, with or without annotations.
        image_folder: that ``file_names`` are relative to; without an annotation file it
            holds a folder for each video, named by the video's id.
        video_ids: videos to show; all if None.
        score_threshold: tracks below it are left out.

    Raises:
        ValueError: names the file at fault, the place in it and the remedy.
        OSError: a file cannot be opened.

    Warns:
        UserWarning: no track reaches the threshold.
    """
    results = read_json(results_file)
    truth, predictions = load_tracks(results, results_file, annotation_file)
    chosen = truth if video_ids is None else truth.subset(video_ids)
    grouped, real = by_video(predictions, truth), by_video(truth.tracks, truth)
    shown, videos = Shown(score_threshold), []
    for video in chosen.videos.values():
        shown.count(track.score for track in grouped[video.id])
        found, own = choose_tracks(grouped[video.id], score_threshold), real[video.id]
        identities = match_identities(found, own)
        sides = {SIDES[0]: name_tracks(found, identities, ids_of(results, found), truth.categories)}
        if truth.tracks:
            ids = {track.index: track.id for track in video.tracks}
            numbers = [ids[track.index] for track in own]
            sides[SIDES[1]] = name_tracks(own, range(len(own)), numbers, truth.categories)
        videos.append(ViewedVideo(video, find_images(video, image_folder), sides))
    complaint = shown.complaint(results_file, '--score-thr')
    if complaint and videos:
        warnings.warn(complaint)
    return videos


def ids_of(results: Sequence[Mapping[str, Any]], tracks: Sequence[Track]) -> list[int]:
    """Return the ids of a video's tracks: ``id`` of the file, or else the place in the file."""
    ids = [results[track.index].get('id') for track in tracks]
    if all(type(each) is int for each in ids) and len(set(ids)) == len(ids):
        return ids
    return [track.index for track in tracks]


def name_tracks(
    tracks: Sequence[Track],
    identities: Sequence[int],
    ids: Sequence[int],
    categories: Mapping[int, str],
) -> list[ViewedTrack]:
    """Give tracks their colours and names."""
    return [
        ViewedTrack(identity, f'{readable(categories[label], str(label))} #{number}', track)
        for track, label, identity, number in zip(
            tracks, (track.category_id for track in tracks), identities, ids
        )
    ]


def log_videos(
    recording: RecordingStream, videos: Sequence[ViewedVideo], fps: float | None = None
) -> None:
    """Log videos, each at a place of its own, and lay out the viewer.

    Args:
        recording: of `rerun_log.open_recording`.
        videos: of `load_viewed_videos`.
        fps: frames per second, for the timeline ``time``; None leaves the timeline out.

    Raises:
        ValueError: see `ViewedVideo.image`.
    """
    send_layout(recording, {video.place: list(video.sides) for video in videos})
    for video in videos:
        log = RerunLog(recording, video.place, fps)
        for frame in range(video.video.length):
            sides = {
                side: instances_of(own, frame, side == SIDES[0])
                for side, own in video.sides.items()
            }
            log.add(frame, sides, video.image(frame))


def instances_of(tracks: Sequence[ViewedTrack], frame: int, with_scores: bool) -> FrameInstances:
    """Return the tracks that have pixels in a frame."""
    seen = [each for each in tracks if each.track.tube.areas[frame]]
    return FrameInstances(
        [each.identity for each in seen],
        [each.name for each in seen],
        np.array([mask_of(each.track.tube, frame) for each in seen], dtype=bool),
        [each.track.score for each in seen] if with_scores else None,
    )
