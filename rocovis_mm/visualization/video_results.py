"""A results file beside its annotation file, ready to be drawn; T frames of H x W pixels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from rocovis_mm.evaluation.functional.tracks import Track, load_ground_truth, load_predictions
from rocovis_mm.evaluation.functional.tube_iou import mask_tube_iou
from rocovis_mm.formats.run_lengths import Tube
from rocovis_mm.formats.vis_annotations import VISVideo
from rocovis_mm.visualization.fonts import readable
from rocovis_mm.visualization.media import read_image
from rocovis_mm.visualization.overlay import DISPLAY_HEIGHT, display_scale, draw_overlay
from rocovis_mm.visualization.shown import Shown


@dataclass(frozen=True)
class DrawnTrack:
    """One track of a video.

    Attributes:
        identity: number that gives its colour.
        caption: its text.
        tube: its T masks.
    """

    identity: int
    caption: str
    tube: Tube


@dataclass(frozen=True)
class DrawnVideo:
    """One video with its true and its predicted tracks.

    Attributes:
        id: its id in the annotation file.
        images: T paths.
        truth: annotated tracks; empty where the file has none.
        predicted: tracks of the results file.
    """

    id: int
    images: list[Path]
    truth: list[DrawnTrack]
    predicted: list[DrawnTrack]

    def draw(
        self, frame: int, tracks: Sequence[DrawnTrack], height: int = DISPLAY_HEIGHT
    ) -> np.ndarray:
        """Return a frame with the given tracks drawn.

        Args:
            frame: from 0.
            tracks: `truth`, `predicted` or some of them.
            height: about which a smaller frame is enlarged to, by a whole number.

        Returns:
            (s * H, s * W, 3) uint8, RGB.
        """
        image = read_image(self.images[frame])
        masks = np.array([mask_of(track.tube, frame) for track in tracks])
        captions = [track.caption for track in tracks]
        identities = [track.identity for track in tracks]
        return draw_overlay(image, masks, identities, captions, display_scale(len(image), height))


def mask_of(tube: Tube, frame: int) -> np.ndarray:
    """Return a frame's mask, (H, W) bool, empty where the tube has none."""
    size = [tube.height, tube.width]
    counts = tube.counts[frame]
    if counts is None:
        return np.zeros(size, dtype=bool)
    return coco_mask.decode({'size': size, 'counts': counts}).view(bool)


def load_drawn_videos(
    annotation_file: str | Path,
    results_file: str | Path,
    image_folder: str | Path,
    score_threshold: float = 0.3,
    limit: int | None = None,
) -> list[DrawnVideo]:
    """Read the files that are needed to draw results.

    A predicted track takes the colour of the true one that it overlaps best, so that
    the two can be compared. Whole tracks are matched, so a colour never changes within
    a video.

    Args:
        annotation_file: YouTube-VIS json, with or without annotations.
        results_file: in YouTube-VIS submission form.
        image_folder: that the annotation file's ``file_names`` are relative to.
        score_threshold: tracks below it are left out.
        limit: first videos of the file to take; all if None.

    Raises:
        ValueError: names the file at fault, the place in it and the remedy.

    Warns:
        UserWarning: no predicted track reaches the threshold.
    """
    truth = load_ground_truth(annotation_file, need_annotations=False)
    predictions = load_predictions(results_file, truth)
    videos, shown = [], Shown(score_threshold)
    for video in list(truth.videos.values())[:limit]:
        real = [track for track in truth.tracks if track.video_id == video.id]
        own = [track for track in predictions if track.video_id == video.id]
        shown.count(track.score for track in own)
        found = choose_tracks(own, score_threshold)
        videos.append(
            DrawnVideo(
                video.id,
                image_paths(video, image_folder, annotation_file),
                name_tracks(real, range(len(real)), truth.categories),
                name_tracks(found, match_identities(found, real), truth.categories),
            )
        )
    complaint = shown.complaint(results_file, '--score-thr')
    if complaint and videos:
        warnings.warn(complaint)
    return videos


def image_paths(video: VISVideo, folder: str | Path, annotation_file: str | Path) -> list[Path]:
    """Return the paths of a video's T images.

    Raises:
        ValueError: its ``file_names`` are not as many as its frames.
    """
    names = video.file_names
    if len(names) != video.length:
        raise ValueError(
            f'{annotation_file}: video {video.id} has {len(names)} file_names and a length of '
            f'{video.length}; to draw it, give a name for each frame'
        )
    return [Path(folder, name) for name in names]


def name_tracks(
    tracks: Sequence[Track], identities: Sequence[int], names: dict[int, str]
) -> list[DrawnTrack]:
    """Give tracks their colours and captions."""
    drawn = []
    for track, identity in zip(tracks, identities):
        caption = readable(names[track.category_id], str(track.category_id))
        if track.score:
            caption = f'{caption} {track.score:.2f}'
        drawn.append(DrawnTrack(identity, caption, track.tube))
    return drawn


def choose_tracks(tracks: Sequence[Track], score_threshold: float) -> list[Track]:
    """Return the tracks to draw, best first.

    A results file may hold one track under several classes; the best class is drawn.
    """
    best: dict[tuple, Track] = {}
    for track in sorted(tracks, key=lambda track: -track.score):
        if track.score >= score_threshold:
            best.setdefault(tuple(track.tube.counts), track)
    return list(best.values())


def match_identities(found: Sequence[Track], real: Sequence[Track]) -> list[int]:
    """Return an identity for each found track.

    The index of the true track it overlaps best (one to one, tube IoU above 0.1), or
    else a number that no other track has.
    """
    identities = list(range(len(real), len(real) + len(found)))
    if found and real:
        overlap = mask_tube_iou([track.tube for track in found], [track.tube for track in real])
        for row, column in zip(*linear_sum_assignment(-overlap)):
            if overlap[row, column] > 0.1:
                identities[row] = int(column)
    return identities
