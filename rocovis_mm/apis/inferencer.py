"""The model behind streams and videos."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope, init_default_scope

from rocovis_mm.apis.categories import resolve_categories
from rocovis_mm.apis.outputs import Outputs
from rocovis_mm.apis.sources import Thinned, open_source
from rocovis_mm.apis.video_run import VideoRun
from rocovis_mm.checkpoints.fitting import load_model
from rocovis_mm.deployment import ExportedModel, ExportedStreams, is_exported
from rocovis_mm.models import OnlineVISModel
from rocovis_mm.registry import MODELS
from rocovis_mm.streaming.engine import StreamEngine
from rocovis_mm.streaming.results import FrameResult, VideoResult
from rocovis_mm.streaming.session import FittedFrame, StreamSession
from rocovis_mm.utils import check_checkpoint, check_complete, load_config
from rocovis_mm.utils.run_config import kind_of

LIVE_MEMORY = 100
"""Past frames that a model without a bound of its own remembers of a live source."""
LOADERS = ('LoadVISFrame', 'LoadImageFromFile', 'LoadImageFromNDArray', 'InferencerLoader')


class RoCoVISInferencer:
    """An online model (RoCoVIS, MinVIS, GenVIS, ...) for videos, cameras and streams.

    The model is that of a config, or an exported file (.onnx or .xml) of
    ``tools/deployment/export.py``.

    ``inferencer(video)`` returns a video's tracks. ``inferencer.frames(video)`` iterates over
    its frames. ``inferencer.stream()`` takes frames one by one. The config's own test
    pipeline prepares the frames, so that all three return the tracks of ``tools/test.py``.
    Any number of streams may be open, in any threads. The model runs for one call at a time.

    Args:
        config_or_model: path of a config, a config, a model that was built from one, or the path
            of an exported file. An exported file contains its weights and its test pipeline, so
            that `weights`, `pipeline`, `allow_missing` and `accelerate` must stay away.
        weights: checkpoint; None leaves a model as it is (and a config's at random, unless the
            config itself names weights).
        device: 'auto' takes CUDA where there is one, or any name torch knows; a model
            given as such stays where it is with 'auto'. An exported file takes the CPU with
            'auto', or a device of its runtime, see :func:`open_runtime`.
        pipeline: test pipeline; None takes the config's, ``test_dataloader``.
        classes: names by label; None takes the checkpoint's or the config's.
        allow_missing: take weights that lack some of the model's, which stay as they are.
        accelerate: compile or capture the network once for each size of video, for up to four
            sizes: 'compile', 'reduce-overhead', or 'graphs' on CUDA; see
            :class:`~rocovis_mm.streaming.captured_steps.CapturedSteps`. None does not.
        precision: of an exported file: 'float32', or 'bf16' where its runtime has it; None is
            'float32'.
        threads: of an exported file on a CPU; None leaves their number to its runtime.

    Attributes:
        model: in test mode, on its device; an :class:`ExportedStreams` of an exported file.
        engine: advances all streams on the model.
        pipeline: the test pipeline without the step that loads a frame.
        classes: names by label.
        category_ids: json category id of each label, see :func:`resolve_categories`.

    Raises:
        FileNotFoundError: config, checkpoint or exported file is missing.
        ModuleNotFoundError: the runtime of an exported file is not installed.
        ValueError: they do not fit each other, the model is not online, there is no such
            device, precision or way to accelerate, or an argument is of no use to the model.
    """

    def __init__(
        self,
        config_or_model: str | Path | Config | OnlineVISModel,
        weights: str | Path | None = None,
        device: str = 'auto',
        pipeline: Sequence[dict] | None = None,
        classes: Sequence[str] | None = None,
        allow_missing: bool = False,
        accelerate: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
    ) -> None:
        if is_exported(config_or_model):
            unused = dict(weights=weights, pipeline=pipeline, accelerate=accelerate)
            refuse_arguments(config_or_model, **unused, allow_missing=allow_missing or None)
            file = ExportedModel(config_or_model, device, precision, threads)
            self.model, self.config = ExportedStreams(file), None
            self.pipeline = [dict(step) for step in file.metadata.pipeline]
            self.classes, self.category_ids = resolve_categories(
                {}, dict(vars(file.metadata)), classes, self.model.num_classes
            )
            self.engine = StreamEngine(self.model)
            return
        refuse_arguments('a model of a config', precision=precision, threads=threads)
        check_device(device)
        config = config_or_model
        if isinstance(config, (str, Path)):
            config = load_config(config)
        elif isinstance(config, Config):
            check_complete(config, ['model', 'test_dataloader'])
        built = isinstance(config_or_model, torch.nn.Module)
        self.model = config_or_model if built else build_model(config)
        if not isinstance(self.model, OnlineVISModel):
            raise ValueError(
                f'{type(self.model).__name__} is no online model; the inferencer takes configs of '
                f'{", ".join(online_models())}'
            )
        self.config = getattr(self.model, 'cfg', None) if built else config
        self.pipeline = frame_pipeline(pipeline or inference_dataset(self.config).get('pipeline'))
        trained = dict(getattr(self.model, 'dataset_meta', None) or {})
        if weights is not None:
            trained.update(load_weights(self.model, str(weights), allow_missing))
        elif not built and not self.model.is_init:
            warnings.warn('no weights given: the model is random')
        self.classes, self.category_ids = resolve_categories(
            inference_dataset(self.config), trained, classes, self.model.num_classes
        )
        if device != 'auto':
            self.model.to(device)
        elif not built and torch.cuda.is_available():
            self.model.to('cuda')
        self.model.eval()
        self.engine = StreamEngine(self.model, accelerate)

    def __call__(
        self,
        video: Any,
        out: str | Path | None = None,
        callback: Callable[[np.ndarray, FrameResult], None] | None = None,
        score_thr: float = 0.3,
        **stream_options: Any,
    ) -> VideoResult:
        """Return the tracks of a video.

        Args:
            video: anything :func:`open_source` takes: a file, a folder, glob, pattern or list of
                frames, the number of a camera, a URL, an iterable of arrays.
            out: where to write: a ``.json`` results file, or the video with its instances
                drawn: ``.mp4``, ``.mov``, ``.avi``, ``.gif``, or a folder.
            callback: is given every frame (H, W, 3) BGR and its result.
            score_thr: instances below it are not drawn.
            **stream_options: of :meth:`frames`.

        Raises:
            FileNotFoundError: there is no such video.
            ValueError: a frame or an argument is impossible.
            OSError: `out` cannot be written.
        """
        drawn = None if out is None or Path(out).suffix == '.json' else out
        with self.frames(video, **stream_options) as run:
            with Outputs(self.classes, run.fps, drawn, score_thr=score_thr) as run.outputs:
                for frame, result in run:
                    if callback is not None:
                        callback(frame, result)
            found = run.finish()
        if out is not None and drawn is None:
            found.save(out)
        return found

    def frames(
        self,
        video: Any,
        max_fps: float | None = None,
        reconnect: float | None = None,
        **stream_options: Any,
    ) -> VideoRun:
        """Return the run of a video, frame by frame; see :class:`VideoRun`.

        Of a live source, a model without a bound of its own remembers the last 100 frames,
        unless ``memory_frames`` says otherwise.

        Args:
            video: see :meth:`__call__`.
            max_fps: frames closer together are left out; see :class:`Thinned`.
            reconnect: seconds for which a live source that is lost is connected to again; None
                ends there.
            **stream_options: of :class:`StreamSession`; `fps` also is the rate of a source that
                states none.
        """
        source = open_source(video, reconnect)
        try:
            if source.fps is None:
                source.fps = stream_options.get('fps')
            if max_fps is not None:
                source = Thinned(source, max_fps)
            options = {'fps': source.fps, **stream_options}
            if source.live:
                options = {**self.live_options, **options}
            return VideoRun(source, self.stream(**options))
        except BaseException:
            source.close()
            raise

    @property
    def live_options(self) -> dict[str, Any]:
        """Options of a stream without an end: they bound GenVIS' memory."""
        head = getattr(self.model, 'track_head', None)  # an exported file has none
        unbounded = getattr(head, 'memory_frames', 0) is None
        return dict(memory_frames=LIVE_MEMORY) if unbounded else {}

    def stream(self, **options: Any) -> StreamSession:
        """Open a stream; `options` are those of :class:`StreamSession`."""
        categories = (self.classes, self.category_ids)
        return StreamSession(self.engine, self.pipeline, *categories, **options)

    def push(self, pairs: Sequence[tuple[StreamSession, np.ndarray]]) -> list[FrameResult]:
        """Predict the next frames of several streams, in as few batches as can be.

        Streams of one size that remember as much run as one batch. A stream may come
        several times; its frames go in the order given.

        Args:
            pairs: a stream and its next frame each.

        Returns:
            the results in the same order.

        Raises:
            ValueError: a frame cannot be taken; then none is.
        """
        fitted: list[FittedFrame] = []
        sizes: dict[StreamSession, tuple[int, int]] = {}
        for session, frame in pairs:
            fitted.append(session.fit(frame, first_size=sizes.get(session)))
            sizes.setdefault(session, fitted[-1].image.shape[:2])
        return self.engine.run(fitted)


def refuse_arguments(model: str | Path, **arguments: Any) -> None:
    """Raise ValueError where an argument that is of no use to a model is given."""
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise ValueError(f'{model} takes no {" and no ".join(given)}; leave the argument out')


def check_device(name: str) -> None:
    """Raise ValueError where torch has no such device."""
    if name == 'auto':
        return
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        number = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise ValueError(
            f'device={name}: torch {torch.__version__} cannot use it and sees {number} CUDA '
            f'devices; give auto, cpu or another one ({str(error).splitlines()[0]})'
        ) from None


def online_models() -> list[str]:
    """Return the names of the registered online models."""
    models = MODELS.module_dict.items()
    return sorted(
        name for name, kind in models if isinstance(kind, type) and issubclass(kind, OnlineVISModel)
    )


def build_model(config: Config) -> torch.nn.Module:
    """Build a config's model, with random weights."""
    scope = config.get('default_scope') or 'mmdet'
    if DefaultScope.get_current_instance() is None:
        init_default_scope(scope)
    with DefaultScope.overwrite_default_scope(scope):
        model = MODELS.build(config.model)
    model.cfg = config
    return model


def load_weights(model: OnlineVISModel, path: str, allow_missing: bool = False) -> dict[str, Any]:
    """Load a checkpoint and return the metainfo of its training data.

    Warns:
        UserWarning: it has parameters that the model has not, or lacks some that may lack.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is Detectron2's, or (unless allowed) lacks parameters of the model or has
            them in other shapes.
    """
    check_checkpoint(path)
    checkpoint, fit = load_model(model, path, allow_missing)
    if not fit.whole:
        warnings.warn(f'{path}: {fit.describe()}. The missing weights are random')
    elif fit.surplus:
        warnings.warn(
            f'{path}: holds {len(fit.surplus)} parameters that the model has not, such as '
            f'{fit.surplus[0]}; they are left out: check that the config is that of its training'
        )
    meta = checkpoint.get('meta', {}).get('dataset_meta') or {}
    return {key.lower(): value for key, value in meta.items()}


def inference_dataset(config: Config | None) -> ConfigDict:
    """Return the config of the data set that is tested, inside any wrappers; empty without."""
    dataset = {} if config is None else config.get('test_dataloader', {}).get('dataset', {})
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def frame_pipeline(pipeline: Sequence[dict] | None) -> list[dict]:
    """Return a test pipeline without the step that loads an image.

    Raises:
        ValueError: there is none, or it does not begin with such a step.
    """
    if not pipeline:
        raise ValueError(
            'no test pipeline: give a config with test_dataloader.dataset.pipeline, or pipeline='
        )
    first = kind_of(pipeline[0])
    if first not in LOADERS:
        raise ValueError(
            f'the test pipeline begins with {first}; it should begin with the step that loads a '
            f'frame, one of {", ".join(LOADERS)}'
        )
    return [dict(step) for step in pipeline[1:]]
