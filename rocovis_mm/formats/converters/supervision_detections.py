"""`supervision.Detections`, one object per frame, <-> tracks.

``tracker_id`` is the number of the track, ``class_id`` the category id of the json. Masks are
compact where the installed version of supervision has `CompactMask.from_coco_rle`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from pycocotools import mask as mask_utils

from rocovis_mm.formats.boxes import boxes_of_codes
from rocovis_mm.formats.converters.coco_frames import Votes, settle
from rocovis_mm.formats.converters.content_builder import ContentBuilder
from rocovis_mm.formats.converters.vis_content import Record, Settings, checked, number_of
from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.formats.validation import Place

if TYPE_CHECKING:
    from supervision import Detections

UNTRACKED = -1
"""``tracker_id`` of a detection that a tracker has not confirmed."""
TRACK = 'run a tracker that sets tracker_id, and keep masks and class_id'


def import_supervision() -> ModuleType:
    """Return the package, or raise an ImportError that says how to install it."""
    try:
        import supervision
    except ModuleNotFoundError as error:
        if error.name != 'supervision':
            raise
        raise ImportError(
            'supervision is not installed; install it with: pip install supervision'
        ) from None
    return supervision


def to_detections(content: Record, video_id: int) -> list[Detections]:
    """Return the tracks of a video as detections of each frame.

    Boxes are those of the masks, with the last pixel as right and bottom, as in
    `supervision.mask_to_xyxy`. ``data['class_name']`` has the names of classes.

    Args:
        content: of `rocovis_mm.formats.converters.exchange.read_tracks`.
        video_id: of the video.

    Returns:
        T detections. ``confidence`` is None if tracks have no scores.

    Raises:
        ImportError: supervision is not installed.
        ValueError: there is no such video.
    """
    supervision = import_supervision()
    video = next((video for video in content['videos'] if video['id'] == video_id), None)
    if video is None:
        raise ValueError(f'no video has the id {video_id}; take one of the videos of the content')
    names = {category['id']: category['name'] for category in content['categories']}
    tracks = [note for note in content['annotations'] if note['video_id'] == video_id]
    found = []
    for t in range(video['length']):
        notes = [note for note in tracks if note['segmentations'][t] is not None]
        if not notes:
            found.append(supervision.Detections.empty())
            continue
        codes = [note['segmentations'][t] for note in notes]
        boxes = boxes_of_codes(codes)
        boxes[:, 2:] -= 1
        scores = [note.get('score') for note in notes]
        found.append(
            supervision.Detections(
                xyxy=boxes,
                mask=masks_of(supervision, codes, boxes, (video['height'], video['width'])),
                confidence=None if None in scores else np.array(scores, np.float64),
                class_id=np.array([note['category_id'] for note in notes], np.int64),
                tracker_id=np.array([number_of(note) for note in notes], np.int64),
                data=dict(class_name=np.array([names[note['category_id']] for note in notes])),
            )
        )
    return found


def masks_of(
    supervision: ModuleType, codes: list[Record], boxes: np.ndarray, size: tuple[int, int]
) -> object:
    """Return compact masks, or (n, H, W) bool."""
    compact = getattr(supervision, 'CompactMask', None)
    if hasattr(compact, 'from_coco_rle'):
        return compact.from_coco_rle(codes, boxes, size)
    return np.stack([mask_utils.decode(code) for code in codes]).astype(bool)


def from_detections(
    frames: Mapping[int, Sequence[Detections]], truth: Record, lines: list[str] | None = None
) -> Record:
    """Return detections as tracks.

    The score of a track is the mean of its confidences, its class the one with the highest sum of
    them. Detections with the ``tracker_id`` -1 are dropped.

    Args:
        frames: id of each video -> the detections of its T frames.
        truth: content with the videos and categories.
        lines: gets a line for each kind of information that is lost.

    Returns:
        Checked content.

    Raises:
        ValueError: detections have no masks, classes or tracker ids, or do not fit the videos.
    """
    lines = [] if lines is None else lines
    videos = {video['id']: video for video in truth['videos']}
    builder, dropped = ContentBuilder(Settings(truth=truth), lines), 0
    votes: Votes = defaultdict(list)
    for video_id, detections in frames.items():
        place = Place('detections', f'video {video_id}')
        if video_id not in videos or len(detections) != videos[video_id]['length']:
            known = videos.get(video_id, {}).get('length', 'no')
            place.fail(
                f'{len(detections)} frames, the ground truth has {known}', 'give one per frame'
            )
        for t, found in enumerate(detections):
            where = Place('detections', f'video {video_id}, frame {t}')
            for key in ('mask', 'class_id', 'tracker_id'):
                if len(found) and getattr(found, key) is None:
                    where.fail(f'{key} is None', TRACK)
            for index in range(len(found)):
                number = int(found.tracker_id[index])
                if number == UNTRACKED:
                    dropped += 1
                    continue
                code = encode_mask(np.asarray(found.mask[index]).astype(bool))
                builder.add(videos[video_id], number, t, code, 0, where)
                score = None if found.confidence is None else float(found.confidence[index])
                votes[video_id, number].append((int(found.class_id[index]), score))
    if dropped:
        lines.append(f'{dropped} detections with the tracker_id {UNTRACKED} are dropped')
    settle(builder, votes, lines)
    return checked(builder.content(truth['videos'], truth['categories']), 'detections')
