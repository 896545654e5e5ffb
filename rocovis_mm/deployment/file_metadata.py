"""The text in an exported file that turns its outputs into tracks: one writer, one reader.

N queries, K classes, C channels, H x W the frames that a file takes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rocovis_mm.formats.json_files import dump_json
from rocovis_mm.streaming.track_recorder import TrackRule
from rocovis_mm.version import __version__

if TYPE_CHECKING:  # the steps need all models
    from rocovis_mm.deployment.frame_step import FrameStep

METADATA = 'rocovis_mm'
"""Key of the text in a file's metadata."""
FORMAT = 2
"""Number of the text's layout. It changes where a reader of the former one would be wrong."""
RESIZES = ('AlignedResize', 'Resize', 'FixScaleResize', 'ResizeShortestEdge')
"""Steps of a test pipeline whose place :class:`FitInto` takes."""
Steps = Sequence[Mapping[str, Any]]
"""A test pipeline without the step that loads a frame."""


@dataclass(frozen=True)
class FileMetadata:
    """What a file is and how its outputs become tracks.

    Attributes:
        model: name of the model's class.
        size: (H, W) of the frames that it takes.
        padded: (H', W') of the input, of which the mask logits are a part.
        num_queries: N.
        num_classes: K.
        track_rule: how frames become tracks.
        scale_output: whether pixel probabilities are scaled by 1 - p(no object).
        pipeline: test pipeline that brings any frame to `size`.
        by_query: tensors (1, M, N, C) of the state, in which a query that is given back is zeroed.
        first_queries: (N, C) of a first frame, None where none are carried on.
        classes: K names.
        category_ids: K json category ids.
        precision: 'float32', or 'int8' where convolutions and products are quantised.
    """

    model: str
    size: tuple[int, int]
    padded: tuple[int, int]
    num_queries: int
    num_classes: int
    track_rule: TrackRule
    scale_output: bool
    pipeline: tuple[dict[str, Any], ...]
    by_query: tuple[str, ...]
    first_queries: np.ndarray | None
    classes: tuple[str, ...]
    category_ids: tuple[int, ...]
    precision: str = 'float32'


def metadata_of(
    step: FrameStep,
    classes: Sequence[str] | None = None,
    category_ids: Sequence[int] | None = None,
    pipeline: Steps | None = None,
) -> str:
    """Return the text of a step's file.

    Args:
        step: of a model at a frame size.
        classes: names by label; None counts them.
        category_ids: json category ids by label; None takes 1, 2, 3, ...
        pipeline: test pipeline of the model without the step that loads a frame; None resizes
            and packs.

    Raises:
        ValueError: a setting of the pipeline cannot be written as json.
    """
    model, labels = step.model, range(step.model.num_classes)
    first = model.first_queries()
    content = dict(
        format=FORMAT,
        version=__version__,
        model=type(model).__name__,
        size=step.size,
        padded=step.padded,
        num_queries=model.num_queries,
        num_classes=model.num_classes,
        track_rule=asdict(model.track_rule),
        scale_output=getattr(model, 'scale_output', False),
        pipeline=pipeline_for(step, pipeline),
        by_query=step.by_query,
        first_queries=None if first is None else as_text(first.detach().cpu().numpy()),
        classes=list(classes or map(str, labels)),
        category_ids=list(category_ids or (label + 1 for label in labels)),
        precision='float32',
    )
    try:
        return dump_json(content)
    except TypeError as error:
        raise ValueError(
            f'the test pipeline cannot be written into a file ({error}): give numbers, texts and '
            'lists in its steps'
        ) from None


def pipeline_for(step: FrameStep, pipeline: Steps | None) -> list[dict[str, Any]]:
    """Return a test pipeline whose frames have the size of a step; see :func:`metadata_of`."""
    steps = [dict(each) for each in pipeline or [dict(type='rocovis_mm.PackVISInputs')]]
    preprocessor = step.model.data_preprocessor
    mean = [round(x) for x in preprocessor.mean.flatten().tolist()]
    fit = dict(
        type='rocovis_mm.FitInto',
        size=step.size,
        fill=mean[::-1] if preprocessor.bgr_to_rgb else mean,
    )
    resizes = [n for n, each in enumerate(steps) if kind_of_step(each) in RESIZES]
    for n in resizes[:1]:
        kept = ('keep_ratio', 'interpolation', 'backend')
        fit.update({key: steps[n][key] for key in kept if key in steps[n]})
        if kind_of_step(steps[n]) in ('AlignedResize', 'Resize'):
            fit.setdefault('keep_ratio', False)
    place = resizes[0] if resizes else 0
    left = [each for n, each in enumerate(steps) if n not in resizes]
    return [*left[:place], fit, *left[place:]]


def kind_of_step(step: Mapping[str, Any]) -> str:
    """Return the name of a step's class without its scope."""
    kind = step['type']
    return (kind if isinstance(kind, str) else kind.__name__).rpartition('.')[2]


def read_metadata(text: str | None, path: str | Path) -> FileMetadata:
    """Return the content of a file's text.

    Args:
        text: the metadata under `METADATA`; None where the file has none.
        path: of the file, for messages.

    Raises:
        ValueError: there is none, or it is of another format.
    """
    if not text:
        raise ValueError(
            f'{path} has no metadata {METADATA!r}: it is not a model of this library; make one '
            'with tools/deployment/export.py'
        )
    try:
        content = json.loads(text)
        found = content.pop('format', 1)
        version = content.pop('version', 'an older version')
    except (ValueError, AttributeError):
        raise ValueError(f'{path}: the metadata {METADATA!r} is damaged; export it again') from None
    if found != FORMAT:
        raise ValueError(
            f'{path} has metadata of format {found}, written by rocovis_mm {version}; rocovis_mm '
            f'{__version__} reads format {FORMAT}: export it again with tools/deployment/export.py'
        )
    values = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in content.items()
        if key in {field.name for field in fields(FileMetadata)}
    }
    try:
        values['track_rule'] = TrackRule(**values['track_rule'])
        if values['first_queries'] is not None:
            values['first_queries'] = from_text(values['first_queries'])
        return FileMetadata(**values)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'{path}: the metadata {METADATA!r} is not complete ({error}); export it again'
        ) from None


def with_precision(text: str, precision: str) -> str:
    """Return a file's text with another `FileMetadata.precision`."""
    return dump_json(dict(json.loads(text), precision=precision))


def as_text(array: np.ndarray) -> dict[str, Any]:
    """Return a float array as its shape and text."""
    data = np.ascontiguousarray(array, '<f4').tobytes()
    return dict(shape=array.shape, float32=base64.b64encode(data).decode())


def from_text(content: Mapping[str, Any]) -> np.ndarray:
    """Return the array of :func:`as_text`."""
    data = np.frombuffer(base64.b64decode(content['float32']), '<f4')
    return data.reshape(content['shape']).astype(np.float32)
