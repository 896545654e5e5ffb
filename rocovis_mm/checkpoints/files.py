"""Converts a checkpoint file and tells what was done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from rocovis_mm.checkpoints.contents import shorten
from rocovis_mm.checkpoints.conversion import NOTES, to_detectron2, to_mm
from rocovis_mm.checkpoints.reading import file_hashes, hash_in_name, read_checkpoint
from rocovis_mm.checkpoints.sizes import ModelSizes, fitting_config
from rocovis_mm.checkpoints.writing import write_checkpoint


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
        model: 'auto', 'mask2former', 'mask2former_vis', 'minvis' or 'genvis'.
        entry: of the Detectron2 checkpoint, which holds the weights.
        reverse: from MMEngine's form to Detectron2's.

    Returns:
        what was done, for people to read.

    Raises:
        FileNotFoundError: there is no such source.
        ValueError: names the source, what is wrong with it and the remedy.
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
    """Return the plain facts that a Detectron2 checkpoint tells of itself."""
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
    """Return what a converted checkpoint holds, what was left out, and the config that fits."""
    notes = converted['meta'][NOTES]
    kind, source = notes['model'], notes['source']
    sizes = ModelSizes(**notes['sizes'])
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
            f'  averaged weights lie beside the ones taken: {shorten(notes["averages"])}; '
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
