"""Video instance segmentation data in native YouTube-VIS json."""

from __future__ import annotations

import colorsys
import os.path as osp
from itertools import groupby
from typing import Any

import numpy as np
from mmengine.logging import print_log

from rocovis_mm.datasets.clip_dataset import ClipDataset
from rocovis_mm.evaluation.functional.clip_events import event_frames, stack_areas
from rocovis_mm.formats.missing_images import find_missing_images
from rocovis_mm.formats.record_reader import raise_problems
from rocovis_mm.formats.validation import listed
from rocovis_mm.formats.vis_annotations import (
    VISAnnotations,
    VISVideo,
    read_vis_annotations,
)
from rocovis_mm.registry import DATASETS


@DATASETS.register_module()
class VISDataset(ClipDataset):
    """Videos with instances that keep their id.

    A training item is one video, from which the pipeline's ``SampleClip`` takes some frames. A test
    item is one frame, videos in the order of the file and frames in the order of the video (or a
    whole video for offline models, whose pipeline must broadcast over its frames). Training data
    have no crowds.

    ``metainfo['classes']`` names the classes that are kept, in the order of their labels. The
    default are the json's categories. ``metainfo=dict(benchmark='ovis')`` takes names and colours
    from :mod:`rocovis_mm.formats.benchmarks`. ``metainfo['category_ids']`` holds the json id of
    each label.

    Args:
        ann_file: json file, relative to `data_root` or absolute.
        data_prefix: ``img`` is the image folder, relative to `data_root`.
        metainfo: ``classes``, ``palette`` and ``benchmark``, all optional.
        filter_cfg: ``filter_empty_gt=True`` leaves out training videos without any instance.
        other_categories: whether to ``drop`` annotations of categories outside
            ``metainfo['classes']``, or to raise an ``error``.
        check_images: whether to check that every image exists, once per folder.
        whole_videos: whether a test item is a whole video, in which each key is a list over frames.
        refined_masks: whether masks are those of ``segmentations_refined`` (HQ-YTVIS) in
            the annotations that have them.
        **kwargs: of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        ValueError: the annotations or images are not valid; names file, video, annotation and
            remedy.
    """

    def __init__(
        self,
        *args: Any,
        data_prefix: dict[str, str] | None = None,
        other_categories: str = 'drop',
        check_images: bool = True,
        whole_videos: bool = False,
        refined_masks: bool = False,
        **kwargs: Any,
    ) -> None:
        if other_categories not in ('drop', 'error'):
            raise ValueError(
                f"other_categories must be 'drop' or 'error', not {other_categories!r}"
            )
        self.other_categories = other_categories
        self.check_images = check_images
        self.whole_videos = whole_videos
        self.refined_masks = refined_masks
        super().__init__(*args, data_prefix=data_prefix or dict(img=''), **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotation file into one dict per item."""
        annotations = read_vis_annotations(
            self.ann_file, with_tracks=not self.test_mode, refined=self.refined_masks
        )
        if self.check_images:
            folder = self.data_prefix['img']
            raise_problems(find_missing_images(self.ann_file, folder, annotations.videos))
        self._set_classes(annotations.categories)
        videos = annotations.videos
        first_img_ids = np.cumsum([0, *(video.length for video in videos)]).tolist()
        if self.test_mode:
            frames = [self._frame_items(*pair) for pair in zip(videos, first_img_ids)]
            if self.whole_videos:
                return [{key: [x[key] for x in video] for key in video[0]} for video in frames]
            return [frame for video in frames for frame in video]
        self._refuse_or_report_other_categories(annotations)
        labels = {category: label for label, category in enumerate(self._metainfo['category_ids'])}
        items = [
            self._video_item(video, first_img_id, labels)
            for video, first_img_id in zip(videos, first_img_ids)
        ]
        if not any(item['instances'] for item in items):
            raise ValueError(
                f'{self.ann_file}: no video holds an instance of the classes '
                f"{list(self._metainfo['classes'])}; correct metainfo['classes'] or the annotations"
            )
        return items

    def filter_data(self) -> list[dict[str, Any]]:
        """Leave out training videos without instances if `filter_cfg` says so."""
        if self.test_mode or not (self.filter_cfg or {}).get('filter_empty_gt', False):
            return self.data_list
        return [item for item in self.data_list if item['instances']]

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Return an item for the pipeline."""
        item = super().get_data_info(idx)
        if self.test_mode and self.whole_videos:  # MMEngine adds it for the item
            item['sample_idx'] = [item['sample_idx']] * len(item['img_path'])
        return item

    @property
    def video_lengths(self) -> list[int]:
        """Frames of each video in the order of a test data set's items."""
        if not self.test_mode or self.whole_videos:
            raise ValueError(
                'only a data set with test_mode=True, whole_videos=False has one item per frame'
            )
        ids = (self.get_data_info(index)['video_id'] for index in range(len(self)))
        return [len(list(frames)) for _, frames in groupby(ids)]

    @property
    def event_videos(self) -> list[int]:
        """Indices of the training videos in which an instance comes or goes."""
        if self.test_mode:
            raise ValueError('a data set with test_mode=True reads no instances')
        areas = [stack_areas(self.get_data_info(index)) for index in range(len(self))]
        return [index for index, rows in enumerate(areas) if len(event_frames(rows)[0])]

    def _set_classes(self, categories: list[dict[str, Any]]) -> None:
        """Set classes, their colours and their json ids in the metainfo."""
        by_name = {category['name']: category for category in categories}
        classes = self._metainfo.get('classes')
        classes = tuple(by_name) if classes is None else tuple(classes)
        absent = [name for name in classes if name not in by_name]
        if absent:
            raise ValueError(
                f'{self.ann_file}: classes {listed(absent)} are not among its categories '
                f'{listed(by_name)}; '
                "correct metainfo['classes'] or leave it out to take the file's own"
            )
        colors = [by_name[name].get('color') for name in classes]
        if not all(colors):
            colors = spread_colors(len(classes))
        self._metainfo['classes'] = classes
        self._metainfo.setdefault('palette', [tuple(color) for color in colors])
        self._metainfo['category_ids'] = [by_name[name]['id'] for name in classes]

    def _refuse_or_report_other_categories(self, annotations: VISAnnotations) -> None:
        kept = set(self._metainfo['category_ids'])
        others = [
            f'{self.ann_file}: video {video.id}, annotation {track.id}: category '
            f"{track.category_id} is not in metainfo['classes']; add it or set "
            "other_categories='drop'"
            for video in annotations.videos
            for track in video.tracks
            if track.category_id not in kept
        ]
        if self.other_categories == 'error':
            raise_problems(others)
        elif others:
            print_log(
                f'{self.ann_file}: {len(others)} annotations of categories outside '
                f"metainfo['classes'] are left out",
                logger='current',
            )

    def _video_item(
        self, video: VISVideo, first_img_id: int, labels: dict[int, int]
    ) -> dict[str, Any]:
        """Return a training item: a video and its visible instances with a label."""
        instances = [
            dict(
                id=track.id,
                label=labels[track.category_id],
                counts=track.tube.counts,
                areas=track.tube.areas,
            )
            for track in video.tracks
            if not track.is_crowd and track.category_id in labels and track.tube.area
        ]
        return dict(
            video_id=video.id,
            height=video.height,
            width=video.width,
            first_img_id=first_img_id,
            img_paths=[osp.join(self.data_prefix['img'], name) for name in video.file_names],
            instances=instances,
            ann_file=self.ann_file,
        )

    def _frame_items(self, video: VISVideo, first_img_id: int) -> list[dict[str, Any]]:
        """Return a video's test items, one per frame."""
        return [
            dict(
                video_id=video.id,
                height=video.height,
                width=video.width,
                img_path=osp.join(self.data_prefix['img'], name),
                frame_id=frame,
                img_id=first_img_id + frame,
                video_length=video.length,
                ori_video_length=video.length,
                ann_file=self.ann_file,
            )
            for frame, name in enumerate(video.file_names)
        ]


def spread_colors(number: int) -> list[tuple[int, int, int]]:
    """Return `number` RGB colours far apart on the colour wheel."""
    golden = 0.618034
    return [
        tuple(round(255 * value) for value in colorsys.hsv_to_rgb(index * golden % 1, 0.75, 0.95))
        for index in range(number)
    ]
