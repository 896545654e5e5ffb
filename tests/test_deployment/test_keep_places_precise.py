"""OpenVINO in bfloat16: places of samples are too large for it, so they are kept in float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rocovis_mm.deployment.exporting import keep_places_precise
from rocovis_mm.deployment.runtimes import openvino_core
from rocovis_mm.models.layers.deformable_attention import DeformableAttention, SamplingPlan

SIZES, CHANNELS, HEADS = ((40, 70),), 8, 2
TOKENS = 40 * 70


class Layer(nn.Module):
    """An attention between products, as in an encoder."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.attention = DeformableAttention(CHANNELS, HEADS, 1, 2, dropout=0.0, batch_first=True)
        self.attention.exporting = self.attention.bags = True
        self.before, self.after = nn.Linear(CHANNELS, CHANNELS), nn.Linear(CHANNELS, CHANNELS)
        y, x = ((torch.arange(side) + 0.5) / side for side in SIZES[0])
        places = torch.stack([x.repeat(len(y)), y.repeat_interleave(len(x))], -1)[:, None]
        self.plan = SamplingPlan.make(SIZES, places, HEADS, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = self.before(tokens)
        position = torch.zeros_like(tokens[:1])
        return self.after(self.attention(tokens, query_pos=position, plan=self.plan))


@torch.no_grad()
def test_a_marked_model_in_bfloat16_reads_the_places_of_float32(tmp_path: Path):
    openvino = pytest.importorskip('openvino', reason='openvino is missing: pip install openvino')
    core = openvino_core()
    if 'BF16' not in core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'):
        pytest.skip('this CPU has no bfloat16')
    layer, tokens = Layer().eval(), torch.randn(1, TOKENS, CHANNELS)
    expected = layer(tokens).numpy()
    model = openvino.convert_model(
        torch.export.export(layer, (tokens,)), input=[(list(tokens.shape), openvino.Type.f32)]
    )

    def error(name: str) -> float:
        """Return the largest error of the model, written and read, relative to the largest."""
        path = str(tmp_path / name)
        openvino.save_model(model, path, compress_to_fp16=False)
        compiled = core.compile_model(path, 'CPU', {'INFERENCE_PRECISION_HINT': 'bf16'})
        return np.abs(compiled([tokens.numpy()])[0] - expected).max() / np.abs(expected).max()

    assert error('plain.xml') > 0.2  # otherwise the marks are not needed
    keep_places_precise(model)
    assert error('marked.xml') < 0.05
