"""Choosing the frames of a training clip.

Letters: n instances · L frames of the video · T frames of the clip.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from rocovis_mm.evaluation.functional.clip_events import (
    EVENT_NAMES,
    count_clip_events,
    event_frames,
    stack_areas,
)
from rocovis_mm.registry import TRANSFORMS

EVENT_ATTEMPTS = 8
"""Number of clips that are drawn to find one with an event."""


@TRANSFORMS.register_module()
class SampleClip(BaseTransform):
    """Take T frames of a video, in order, from a window around a random key frame.

    No frame is repeated if the video has at least T frames. In a shorter video all frames are
    taken and some are repeated. Near an end of the video the window is cut, but not to less than T
    frames if the video has more.

    The result is a dict of lists of T entries for :class:`mmcv.transforms.TransformBroadcaster`.

    Required keys: ``img_paths``, ``first_img_id``, ``video_id``, ``height``,
    ``width``, ``ann_file``, ``instances`` (each with ``id``, ``label``,
    ``counts``, the T frames' run lengths, and ``areas``).

    Added keys: ``img_path``, ``img_id``, ``frame_id``, ``video_length`` (T),
    ``ori_video_length`` (L); ``instances`` becomes each frame's present ones.

    Args:
        num_frames: T.
        frame_range: number of frames of the window to either side of the key frame; None takes
            the whole video.
        reverse_prob: probability of reversing the clip.
        event_prob: probability of searching for a clip with a birth, a disappearance or a
            return, or else with a heavy occlusion (see :func:`count_clip_events`). A video
            without any event gives any clip.
    """

    def __init__(
        self,
        num_frames: int,
        frame_range: int | None = None,
        reverse_prob: float = 0.0,
        event_prob: float = 0.0,
    ) -> None:
        if num_frames < 1 or (frame_range is not None and frame_range < 0):
            raise ValueError(
                f'SampleClip needs num_frames >= 1 and frame_range >= 0, not {num_frames} and '
                f'{frame_range}'
            )
        if not (0 <= reverse_prob <= 1 and 0 <= event_prob <= 1):
            raise ValueError(
                f'SampleClip: reverse_prob={reverse_prob} and event_prob={event_prob} are '
                'probabilities: give numbers from 0 to 1'
            )
        self.num_frames = num_frames
        self.frame_range = frame_range
        self.reverse_prob = reverse_prob
        self.event_prob = event_prob

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Turn a video's dict into its clip's dict of lists."""
        frames = self.choose_frames(len(results['img_paths']), stack_areas(results))
        return dict(
            img_path=[results['img_paths'][frame] for frame in frames],
            img_id=[results['first_img_id'] + frame for frame in frames],
            frame_id=frames,
            instances=[present_instances(results, frame) for frame in frames],
            **{
                key: [value] * len(frames)
                for key, value in dict(
                    video_id=results['video_id'],
                    height=results['height'],
                    width=results['width'],
                    ann_file=results['ann_file'],
                    video_length=len(frames),
                    ori_video_length=len(results['img_paths']),
                ).items()
            },
        )

    def choose_frames(self, length: int, areas: np.ndarray) -> list[int]:
        """Choose the frames of a clip.

        Args:
            length: L.
            areas: (n, L) visible pixels of each instance in each frame.

        Returns:
            T frame numbers from 0, ascending, or descending if reversed.
        """
        frames = None
        if np.random.rand() < self.event_prob:
            frames = self._find_event(length, areas)
        if frames is None:
            frames = self._draw_around(np.random.randint(length), length)
        if np.random.rand() < self.reverse_prob:
            frames = frames[::-1]
        return frames.tolist()

    def _find_event(self, length: int, areas: np.ndarray) -> np.ndarray | None:
        """Draw clips until one has an event, and return its frames, or None.

        Births, disappearances and returns come before occlusions.
        """
        for keys, names in zip(event_frames(areas), (EVENT_NAMES[:3], EVENT_NAMES[3:])):
            for _ in range(EVENT_ATTEMPTS if len(keys) else 0):
                frames = self._draw_around(int(np.random.choice(keys)), length)
                events = count_clip_events(areas[:, frames])
                if any(events[name] for name in names):
                    return frames
        return None

    def _draw_around(self, key: int, length: int) -> np.ndarray:
        """Draw T sorted frames, `key` among them, from its window."""
        low, high = self._window(key, length)
        others = np.setdiff1d(np.arange(low, high), [key])
        missing = self.num_frames - 1
        if len(others) >= missing:
            chosen = np.random.choice(others, missing, replace=False)
        else:
            chosen = np.append(others, np.random.choice(length, missing - len(others)))
        return np.sort(np.append(chosen, key)).astype(int)

    def _window(self, key: int, length: int) -> tuple[int, int]:
        """Return the first frame and the end of the window around `key`."""
        if self.frame_range is None or length <= self.num_frames:
            return 0, length
        low, high = max(0, key - self.frame_range), min(length, key + self.frame_range + 1)
        missing = self.num_frames - (high - low)
        if missing > 0:
            low = min(max(0, low - missing // 2), length - self.num_frames)
            high = low + self.num_frames
        return low, high


def present_instances(video: dict[str, Any], frame: int) -> list[dict[str, Any]]:
    """Return id, label and RLE of the instances that are present in a frame of a video."""
    size = [video['height'], video['width']]
    return [
        dict(
            id=instance['id'],
            label=instance['label'],
            segmentation=dict(size=size, counts=instance['counts'][frame]),
        )
        for instance in video['instances']
        if instance['areas'][frame] > 0
    ]
