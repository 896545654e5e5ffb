"""`eval_results.py --tracking` as a user meets it."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path

import pytest
from tracking_reference import crowded_files

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'eval_results.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('eval_results', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def run(tool, tmp_path):
    """Score a crowded file with some options; return the status and the figures."""
    truth, results = crowded_files(3)
    (tmp_path / 'gt.json').write_text(json.dumps(truth))
    (tmp_path / 'pred.json').write_text(json.dumps(results))

    def _run(*options):
        out = tmp_path / 'out.json'
        files = [str(tmp_path / name) for name in ('gt.json', 'pred.json')]
        status = tool.main([*files, '--out', str(out), *options])
        return status, json.loads(out.read_text())

    return _run


def test_tracking_adds_figures_and_changes_none(run, capsys):
    _, plain = run('--per-class')
    status, both = run('--tracking', '--per-class')
    assert status == 0
    assert {name: both[name] for name in plain if name != 'per_class'} == {
        name: value for name, value in plain.items() if name != 'per_class'
    }
    assert both['HOTA'] == pytest.approx(0.18701680914109442)
    assert {'HOTA_det', 'IDSW_agnostic', 'per_alpha', 'score_thr'} <= both.keys()
    assert 'HOTA_boundary' not in both
    assert [{**row, **old} for row, old in zip(both['per_class'], plain['per_class'])] == both[
        'per_class'
    ]
    assert all('IDF1' in row and 'AP' in row for row in both['per_class'])
    assert 'class-agnostic, masks' in capsys.readouterr().out


def test_classes_without_the_option_for_their_ap(run):
    _, figures = run('--tracking')
    assert all('HOTA' in row and 'AP' not in row for row in figures['per_class'])


def test_a_threshold_is_for_tracking_alone(run, capsys):
    _, everything = run('--tracking')
    _, strong = run('--tracking', '--score-thr', '0.75')
    _, best = run('--tracking-boundary', '--score-thr', 'best')
    assert everything['AP'] == strong['AP'] == best['AP']
    assert strong['DetPr'] > everything['DetPr']
    assert best['HOTA'] >= max(strong['HOTA'], everything['HOTA'])
    assert 'HOTA_boundary' in best and isinstance(best['score_thr'], float)
    assert 'highest class-averaged HOTA' in capsys.readouterr().out


def test_lines_of_the_csv_file_have_the_figures_of_their_table_alone(run, tmp_path):
    """A figure is in one table of files and in one table of classes."""
    path = tmp_path / 't.csv'
    _, figures = run('--tracking-boundary', '--per-class', '--csv', str(path))
    lines = list(csv.DictReader(path.open()))
    of_class = {line['table']: line for line in lines if line['class'] == 'c2'}
    assert of_class.keys() == {'classes', 'tracking_classes'}
    (row,) = (row for row in figures['per_class'] if row['name'] == 'c2')
    for name in row.keys() - {'name', 'category_id'}:
        filled = [line[name] for line in of_class.values() if line[name]]
        assert filled == [str(row[name])]
    assert all(line['category_id'] == '2' for line in of_class.values())
    summary = next(line for line in lines if line['table'] == 'summary')
    assert summary['AP_pool'] == str(figures['AP_pool']) and not summary['HOTA']
    tracking = {line['tracking']: line for line in lines if line['table'] == 'tracking'}
    assert tracking['class-agnostic, boundaries']['MOTA'] == str(figures['MOTA_agnostic_boundary'])


def test_differences_of_hota_and_groups_with_hota(run, tmp_path, capsys):
    run()
    results = json.loads((tmp_path / 'pred.json').read_text())
    (tmp_path / 'half.json').write_text(json.dumps(results[::2]))
    (tmp_path / 'groups.json').write_text('{"first": [1], "both": [1, 2]}')
    options = ['--compare', str(tmp_path / 'half.json'), '--tracking']
    status, figures = run(*options, '--groups-file', str(tmp_path / 'groups.json'))
    assert status == 0
    (other,) = figures['compare']
    for name in ('HOTA', 'AssA'):
        own = other['differences'][name]
        assert own['difference'] == other[name] - figures[name]
        assert own['low'] < own['high']
    assert figures['groups'][1]['HOTA'] == pytest.approx(figures['HOTA'])
    assert figures['groups'][0]['HOTA'] != figures['groups'][1]['HOTA']
    printed = capsys.readouterr().out
    assert f'{100 * other["differences"]["AssA"]["difference"]:+.2f} [' in printed
    _, plain = run(*options[:2])
    differences = plain['compare'][0]['differences']
    assert differences == {name: other['differences'][name] for name in differences}
    assert 'HOTA' not in differences


@pytest.mark.parametrize(
    'options',
    [
        ['--score-thr', '0.5'],
        ['--tracking', '--score-thr', 'nan'],
        ['--tracking', '--score-thr', 'x'],
    ],
)
def test_a_useless_threshold_is_an_error(tool, options, capsys):
    with pytest.raises(SystemExit) as stopped:
        tool.main(['gt.json', 'pred.json', *options])
    assert stopped.value.code == 2
    assert 'score-thr' in capsys.readouterr().err
