"""What tools/deployment/export.py refuses; test_exporting.py runs it on a model of a config."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from rocovis_mm.deployment import ExportedModel

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'configs/rocovis/rocovis_tiny_custom.py'


def run(monkeypatch, *arguments: object) -> None:
    """Run the tool in this process."""
    tool = runpy.run_path(str(ROOT / 'tools/deployment/export.py'))
    words = ['export.py', ROOT / CONFIG, *arguments]
    monkeypatch.setattr(sys, 'argv', [str(word) for word in words])
    tool['main']()


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
    (tmp_path / 'model.onnx').touch()
    with pytest.raises(ModuleNotFoundError, match=r'need onnxruntime: .*requirements/export\.txt'):
        ExportedModel(tmp_path / 'model.onnx')


def test_a_file_of_another_kind_is_refused(tmp_path, monkeypatch, capsys):
    arguments = ('none.pth', '--size', 64, 96, '--out', tmp_path / 'model.pt')
    assert refusal(monkeypatch, *arguments).code == 2
    assert '.onnx, .xml or .pt2' in capsys.readouterr().err
