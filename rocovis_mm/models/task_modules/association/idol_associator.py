"""IDOL's association (Wu et al. 2022): candidates by class and box, matching by embeddings.

B streams, N queries, n of them candidates, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_overlaps
from torch import Tensor

from rocovis_mm.models.task_modules.association.bank_associator import BankAssociator
from rocovis_mm.models.task_modules.association.mask_nms import mask_nms, suppress
from rocovis_mm.registry import TASK_UTILS
from rocovis_mm.structures import FramePrediction, StreamState


@TASK_UTILS.register_module()
class IDOLAssociator(BankAssociator):
    """Gives each good query of a frame the identity of its likest track, or a new one.

    The defaults are those of IDOL on YouTube-VIS (VNext, projects/IDOL/idol/models/tracker.py).

    Args:
        select_score: queries with a class probability above it are candidates; without any, the
            best one is.
        box_iou: highest IoU of two candidates' boxes of one class.
        nms_iou: highest IoU of two candidates' masks.
        match_score: similarity above which a track is continued.
        init_score: class probability above which a query begins a track while there is none.
        new_score: the same while there are tracks.
        memory: embedding of a track, see :class:`BankAssociator`.
        cached_frames: raw embeddings that are remembered of a track.
        dead_frames: a track that was not seen for more frames is forgotten.
        **kwargs: further arguments of :class:`BankAssociator`.
    """

    def __init__(
        self,
        *,
        select_score: float = 0.1,
        box_iou: float = 0.9,
        nms_iou: float = 0.5,
        match_score: float = 0.5,
        init_score: float = 0.2,
        new_score: float = 0.2,
        memory: str = 'temporally_weighted',
        cached_frames: int = 3,
        dead_frames: int = 9,
        **kwargs,  # noqa: ANN003
    ) -> None:
        super().__init__(
            select_score=select_score,
            nms_iou=nms_iou,
            match_score=match_score,
            init_score=init_score,
            new_score=new_score,
            memory=memory,
            cached_frames=cached_frames,
            dead_frames=dead_frames,
            **kwargs,
        )
        self.box_iou = box_iou

    @torch.no_grad()
    def __call__(
        self, prediction: FramePrediction, candidates: Sequence[Tensor], state: StreamState
    ) -> tuple[FramePrediction, StreamState]:
        """Link one frame of B streams, in float32 also under autocast.

        Args:
            prediction: its ``queries`` (B, N, C) are the embeddings.
            candidates: of each stream, see :meth:`candidates`.
            state: past of the streams; ``StreamState()`` before the first frame.

        Returns:
            the prediction with ``identities``, and the state with the banks after the frame.
        """
        embeddings = prediction.queries.float()
        banks = state.tracks or (None,) * len(candidates)
        linked = []
        with torch.autocast(embeddings.device.type, enabled=False):
            for b, (rows, bank) in enumerate(zip(candidates, banks)):
                masks = prediction.mask_logits[-1][b, rows] > 0
                rows = rows[mask_nms(masks, self.nms_iou)]
                scores = self.scores(prediction.class_logits[-1][b].float())
                linked.append(self.link(rows, scores, embeddings[b], bank))
        identities, banks = zip(*linked)
        return (
            replace(prediction, identities=torch.stack(identities)),
            replace(state, tracks=banks),
        )

    def scores(self, class_logits: Tensor) -> Tensor:
        """Return the probability (N,) of each query's likeliest class, from (N, K)."""
        return class_logits.sigmoid().amax(-1)

    @torch.no_grad()
    def candidates(self, class_logits: Tensor, boxes: Tensor) -> Tensor:
        """Return the queries (n,) whose masks are looked at, best first.

        VNext, projects/IDOL/idol/idol.py:352-364. Where no query is good enough, the best one is
        taken.

        Args:
            class_logits: (N, K).
            boxes: (N, 4), (x, y, w, h).
        """
        scores, labels = class_logits.float().sigmoid().max(-1)
        rows = scores.argsort(descending=True, stable=True)
        good = rows[: max(int((scores > self.select_score).sum()), 1)]
        corners = bbox_cxcywh_to_xyxy(boxes[good].float())
        alike = labels[good, None] == labels[good]
        return good[suppress((bbox_overlaps(corners, corners) > self.box_iou) & alike)]
