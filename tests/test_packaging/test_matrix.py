"""The matrix of versions: its rows, what becomes of a row, and its table in the docs."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import nox.command
import pytest

from tests.conftest import REPOSITORY


def load_noxfile():
    """Import noxfile.py, which is in no package."""
    spec = importlib.util.spec_from_file_location('noxfile', REPOSITORY / 'noxfile.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['noxfile'] = module  # where its dataclasses look up their annotations
    spec.loader.exec_module(module)
    return module


noxfile = load_noxfile()
ROWS, Row, Result, TABLE = noxfile.ROWS, noxfile.Row, noxfile.Result, noxfile.TABLE
PRINTED = """..F.E
FAILED tests/test_a.py::test_bad[in 2.0s] - AssertionError: 3 != 4
ERROR tests/test_a.py::test_worse
1 failed, 2 passed, 1 skipped, 7 warnings, 1 error in 3.21s
"""


class Session:
    """This environment instead of a new one; `printed` stands for what a command prints."""

    def __init__(self, printed: str = 'compiled ops: False') -> None:
        self.printed = printed

    def install(self, *arguments: str, env: dict[str, str]) -> None:
        assert arguments and 'MMCV_WITH_OPS' in env

    def run(self, *command, silent=False, success_codes=(0,), env=None):
        if command[-1] == noxfile.IMPORT:
            return f'Traceback\n{self.printed}\n'
        done = subprocess.run(
            [sys.executable, *command[1:]], capture_output=True, text=True, cwd=REPOSITORY
        )
        if done.returncode not in success_codes:
            raise nox.command.CommandFailed(done.stderr)
        return done.stdout

    def log(self, text: str) -> None:
        pass

    def error(self, text: str) -> None:
        raise RuntimeError(text)


def run_row(row: Row, session: Session) -> tuple[str, str]:
    result = Result()
    try:
        noxfile.run_row(session, row, result)
    except (RuntimeError, nox.command.CommandFailed):
        assert result.status == 'failed'
    assert 'torch' in result.packages
    return result.status, result.detail


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip('|').split('|')]


def test_rows_name_what_exists():
    assert len({row.name for row in ROWS}) == len(ROWS)
    for row in ROWS:
        for test in row.tests:
            assert (REPOSITORY / test.split('::')[0]).exists(), test
        for step in (*row.base, *row.packages):
            for option, value in zip(step, step[1:]):
                assert option != '-r' or (REPOSITORY / value).is_file(), value
            named = [word for word in step if re.match(r'\w', word) and not word.endswith('.txt')]
            assert all('==' in word for word in named) or step in (*noxfile.NEWEST, *current(row))


def current(row: Row) -> tuple[tuple[str, ...], ...]:
    """The step of the row with the unreleased MMEngine, which has no version."""
    return row.packages if row.name == 'mmengine-0.11' else ()


def test_the_compiled_rows_test_what_takes_compiled_ops():
    tested = {row.tests for row in ROWS if row.compiled_ops}
    assert tested == {noxfile.CORE_TESTS + noxfile.OPS_TESTS}


def test_every_row_is_a_session_and_those_that_compile_are_not_quick():
    command = [sys.executable, '-m', 'nox', '--list', '--tags', 'quick']
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout
    found = {name: mark for mark, name in re.findall(r'([*-]) matrix\((\S+)\)', listed)}
    assert found == {row.name: '-' if row.compiled_ops else '*' for row in ROWS}


def test_the_table_of_the_docs_has_every_row():
    page = TABLE.read_text('utf-8')
    lines = re.search('<!-- matrix: begin -->\n(.*)<!-- matrix: end -->', page, re.DOTALL).group(1)
    head, _, *table = map(cells_of, lines.splitlines())
    assert tuple(head) == noxfile.HEAD
    assert [cells[0] for cells in table] == [row.name for row in ROWS]
    assert {len(cells) for cells in table} == {len(head)}
    assert len(cells_of(noxfile.line_of(ROWS[0], None))) == len(head)


def test_a_result_is_a_line(tmp_path):
    packages = dict(python='3.11.7', torch='2.0', mmdet='3.3.0', timm='1.0', six='1')
    packages['mmcv-lite'] = '2.1.0'
    line = noxfile.line_of(ROWS[0], Result('failed', 'a|b <c', packages, False, 61.7))
    name = ROWS[0].name
    assert cells_of(line)[:-1] == [
        name, '3.11.7', '2.0', '', '', 'mmcv-lite 2.1.0', '3.3.0', 'timm 1.0', 'no',
        '**failed**: a/b &lt;c', '62',
    ]  # fmt: skip
    page = tmp_path / 'page.md'
    shutil.copy(TABLE, page)
    noxfile.write_line(line, page)
    changed = set(page.read_text('utf-8').splitlines()) ^ set(TABLE.read_text('utf-8').splitlines())
    assert line in changed and len(changed) == 2 and all(name in each for each in changed)
    with pytest.raises(ValueError, match='the table needs one line'):
        noxfile.write_line(line.replace(name, 'nowhere'), page)


def test_failures_are_counted_and_named():
    passed, detail = noxfile.outcome(PRINTED)
    assert not passed
    assert detail == '2 passed, 1 failed, 1 error (test_bad[in 2.0s], test_worse), 1 skipped'
    assert noxfile.outcome('517 passed in 51.20s (0:00:51)') == (True, '517 passed')
    assert noxfile.outcome('no tests ran in 0.01s') == (False, 'pytest did not end')
    assert noxfile.outcome('Segmentation fault') == (False, 'pytest did not end')


@pytest.mark.parametrize(
    ('row', 'printed', 'status', 'detail'),
    [
        (Row('whole', (), modules=('json',)), 'compiled ops: False', 'passed', '2 passed'),
        (Row('lacks', (), modules=('no_such',)), 'compiled ops: False', 'failed', 'cannot import'),
        (Row('ops', (), compiled_ops=True), 'compiled ops: False', 'failed', 'compiled ops: False'),
        (Row('broken', ()), 'ImportError: needs torch', 'failed', 'ImportError: needs torch'),
        (Row('refused', (), refused='needs mmcv'), 'Error: needs mmcv', 'refused', 'Error: needs'),
        (Row('other', (), refused='needs mmcv'), 'Error: needs torch', 'failed', 'Error: needs'),
        (Row('works', (), refused='needs'), 'compiled ops: False', 'failed', 'compiled ops'),
    ],
)
def test_what_becomes_of_a_row(tmp_path, row, printed, status, detail):
    """The tests of the row are two that cannot fail."""
    test = tmp_path / 'test_two.py'
    test.write_text('def test_a():\n    pass\n\n\ndef test_b():\n    pass\n')
    options = ('-c', str(tmp_path / 'none.ini'), '--rootdir', str(tmp_path))
    (tmp_path / 'none.ini').write_text('[pytest]\nmarkers = slow\n')
    found = run_row(replace(row, tests=(*options, str(test))), Session(printed))
    assert (found[0], found[1][: len(detail)]) == (status, detail)
