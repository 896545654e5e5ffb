"""A web page on which a model segments uploaded videos and a webcam, served by gradio.

H x W a frame's own resolution.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rocovis_mm.apis.inferencer import RoCoVISInferencer
from rocovis_mm.apis.outputs import Outputs
from rocovis_mm.visualization.live import LiveOverlay
from rocovis_mm.visualization.presence import Presence, draw_presence

if TYPE_CHECKING:
    from gradio import Blocks

IDLE_SECONDS = 300
"""A visitor's webcam stream is closed after so long without a frame."""
MISSING = (
    'the web page needs gradio, which is not installed: `pip install "rocovis_mm[web]"` '
    '(or `pip install gradio`)'
)


@dataclass(frozen=True)
class Processed:
    """Files of a processed video.

    Attributes:
        overlay: mp4 of the frames with their instances.
        timeline: picture of the frames that each identity is present in.
        results: json, tracks in YouTube-VIS form.
        masks: zip archive of a PNG of identities for each frame.
        summary: one line about the run.
    """

    overlay: Path
    timeline: Path
    results: Path
    masks: Path
    summary: str


def process_video(
    inferencer: RoCoVISInferencer,
    video: str | Path,
    folder: Path,
    score_thr: float = 0.3,
    progress: Callable[[int, int | None], None] | None = None,
) -> Processed:
    """Segment a video and write everything that the page shows.

    Args:
        inferencer: with the model.
        video: a file.
        folder: of the new files.
        score_thr: instances below it are left out of pictures and masks.
        progress: is given the number of finished frames and that of all, if known.

    Raises:
        ValueError: the video has no frames, or cannot be read.
    """
    present: dict[int, Presence] = {}
    overlay, masks = folder / 'overlay.mp4', folder / 'masks'
    with inferencer.frames(video) as run:
        with Outputs(inferencer.classes, run.fps, overlay, masks, score_thr) as run.outputs:
            for number, (_, result) in enumerate(run, 1):
                sure = result.above(score_thr)
                for identity, label, score in zip(sure.ids, sure.labels, sure.scores):
                    known = present.setdefault(int(identity), Presence())
                    known.caption = f'{inferencer.classes[label]} {score:.2f}'
                    known.frames.append(result.frame)
                if progress is not None:
                    progress(number, run.source.length)
        found = run.finish()
    results = found.save(folder / 'results.json')
    timeline = draw_presence(dict(sorted(present.items())), found.length, folder / 'timeline.png')
    archive = Path(shutil.make_archive(str(masks), 'zip', masks))
    summary = f'{found.length} frames, {len(present)} identities of score {score_thr:g} or more'
    return Processed(overlay, timeline, results, archive, summary)


class LiveView:
    """The stream of one visitor's webcam, in memory of bounded size.

    Args:
        inferencer: with the model.
        score_thr: instances below it are not drawn.
    """

    def __init__(self, inferencer: RoCoVISInferencer, score_thr: float = 0.3) -> None:
        self.session = inferencer.stream(
            keep_masks=False, on_size_change='resize', **inferencer.live_options
        )
        self.overlay = LiveOverlay(inferencer.classes, score_thr, scale=None)

    def push(self, picture: np.ndarray) -> np.ndarray:
        """Return a frame (H, W, 3), RGB uint8, with its instances drawn."""
        result = self.session.push(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        if result.masks.shape[1:] != picture.shape[:2]:  # frames have the size of the first
            picture = cv2.resize(picture, result.masks.shape[:0:-1])
        return self.overlay.draw(picture, result.masks, result.ids, result.labels, result.scores)

    def close(self) -> None:
        """End the stream."""
        self.session.close()


def load_gradio() -> ModuleType:
    """Import gradio without its usage statistics.

    Raises:
        ImportError: it is not installed.
    """
    os.environ.setdefault('GRADIO_ANALYTICS_ENABLED', 'False')
    try:
        import gradio
    except ImportError as error:
        raise ImportError(MISSING) from error
    return gradio


def build_page(inferencer: RoCoVISInferencer, title: str, score_thr: float = 0.3) -> Blocks:
    """Return the page, for ``launch``.

    Args:
        inferencer: with the model. It works for one visitor at a time.
        title: of the page.
        score_thr: initial value of the slider.

    Raises:
        ImportError: gradio is not installed.
    """
    gr = load_gradio()

    progress = gr.Progress()

    def segment(video: str | None, threshold: float, bar: Any = progress) -> tuple:
        if not video:
            raise gr.Error('Choose a video first.')
        folder = Path(tempfile.mkdtemp(prefix='rocovis_web_'))

        def show(number: int, length: int | None) -> None:
            bar((number, length), unit='frames')

        try:
            made = process_video(inferencer, video, folder, threshold, show)
        except (OSError, ValueError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise gr.Error(str(error)) from error
        files = [str(made.results), str(made.masks)]
        return str(made.overlay), str(made.timeline), files, made.summary

    def watch(picture: np.ndarray | None, threshold: float, view: LiveView | None) -> tuple:
        if picture is None:
            return None, view
        view = view or LiveView(inferencer, threshold)
        view.overlay.score_threshold = threshold
        return view.push(picture), view

    with gr.Blocks(title=title, delete_cache=(3600, 3600)) as page:
        gr.Markdown(f'# {title}\nClasses: {", ".join(inferencer.classes)}')
        threshold = gr.Slider(0, 1, score_thr, label='Score threshold')
        with gr.Tab('Video'):
            with gr.Row():
                video = gr.Video(label='Video', sources=['upload', 'webcam'])
                overlay = gr.Video(label='Instances', interactive=False)
            button = gr.Button('Segment', variant='primary', elem_id='segment')
            summary = gr.Textbox(label='Summary', elem_id='summary')
            timeline = gr.Image(label='Timeline', interactive=False, elem_id='timeline')
            files = gr.File(label='Results (json) and masks (zip)', elem_id='files')
            button.click(segment, [video, threshold], [overlay, timeline, files, summary])
        with gr.Tab('Webcam'):
            view = gr.State(
                None, time_to_live=IDLE_SECONDS, delete_callback=lambda v: v and v.close()
            )
            with gr.Row():
                camera = gr.Image(label='Webcam', sources=['webcam'], streaming=True)
                seen = gr.Image(label='Instances', interactive=False)
            camera.stream(
                watch, [camera, threshold, view], [seen, view], stream_every=0.1, time_limit=None
            )
    return page


def launch(page: Blocks, host: str, port: int | None, block: bool = True) -> str:
    """Serve a page and return its address.

    Args:
        page: of :func:`build_page`.
        host: address to listen at.
        port: None takes the first free one from 7860 on.
        block: whether to return only when the server ends.
    """
    gr = load_gradio()
    theme = gr.themes.Default(font=['system-ui', 'sans-serif'], font_mono=['monospace'])
    _, address, _ = page.queue(default_concurrency_limit=1).launch(
        server_name=host,
        server_port=port,
        theme=theme,
        share=False,
        quiet=True,
        footer_links=[],
        prevent_thread_lock=True,
    )
    if block:
        print(f'serving at {address} (Ctrl-C ends)', flush=True)
        page.block_thread()
    return address
