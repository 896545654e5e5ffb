"""Images of a COCO-format data set, from which clips are made."""

from __future__ import annotations

import os.path as osp
from collections.abc import Mapping
from typing import Any

from mmengine.logging import print_log

from rocovis_mm.datasets.clip_dataset import ClipDataset
from rocovis_mm.formats.benchmarks import find_benchmark, map_from_coco
from rocovis_mm.formats.coco_annotations import (
    COCOAnnotations,
    COCOImage,
    find_missing_images,
    read_coco_annotations,
)
from rocovis_mm.formats.converters.coco_categories import check_categories
from rocovis_mm.formats.record_reader import raise_problems
from rocovis_mm.formats.validation import listed
from rocovis_mm.registry import DATASETS


@DATASETS.register_module()
class COCOPseudoVideos(ClipDataset):
    """Images with instances; ``PseudoClip`` in the pipeline makes a clip of each image.

    An item is one image with ``instances`` (``id``, ``label``, ``segmentation``), like one frame of
    a ``VISDataset``. ``video_id`` and ``img_id`` are the image's id. Crowds, instances without any
    pixel, and categories without a class are left out. The memory holds little more than the run
    lengths of the images, in one array that worker processes share.

    Args:
        ann_file: COCO instance json, relative to `data_root` or absolute.
        data_prefix: ``img`` is the image folder, relative to `data_root`.
        metainfo: ``classes`` (or ``benchmark``) of the video data that the images join, in the
            order of the labels. The default are the classes of `category_map`.
        category_map: from the file's categories to classes. None: equal names. A dict: name
            in the file -> class. The name of a benchmark: the published map from COCO's
            category ids to it, see :mod:`rocovis_mm.formats.benchmarks`.
        filter_cfg: ``filter_empty_gt=True`` leaves out images without any instance.
        check_images: whether to check that every image exists, once per folder.
        **kwargs: of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        ValueError: the annotations, images or categories are not valid; names file, image,
            annotation and remedy.
    """

    def __init__(
        self,
        *args: Any,
        data_prefix: dict[str, str] | None = None,
        category_map: Mapping[str, str] | str | None = None,
        check_images: bool = True,
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if test_mode:
            raise ValueError('COCOPseudoVideos is for training; test_mode=True is not for images')
        self.category_map = category_map
        self.check_images = check_images
        super().__init__(*args, data_prefix=data_prefix or dict(img=''), **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotation file into one dict per image."""
        annotations = read_coco_annotations(self.ann_file, self._label_categories)
        images = annotations.images
        if (self.filter_cfg or {}).get('filter_empty_gt', False):
            images = [image for image in images if image.labels]
        if not any(image.labels for image in images):
            raise ValueError(
                f'{self.ann_file}: no image holds an instance of the classes '
                f'{list(self._metainfo["classes"])}; correct category_map or the annotations'
            )
        if self.check_images:
            folder = self.data_prefix['img']
            raise_problems(find_missing_images(self.ann_file, folder, images))
        self._report(annotations, images)
        return [vars(image) for image in images]

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return an image for the pipeline."""
        record = super().get_data_info(idx)
        size = [record['height'], record['width']]
        rows = zip(record['instance_ids'], record['labels'], record['counts'])
        return dict(
            video_id=record['id'],
            img_id=record['id'],
            height=record['height'],
            width=record['width'],
            img_path=osp.join(self.data_prefix['img'], record['file_name']),
            instances=[
                dict(id=key, label=label, segmentation=dict(size=size, counts=counts))
                for key, label, counts in rows
            ],
            ann_file=self.ann_file,
            sample_idx=record['sample_idx'],
        )

    def _label_categories(self, categories: list[dict[str, Any]]) -> dict[int, int]:
        """Set the classes, and return the label of each category id that has one."""
        named = self._class_of_each(categories)
        classes = self._metainfo.get('classes')
        if classes is None and isinstance(self.category_map, str):
            classes = find_benchmark(self.category_map).classes
        elif classes is None:
            classes = dict.fromkeys(named.values())
        self._metainfo['classes'] = classes = tuple(classes)
        labels = {name: label for label, name in enumerate(classes)}
        found = {key: labels[name] for key, name in named.items() if name in labels}
        if not found:
            raise ValueError(
                f'{self.ann_file}: none of its categories '
                f'{listed(category["name"] for category in categories)} is one of the classes '
                f'{listed(classes)}; give the class of each category by category_map'
            )
        return found

    def _class_of_each(self, categories: list[dict[str, Any]]) -> dict[int, str]:
        """Return the class of each category id."""
        names = {category['name']: category['id'] for category in categories}
        if self.category_map is None:
            return {key: name for name, key in names.items()}
        if isinstance(self.category_map, str):
            mapping = map_from_coco(self.category_map)
            check_categories(categories, mapping, self.ann_file)
            classes = {key: name for key, name, _ in find_benchmark(self.category_map).table}
            return {key: classes[target] for key, target in mapping.items()}
        strange = [name for name in self.category_map if name not in names]
        if strange:
            raise ValueError(
                f'{self.ann_file}: category_map names categories {strange} that are not among its '
                f'own {listed(names)}; correct category_map'
            )
        classes = self._metainfo.get('classes')
        unknown = [name for name in self.category_map.values() if classes and name not in classes]
        if unknown:
            raise ValueError(
                f'{self.ann_file}: category_map has the classes {unknown}, which are not among the '
                f'classes {listed(classes)}; correct category_map or metainfo'
            )
        return {names[name]: target for name, target in self.category_map.items()}

    def _report(self, annotations: COCOAnnotations, images: list[COCOImage]) -> None:
        """Log the numbers of used and left out instances."""
        labels = {label for image in images for label in image.labels}
        print_log(
            f'{self.ann_file}: {sum(len(image.labels) for image in images)} instances of '
            f'{len(labels)} of {len(self._metainfo["classes"])} classes in {len(images)} of '
            f'{len(annotations.images)} images; left out are {annotations.num_others} of other '
            f'categories, {annotations.num_crowds} crowds and {annotations.num_empty} without '
            'any pixel',
            logger='current',
        )
