"""Linking of the queries of independent frames to tracks through a memory bank.

B streams, N queries, n of them kept, M tracks, K classes, C channels, h x w the
resolution of masks.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from rocovis_mm.models.task_modules.association.bank import MEMORIES, drop_dead, update_bank
from rocovis_mm.models.task_modules.association.mask_nms import mask_nms
from rocovis_mm.models.task_modules.association.matching import METRICS, UNMATCHED, greedy_match
from rocovis_mm.registry import TASK_UTILS
from rocovis_mm.structures import FramePrediction, StreamState, TrackBank


@TASK_UTILS.register_module()
class BankAssociator:
    """Gives each good query of a frame the identity of its likest track, or a new one.

    It needs the class logits, mask logits and embeddings of a frame alone, of any model. The
    defaults are those of CTVIS (ctvis/modeling/tracker/simple_tracker.py).

    Args:
        select_score: queries with a class probability above it are candidates; without any, the
            best one is.
        nms_iou: highest IoU of two masks of a frame that are both kept.
        match_score: similarity above which a track is continued.
        init_score: class probability above which a query begins a track while there is none.
        new_score: the same while there are tracks; None takes `init_score`.
        metric: 'bi_softmax' or 'cosine'.
        frame_weight: whether long tracks are preferred, see :func:`greedy_match`.
        memory: embedding of a track, one of ``MEMORIES``.
        cached_frames: R, raw embeddings that are remembered of a track.
        dead_frames: a track that was not seen for more frames is forgotten.

    Raises:
        ValueError: unknown `metric` or `memory`, or numbers of frames below their least.
    """

    def __init__(
        self,
        select_score: float = 0.01,
        nms_iou: float = 0.6,
        match_score: float = 0.3,
        init_score: float = 0.01,
        new_score: float | None = None,
        metric: str = 'bi_softmax',
        frame_weight: bool = True,
        memory: str = 'similarity_guided',
        cached_frames: int = 10,
        dead_frames: int = 20,
    ) -> None:
        if metric not in METRICS:
            raise ValueError(f'associator.metric={metric!r}: choose one of {tuple(METRICS)}')
        if memory not in MEMORIES:
            raise ValueError(f'associator.memory={memory!r}: choose one of {MEMORIES}')
        if cached_frames < 1:
            raise ValueError(f'associator.cached_frames={cached_frames}: give a number >= 1')
        if dead_frames < 0:
            raise ValueError(f'associator.dead_frames={dead_frames}: give a number >= 0')
        self.select_score = select_score
        self.nms_iou = nms_iou
        self.match_score = match_score
        self.init_score = init_score
        self.new_score = init_score if new_score is None else new_score
        self.metric = METRICS[metric]
        self.frame_weight = frame_weight
        self.memory = memory
        self.cached_frames = cached_frames
        self.dead_frames = dead_frames

    @torch.no_grad()
    def __call__(
        self, prediction: FramePrediction, state: StreamState
    ) -> tuple[FramePrediction, StreamState]:
        """Link one frame of B streams, in float32 also under autocast.

        Args:
            prediction: its last layer's logits; its ``queries`` (B, N, C) are the embeddings.
            state: past of the streams; ``StreamState()`` before the first frame.

        Returns:
            the prediction with ``identities``, and the state with the banks after the frame.
        """
        embeddings = prediction.queries.float()
        banks = state.tracks or (None,) * len(embeddings)
        linked = []
        with torch.autocast(embeddings.device.type, enabled=False):
            for b, bank in enumerate(banks):
                scores = self.scores(prediction.class_logits[-1][b].float())
                rows = self.candidates(scores, prediction.mask_logits[-1][b])
                linked.append(self.link(rows, scores, embeddings[b], bank))
        identities, banks = zip(*linked)
        return (
            replace(prediction, identities=torch.stack(identities)),
            replace(state, tracks=banks),
        )

    def scores(self, class_logits: Tensor) -> Tensor:
        """Return the probability (N,) of each query's likeliest class, from (N, K + 1)."""
        return class_logits.softmax(-1)[:, :-1].amax(-1)

    def candidates(self, scores: Tensor, mask_logits: Tensor) -> Tensor:
        """Return the queries (n,) that are kept, best first.

        Args:
            scores: (N,).
            mask_logits: (N, h, w).
        """
        rows = scores.argsort(descending=True, stable=True)
        good = int((scores > self.select_score).sum())
        rows = rows[: max(good, 1)]
        return rows[mask_nms(mask_logits[rows] > 0, self.nms_iou)]

    def link(
        self, rows: Tensor, scores: Tensor, embeddings: Tensor, bank: TrackBank | None
    ) -> tuple[Tensor, TrackBank]:
        """Match the kept queries of a frame of one stream.

        Args:
            rows: (n,) the kept queries, best first.
            scores: (N,).
            embeddings: (N, C).
            bank: before the frame; None before the first one.

        Returns:
            (N,) long, the identity of each query, -1 for none, and the bank after the frame.
        """
        if bank is None:
            bank = TrackBank.empty(embeddings.shape[1], self.cached_frames, embeddings)
        similarity = self.metric(embeddings[rows], bank.memory)
        tracks = greedy_match(similarity, bank.seen, self.match_score, self.frame_weight)
        least = self.new_score if len(bank) else self.init_score
        with_id = (tracks != UNMATCHED) | (scores[rows] > least)
        rows = rows[with_id]
        ids, bank = update_bank(bank, tracks[with_id], embeddings[rows], scores[rows], self.memory)
        identities = torch.full((len(scores),), UNMATCHED, device=ids.device)
        identities[rows] = ids
        return identities, drop_dead(bank, self.dead_frames)
