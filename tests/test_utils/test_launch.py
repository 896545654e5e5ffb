"""How a tool's run ends: in one line where that says all."""

from __future__ import annotations

import argparse
import logging
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from rocovis_mm.utils import launch
from rocovis_mm.utils.divergence import DivergenceError


def end_of(monkeypatch, capsys, error: BaseException) -> tuple[BaseException, str]:
    """Return what a run that raises an error leaves the tool with, and its words on stderr."""
    runner = SimpleNamespace(logger=logging.Logger('x'))
    monkeypatch.setattr(launch.Runner, 'from_cfg', classmethod(lambda cls, config: runner))

    def run(_):
        raise error

    args = argparse.Namespace(local_rank=0)
    with pytest.raises(BaseException) as ended:  # noqa: PT011
        launch.run_tool(args, lambda _: Config(dict(launcher='none')), run)
    return ended.value, capsys.readouterr().err


def test_a_divergence_ends_in_one_line(monkeypatch, capsys):
    ended, said = end_of(monkeypatch, capsys, DivergenceError('the loss loss_cls'))
    assert isinstance(ended, SystemExit) and ended.code == 1
    assert said.startswith('error: the training has diverged: the loss loss_cls became')
    assert said.count('\n') == 1


def test_ctrl_c_ends_in_one_line_whatever_it_was_turned_into(monkeypatch, capsys):
    turned = SyntaxError('Failed to format the config file')  # as MMEngine does
    turned.__context__ = KeyboardInterrupt()
    for error in (KeyboardInterrupt(), turned):
        ended, said = end_of(monkeypatch, capsys, error)
        assert isinstance(ended, SystemExit) and ended.code == 130
        assert said == 'interrupted\n'


def test_other_errors_are_left_as_they_are(monkeypatch, capsys):
    ended, said = end_of(monkeypatch, capsys, RuntimeError('x'))
    assert isinstance(ended, RuntimeError) and said == ''
