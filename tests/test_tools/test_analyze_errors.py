"""The error analysis tool: a table, and every verdict in a file."""

import json
import subprocess
import sys
from pathlib import Path

from vis_reference import random_files

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
