"""COCO instances with the categories of a VIS benchmark, by the published maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rocovis_mm.formats.benchmarks import COCO_NAMES, find_benchmark, map_from_coco
from rocovis_mm.formats.converters.files import read_parts, write_annotations

FORMAT = 'a COCO file holds images, annotations and categories'
KEYS = dict(images=('id',), annotations=('image_id', 'category_id'), categories=('id',))


def convert_coco_categories(
    source: str | Path,
    benchmark: str,
    out: str | Path,
    keep_empty: bool = False,
    overwrite: bool = False,
) -> str:
    """Write a COCO file whose annotations have a benchmark's categories.

    Annotations of other categories are left out, and so are images without any other annotation,
    which the published code skips (`DATALOADER.FILTER_EMPTY_ANNOTATIONS` of GenVIS).

    Args:
        source: COCO json, such as ``instances_train2017.json``.
        benchmark: its name, see :mod:`rocovis_mm.formats.benchmarks`.
        out: the json to write.
        keep_empty: whether images without annotations are kept.
        overwrite: whether a file with another content is replaced.

    Returns:
        A line with the counts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no COCO file, or there is no map to the benchmark.
    """
    target = find_benchmark(benchmark)
    mapping = map_from_coco(benchmark)
    content = read_parts(source, KEYS, FORMAT)
    check_categories(content['categories'], mapping, source)
    kept = [note for note in content['annotations'] if note['category_id'] in mapping]
    if not kept:
        raise ValueError(
            f'{source}: annotations: none of {len(content["annotations"])} is of a category that '
            f'the map to {benchmark} has; give a file with instances of them'
        )
    filled = {note['image_id'] for note in kept}
    images = content['images']
    if not keep_empty:
        images = [image for image in images if image['id'] in filled]

    def mapped() -> Iterator[dict[str, Any]]:
        for note in tqdm(kept, desc=Path(out).name, unit='annotation'):
            yield dict(note, category_id=mapping[note['category_id']])

    head = {key: content[key] for key in ('info', 'licenses') if key in content}
    head['categories'] = target.categories
    counts = write_annotations(out, head, dict(images=images, annotations=mapped()), overwrite)
    return (
        f'{out}: {counts["annotations"]} of {len(content["annotations"])} annotations in '
        f'{counts["images"]} of {len(content["images"])} images'
    )


def check_categories(
    categories: list[dict[str, Any]], mapping: Mapping[int, int], source: str | Path
) -> None:
    """Refuse a file whose category ids are not COCO's own, which reach 90.

    Many tools number the 80 categories without gaps, for which the maps are wrong.
    """
    names = {category['id']: category.get('name') for category in categories}
    remedy = "give a file with COCO's own category ids (1 to 90)"
    missing = [key for key in mapping if key not in names]
    if missing:
        raise ValueError(
            f'{source}: categories: it has no ids {missing}, which the published map needs; '
            f'{remedy}'
        )
    for key in mapping:
        if names[key] != COCO_NAMES[key]:
            raise ValueError(
                f'{source}: categories: id {key} is {names[key]!r}, for the published map it is '
                f'{COCO_NAMES[key]!r}; {remedy}'
            )
