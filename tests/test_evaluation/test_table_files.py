"""Tables in files, read back by other readers."""

from __future__ import annotations

import csv
import io
import re

import pytest

from rocovis_mm.evaluation.functional.report import Difference, Table
from rocovis_mm.evaluation.functional.table_files import (
    csv_text,
    escape_latex,
    latex_text,
    markdown_text,
    name_files,
    write_text,
)

ODD = 'a|b_c & d%{e}~^\\'
TABLES = [
    Table('figures', ['class (%)', 'AP', 'number'], [[ODD, 1 / 3, 7], ['[x]\n', -1.0, None]]),
    Table(
        'differences',
        ['minus', 'AP'],
        [['b.json', Difference(0.1, -0.2, 0.3)]],
        [{'file': 'b.json', 'AP': Difference(0.1, -0.2, 0.3)}],
        ['95 % intervals'],
    ),
]


def test_printing():
    assert '| [x]' in str(TABLES[0]) and '| 33.33 | 7' in str(TABLES[0])
    assert str(TABLES[1]).endswith('\n95 % intervals')
    assert '+10.00 [-20.00, +30.00]' in str(TABLES[1])


def test_csv_is_one_table_at_full_precision():
    lines = list(csv.DictReader(io.StringIO(csv_text(TABLES, 'a.json'))))
    assert list(lines[0])[:3] == ['table', 'file', 'class (%)']
    assert [line['file'] for line in lines] == ['a.json', 'a.json', 'b.json']
    assert lines[0]['class (%)'] == ODD and float(lines[0]['AP']) == 1 / 3
    assert lines[0]['number'] == '7' and lines[1]['number'] == '' and lines[1]['AP'] == '-1.0'
    ends = [float(lines[2][f'AP_{end}']) for end in ('difference', 'low', 'high')]
    assert ends == [0.1, -0.2, 0.3] and lines[2]['AP'] == ''


def test_markdown_has_a_cell_for_each_column():
    text = markdown_text(TABLES, 'a.json')
    lines = [line for line in text.splitlines() if line.startswith('|')]
    cells = [re.split(r'(?<!\\)\|', line)[1:-1] for line in lines]
    assert [len(own) for own in cells] == [3, 3, 3, 3, 2, 2, 2]
    assert cells[2][0].strip().replace('\\|', '|') == ODD and cells[2][1] == ' 33.33 '
    assert '## differences' in text and text.startswith('Results: a.json\n')


def test_latex_is_a_whole_document():
    """Braces and environments close, and each row of a table has its number of cells."""
    text = latex_text(TABLES, 'my_file.json')
    assert text.startswith('\\documentclass') and text.endswith('\\end{document}\n')
    plain = re.sub(r'\\[\\{}%&_#$]', '', re.sub(r'(?m)(?<!\\)%.*$', '', text))
    depth = 0
    for character in plain:
        depth += {'{': 1, '}': -1}.get(character, 0)
        assert depth >= 0
    assert depth == 0
    opened = re.findall(r'\\begin\{(\w+)\}', text)
    assert sorted(opened) == sorted(re.findall(r'\\end\{(\w+)\}', text))
    assert 'my\\_file.json' in text
    tables = re.findall(r'\\begin\{tabular\}\{(\w+)\}\n\\toprule\n(.*?)\\bottomrule', text, re.S)
    assert [columns for columns, _ in tables] == ['lrr', 'lr']
    for columns, body in tables:
        rows = [row for row in body.split('\\\\\n') if row.strip()]
        assert rows[1].startswith('\\midrule\n')
        for row in rows:
            assert len(re.findall(r'(?<!\\)&', row)) == len(columns) - 1
            assert not row.removeprefix('\\midrule\n').startswith(('[', '*'))


def test_latex_escapes_what_it_would_read_as_commands():
    assert escape_latex('a_b\n 50% $x$ {#1} & ~^') == (
        r'a\_b 50\% \$x\$ \{\#1\} \& \textasciitilde{}\textasciicircum{}'
    )
    assert escape_latex('\\x') == r'\textbackslash{}x'
    assert escape_latex('é猫\u200b') == r'é\script{732B}{猫}'


@pytest.mark.parametrize(
    ('paths', 'names'),
    [
        (['x/a.json'], ['a.json']),
        (['x/a.json', 'y/a.json', 'y/b.json'], ['x/a.json', 'y/a.json', 'b.json']),
        (['a.json', 'x/a.json'], ['a.json', 'x/a.json']),
        (['x/a.json', './x/a.json', 'x/a.json'], ['a.json', 'a.json (2)', 'a.json (3)']),
    ],
)
def test_files_have_names_of_their_own(paths, names):
    assert name_files(paths) == list(zip(names, paths))


def test_writing_makes_folders_and_takes_any_text(tmp_path):
    write_text(tmp_path / 'new' / 'a.txt', '猫\ud800')
    assert (tmp_path / 'new' / 'a.txt').read_text('utf-8') == '猫\\ud800'
