"""Results of a stream, of a frame at once and of the video at its end.

n instances, H x W a frame's own resolution, T frames.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rocovis_mm.formats.json_files import dump_json
from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.formats.whole_files import whole_file
from rocovis_mm.streaming.results_log import results_from_log
from rocovis_mm.streaming.track_recorder import ScoredTrack
from rocovis_mm.structures import RLE, VideoTracks


@dataclass(frozen=True, eq=False)
class FrameResult:
    """The instances of one frame, as known at this frame.

    Attributes:
        frame: its number in the stream, from 0.
        ids: (n,) int, identities; one never changes and is never used again.
        labels: (n,) int, index into the classes: the likeliest of the video so far.
        scores: (n,) float, that class' score of the video so far.
        boxes: (n, 4) float32, x1, y1, x2, y2 around the masks, in pixels; x2 and y2 are
            one past the last pixel.
        masks: (n, H, W) bool.
    """

    frame: int
    ids: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    masks: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def above(self, score: float) -> FrameResult:
        """Return the instances whose score is at least `score`."""
        kept = self.scores >= score
        fields = ('ids', 'labels', 'scores', 'boxes', 'masks')
        return replace(self, **{name: getattr(self, name)[kept] for name in fields})

    def encode(self) -> list[RLE]:
        """Return the masks as compressed run-length codes."""
        return [encode_mask(mask) for mask in self.masks]


@dataclass(frozen=True, eq=False)
class VideoResult:
    """The tracks of a whole video.

    Attributes:
        length: frames T.
        standing: identity, label and scores of each track, best first.
        classes: names by label.
        category_ids: json category ids by label.
        video: the tracks with their masks; None where masks were not kept.
        log: the file with the masks, if any.
    """

    length: int
    standing: tuple[ScoredTrack, ...]
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    video: VideoTracks | None = None
    log: Path | None = None

    @property
    def tracks(self) -> list[dict[str, Any]]:
        """The tracks in YouTube-VIS submission form, each with its identity as ``id``.

        An identity may have a track for each of several classes. Tracks of score 0 are left out.

        Raises:
            ValueError: masks were neither kept nor written to a file.
        """
        if not self.length:
            return []
        if self.video is not None:
            found = self.video.to_results(list(self.category_ids))
            return [
                dict(id=int(identity), **track)
                for identity, track in zip(self.video.identities, found)
                if track['score'] > 0
            ]
        if self.log is not None:
            return results_from_log(self.log)
        raise ValueError(
            'the masks of this stream went to the caller alone: open it with keep_masks=True, or '
            'with results_jsonl=FILE, to have its tracks'
        )

    def save(self, path: str | Path) -> Path:
        """Write the tracks as a results file, whole or not at all."""
        return write_json(path, self.tracks)


def write_json(path: str | Path, content: Any) -> Path:
    """Write a json file, whole or not at all."""
    with whole_file(path) as stream:
        stream.write(dump_json(content).encode())
    return Path(path)
