"""tools/deployment/export.py on a model of a config, and what it refuses."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from rocovis_mm.deployment import ExportedModel
from rocovis_mm.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'configs/rocovis/rocovis_tiny_custom.py'
ONE_LAYER = {'model.track_head.transformer_decoder.num_layers': 1}  # exported in less time


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> Path:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    config = Config.fromfile(ROOT / CONFIG)
    config.merge_from_dict(ONE_LAYER)
    model = MODELS.build(config.model)
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, path)
    return path


def run(monkeypatch, *arguments: object) -> None:
    """Run the tool in this process."""
    tool = runpy.run_path(str(ROOT / 'tools/deployment/export.py'))
    words = ['export.py', ROOT / CONFIG, *arguments]
    monkeypatch.setattr(sys, 'argv', [str(word) for word in words])
    tool['main']()


def test_writes_a_file_that_equals_the_model(checkpoint, tmp_path, monkeypatch, capsys):
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(package, reason=f'{package} is missing: requirements/export.txt')
    out = tmp_path / 'model.onnx'
    settings = [f'{key}={value}' for key, value in ONE_LAYER.items()]
    options = ('--size', 64, 96, '--out', out, '--verify', 3, '--cfg-options', *settings)
    run(monkeypatch, checkpoint, *options)
    assert out.is_file() and 'logits differ by at most' in capsys.readouterr().out
    model, classes = ExportedModel(out), Config.fromfile(ROOT / CONFIG).classes
    assert model.classes == classes and model.category_ids == tuple(range(1, len(classes) + 1))


def refusal(monkeypatch, *arguments: object) -> SystemExit:
    """Run the tool and return how it exits."""
    with pytest.raises(SystemExit) as found:
        run(monkeypatch, *arguments)
    return found.value


def test_a_missing_checkpoint_is_one_clear_line(tmp_path, monkeypatch):
    arguments = (tmp_path / 'none.pth', '--size', 64, 96, '--out', tmp_path / 'model.onnx')
    error = refusal(monkeypatch, *arguments)
    assert 'none.pth' in error.code and '\n' not in error.code  # printed, with exit status 1


def test_a_missing_package_is_named_with_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ModuleNotFoundError, match=r'need onnxruntime: .*requirements/export\.txt'):
        ExportedModel(tmp_path / 'model.onnx')


def test_a_file_of_another_kind_is_refused(tmp_path, monkeypatch, capsys):
    arguments = ('none.pth', '--size', 64, 96, '--out', tmp_path / 'model.pt')
    assert refusal(monkeypatch, *arguments).code == 2
    assert '.onnx or .pt2' in capsys.readouterr().err
