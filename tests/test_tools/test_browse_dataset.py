"""tools/analysis_tools/browse_dataset.py on a generated data set."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.datasets.embedded import make_tiny_dataset

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL = REPOSITORY / 'tools' / 'analysis_tools' / 'browse_dataset.py'
CONFIG = """
_base_ = ['{base}/datasets/embedded_vis.py', '{base}/default_runtime.py']
data_root = '{data}/'
model = dict(
    data_preprocessor=dict(type='rocovis_mm.VISDataPreprocessor', pad_size_divisor=64),
    clip_augment=dict(type='rocovis_mm.ClipCopyPaste', prob=0.5),
)
train_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('browse')
    data = make_tiny_dataset(folder / 'data')
    path = folder / 'config.py'
    path.write_text(CONFIG.format(base=REPOSITORY / 'configs' / '_base_', data=data.root))
    return path


def browse(monkeypatch, config, folder, *arguments: object) -> dict[str, bytes]:
    spec = importlib.util.spec_from_file_location('browse_dataset', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    command = [str(TOOL), str(config), '--out-dir', str(folder), *map(str, arguments)]
    monkeypatch.setattr(sys, 'argv', command)
    tool.main()
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_clips_follow_from_the_seed(monkeypatch, config, tmp_path):
    options = ['--num', 4, '--width', 120]
    first = browse(monkeypatch, config, tmp_path / 'a', *options)
    assert list(first) == [f'train_{number:03d}.png' for number in range(4)]
    assert browse(monkeypatch, config, tmp_path / 'b', *options) == first
    other = browse(monkeypatch, config, tmp_path / 'c', *options, '--seed', 1)
    assert set(other.values()).isdisjoint(first.values())


def test_videos_for_testing_in_every_format(monkeypatch, config, tmp_path):
    options = ['--split', 'val', '--frames', 4, '--format', 'png', 'mp4', 'gif', '--width', 160]
    found = browse(monkeypatch, config, tmp_path, *options)
    names = [
        f'val_{number:03d}.{ending}' for number in range(3) for ending in ('gif', 'mp4', 'png')
    ]
    assert list(found) == names and all(found.values())
    sheet = np.asarray(Image.open(tmp_path / 'val_000.png'))
    assert sheet.shape[1] > 3 * 160
    with Image.open(tmp_path / 'val_000.gif') as gif:
        assert gif.n_frames == 4


def test_mistakes_end_in_one_line(monkeypatch, config, tmp_path):
    for arguments, message in (
        (['--cfg-options', f'data_root={tmp_path}/none/'], 'no such annotation file'),
        (['--num', 0], '2'),
    ):
        with pytest.raises(SystemExit) as stopped:
            browse(monkeypatch, config, tmp_path / 'out', *arguments)
        assert message in str(stopped.value)
