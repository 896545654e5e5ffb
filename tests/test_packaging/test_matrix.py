"""The matrix of versions: its rows, what it makes of results, and its table in the docs."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'tools/misc'))
import run_matrix  # noqa: E402
from run_matrix import Matrix, Result, count, make_table, write_table  # noqa: E402
from version_matrix import BASES, CORE_TESTS, OPS_TESTS, ROWS, Row  # noqa: E402

PAGE = REPOSITORY / 'docs/compatibility.md'
REPORT = """<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1">
<testcase name="test_good"/><testcase name="test_fine"/>
<testcase name="test_bad"><failure/></testcase><testcase name="test_worse"><error/></testcase>
<testcase name="test_not_here"><skipped/></testcase></testsuite></testsuites>"""


def table_of(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith('|')]
    return [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]


def test_rows_stand_on_what_is_there():
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row.base in BASES
        for test in row.tests:
            assert (REPOSITORY / test.split('::')[0]).exists(), test
        for step in (*BASES[row.base], *row.steps):
            for option, value in zip(step.arguments, step.arguments[1:]):
                assert option != '-r' or (REPOSITORY / value).is_file(), value
            pinned = [word for word in step.arguments if re.match(r'\w[\w-]*[=<>]', word)]
            assert all('==' in word for word in pinned)


def test_the_table_of_the_docs_has_every_row():
    page = PAGE.read_text()
    table = table_of(page[page.index(run_matrix.BEGIN) : page.index(run_matrix.END)])
    empty = table_of(make_table({}))
    assert table[0] == empty[0]
    assert [cells[0] for cells in table[2:]] == [row.name for row in ROWS]
    assert {len(cells) for cells in table} == {len(empty[0])}


def test_the_compiled_rows_test_what_takes_compiled_ops():
    tested = {row.tests for row in ROWS if row.compiled_ops}
    assert tested == {CORE_TESTS + OPS_TESTS}


def test_a_result_is_a_line(tmp_path):
    packages = {
        'torch': '2.0',
        'mmcv-lite': '2.1.0',
        'mmdet': '3.3.0',
        'timm': '1.0',
        'python': '3.11',
    }
    name = ROWS[0].name
    result = Result(name, 'failed', 'a|b <c', packages, False, 3.0, 61.7, '2026-01-02')
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{run_matrix.BEGIN}\nold\n{run_matrix.END}\nafter\n')
    write_table({name: result}, page)
    text = page.read_text()
    assert text.startswith('before\n') and text.endswith('after\n') and 'old' not in text
    lines = table_of(text)
    assert lines[2] == [
        name, '2.0', '', '', 'mmcv-lite 2.1.0', '3.3.0', 'timm 1.0', 'no',
        '**failed**: a/b &lt;c', '62', '2026-01-02',
    ]  # fmt: skip
    assert 'not run' in lines[3]
    with pytest.raises(ValueError, match='matrix: begin'):
        write_table({}, REPOSITORY / 'README.md')


def test_failures_are_counted_and_named(tmp_path):
    report = tmp_path / 'report.xml'
    report.write_text(REPORT)
    assert count(report) == '2 passed, 2 failed (test_bad, test_worse), 1 skipped'


@pytest.mark.parametrize(
    ('row', 'status', 'detail'),
    [
        (Row('as_it_should', 'here', ()), 'passed', '2 passed'),
        (Row('ops', 'here', (), compiled_ops=True), 'failed', 'compiled ops: False, not as'),
        (Row('unrefused', 'here', (), refused='needs'), 'failed', 'compiled ops: False'),
        (Row('whole', 'here', (), modules=('json',)), 'passed', '2 passed'),
        (Row('lacking', 'here', (), modules=('json', 'nowhere')), 'failed', 'nowhere: Module'),
    ],
)
def test_what_becomes_of_a_row(tmp_path, monkeypatch, row, status, detail):
    """The environment is this one, and the tests are two that cannot fail."""
    test = tmp_path / 'test_two.py'
    test.write_text('def test_a():\n    pass\n\n\ndef test_b():\n    pass\n')
    row = replace(row, tests=(str(test),))
    matrix = Matrix(tmp_path, sys.executable)
    monkeypatch.setattr(matrix, 'build', lambda row, log: Path(sys.executable))
    call = matrix.call

    def short(command, log, **environment):
        if 'import rocovis_mm.models' in str(command[-1]):  # as in an environment without ops
            command = [sys.executable, '-c', 'print("compiled ops:", False)']
        return call(command, log, **environment)

    monkeypatch.setattr(matrix, 'call', short)
    result = matrix.run(row)
    assert (result.status, result.detail[: len(detail)]) == (status, detail)
    assert 'torch' in result.packages


def test_a_refusal_must_say_what_the_row_says(tmp_path, monkeypatch):
    matrix = Matrix(tmp_path, sys.executable)
    monkeypatch.setattr(matrix, 'build', lambda row, log: Path(sys.executable))

    def refuse(command, log, **environment):
        log.write_text('Traceback\nImportError: needs mmcv>=2.0.0\n')
        return False

    monkeypatch.setattr(matrix, 'call', refuse)
    wanted = matrix.run(Row('a', 'here', (), refused='needs mmcv>=2.0.0'))
    other = matrix.run(Row('b', 'here', (), refused='needs torch'))
    unwanted = matrix.run(Row('c', 'here', ()))
    assert [r.status for r in (wanted, other, unwanted)] == ['refused', 'failed', 'failed']
