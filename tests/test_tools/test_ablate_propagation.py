"""The instruments of the calibration: switches that do what they say, attention as it is."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from tiny_model import images, tiny_model

from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState
from rocovis_mm.visualization.attention import (
    AttentionStatistics,
    attention_weights,
    draw_attention,
    recording,
)
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'tools/analysis_tools'))

import ablate_propagation as tool  # noqa: E402


@torch.no_grad()
def outputs(model, switch=tool.as_it_is, frames: int = 4) -> torch.Tensor:
    """Return the mask logits of the last frame of a stream under a switch."""
    state = StreamState()
    with switch(model):
        for frame in images(frames):
            prediction, state = model.step(frame[None], state)
    return prediction.mask_logits[-1]


@pytest.fixture(scope='module')
def model():
    return tiny_model(seed=2, memory_frames=3)


def test_every_switch_changes_the_outputs_and_leaves_no_trace(model):
    before = outputs(model)
    rows = tool.switches(model)
    assert set(rows) > {'as it is', "F' = 0", "Z' = B", 'identities exchanged', 'memory of 1'}
    for name, switch in rows.items():
        changed = (outputs(model, switch) - before).abs().max() > 1e-4
        # the scale of the output enters behind the logits
        assert changed == (name != 'as it is' and not name.endswith('scaled: memory')), name
        assert torch.equal(outputs(model), before)


def test_without_calibration_a_model_is_direct_query_decoding(model):
    direct = tiny_model(seed=2, strides=())
    direct.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(outputs(model, tool.without_calibration), outputs(direct))


@torch.no_grad()
def test_the_background_everywhere_is_the_identity_of_a_frame_without_masks(model):
    _, state = model.step(images(1), StreamState())
    with tool.background_everywhere(model):
        _, bare = model.step(images(1), StreamState())
    projected = model.track_head.pixel_decoder.project(model.extract_features(images(1)))
    itself = model.track_head.pixel_decoder.as_its_own_past(projected)
    for stride, value in bare.memory[0].values.items():
        torch.testing.assert_close(value, itself.values[stride])
        assert (value - state.memory[0].values[stride]).abs().max() > 1e-3


@torch.no_grad()
def test_exchanged_identities_are_those_of_the_other_visible_objects(model):
    decoder, head = model.track_head.pixel_decoder, model.track_head
    features = decoder.project(model.extract_features(images(1)))
    queries = torch.randn(1, model.num_queries, head.query_decoder.query_feat.embedding_dim)
    masks = torch.full((1, model.num_queries, 16, 16), -9.0)
    masks[0, 1, :8], masks[0, 4, 8:] = 9.0, 9.0  # two halves; the others are not seen
    arguments = (8, features[8], queries, masks, torch.ones(1, model.num_queries))
    own = decoder.identity(*arguments)
    with tool.exchanged_identities(model):
        other = decoder.identity(*arguments)
    torch.testing.assert_close(other, own.flip(2))
    torch.testing.assert_close(own[0, :, 0, 0], queries[0, 1])


@torch.no_grad()
@pytest.mark.parametrize('options', [dict(window=2), dict(window=None), dict(prior=False)])
def test_weights_are_those_by_which_the_calibration_sums_values(options):
    model = tiny_model(seed=3, **options)
    modules = model.track_head.pixel_decoder.propagation
    state = StreamState()
    for frame in images(3):
        past = state.memory
        with recording(modules) as recorder:
            _, state = model.step(frame[None], state)
    for stride, seen in recorder.seen.items():
        module, size = modules[str(stride)], tuple(seen.current.shape[-2:])
        every = torch.arange(size[0] * size[1])
        weights = attention_weights(module, seen, every)
        assert weights.shape == (module.num_heads, len(every), 2, len(every))
        values = torch.stack([frame.values[stride][0] for frame in past])
        values = values.unflatten(-1, (module.num_heads, -1))  # (M, S, H, c)
        summed = torch.einsum('hnms,mshc->nhc', weights, values).flatten(1)
        expected = module.attention.out_proj(summed).T.view(1, -1, *size)
        keys, own = zip(*((f.keys[stride], f.values[stride]) for f in past))
        found = module(seen.current, keys, own, seen.position)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_statistics_of_known_weights():
    size, statistics = (4, 6), AttentionStatistics()
    weights = torch.zeros(2, 1, 2, 24)
    weights[0] = 1 / 48  # one head looks everywhere
    weights[1, 0, 1, 8] = 1  # the other one at its own place in the newest frame
    statistics.add(weights, torch.tensor([8]), size)
    even, sure = statistics.rows()
    assert even['keys'] == sure['keys'] == 48
    assert even['effective_keys'] == pytest.approx(48) and sure['effective_keys'] == pytest.approx(
        1
    )
    assert even['own_place'] == pytest.approx(1 / 24) and sure['own_place'] == 1
    assert even['within_two_cells'] == pytest.approx(20 / 24)  # 4 rows, columns 0 to 4
    assert even['newest_frame'] == pytest.approx(0.5) and sure['newest_frame'] == 1


def test_the_picture_is_bright_where_the_attention_is():
    frames = [np.full((40, 60, 3), 100, np.uint8)] * 2
    weights = torch.zeros(1, 1, 1, 24)
    weights[..., 0] = 1  # the cell at the upper left
    picture = draw_attention(frames, {16: weights}, {16: torch.tensor([23])}, {16: (4, 6)})
    height, width = picture.shape[:2]
    past, now = picture[:, : width // 2].astype(int), picture[:, width // 2 :].astype(int)
    red = past[..., 0] - past[..., 2]
    assert red[height // 4 : height // 3, : width // 12].max() > 100
    assert red[height // 2 :].max() < 10
    assert (now[height // 2 :, width // 4 :, 0] - now[height // 2 :, width // 4 :, 2]).max() > 100


def test_cells_are_those_in_the_middle_of_the_largest_masks():
    masks = np.zeros((2, 64, 96), bool)
    masks[0, 48:64, 80:96] = masks[1, 0:32, 0:32] = True
    assert tool.cells_of_objects(masks, (4, 6)).tolist() == [0, 3 * 6 + 5]
    assert tool.cells_of_objects(masks[:0], (4, 6)).tolist() == [2 * 6 + 3]


def test_the_command_makes_table_and_picture_and_uses_its_tracks_again(tmp_path, capsys):
    data = make_tiny_dataset(tmp_path / 'data')
    base = REPOSITORY / 'configs/_base_'
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = ['{base}/models/rocovis_tiny.py', '{base}/datasets/embedded_vis.py', "
        f"'{base}/default_runtime.py']\n"
        'model = dict(track_head=dict(num_classes=5))\n'
        f"test_dataloader = dict(dataset=dict(data_root='{data.root}/'))\n"
        f"test_evaluator = dict(ann_file='{data.val_json}')\n"
    )
    torch.manual_seed(0)
    weights = tmp_path / 'weights.pth'
    torch.save(MODELS.build(Config.fromfile(config).model).state_dict(), weights)
    arguments = [str(config), str(weights), '--out-dir', str(tmp_path / 'out')]
    arguments += ['--videos', '2', '--rows', 'as it is', "F' = 0"]
    tool.main(arguments)
    printed = capsys.readouterr().out
    figures = json.loads((tmp_path / 'out/ablation.json').read_text())
    assert list(figures['figures']) == ['as it is', "F' = 0"]
    assert set(figures['attention']) == {'8', '16'} and len(figures['attention']['8']) == 4
    assert "| F' = 0 |" in printed and (tmp_path / 'out/attention.png').is_file()
    tracks = sorted((tmp_path / 'out/tracks').glob('*/*.json'))
    times = [path.stat().st_mtime_ns for path in tracks]
    tool.main(arguments)
    assert len(tracks) == 2 and times == [path.stat().st_mtime_ns for path in tracks]


def test_what_cannot_be_studied_is_refused(model):
    with pytest.raises(ValueError, match='propagation_strides'):
        tool.switches(tiny_model(strides=()))
    with pytest.raises(ValueError, match='no row is called'):
        tool.switches(model, ['as it was'])
