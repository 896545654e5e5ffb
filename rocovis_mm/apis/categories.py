"""The name and the json category id of each of a model's labels; K classes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rocovis_mm.datasets.clip_dataset import ClipDataset
from rocovis_mm.formats.benchmarks import find_benchmark
from rocovis_mm.formats.json_files import read_json


class Categories(NamedTuple):
    """The categories of a model, by label.

    Attributes:
        names: K names.
        ids: K json category ids.
    """

    names: tuple[str, ...]
    ids: tuple[int, ...]


def resolve_categories(
    dataset: Mapping[str, Any],
    trained: Mapping[str, Any],
    classes: Sequence[str] | None,
    num_classes: int,
) -> Categories:
    """Return the names and the json category ids of a model's labels.

    The names are those of the checkpoint, else of the config's ``metainfo`` (also through
    ``benchmark``), else of the annotation file. The ids are those of the checkpoint, else of
    ``metainfo``, else those that the benchmark or the annotation file gives to these names,
    else 1, 2, 3, ...

    Args:
        dataset: config of the data set that is tested; its ``ann_file`` may be missing.
        trained: metainfo of the training data set, as a checkpoint has it; may be empty.
        classes: names that the result has in place of the others; None keeps the others.
        num_classes: K.

    Raises:
        ValueError: the number of names or of ids is not K.
    """
    meta = ClipDataset._load_metainfo(dataset.get('metainfo'))
    if tuple(trained.get('classes') or ()) not in ((), tuple(meta.get('classes') or ())):
        meta = {}  # the ids of other classes
    meta.update(trained)
    names, ids = meta.get('classes'), meta.get('category_ids')
    if names is None:
        in_file = ids_in_file(dataset)
        names = tuple(in_file) if len(in_file) == num_classes else classes
    if ids is None and names is not None:
        ids = find_ids(dataset, names)
    shown = tuple(classes or names or map(str, range(num_classes)))
    ids = tuple(range(1, len(shown) + 1) if ids is None else map(int, ids))
    if len(shown) != num_classes:
        raise ValueError(
            f'{len(shown)} classes for a model of {num_classes}; give the config that the '
            'checkpoint was trained with'
        )
    if len(ids) != num_classes:
        raise ValueError(f'{len(ids)} category_ids for {num_classes} classes')
    return Categories(shown, ids)


def find_ids(dataset: Mapping[str, Any], names: Sequence[str]) -> list[int] | None:
    """Return the json category id of each name; None where nothing gives all of them.

    Args:
        dataset: config of a data set; its benchmark comes before its annotation file.
        names: of the classes.
    """
    benchmark = (dataset.get('metainfo') or {}).get('benchmark')
    if benchmark is not None:
        by_name = {name: key for key, name, _ in find_benchmark(benchmark).table}
        if set(names) <= by_name.keys():
            return [by_name[name] for name in names]
    by_name = ids_in_file(dataset)
    return [by_name[name] for name in names] if set(names) <= by_name.keys() else None


def ids_in_file(dataset: Mapping[str, Any]) -> dict[str, int]:
    """Return the category names of a data set's annotation file and their ids, in its order.

    The result is empty where the file is missing, cannot be read, or is of another format.
    """
    path = os.path.join(dataset.get('data_root') or '', dataset.get('ann_file') or '')
    if not os.path.isfile(path):
        return {}
    try:
        return {str(record['name']): record['id'] for record in read_json(path)['categories']}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
