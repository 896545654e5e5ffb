"""Names in any script are printed to any stream, and no tool fails on one that is not UTF-8."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rocovis_mm.console import print_anything, text_table
from rocovis_mm.datasets.embedded import make_tiny_dataset

REPOSITORY = Path(__file__).parents[2]
NAME = '\u8d64\u3044\u7bb1'
ESCAPED = NAME.encode('ascii', 'backslashreplace').decode()
NO_NAMES = {'mkdocs_hooks.py', 'model_zoo.py'}  # tools of this repository itself


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """A data set and its results in a folder with such a name, one class of which has one, too."""
    data = make_tiny_dataset(tmp_path_factory.mktemp('data') / NAME)
    content = json.loads(data.val_json.read_text())
    content['categories'][0]['name'] = NAME
    data.val_json.write_text(json.dumps(content), 'utf-8')
    keys = ('video_id', 'category_id', 'segmentations')
    results = [dict({key: x[key] for key in keys}, score=0.9) for x in content['annotations']]
    (data.root / 'results.json').write_text(json.dumps(results))
    return data


@pytest.mark.parametrize(
    'arguments',
    [
        'misc/check_dataset.py {truth} --quick',
        'eval_results.py {truth} {results} --per-class',
        'analysis_tools/analyze_errors.py {truth} {results}',
        'analysis_tools/track_report.py {results} {truth} --out {folder}/report.html',
        'dataset_converters/split_dataset.py {truth} --out {folder}/a.json {folder}/b.json',
    ],
)
def test_tools_print_names_to_ascii(data, arguments):
    names = dict(truth=data.val_json, results=data.root / 'results.json', folder=data.root)
    tool, *words = [word.format(**names) for word in arguments.split()]
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / 'tools' / tool), *words],
        env={**os.environ, 'LANG': 'C', 'LC_ALL': 'C', 'PYTHONIOENCODING': 'ascii'},
        capture_output=True,
        text=True,
    )
    assert 'Error' not in done.stderr and done.returncode in (0, 1), done.stderr
    assert ESCAPED in done.stdout and done.stdout.isascii()


def first_call(function: ast.FunctionDef) -> str:
    """Return what a function does first, after its docstring."""
    return ast.unparse(function.body[1])


@pytest.mark.parametrize(
    'path',
    [x for x in sorted(REPOSITORY.glob('tools/**/*.py')) if x.name not in NO_NAMES],
    ids=lambda path: path.name,
)
def test_each_tool_takes_care_of_it_first(path):
    tree = ast.parse(path.read_text(encoding='utf-8'))
    mains = [x for x in tree.body if isinstance(x, ast.FunctionDef) and x.name == 'main']
    for main in mains:
        assert first_call(main) == 'print_anything()'


@pytest.mark.parametrize('encoding', ['ascii', 'cp1252', 'utf-8'])
def test_escapes_stand_for_what_a_stream_lacks(monkeypatch, encoding):
    written = io.BytesIO()
    monkeypatch.setattr(sys, 'stdout', io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(sys, 'stderr', None)  # as under pythonw
    print_anything()
    print(NAME, '\udcff')
    sys.stdout.flush()
    shown = NAME if encoding == 'utf-8' else ESCAPED
    assert written.getvalue().decode(encoding) == f'{shown} \\udcff\n'.replace('\n', os.linesep)


def test_a_table_is_plain_and_as_wide_as_its_cells(monkeypatch):
    for name, value in dict(COLUMNS='20', TERM='dumb', FORCE_COLOR='1', TTY_COMPATIBLE='1').items():
        monkeypatch.setenv(name, value)
    rows = [
        ['class (%)', 'AP'],
        ['[bold]x[/]', 12.5],
        [NAME, ':cat:'],
        ['a\tb' + 100 * ' long', '-'],
    ]
    lines = text_table(rows).splitlines()
    line = f'+{511 * "-"}+-------+'
    assert lines[0] == lines[2] == lines[-1] == line and len(lines) == 7
    assert [cell.strip() for cell in lines[1].split('|')[1:-1]] == ['class (%)', 'AP']
    assert lines[3] == f'| [bold]x[/]{499 * " "} | 12.5  |'
    assert lines[4] == f'| {NAME}{503 * " "} | :cat: |'
    assert [len(one) for one in lines] == [521, 521, 521, 521, 518, 521, 521]  # 3 letters, 6 wide
    assert text_table([['a', '']]) == '+---+--+\n| a |  |\n+---+--+'
