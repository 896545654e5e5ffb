"""The visualizer that a runner builds: one frame's instances in the colours of their identities."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from rocovis_mm.registry import VISUALIZERS
from rocovis_mm.visualization.fonts import use_font
from rocovis_mm.visualization.media import write_image
from rocovis_mm.visualization.overlay import draw_overlay, instance_caption


@VISUALIZERS.register_module()
class VISLocalVisualizer(Visualizer):
    """Draws masks, contours and captions; an identity keeps its colour for life.

    Args:
        name: of the visualizer.
        image: as any MMEngine visualizer.
        vis_backends: where pictures and scalars go.
        save_dir: folder of the backends.
        alpha: share of colour inside a mask.
        scale: whole number that frames are enlarged by; chosen by their height if None.
        font: file to take first for names of classes, in all pictures of the process.
    """

    def __init__(
        self,
        name: str = 'visualizer',
        image: np.ndarray | None = None,
        vis_backends: list | None = None,
        save_dir: str | None = None,
        alpha: float = 0.45,
        scale: int | None = None,
        font: str | None = None,
    ) -> None:
        super().__init__(name, image, vis_backends, save_dir)
        self.alpha = alpha
        self.scale = scale
        if font is not None:
            use_font(font)

    @property
    def dataset_meta(self) -> dict[str, Any]:
        """The data set's metainfo. MMEngine's own gives None on all ranks but the first."""
        return self._dataset_meta or {}

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta

    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: DetDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        pred_score_thr: float = 0.3,
        step: int = 0,
        **kwargs: Any,
    ) -> np.ndarray:
        """Draw one frame; annotation left and prediction right where there are both.

        Args:
            name: of the picture in a window or backend.
            image: (H, W, 3) uint8, RGB.
            data_sample: the frame, with ``pred_track_instances`` (instances_id, labels,
                scores, masks) or ``gt_instances`` (instances_ids, labels, masks) or both.
            draw_gt: whether annotations are drawn.
            draw_pred: whether predictions are drawn.
            show: open a window.
            wait_time: seconds it stays; 0 waits for a key.
            out_file: write the picture there instead of handing it to the backends.
            pred_score_thr: predictions below it are left out.
            step: global step, for the backends.
            **kwargs: of other visualizers; ignored.

        Returns:
            the picture, RGB.
        """
        panes = []
        if draw_gt and data_sample is not None and 'gt_instances' in data_sample:
            panes.append(self.draw_instances(image, data_sample.gt_instances))
        if draw_pred and data_sample is not None and 'pred_track_instances' in data_sample:
            predicted = data_sample.pred_track_instances
            panes.append(self.draw_instances(image, predicted[predicted.scores >= pred_score_thr]))
        if not panes:
            panes.append(draw_overlay(image, np.zeros((0, *image.shape[:2])), [], None, self.scale))
        picture = np.concatenate(panes, axis=1)
        self._image = picture  # set_image() would draw it with matplotlib, which takes longer
        if show:
            self.show(picture, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_image(out_file, picture)
        else:
            self.add_image(name, picture, step)
        return picture

    def draw_instances(self, image: np.ndarray, instances: InstanceData) -> np.ndarray:
        """Return the frame with its instances drawn.

        Args:
            image: (H, W, 3) uint8, RGB.
            instances: n of them; without ``masks`` nothing is drawn.
        """
        masks = instances.get('masks')
        if masks is None or len(instances) == 0:
            return draw_overlay(image, np.zeros((0, *image.shape[:2])), [], None, self.scale)
        masks = as_array(getattr(masks, 'masks', masks)).astype(bool)
        identities = instances.get('instances_id', instances.get('instances_ids'))
        if identities is None:
            identities = np.arange(len(masks))
        identities = as_array(identities).astype(int).tolist()
        captions = self.captions(instances, identities)
        return draw_overlay(image, masks, identities, captions, self.scale, self.alpha)

    def captions(self, instances: InstanceData, identities: list[int]) -> list[str]:
        """Return class, identity and score of each instance, as far as it has them."""
        classes = self.dataset_meta.get('classes') or ()
        scores = instances.get('scores')
        return [
            instance_caption(
                int(instances.labels[n]),
                identity,
                None if scores is None else float(scores[n]),
                classes,
            )
            for n, identity in enumerate(identities)
        ]


def as_array(values: Any) -> np.ndarray:
    """Return a tensor, list or array as a numpy array."""
    return values.detach().cpu().numpy() if hasattr(values, 'detach') else np.asarray(values)
