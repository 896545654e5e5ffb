"""Intersection over union of tubes; D predictions, G ground truths, T frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pycocotools import mask as mask_utils

from rocovis_mm.evaluation.functional.boundary import tube_boundary
from rocovis_mm.formats.run_lengths import Tube, intersect


def frame_ious(
    predictions: Sequence[Tube], truths: Sequence[Tube]
) -> Iterator[tuple[int, list[int], list[int], np.ndarray]]:
    """Yield the mask IoUs of each frame in which both sides have masks.

    Yields:
        frame, indices of the d predictions and of the g ground truths that have a mask
        in it, and their (d, g) float64 IoUs.
    """
    for frame in range(len(truths[0].counts) if predictions and truths else 0):
        rows = [i for i, tube in enumerate(predictions) if tube.counts[frame] is not None]
        columns = [j for j, tube in enumerate(truths) if tube.counts[frame] is not None]
        if rows and columns:
            ious = mask_utils.iou(
                [_frame_rle(predictions[i], frame) for i in rows],
                [_frame_rle(truths[j], frame) for j in columns],
                [0] * len(columns),
            )
            yield frame, rows, columns, ious


def _frame_rle(tube: Tube, frame: int) -> dict:
    return {'size': [tube.height, tube.width], 'counts': tube.counts[frame]}


def frame_overlaps(
    predictions: Sequence[Tube], truths: Sequence[Tube]
) -> Iterator[tuple[int, list[int], list[int], np.ndarray]]:
    """Yield the common pixels of the masks of each frame in which both sides have masks.

    pycocotools gives ``i / u`` of a frame; ``i + u`` is the sum of the two areas, so the
    whole number i is recovered exactly.

    Yields:
        as :func:`frame_ious`, with (d, g) float64 whole numbers of pixels instead of IoUs.
    """
    for frame, rows, columns, ious in frame_ious(predictions, truths):
        areas = np.add.outer(
            [predictions[i].areas[frame] for i in rows], [truths[j].areas[frame] for j in columns]
        )
        yield frame, rows, columns, np.rint(ious * areas / (1 + ious))


def mask_tube_iou(predictions: Sequence[Tube], truths: Sequence[Tube]) -> np.ndarray:
    """Return (D, G) float64: common pixels of all frames over united pixels of all frames.

    As `ytvoseval.py:196` (`iou_seq`; youtubevos/cocoapi, and SysCV/vmt `cocoapi_hq`): a frame
    which only one side has counts for the union; two tubes without a pixel have IoU 0; crowds
    are no exception here, unlike in COCO.
    """
    common = np.zeros((len(predictions), len(truths)))
    both = _add_areas(predictions, truths)
    for _, rows, columns, pixels in frame_overlaps(predictions, truths):
        common[np.array(rows)[:, None], columns] += pixels  # np.ix_ takes twice the time
    united = both - common
    return np.divide(common, united, out=np.zeros_like(common), where=united > 0)


def _add_areas(predictions: Sequence[Tube], truths: Sequence[Tube]) -> np.ndarray:
    """Return (D, G), the area of each prediction plus that of each ground truth."""
    return np.add.outer(
        np.array([tube.area for tube in predictions], np.float64),
        np.array([tube.area for tube in truths], np.float64),
    )


def limit_by_boundary(
    mask_ious: np.ndarray,
    predictions: Sequence[Tube],
    truths: Sequence[Tube],
    crowd: Sequence[bool],
    floor: float,
) -> np.ndarray:
    """Return min(mask tube IoU, boundary tube IoU), the mask IoU alone for crowds.

    As SysCV/vmt `cocoapi_hq/PythonAPI/pycocotools/ytvoseval.py:219` (`computeBoundaryIoU`).

    Args:
        mask_ious: (D, G) of the masks.
        predictions: D tubes.
        truths: G tubes, those whose boundaries count.
        crowd: G flags.
        floor: pairs whose mask IoU is below are left as they are: the minimum is
            below the lowest threshold whatever their boundaries are.

    Returns:
        (D, G) float64.
    """
    limited = mask_ious.copy()
    for column, truth in enumerate(truths):
        rows = np.flatnonzero(mask_ious[:, column] >= floor)
        if crowd[column] or not len(rows):
            continue
        outline = tube_boundary(truth)
        for row in rows:
            other = tube_boundary(predictions[row])
            common = intersect(outline, other).area
            united = outline.area + other.area - common
            iou = common / united if united else 0.0
            limited[row, column] = min(limited[row, column], iou)
    return limited
