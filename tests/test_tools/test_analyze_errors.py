"""The error analysis tool: a table, and every verdict in a file."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from vis_reference import random_files

from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'analyze_errors.py'


def run(folder, *arguments):
    command = [sys.executable, str(TOOL), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_side_by_side(tmp_path):
    truth, results = random_files(4, videos=6)
    for name, content in (('gt', truth), ('a', results), ('b', results[::2])):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    done = run(tmp_path, 'gt.json', 'a.json', 'b.json', '--out', 'new/errors.json')
    assert (done.returncode, done.stderr) == (0, '')
    assert 'a.json' in done.stdout and 'b.json' in done.stdout and 'switched' in done.stdout
    reports = json.loads((tmp_path / 'new' / 'errors.json').read_text())
    assert len(reports['a.json']['predictions']) == len(results)
    assert len(reports['b.json']['predictions']) == len(results[::2])
    shares = [track['best_share'] for track in reports['a.json']['tracks']]
    assert shares == sorted(shares)
    for report in reports.values():
        verdicts = [row['verdict'] for row in report['predictions']]
        assert report['summary']['background'] == verdicts.count('background')

    done = run(tmp_path, 'gt.json', 'gt.json')
    assert done.returncode == 2 and done.stderr.count('\n') == 1 and done.stdout == ''


def test_gaps_are_counted_drawn_and_rebuilt(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location('analyze_errors', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    truth, results = random_files(4, videos=6)
    (tmp_path / 'b').mkdir()
    for name, content in (('gt', truth), ('a', results), ('b/a', results[::2])):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    options = dict(out='errors.json', plot='gaps.png', rebuilt='rebuilt')
    files = [str(tmp_path / f'{name}.json') for name in ('gt', 'a', 'b/a')]
    given = [part for key, path in options.items() for part in (f'--{key}', str(tmp_path / path))]
    assert tool.main([*files, *given]) == 0
    assert 'are lost to tracking' in capsys.readouterr().out
    assert (tmp_path / 'gaps.png').stat().st_size > 1000
    reports = json.loads((tmp_path / 'errors.json').read_text())
    assert len(list((tmp_path / 'rebuilt').iterdir())) == 4  # two files of one name
    checked = load_ground_truth(files[0])
    scored = {}
    for path in (tmp_path / 'rebuilt').glob('*.json'):
        stats = evaluate_tracks(checked, load_predictions(path, checked))['segm'].stats()
        scored[path.name] = stats['AP']
    for report in reports.values():
        for stage in ('tracking', 'class'):
            wanted = report['gaps'][f'AP_{stage}']
            assert any(
                value == pytest.approx(wanted, abs=1e-12)
                for name, value in scored.items()
                if name.endswith(f'_{stage}.json')
            )
