"""What runs exported files leaves the process as it was."""

from __future__ import annotations

import gc
import signal
from pathlib import Path

import pytest
from processes import PATIENCE, start

from rocovis_mm.deployment.runtimes import open_runtime


def hear_a_signal_after_two_files(path: Path) -> None:
    first, second = open_runtime(path), open_runtime(path)
    del first
    gc.collect()
    del second
    gc.collect()
    heard = []
    signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    signal.raise_signal(signal.SIGUSR1)
    assert heard == [signal.SIGUSR1]


def test_a_signal_is_heard_after_two_files_were_closed_in_the_order_they_were_opened(tmp_path):
    openvino = pytest.importorskip('openvino', reason='openvino is missing: pip install openvino')
    from openvino import opset13 as operations

    images = operations.parameter([1, 3], openvino.Type.f32, 'images')
    graph = openvino.Model([operations.relu(images)], [images], 'relu')
    path, log = tmp_path / 'relu.xml', tmp_path / 'log'
    openvino.save_model(graph, path)
    process = start(hear_a_signal_after_two_files, path, log=log)
    process.join(PATIENCE)
    assert process.exitcode == 0, log.read_text()
