"""The peers on Deformable DETR are told apart, and each refusal says what to give instead."""

from __future__ import annotations

import pytest
import torch

from rocovis_mm.checkpoints.peers.detr import detr_kind, leave_out_repeated

CONTROLLER = 'detr.controller.layers.0.weight'
IDOL = [CONTROLLER, 'detr.reid_embed_head.layers.0.weight']
DETECTOR = ['sem_seg_head.predictor.class_embed.weight']


@pytest.mark.parametrize(
    ('names', 'wanted', 'expected'),
    [(IDOL, 'auto', 'idol'), (IDOL, 'idol', 'idol'), (DETECTOR, 'auto', None)],
)
def test_an_idol_is_known_by_its_embedding(names, wanted, expected):
    assert detr_kind(names, wanted) == expected


@pytest.mark.parametrize(
    ('names', 'wanted', 'message'),
    [
        (DETECTOR, 'idol', r'this is no idol; give --model auto'),
        (IDOL, 'vmt', r'this is a idol, not --model vmt; give --model idol or --model auto'),
        ([CONTROLLER], 'auto', r'nothing that idol or .* has: give a checkpoint of one'),
    ],
)
def test_what_does_not_fit_is_refused(names, wanted, message):
    with pytest.raises(ValueError, match=message):
        detr_kind(names, wanted)


def test_a_repeated_tensor_that_differs_is_refused():
    name = 'detr.bbox_embed.0.layers.0.weight'
    again = name.replace('bbox_embed.', 'transformer.decoder.bbox_embed.')
    same = {name: torch.ones(2), again: torch.ones(2)}
    assert leave_out_repeated(same)[0].keys() == {name}
    with pytest.raises(ValueError, match='give the checkpoint as published'):
        leave_out_repeated({**same, again: torch.zeros(2)})
