"""Random VIS files and slow, independent oracles for the metrics."""

import contextlib
import copy
import io

import cv2
import numpy as np
from mmdet.evaluation.functional import YTVIS, YTVISeval
from pycocotools import mask as mask_utils

THRESHOLDS = np.linspace(0.5, 0.95, 10)


def to_rle(mask):
    """Compressed run lengths of a (H, W) mask as json holds them."""
    code = mask_utils.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {'size': list(code['size']), 'counts': code['counts'].decode()}


def random_mask(rng, height, width):
    """A mask of one of many characters: blob, full, empty, stripes, noise, touching borders."""
    mask = np.zeros((height, width), bool)
    character = rng.choice(['blob', 'blob', 'box', 'full', 'empty', 'noise', 'lines', 'holes'])
    if character == 'full':
        mask[:] = True
    elif character == 'noise':
        mask = rng.random((height, width)) < rng.random()
    elif character == 'lines':
        mask[:, rng.integers(width)] = True
        mask[rng.integers(height)] = True
    elif character != 'empty':
        y0, y1 = sorted(rng.integers(0, height + 1, 2))
        x0, x1 = sorted(rng.integers(0, width + 1, 2))
        mask[y0:y1, x0:x1] = True
        if character == 'blob':
            y, x = np.mgrid[:height, :width]
            mask = ((y - y0) ** 2 + (x - x0) ** 2) <= rng.integers(1, 1 + max(height, width)) ** 2
        if character == 'holes':
            mask &= rng.random((height, width)) < 0.97
    return mask


def shifted(rng, mask):
    """The mask moved by a few pixels."""
    moved = np.zeros_like(mask)
    dy, dx = rng.integers(-2, 3, 2)
    height, width = mask.shape
    moved[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = mask[
        max(0, -dy) : height + min(0, -dy), max(0, -dx) : width + min(0, -dx)
    ]
    return moved


def random_files(seed, videos=4, categories=3, scores=5, size=(12, 40)):
    """An annotation file and a results file: crowds, ties, null and empty frames, empty videos.

    Args:
        seed: of everything.
        videos: how many.
        categories: how many.
        scores: how many different scores there are; 0 for no ties at all.
        size: range of heights and widths.
    """
    rng = np.random.default_rng(seed)
    truth = {
        'videos': [],
        'annotations': [],
        'categories': [{'id': int(k), 'name': f'c{k}'} for k in rng.permutation(categories) + 1],
    }
    results = []
    for video in rng.permutation(videos) + 1:
        height, width = (int(side) for side in rng.integers(*size, 2))
        length = int(rng.integers(1, 5))
        truth['videos'].append(
            {'id': int(video), 'height': height, 'width': width, 'length': length}
        )
        for _ in range(rng.integers(0, 4)):
            masks = _random_tube(rng, height, width, length)
            category = int(rng.integers(1, categories + 1))
            truth['annotations'].append(
                {
                    'id': len(truth['annotations']) + 1,
                    'video_id': int(video),
                    'category_id': category,
                    'iscrowd': int(rng.random() < 0.15),
                    'segmentations': [None if mask is None else to_rle(mask) for mask in masks],
                    'areas': [None if mask is None else int(mask.sum()) for mask in masks],
                }
            )
            for _ in range(rng.integers(0, 4)):
                results.append(_imitation(rng, int(video), category, categories, masks))
        for _ in range(rng.integers(0, 3)):
            masks = _random_tube(rng, height, width, length)
            results.append(_imitation(rng, int(video), 1, categories, masks))
    order = rng.permutation(len(results))
    results = [results[i] for i in order]
    for rank, result in enumerate(results):
        result['score'] = int(rng.integers(1, scores + 1)) / scores if scores else 1 / (rank + 2)
    return truth, results


def _random_tube(rng, height, width, length):
    return [None if rng.random() < 0.2 else random_mask(rng, height, width) for _ in range(length)]


def _imitation(rng, video, category, categories, masks):
    if rng.random() < 0.15:
        category = int(rng.integers(1, categories + 1))
    frames = []
    for mask in masks:
        if mask is None or rng.random() < 0.1:
            frames.append(None if rng.random() < 0.5 else to_rle(np.zeros((1, 1))))
        else:
            frames.append(to_rle(shifted(rng, mask) if rng.random() < 0.6 else mask))
    size = next((list(mask.shape) for mask in masks if mask is not None), None)
    for index, frame in enumerate(frames):
        if frame and frame['size'] == [1, 1]:
            frames[index] = to_rle(np.zeros(size)) if size else None
    return {'video_id': video, 'category_id': category, 'segmentations': frames}


def naive_boundary(mask):
    """Mask minus iterated 3x3 erosion, the image border counting as outside."""
    height, width = mask.shape
    iterations = max(1, int(round(0.02 * np.sqrt(height**2 + width**2))))
    padded = np.pad(mask.astype(np.uint8), 1)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=iterations)
    return mask & ~eroded[1:-1, 1:-1].astype(bool)


def decode(segmentations, height, width):
    """(T, H, W) bool masks of a track."""
    return np.stack(
        [
            mask_utils.decode(code).astype(bool) if code else np.zeros((height, width), bool)
            for code in segmentations
        ]
    )


def brute_force_iou(first, second):
    """Tube IoU of two (T, H, W) masks."""
    united = (first | second).sum()
    return (first & second).sum() / united if united else 0.0


class _Evaluator(YTVISeval):
    """MMDetection's copy of the official tool, with brute-force IoUs of decoded masks."""

    def __init__(self, truth, results, boundary, uncounted=()):
        super().__init__(truth, results, 'segm')
        self.boundary = boundary
        self.uncounted = uncounted

    def _prepare(self):
        super()._prepare()
        for track in (track for own in self._gts.values() for track in own):
            track['ignore'] = track['ignore'] or track['id'] in self.uncounted

    def computeIoU(self, vidId, catId):  # noqa: N802, N803 (names of the parent)
        truths, found = self._gts[vidId, catId], self._dts[vidId, catId]
        order = np.argsort([-track['score'] for track in found], kind='mergesort')[:100]
        if not truths and not found:
            return []
        ious = np.zeros((len(order), len(truths)))
        video = self.cocoGt.vids[vidId]
        masks = {
            id(track): decode(track['segmentations'], video['height'], video['width'])
            for track in [*truths, *found]
        }
        for row, index in enumerate(order):
            for column, truth in enumerate(truths):
                pair = masks[id(found[index])], masks[id(truth)]
                ious[row, column] = brute_force_iou(*pair)
                if self.boundary and not truth['iscrowd']:
                    pair = [np.stack([naive_boundary(mask) for mask in tube]) for tube in pair]
                    ious[row, column] = min(ious[row, column], brute_force_iou(*pair))
        return ious


def official_stats(truth, results, boundary, monkeypatch, uncounted=()):
    """The twelve figures of the official evaluation code on brute-force IoUs.

    The annotations with the ids `uncounted` are ignored, as those outside of an area range.
    """
    return run_official(truth, results, boundary, monkeypatch, uncounted).stats


def official_pooled_ap(truth, results, boundary, monkeypatch):
    """AP^Pool at each threshold from the official code's matches, videos first, then classes."""
    evaluator = run_official(truth, results, boundary, monkeypatch)
    videos, areas = len(evaluator.params.vidIds), len(evaluator.params.areaRng)
    cells = [
        evaluator.evalImgs[category * areas * videos + video]
        for video in range(videos)
        for category in range(len(evaluator.params.catIds))
    ]
    cells = [cell for cell in cells if cell is not None]
    ranked = [
        (score, cell['dtMatches'][:, i] > 0, cell['dtIgnore'][:, i] > 0)
        for cell in cells
        for i, score in enumerate(cell['dtScores'])
    ]
    ranked.sort(key=lambda item: -item[0])  # stable
    positives = sum(int((cell['gtIgnore'] == 0).sum()) for cell in cells)
    return [_interpolated_ap(ranked, positives, t) for t in range(len(THRESHOLDS))]


def _interpolated_ap(ranked, positives, threshold):
    """Mean over 101 recalls of the best precision at that recall or a higher one."""
    if not positives:
        return -1.0
    points, right, wrong = [], 0, 0
    for _, hit, ignored in ranked:
        right += bool(hit[threshold] and not ignored[threshold])
        wrong += bool(not hit[threshold] and not ignored[threshold])
        points.append((right / positives, right / (right + wrong + np.spacing(1))))
    recalls = np.linspace(0, 1, 101)
    return float(
        np.mean([max((p for r, p in points if r >= recall), default=0.0) for recall in recalls])
    )


def run_official(truth, results, boundary, monkeypatch, uncounted=()):
    """The official evaluator, all done."""
    monkeypatch.setattr(np, 'float', float, raising=False)  # the tool is older than numpy 1.24
    with contextlib.redirect_stdout(io.StringIO()):
        api = YTVIS(copy.deepcopy(truth))
        evaluator = _Evaluator(api, api.loadRes(copy.deepcopy(results)), boundary, uncounted)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator
