"""Slim checkpoints, with the weights of a model and without the state of its training."""

from __future__ import annotations

import ast
import re
from collections import OrderedDict
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rocovis_mm.checkpoints.contents import shorten
from rocovis_mm.checkpoints.conversion import NOTES
from rocovis_mm.checkpoints.reading import file_hash, read_checkpoint
from rocovis_mm.formats.whole_files import write_whole

KEPT_META = (
    'cfg',
    'dataset_meta',
    'epoch',
    'iter',
    'experiment_name',
    'mmengine_version',
    'rocovis_mm_version',
    NOTES,
)
"""Entries of ``meta`` that a published checkpoint keeps."""
PATH = re.compile(r'(file://)?(~?/|~\\|[A-Za-z]:[\\/]|\\\\).*|\.\.[\\/].*')
"""A text that is a path of one machine: absolute, or out of the work folder."""


def publish_file(source: str | Path, target: str | Path) -> tuple[Path, str]:
    """Write the slim form of a checkpoint.

    Args:
        source: a checkpoint of MMEngine.
        target: name of the file to write; the first eight hex digits of the file's
            sha256 are put before its ending, as OpenMMLab's tools expect.

    Returns:
        the path that was written, and a report in words.

    Raises:
        FileNotFoundError: there is no such source.
        ValueError: it is no checkpoint of MMEngine.
    """
    source, target = Path(source), Path(target)
    try:
        checkpoint = read_checkpoint(source)
        slim = slim_checkpoint(checkpoint)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if str(source) in text else f'{source}: {text}') from error
    stem = target.name[: -len('.pth')] if target.suffix == '.pth' else target.name
    final = write_whole(
        target,
        lambda file: torch.save(slim, file),
        lambda written: target.with_name(f'{stem}-{file_hash(written)[:8]}.pth'),
    )
    lines = [f'{source}: {len(slim["state_dict"])} tensors']
    if 'ema_state_dict' in checkpoint:
        lines.append('  they are the averages of the run (EMA): MMEngine writes them there')
    gone = [key for key in checkpoint if key not in slim]
    gone += [f'meta.{key}' for key in checkpoint.get('meta') or {} if key not in slim['meta']]
    lines.append(f'  left away: {shorten(gone) or "nothing"}')
    return final, '\n'.join([*lines, f'written: {final}'])


def slim_checkpoint(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights and the facts that testing and inference need.

    With an EMA, the averages are in ``state_dict`` already, and the weights that were trained
    in ``ema_state_dict``: MMEngine swaps them as it saves (mmengine 0.10.7,
    ``hooks/ema_hook.py:189`` and ``:218``).

    Args:
        checkpoint: of MMEngine.

    Raises:
        ValueError: it has no ``state_dict``.
    """
    weights = checkpoint.get('state_dict')
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(
            'no entry state_dict with weights: not a checkpoint of MMEngine; one of Detectron2 '
            'is converted by tools/model_converters/detectron2_to_mm.py first'
        )
    meta = checkpoint.get('meta') or {}
    kept = {key: meta[key] for key in KEPT_META if key in meta}
    for key in set(kept) - {'cfg', NOTES}:
        kept[key] = without_paths(kept[key])
    if isinstance(kept.get('cfg'), str):
        kept['cfg'] = config_without_paths(kept['cfg'])
    state_dict = OrderedDict((name, alone(tensor)) for name, tensor in weights.items())
    return {'meta': kept, 'state_dict': state_dict}


def alone(tensor: Tensor) -> Tensor:
    """Return a tensor without a larger storage."""
    tensor = tensor.detach()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()


def without_paths(value: Any) -> Any:
    """Return a plain value whose texts that are paths of a machine keep their last part."""
    if isinstance(value, str):
        return last_part(value)
    if isinstance(value, Mapping):
        return {key: without_paths(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set)):
        return type(value)(without_paths(each) for each in value)
    return value


def last_part(text: str) -> str:
    """Return the last part of a path of a machine, or any other text unchanged."""
    if not PATH.fullmatch(text):
        return text
    parts = [part for part in re.split(r'[\\/]+', text) if part not in ('', '..', '~', 'file:')]
    ending = '/' if parts and text.endswith(('/', '\\')) else ''
    return (parts[-1] if parts else '.') + ending


def config_without_paths(text: str) -> str:
    """Return a config's text without the paths of a machine; it is parsed, never run.

    Raises:
        ValueError: it is not the text of a config.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f'meta.cfg is not the text of a config: {error}') from error
    source = text.encode()  # columns count bytes
    starts = [0, *accumulate(len(line) + 1 for line in source.split(b'\n'))]
    texts = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    for node in sorted(texts, key=lambda node: (node.lineno, node.col_offset), reverse=True):
        if PATH.fullmatch(node.value):
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[node.end_lineno - 1] + node.end_col_offset
            source = source[:start] + repr(last_part(node.value)).encode() + source[end:]
    return source.decode()
