"""`eval_results.py --gaps --consistency`."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from vis_reference import random_files

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'eval_results.py'


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location('eval_results_with_flags', TOOL)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_gaps_and_consistency(tool, tmp_path, capsys):
    truth, results = random_files(4, videos=6)
    (tmp_path / 'gt.json').write_text(json.dumps(truth))
    (tmp_path / 'pred.json').write_text(json.dumps(results))

    def run(*arguments):
        out = tmp_path / 'metrics.json'
        files = [str(tmp_path / name) for name in ('gt.json', 'pred.json')]
        assert tool.main([*files, '--out', str(out), *arguments]) == 0
        return json.loads(out.read_text())

    figures = run('--gaps', '--consistency')
    gaps, consistency = figures['gaps'], figures['consistency']
    assert gaps['AP'] == figures['AP']
    losses = [gaps[f'lost_to_{name}'] for name in ('tracking', 'classes', 'masks')]
    assert gaps['AP'] + sum(losses) == pytest.approx(1)
    assert 0 <= consistency['flicker'] <= 1 and consistency['matched_tracks'] > 0
    shown = capsys.readouterr().out
    assert 'where AP is lost' in shown and 'are lost to tracking' in shown and 'flicker' in shown
    assert run('--gaps', '--jobs', '2')['gaps'] == gaps
    assert not {'gaps', 'consistency'} & set(run())
