"""The contestants of ``benchmark.py``: models of one size that share their weights.

MMDetection's frame-level Mask2Former is MMDetection's own code, from its detector down to its
post-processing; the others are ours. A stopwatch around their methods tells the stages apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmdet.models.detectors import Mask2Former
from mmdet.registry import MODELS as MMDET_MODELS
from mmdet.structures import DetDataSample, TrackDataSample
from mmdet.structures.mask import encode_mask_results
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from torch import nn

from rocovis_mm.formats.run_lengths import encode_mask
from rocovis_mm.models import DVIS, IDOL, MinVIS
from rocovis_mm.models.layers import PropagationAttention
from rocovis_mm.models.vis.feature_maps import fit_head
from rocovis_mm.registry import MODELS
from rocovis_mm.streaming.identity_recorder import IdentityRecorder
from rocovis_mm.streaming.track_recorder import TrackRecorder

BASES = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'models'
MASK2FORMER = 'Mask2Former (MMDetection)'
PLAIN = 'RoCoVIS, no propagation'
METHODS = {
    MASK2FORMER: None,
    PLAIN: 'rocovis',
    'RoCoVIS': 'rocovis',
    'GenVIS': 'genvis',
    'MinVIS': 'minvis',
    'CTVIS': 'ctvis',
    'DVIS': 'dvis',
    'IDOL': 'idol',
    'SeqFormer': 'seqformer',
    'VMT': 'vmt',
}
"""Contestant -> first part of its base config's name; None: made of RoCoVIS' for MMDetection."""
OFFLINE = ('SeqFormer', 'VMT')
"""Contestants that read a clip at once, which are there only where they are named."""
STAGES = (
    'read',
    'preprocess',
    'backbone',
    'pixel decoder',
    'propagation',
    'query decoder',
    'post-process',
    'write',
)
NETWORK = STAGES[2:6]
OURS_ALONE = ('type', 'assigner', 'loss', 'memory_frames', 'scale_memory', 'detach_every')
"""Keys of RoCoVIS' head that MMDetection's has not."""
ADD = {kind: kind.add_frame for kind in (TrackRecorder, IdentityRecorder)}


@dataclass
class Stopwatch:
    """Seconds of each stage; a stage that runs inside another one stops the other's clock.

    Attributes:
        device: waited for before the clock is read.
        clock: returns the time in seconds.
        seconds: stage -> seconds since the last :meth:`take`.
    """

    device: torch.device
    clock: Callable[[], float] = time.perf_counter
    seconds: dict[str, float] = field(default_factory=dict)
    _running: list[str] = field(default_factory=list)
    _since: float = 0.0

    def _turn(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)
        now = self.clock()
        if self._running:
            stage = self._running[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count the calls inside as `stage`."""
        self._turn()
        self._running.append(stage)
        try:
            yield
        finally:
            self._turn()
            self._running.pop()

    def wrap(self, owner: object, names: str, stage: str) -> None:
        """Count methods of one object as `stage`."""
        for name in names.split():
            setattr(owner, name, self.timed(getattr(owner, name), stage))

    def timed(self, function: Callable, stage: str) -> Callable:
        """Return the function, counted as `stage`."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            with self(stage):
                return function(*args, **kwargs)

        return counted

    def take(self) -> dict[str, float]:
        """Return the counts and begin anew."""
        seconds, self.seconds = self.seconds, {}
        return seconds


def mask2former_config(ours: ConfigDict) -> ConfigDict:
    """Return MMDetection's instance segmentation model of the same size.

    As ``mask2former_r50_8xb2-lsj-50e_coco.py`` of MMDetection, whose test settings it has.
    """
    fitted = fit_head(ours.track_head, MODELS.build(ours.backbone), None)
    head = {k: v for k, v in fitted.items() if k not in OURS_ALONE}
    ours_alone = ('propagation_strides', 'propagation', 'mask_pooling')
    pixel_decoder = {k: v for k, v in head['pixel_decoder'].items() if k not in ours_alone}
    classes = head.pop('num_classes')
    losses = {k: v for k, v in ours.track_head.loss.items() if k.startswith('loss_')}
    losses['loss_cls'] = dict(losses['loss_cls'], class_weight=[1.0] * classes + [0.1])
    preprocessor = {k: ours.data_preprocessor[k] for k in ('mean', 'std', 'bgr_to_rgb')}
    head.update(
        type='Mask2FormerHead',
        num_things_classes=classes,
        num_stuff_classes=0,
        num_transformer_feat_level=3,
        enforce_decoder_input_project=False,
        pixel_decoder=dict(pixel_decoder, type='MSDeformAttnPixelDecoder'),
        **losses,
    )
    return ConfigDict(
        type='Mask2Former',
        data_preprocessor=dict(type='DetDataPreprocessor', pad_size_divisor=32, **preprocessor),
        backbone=ours.backbone,
        panoptic_head=head,
        panoptic_fusion_head=dict(
            type='MaskFormerFusionHead',
            num_things_classes=classes,
            num_stuff_classes=0,
            loss_panoptic=None,
        ),
        test_cfg=dict(panoptic_on=False, semantic_on=False, instance_on=True, max_per_image=100),
    )


def build(
    name: str, size: str, strides: Sequence[int] | None = None, memory: int | None = None
) -> nn.Module:
    """Return one contestant with random weights.

    Args:
        name: one of `METHODS`.
        size: ``r50`` or ``tiny``: the last part of a base config's name.
        strides: of the propagation; None as the config has them.
        memory: past frames; None as the config has them.
    """
    method = METHODS[name] or 'rocovis'
    config = Config.fromfile(BASES / f'{method}_{size}.py').model
    config.backbone.init_cfg = None  # nothing is downloaded
    if method == 'rocovis':
        if name == PLAIN:
            strides = ()
        if strides is not None:
            config.track_head.pixel_decoder.propagation_strides = tuple(strides)
    if memory is not None and 'memory_frames' in config.track_head:
        config.track_head.memory_frames = memory
    if METHODS[name] is None:
        model = MMDET_MODELS.build(mask2former_config(config))
    else:
        model = MODELS.build(config)
    for module in model.modules():
        if isinstance(module, PropagationAttention) and module.gate is not None:
            nn.init.ones_(module.gate)  # a trained gate is open
    return model.eval()


def share_weights(source: Mask2Former, models: Sequence[nn.Module]) -> None:
    """Give all models the weights of MMDetection's. Others stay random."""
    MMLogger.get_current_instance().setLevel('ERROR')  # lists of all names otherwise
    weights = source.state_dict()
    for model in models:
        own = {name: x.shape for name, x in model.state_dict().items()}
        fitting = {name: x for name, x in weights.items() if own.get(name, x.shape) == x.shape}
        model.load_state_dict(fitting, strict=False)


@torch.no_grad()
def let_some_queries_see(source: Mask2Former, image: torch.Tensor, objects: int) -> None:
    """Set the bias of "no object" so that so many queries of a frame are foreground.

    A trained model finds a handful of objects; random weights would find them everywhere,
    and what a frame costs after the network depends on it.
    """
    samples = [DetDataSample()]  # up to MMDetection 3.1 the head counts the images by them
    (logits,) = source.panoptic_head(source.extract_feat(image), samples)[0][-1]
    margin = logits[:, :-1].logsumexp(-1) - logits[:, -1]
    source.panoptic_head.cls_embed.bias[-1] += margin.sort(descending=True).values[objects]


@torch.no_grad()
def let_some_detections_see(model: IDOL, image: torch.Tensor, objects: int) -> None:
    """Set the bias of the classes so that so many queries of a frame begin a track.

    Args:
        model: whose classes are sigmoids.
        image: (1, 3, H, W).
        objects: how many.
    """
    size, head = tuple(image.shape[-2:]), model.track_head
    frames = head.detect(model.extract_features(image), [size], size)
    scores = head.decoder.class_logits(frames.decoded)[0].amax(-1).sort(descending=True).values
    least = torch.tensor(model.associator.init_score).logit()
    head.decoder.class_embed[-1].bias += least - scores[objects]


class FrameByFrame:
    """Runs one contestant over videos and measures the time of each stage of each frame.

    Args:
        name: of the contestant.
        model: the contestant.
        device: where it runs.
        half: run the network under autocast to bfloat16.
        compiled: compile backbone, pixel decoder and query decoder.
        clock: returns the time in seconds.
    """

    frames_at_once = 1
    """Frames of a turn, whose times are divided by it."""

    def __init__(
        self,
        name: str,
        model: nn.Module,
        device: torch.device,
        half: bool = False,
        compiled: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.name, self.half = name, half
        self.model = model.to(device).requires_grad_(False)
        self.stopwatch = Stopwatch(device, clock)
        self.frames_of_mmdet = isinstance(model, Mask2Former)
        if compiled:
            for owner, method in self._heavy():
                setattr(owner, method, torch.compile(getattr(owner, method)))
        self._watch()

    def _heavy(self) -> list[tuple[nn.Module, str]]:
        """Return the compiled objects and the names of their methods."""
        if self.frames_of_mmdet:
            head = self.model.panoptic_head
            return [(self.model.backbone, 'forward'), (head, 'forward')]
        head = self.model.track_head
        if isinstance(self.model, IDOL):
            parts = [(head.encoder.encoder, 'forward'), (head.decoder, 'forward')]
        else:
            parts = [(head.pixel_decoder, 'encode'), (head.query_decoder, 'forward')]
        return [(self.model.backbone, 'forward'), *parts]

    def _watch(self) -> None:
        model, watch = self.model, self.stopwatch.wrap
        watch(model, 'predict', 'post-process')
        if self.frames_of_mmdet:
            watch(model, 'extract_feat', 'backbone')
            watch(model.panoptic_head, 'forward', 'query decoder')
            watch(model.panoptic_head.pixel_decoder, 'forward', 'pixel decoder')
            return
        watch(model, 'extract_features', 'backbone')
        head = model.track_head
        outer = {MinVIS: 'look follow', DVIS: 'detect track'}.get(type(model), 'decode advance')
        methods = [name for name in outer.split() if hasattr(head, name)]
        watch(head, ' '.join(methods), 'query decoder')
        if isinstance(model, IDOL):
            watch(head.encoder, 'forward', 'pixel decoder')
            return
        watch(head.pixel_decoder, 'project encode', 'pixel decoder')
        watch(head.pixel_decoder, 'calibrate remember', 'propagation')

    def run(self, read: Callable[[int], Any], frames: int) -> Iterator[dict[str, float]]:
        """Run one video from its first frame on, one frame for each `next`.

        Args:
            read: returns frame t as a BGR array (H, W, 3).
            frames: how many.

        Yields:
            stage -> seconds, for every frame.
        """
        for t in range(frames):
            with self.stopwatch('read'):
                image = torch.from_numpy(read(t)).permute(2, 0, 1)
            for kind, add in ADD.items():
                kind.add_frame = self.stopwatch.timed(add, 'write')
            try:
                self._step(image, t, frames)
            finally:
                for kind, add in ADD.items():
                    kind.add_frame = add
            if not self.frames_of_mmdet and t + 1 < frames:
                with self.stopwatch('write'):
                    self._write_tracks()
            yield self.stopwatch.take()

    def _write_tracks(self) -> None:
        """Make the frame's masks of the best tracks so far: the frame's share of the video's end.

        The model itself makes them when the video ends and its tracks are known.
        """
        (video,) = self.model._videos.values()
        kept = sorted({track.identity for track in video.recorder.standing()})
        for mask in video.recorder.waiting[-1].make(kept)[1]:
            encode_mask(mask)

    @torch.no_grad()
    def _step(self, image: torch.Tensor, t: int, frames: int) -> None:
        size = tuple(image.shape[-2:])
        sizes = dict(img_shape=size, ori_shape=size, frame_id=t, video_id=0)
        sizes.update(video_length=frames, ori_video_length=frames)
        sample = DetDataSample(metainfo=dict(sizes, scale_factor=(1.0, 1.0)))
        images = [image]
        if not self.frames_of_mmdet:
            track = TrackDataSample()
            track.video_data_samples = [sample]
            images, sample = [image[None]], track
        with self.stopwatch('preprocess'):
            inputs = images if self.frames_of_mmdet else {'img': images}
            data = self.model.data_preprocessor(dict(inputs=inputs, data_samples=[sample]))
        with torch.autocast(self.stopwatch.device.type, torch.bfloat16, enabled=self.half):
            (result,) = self.model.predict(data['inputs'], data['data_samples'])
        if self.frames_of_mmdet:
            with self.stopwatch('write'):
                encode_mask_results(result.pred_instances.masks.cpu().numpy())


class ClipByClip(FrameByFrame):
    """Runs an offline contestant, a clip at each turn, and measures the time of a frame."""

    frames_at_once = 5

    def _heavy(self) -> list[tuple[nn.Module, str]]:
        head = self.model.track_head
        parts = [(head.encoder.encoder, 'forward'), (head.decoder, 'forward')]
        return [(self.model.backbone, 'forward'), *parts]

    def _watch(self) -> None:
        model, watch = self.model, self.stopwatch.wrap
        watch(model, 'predict', 'post-process')
        watch(model, 'extract_features', 'backbone')
        watch(model.track_head.encoder, 'forward', 'pixel decoder')
        watch(model.track_head.decoder, 'forward', 'query decoder')

    def run(self, read: Callable[[int], Any], frames: int) -> Iterator[dict[str, float]]:
        """Run a clip for each `next`; see :meth:`FrameByFrame.run`."""
        for t in range(frames):
            with self.stopwatch('read'):
                clip = [torch.from_numpy(read(t + i)) for i in range(self.frames_at_once)]
            self._predict(torch.stack(clip).permute(0, 3, 1, 2))
            seconds = self.stopwatch.take()
            yield {stage: seconds.get(stage, 0.0) / self.frames_at_once for stage in STAGES}

    @torch.no_grad()
    def _predict(self, clip: torch.Tensor) -> None:
        size, length = tuple(clip.shape[-2:]), len(clip)
        sizes = dict(img_shape=size, ori_shape=size, video_id=0, ori_video_length=length)
        sample = TrackDataSample()
        sample.video_data_samples = [
            DetDataSample(metainfo=dict(sizes, frame_id=t)) for t in range(length)
        ]
        with self.stopwatch('preprocess'):
            batch = dict(inputs={'img': [clip]}, data_samples=[sample])
            data = self.model.data_preprocessor(batch)
        with torch.autocast(self.stopwatch.device.type, torch.bfloat16, enabled=self.half):
            self.model.predict(data['inputs'], data['data_samples'])
