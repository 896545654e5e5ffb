"""Frames, masks, identities and scores in Rerun (https://rerun.io); n instances, H x W pixels.

The entities of a video are ``image``, and for each side (``prediction``, ``truth``) ``masks/0``,
``masks/1`` and so on, ``boxes``, and ``scores/<identity>``. A pixel of a mask has the value
identity + 1. Masks that overlap are in different layers, so that no pixel is lost.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import environ
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from rocovis_mm.formats.boxes import boxes_of_masks
from rocovis_mm.visualization.palette import identity_color

if TYPE_CHECKING:
    from rerun import RecordingStream

INSTALL = "install it with: pip install 'rerun-sdk>=0.24'"
ENDING = '.rrd'
SIDES = ('prediction', 'truth')
MAX_IDENTITY = 65534
"""Class ids of Rerun have 16 bits, and 0 is the background."""
JPEG_QUALITY = 90
NEW_VIEWER = 'rerun+http://127.0.0.1:9876/proxy'
"""Where a viewer on this machine listens. One that runs there already is used."""
PATIENCE = 5.0
"""Seconds that a running viewer is given to answer."""
START = 60.0
"""Seconds that a new viewer is given to answer."""


def import_rerun() -> ModuleType:
    """Return the package, or raise an ImportError that says how to install it."""
    try:
        import rerun
    except ModuleNotFoundError as error:
        if error.name != 'rerun':
            raise
        raise ImportError(f'rerun is not installed; {INSTALL}') from None
    if not hasattr(rerun, 'GrpcSink'):  # the package `rerun` is another project
        raise ImportError(f'the installed rerun is not rerun-sdk 0.24 or later; {INSTALL}')
    return rerun


def check_target(address: str | None, save: str | Path | None, spawn: bool) -> None:
    """Check where a recording goes to before anything is computed.

    Raises:
        ImportError: Rerun is not installed.
        ValueError: an argument is impossible.
        OSError: no viewer answers at the address.
    """
    import_rerun()
    if address is not None:
        check_viewer(address)
    if save is not None and Path(save).suffix != ENDING:
        raise ValueError(f'{save}: a recording ends in {ENDING}; give the file such a name')
    has_screen = environ.get('DISPLAY') or environ.get('WAYLAND_DISPLAY')
    if spawn and sys.platform == 'linux' and not has_screen:
        raise ValueError(
            'there is no display to open the viewer on; write a file (FILE.rrd) and open it '
            'elsewhere with `rerun FILE.rrd`, or give the address of a running viewer'
        )


def viewer_url(address: str) -> str:
    """Return the url of a viewer from ``HOST:PORT`` or the url itself."""
    return address if '://' in address else f'rerun+http://{address}/proxy'


def check_viewer(address: str, patience: float | None = None) -> None:
    """Check that a viewer answers; Rerun itself would wait for one for ever.

    Args:
        address: of the viewer.
        patience: seconds that it is given to answer; None takes `PATIENCE`.

    Raises:
        ValueError: it is no address.
        OSError: nothing answers.
    """
    parts = urlsplit(viewer_url(address))
    try:
        place = parts.hostname, parts.port
    except ValueError:  # the port is no number
        place = None, None
    if None in place:
        raise ValueError(
            f'{address}: no address of a viewer; give HOST:PORT or rerun+http://HOST:PORT/proxy'
        )
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    while True:
        try:
            return socket.create_connection(place, PATIENCE).close()
        except OSError as error:
            if time.monotonic() > end:
                raise OSError(
                    f'{address}: no viewer answers ({error}); start one with '
                    f'`rerun --port {place[1]}`, or write a file ({ENDING})'
                ) from None
        time.sleep(0.1)


def target_options(target: str | Path | None) -> dict[str, Any]:
    """Return the arguments of `open_recording` for a file, an address, or a new viewer (None)."""
    text = '' if target is None else str(target)
    is_address = ':' in text and not text.endswith(ENDING)
    return dict(
        address=text if is_address else None,
        save=None if is_address else target,
        spawn=target is None,
    )


def open_recording(
    name: str, address: str | None = None, save: str | Path | None = None, spawn: bool = False
) -> RecordingStream:
    """Return a recording that goes to a viewer, to a file, or to both.

    Args:
        name: shown in the viewer.
        address: of a running viewer: ``HOST:PORT`` or ``rerun+http://HOST:PORT/proxy``.
        save: the ``.rrd`` file to write. It can be read up to the last frame at any time.
        spawn: whether a viewer is opened on this machine.

    Raises:
        ImportError: Rerun is not installed.
        ValueError: an argument is impossible.
        OSError: the file cannot be written, or no viewer answers.
    """
    check_target(address, save, spawn)
    rerun = import_rerun()
    recording = rerun.RecordingStream('rocovis_mm')
    sinks: list[Any] = []
    if save is not None:
        Path(save).parent.mkdir(parents=True, exist_ok=True)
        Path(save).open('wb').close()  # Rerun's own error is no OSError
        sinks.append(rerun.FileSink(save))
    if spawn:
        try:
            rerun.spawn(port=urlsplit(NEW_VIEWER).port, connect=False, recording=recording)
        except RuntimeError as error:
            raise OSError(f'the viewer cannot be started: {error}') from None
        check_viewer(NEW_VIEWER, START)
        sinks.append(rerun.GrpcSink(NEW_VIEWER))
    if address is not None:
        sinks.append(rerun.GrpcSink(viewer_url(address)))
    recording.set_sinks(*sinks)
    recording.send_recording_name(name)
    return recording


def close_recording(recording: RecordingStream) -> None:
    """Send or write all that waits, and close the file.

    Raises:
        OSError: the viewer was closed, or the disk is full.
    """
    try:
        recording.flush()
    except RuntimeError as error:
        raise OSError(f'Rerun did not get all frames: {error}') from None
    finally:
        recording.disconnect()


def send_layout(recording: RecordingStream, videos: Mapping[str, Sequence[str]]) -> None:
    """Lay out the viewer: a tab for each video, its sides beside each other above the scores.

    Args:
        recording: of `open_recording`.
        videos: the sides of each video by the video's place.
    """
    import rerun.blueprint as layout

    tabs = []
    for place, sides in videos.items():
        views = [
            layout.Spatial2DView(
                origin=place, contents=['$origin/image', f'$origin/{side}/**'], name=side
            )
            for side in sides
        ]
        scores = layout.TimeSeriesView(
            origin=f'{place}/{SIDES[0]}', contents='$origin/scores/**', name='scores'
        )
        tabs.append(
            layout.Vertical(layout.Horizontal(*views), scores, row_shares=[3, 1], name=place)
        )
    recording.send_blueprint(layout.Blueprint(layout.Tabs(*tabs)))


@dataclass(frozen=True, eq=False)
class FrameInstances:
    """The instances of one frame on one side.

    Attributes:
        identities: n different whole numbers from 0 to `MAX_IDENTITY`; they give the colours.
        names: n texts with class and id, such as 'cat #3'.
        masks: (n, H, W) bool, none of them empty.
        scores: n numbers; None for ground truth.
    """

    identities: Sequence[int]
    names: Sequence[str]
    masks: np.ndarray
    scores: Sequence[float] | None = None

    @property
    def captions(self) -> list[str]:
        """Names and scores."""
        if self.scores is None:
            return list(self.names)
        return [f'{name} {score:.2f}' for name, score in zip(self.names, self.scores)]


class RerunLog:
    """Logs the frames of one video.

    Args:
        recording: of `open_recording`.
        place: path of the video's entities, such as 'video_1'.
        fps: frames per second, for the timeline ``time``; None leaves the timeline out.
    """

    def __init__(self, recording: RecordingStream, place: str, fps: float | None = None) -> None:
        self.rerun = import_rerun()
        self.recording = recording
        self.place = place
        self.fps = fps
        self.layers: dict[str, int] = {}  # of the frame before, by entity
        self.named: dict[str, dict[int, str]] = {}  # of the frame before, by entity
        self.series: dict[str, str] = {}  # name by entity

    def add(
        self,
        frame: int,
        sides: Mapping[str, FrameInstances],
        image: np.ndarray | None = None,
    ) -> None:
        """Log a frame.

        Args:
            frame: its number, from 0.
            sides: the instances of `SIDES`, or of one of them.
            image: (H, W, 3) uint8, RGB; written as JPEG.

        Raises:
            ValueError: an identity is above `MAX_IDENTITY`; nothing is logged.
        """
        for found in sides.values():
            check_identities(found.identities)
        self.recording.reset_time()
        self.recording.set_time('frame', sequence=frame)
        if self.fps:
            self.recording.set_time('time', duration=frame / self.fps)
        if image is not None:
            picture = self.rerun.Image(image).compress(jpeg_quality=JPEG_QUALITY)
            self.recording.log(f'{self.place}/image', picture)
        for side, found in sides.items():
            entity = f'{self.place}/{side}'
            self.log_names(entity, found)
            self.log_masks(f'{entity}/masks', found)
            self.log_boxes(f'{entity}/boxes', found)
            self.log_scores(f'{entity}/scores', found)

    def log_names(self, entity: str, found: FrameInstances) -> None:
        """Log the name and the colour of each value of the masks, where they are new."""
        names = dict(zip(map(int, found.identities), found.names))
        if self.named.get(entity) == names:
            return
        self.named[entity] = names
        infos = [(0, 'background', (0, 0, 0, 0))]
        infos += [(i + 1, name, identity_color(i)) for i, name in names.items()]
        self.recording.log(entity, self.rerun.AnnotationContext(infos))

    def log_masks(self, entity: str, found: FrameInstances) -> None:
        """Log the masks in layers, and clear the layers of the frame before that are not needed."""
        layers = layers_of_masks(found.masks, found.identities)
        for number, layer in enumerate(layers):
            self.recording.log(f'{entity}/{number}', self.rerun.SegmentationImage(layer))
        for number in range(len(layers), self.layers.get(entity, 0)):
            self.recording.log(f'{entity}/{number}', self.rerun.Clear(recursive=False))
        self.layers[entity] = len(layers)

    def log_boxes(self, entity: str, found: FrameInstances) -> None:
        """Log the boxes around the masks: left, top, right, bottom, the latter two exclusive."""
        boxes = self.rerun.Boxes2D(
            array=boxes_of_masks(found.masks),
            array_format=self.rerun.Box2DFormat.XYXY,
            labels=found.captions,
            class_ids=[int(identity) + 1 for identity in found.identities],
        )
        self.recording.log(entity, boxes)

    def log_scores(self, entity: str, found: FrameInstances) -> None:
        """Log a point of the curve of each instance. Frames without the instance have none."""
        if found.scores is None:
            return
        for identity, name, score in zip(found.identities, found.names, found.scores):
            curve = f'{entity}/{int(identity)}'
            if self.series.get(curve) != name:
                self.series[curve] = name
                look = self.rerun.SeriesPoints(colors=[identity_color(identity)], names=[name])
                self.recording.log(curve, look, static=True)
            self.recording.log(curve, self.rerun.Scalars([float(score)]))


def check_identities(identities: Iterable[int]) -> None:
    """Raise ValueError where an identity does not fit into a class id of Rerun."""
    wrong = [int(identity) for identity in identities if not 0 <= identity <= MAX_IDENTITY]
    if wrong:
        raise ValueError(
            f'identity {wrong[0]}: Rerun shows identities from 0 to {MAX_IDENTITY}; start another '
            'recording with identities from 0'
        )


def layers_of_masks(masks: np.ndarray, identities: Sequence[int]) -> list[np.ndarray]:
    """Return images of identity + 1 that hold all masks; each mask is whole in one of them.

    Args:
        masks: (n, H, W) bool.
        identities: n whole numbers from 0.

    Returns:
        Few (H, W) images, uint8 or uint16; 0 is the background. None for no masks.
    """
    dtype = np.uint8 if max(identities, default=0) < 255 else np.uint16
    layers: list[np.ndarray] = []
    for mask, identity in zip(masks, identities):
        free = next((layer for layer in layers if not layer[mask].any()), None)
        if free is None:
            free = np.zeros(mask.shape, dtype=dtype)
            layers.append(free)
        free[mask] = int(identity) + 1
    return layers
