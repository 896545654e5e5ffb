"""Converts and writes checkpoint files, and describes the conversion."""

from __future__ import annotations

import pickle
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from rocovis_mm.checkpoints.any_sizes import fitting_config, sizes_from
from rocovis_mm.checkpoints.contents import shorten
from rocovis_mm.checkpoints.conversion import NOTES, to_detectron2, to_mm
from rocovis_mm.checkpoints.reading import file_hashes, hash_in_name, read_checkpoint
from rocovis_mm.formats.whole_files import write_whole


def convert_file(
    source: str | Path,
    target: str | Path,
    model: str = 'auto',
    entry: str = 'model',
    reverse: bool = False,
) -> str:
    """Convert a Detectron2 checkpoint to MMEngine's form, or back.

    Args:
        source: the file to read.
        target: the file to write: whole, or not at all.
        model: 'auto' or one of ``KINDS``.
        entry: of the Detectron2 checkpoint, which holds the weights.
        reverse: from MMEngine's form to Detectron2's.

    Returns:
        a report in words.

    Raises:
        FileNotFoundError: there is no such source.
        ValueError: names the source, its problem and the remedy.
    """
    source, target = Path(source), Path(target)
    if target.is_dir():
        raise ValueError(f'{target}: is a folder; give the name of the file to write')
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f'{target}: would overwrite the source; give another name')
    if target.suffix == '.pkl' and not reverse:
        raise ValueError(f'{target}: MMEngine reads .pth files; give a name with that ending')
    checkpoint = read_checkpoint(source)
    try:
        if reverse:
            converted = to_detectron2(checkpoint, model)
            text = f'{source}: {len(converted["model"])} tensors under the names of Detectron2'
        else:
            converted = to_mm(checkpoint, model, entry)
            hashes = file_hashes(source)
            notes = converted['meta'][NOTES]
            notes['source'] = {'file': source.name, **hashes, **facts(checkpoint)}
            text = '\n'.join([*check_name(source, hashes), describe(converted)])
    except ValueError as error:
        raise ValueError(f'{source}: {error}') from error
    write_checkpoint(converted, target)
    return f'{text}\nwritten: {target}'


def facts(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return the author and the iteration of a Detectron2 checkpoint."""
    kept = {key: checkpoint.get(key) for key in ('__author__', 'iteration')}
    return {key: value for key, value in kept.items() if isinstance(value, (str, int))}


def check_name(path: Path, hashes: Mapping[str, str]) -> list[str]:
    """Return a warning where the hash that a file's name states is not its own."""
    stated = hash_in_name(path)
    if stated is None or hashes[stated[0]].startswith(stated[1]):
        return []
    kind, digits = stated
    return [
        f'WARNING: {path}: its name states a {kind} of {digits}..., it has '
        f'{hashes[kind][: len(digits)]}...: unless it was renamed, it did not arrive whole'
    ]


def describe(converted: Mapping[str, Any]) -> str:
    """Return the contents of a converted checkpoint, its left out tensors, and its config."""
    notes = converted['meta'][NOTES]
    kind, source = notes['model'], notes['source']
    sizes = sizes_from(notes['sizes'], kind)
    used = len(converted['state_dict']) - len(notes['made'])
    lines = [
        f'{source["file"]}: {kind}, {sizes.backbone}, {sizes.num_classes} classes',
        f'sha256 {source["sha256"]}',
        f'md5    {source["md5"]}',
        f'{used} tensors used, {len(notes["left_out"])} left out, {len(notes["made"])} made anew',
    ]
    reasons = defaultdict(list)
    for name, reason in notes['left_out'].items():
        reasons[reason].append(name)
    lines += [f'  left out: {shorten(names)}: {reason}' for reason, names in reasons.items()]
    if notes['made']:
        lines.append(f'  made anew, as they follow from the rest: {shorten(notes["made"], 2)}')
    if notes['begin_anew']:
        lines.append(
            '  NOT THERE: this is VITA, the start of a training and no GenVIS to test; at '
            f'random begin: {shorten(notes["begin_anew"])}'
        )
    for name in ('pixel_mean', 'pixel_std'):
        if name in notes['kept']:
            values = [round(x, 3) for x in notes['kept'][name].flatten().tolist()]
            lines.append(f'  {name} is {values}: check it against the data_preprocessor')
    if notes['averages']:
        lines.append(
            f'  averaged weights are beside the ones taken: {shorten(notes["averages"])}; '
            'take them with --entry'
        )
    if kind == 'mask2former':
        lines.append(
            '  a MinVIS has the same tensors: for one, give --model minvis (a checkpoint of '
            'either name starts RoCoVIS, MinVIS and GenVIS); for a Mask2Former trained on videos '
            'give --model mask2former_vis'
        )
    lines += [
        f'sizes: {sizes.in_line()}',
        'The config that fits (heads of attention cannot be read off a checkpoint; heads x '
        f'sampling points are {sizes.encoder_heads_x_points} here):',
        Config(dict(model=fitting_config(sizes, kind))).pretty_text.rstrip(),
    ]
    return '\n'.join(lines)


def write_checkpoint(checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Write a checkpoint: arrays in a pickle where the name ends in .pkl, else torch's form."""
    if Path(path).suffix == '.pkl':
        model = checkpoint['model']
        arrays = model.__class__((key, as_array(tensor)) for key, tensor in model.items())
        arrays.__dict__.update(model.__dict__)  # the versions of the modules
        content = {**checkpoint, 'model': arrays}
        write_whole(path, lambda file: pickle.dump(content, file, protocol=4))
    else:
        write_whole(path, lambda file: torch.save(dict(checkpoint), file))


def as_array(tensor: Tensor) -> Any:
    """Return a tensor's numbers as a numpy array.

    Raises:
        ValueError: numpy has no such numbers.
    """
    if tensor.dtype == torch.bfloat16:
        raise ValueError('numpy has no bfloat16: write a .pth file in place of a .pkl')
    return tensor.detach().cpu().contiguous().numpy()
