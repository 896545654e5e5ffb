"""Build environments with other versions of torch and OpenMMLab and run the core tests in each.

    python tools/misc/run_matrix.py [ROW ...] [--slow] [--again [--reuse]] [--keep] [--list]

Environments, logs and results go into --folder. A row that has a result is not run again, so that
a run that was cut off goes on; --again runs the named rows anew. The table of docs/compatibility.md
is written from the results after each row (--table names another file). See version_matrix.py for
the rows; those that compile for minutes run only when they are named, or with --slow.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).parent))

from version_matrix import BASES, ROWS, Row, Step  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = '<!-- matrix: begin -->', '<!-- matrix: end -->'
COLUMNS = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmdet', 'others')
SHOWN = {  # what an environment may hold -> column of the table
    'torch': 'torch',
    'numpy': 'numpy',
    'mmengine': 'mmengine',
    'onedl-mmengine': 'mmengine',
    'mmcv': 'mmcv',
    'mmcv-lite': 'mmcv',
    'onedl-mmcv': 'mmcv',
    'mmdet': 'mmdet',
    'onedl-mmdetection': 'mmdet',
    'mmpretrain': 'others',
    'timm': 'others',
    'torchvision': 'others',
    'openmim': 'others',
}
ASK = f"""
import json, sys
from importlib.metadata import distributions
found = {{d.metadata['Name'].lower().replace('_', '-'): d.version for d in distributions()}}
print(json.dumps(dict(python=sys.version.split()[0], **{{
    name: found[name] for name in {list(SHOWN)!r} if name in found}})))
"""
PATIENCE = 3 * 3600
"""Seconds that an installation or the tests may take."""


@dataclass
class Result:
    """What became of a row.

    Attributes:
        row: its name.
        status: 'passed', 'failed', 'refused' (with the message that is wanted), 'not installed'.
        detail: the tests counted, or the message.
        packages: what was installed: name -> version.
        compiled_ops: whether mmcv has its extension.
        build_seconds: of the installation of what is the row's own.
        test_seconds: of the tests.
        date: when it ran.
    """

    row: str
    status: str = 'not installed'
    detail: str = ''
    packages: dict[str, str] = field(default_factory=dict)
    compiled_ops: bool | None = None
    build_seconds: float = 0.0
    test_seconds: float = 0.0
    date: str = ''


class Matrix:
    """Builds and tests rows in a folder.

    Args:
        folder: of the environments, logs and results.
        python: the interpreter that the environments are made from.
        reuse: whether a row's environment that is there is taken as it is.
    """

    def __init__(self, folder: Path, python: str, reuse: bool = False) -> None:
        self.folder = folder.resolve()
        self.python = python
        self.reuse = reuse
        for name in ('bases', 'rows', 'logs', 'results'):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def call(self, command: Sequence[object], log: Path, **environment: str) -> bool:
        """Run a command in the repository and append what it prints to the log."""
        variables = {**os.environ, 'PIP_DISABLE_PIP_VERSION_CHECK': '1'}
        # modules are compiled once, not in each process of the tests, and beside the checkout
        variables['PYTHONDONTWRITEBYTECODE'] = ''
        variables['PYTHONPYCACHEPREFIX'] = str(self.folder / 'bytecode')
        variables.update(environment)
        with log.open('a') as file:
            file.write(f'\n$ {" ".join(map(str, command))}\n')
            file.flush()
            try:
                done = subprocess.run(
                    list(map(str, command)), cwd=ROOT, env=variables, stdout=file,
                    stderr=subprocess.STDOUT, timeout=PATIENCE,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                file.write(f'\nended after {PATIENCE} s\n')
                return False
        return done.returncode == 0

    def install(self, pip: Path, target: Path, steps: Sequence[Step], log: Path) -> bool:
        """Run the steps' pip calls of one environment for another one."""
        command = [pip, '-m', 'pip', '--python', target, 'install', '--no-compile', '--quiet']
        return all(
            self.call([*command, *step.arguments], log, **step.environment) for step in steps
        )

    def base(self, name: str, log: Path) -> Path | None:
        """Return the python of a base, built if it is not there yet; None if that fails."""
        place = self.folder / 'bases' / name
        python, ready = place / 'bin/python', place / 'ready'
        if ready.is_file():
            return python
        shutil.rmtree(place, ignore_errors=True)
        if not self.call([self.python, '-m', 'venv', place], log):
            return None
        if not self.install(python, python, BASES[name], log):
            return None
        ready.touch()
        return python

    def build(self, row: Row, log: Path) -> Path | None:
        """Return the python of a row's environment; None if it cannot be built."""
        place = self.folder / 'rows' / row.name
        if self.reuse and (place / 'ready').is_file():
            return place / 'bin/python'
        base = self.base(row.base, log)
        if base is None:
            return None
        shutil.rmtree(place, ignore_errors=True)
        if not self.call([base, '-m', 'venv', '--without-pip', place], log):
            return None
        python = place / 'bin/python'
        ask = [python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']
        own = Path(subprocess.check_output(ask, text=True).strip())
        shared = Path(subprocess.check_output([base, *ask[1:]], text=True).strip())
        (own / 'base.pth').write_text(f'{shared}\n')  # behind the row's own packages
        if not self.install(base, python, row.steps, log):
            return None
        (place / 'ready').touch()
        return python

    def run(self, row: Row) -> Result:
        """Build a row's environment, import the package and run the tests."""
        log = self.folder / 'logs' / f'{row.name}.log'
        log.unlink(missing_ok=True)
        result = Result(row.name, date=time.strftime('%Y-%m-%d'))
        begin = time.monotonic()
        python = self.build(row, log)
        result.build_seconds = round(time.monotonic() - begin, 1)
        if python is None:
            result.detail = f'see {log.name}: {last_error(log)}'
            return result
        result.packages = json.loads(subprocess.check_output([python, '-c', ASK], text=True))
        code = 'import rocovis_mm.models; from rocovis_mm import compat; '
        code += 'print("compiled ops:", compat.has_compiled_ops())'
        imported = self.call([python, '-c', code], log, PYTHONPATH=str(ROOT))
        last = log.read_text().strip().splitlines()[-1]
        if not imported or row.refused:
            clear = not imported and row.refused is not None and row.refused in last
            result.status, result.detail = 'refused' if clear else 'failed', last
            return result
        result.compiled_ops = last.endswith('True')
        if result.compiled_ops != row.compiled_ops:
            result.status, result.detail = 'failed', f'{last}, not as the row is named'
            return result
        for module in row.modules:
            if not self.call([python, '-c', f'import {module}'], log, PYTHONPATH=str(ROOT)):
                result.status, result.detail = 'failed', f'{module}: {last_error(log)}'
                return result
        return self.test(row, python, log, result)

    def test(self, row: Row, python: Path, log: Path, result: Result) -> Result:
        """Run a row's tests in its environment; return the result with what they said."""
        begin = time.monotonic()
        report = self.folder / 'logs' / f'{row.name}.xml'
        report.unlink(missing_ok=True)
        command = [python, '-m', 'pytest', '-p', 'no:cacheprovider', '-rfEs']
        command += ['--continue-on-collection-errors', f'--junitxml={report}']
        command += [] if row.slow_tests else ['-m', 'not slow']
        passed = self.call([*command, *row.tests], log, PYTHONPATH=str(ROOT))
        result.test_seconds = round(time.monotonic() - begin, 1)
        result.status = 'passed' if passed else 'failed'
        result.detail = count(report) if report.is_file() else last_error(log)
        return result


def last_error(log: Path) -> str:
    """Return the last line of a log that speaks of an error."""
    lines = [line.strip() for line in log.read_text(errors='replace').splitlines()]
    errors = [line for line in lines if 'error' in line.lower()]
    return (errors or lines or ['nothing was printed'])[-1][:200]


def count(report: Path) -> str:
    """Return what a report of pytest says: tests passed, failed, skipped; the failed by name."""
    suites = list(ElementTree.parse(report).getroot().iter('testsuite'))
    total, failed, skipped = (
        sum(int(suite.get(key, 0)) for suite in suites for key in keys)
        for keys in (('tests',), ('failures', 'errors'), ('skipped',))
    )
    names = [
        case.get('name', '?')
        for suite in suites
        for case in suite.iter('testcase')
        if case.find('failure') is not None or case.find('error') is not None
    ]
    parts = [f'{total - failed - skipped} passed']
    parts += [f'{failed} failed ({", ".join(names)})'] if failed else []
    parts += [f'{skipped} skipped'] if skipped else []
    return ', '.join(parts)


def make_table(results: dict[str, Result]) -> str:
    """Return the Markdown table of all rows, those that were not run too."""
    lines = [
        f'| {" | ".join(["row", *COLUMNS, "compiled ops", "tests", "seconds", "date"])} |',
        '|' + '---|' * (len(COLUMNS) + 5),
    ]
    for row in ROWS:
        result = results.get(row.name)
        if result is None:
            lines.append(f'| {row.name} |' + ' |' * len(COLUMNS) + ' | not run | | |')
            continue
        shown: dict[str, list[str]] = {column: [] for column in COLUMNS}
        for name, version in result.packages.items():
            if name in SHOWN:
                column = SHOWN[name]
                shown[column].append(version if name == column else f'{name} {version}')
        ops = {True: 'yes', False: 'no', None: ''}[result.compiled_ops]
        cells = [row.name, *(', '.join(shown[column]) for column in COLUMNS), ops]
        detail = result.detail.replace('|', '/').replace('<', '&lt;')
        seconds = f'{result.test_seconds:.0f}' if result.test_seconds else ''
        cells += [f'**{result.status}**: {detail}', seconds, result.date]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def write_table(results: dict[str, Result], path: Path) -> None:
    """Put the table between the marks of a Markdown file.

    Raises:
        ValueError: the file has no marks.
    """
    text = path.read_text(encoding='utf-8')
    if BEGIN not in text or END not in text:
        raise ValueError(f'{path}: put {BEGIN} and {END} where the table is to stand')
    head, rest = text.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    path.write_text(f'{head}{BEGIN}\n{make_table(results)}\n{END}{tail}', encoding='utf-8')


def read_results(folder: Path) -> dict[str, Result]:
    """Return the results that a folder holds, by row."""
    found = [Result(**json.loads(path.read_text())) for path in folder.glob('results/*.json')]
    return {result.row: result for result in found}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Test combinations of versions')
    parser.add_argument('rows', nargs='*', help='rows to run; all that compile nothing if none')
    parser.add_argument('--slow', action='store_true', help='also those that compile')
    parser.add_argument('--again', action='store_true', help='run rows that have a result')
    parser.add_argument('--list', action='store_true', help='name the rows and end')
    parser.add_argument('--folder', type=Path, default=Path('work_dirs/matrix'))
    parser.add_argument('--python', default=sys.executable, help='interpreter to build from')
    parser.add_argument('--table', type=Path, default=ROOT / 'docs/compatibility.md')
    parser.add_argument('--keep', action='store_true', help='keep the environments of the rows')
    parser.add_argument(
        '--reuse', action='store_true', help='with --again: test in the environments that were kept'
    )
    return parser.parse_args()


def main() -> None:
    """Run rows, one after the other."""
    args = parse_args()
    names = {row.name: row for row in ROWS}
    unknown = sorted(set(args.rows) - set(names))
    if unknown:
        sys.exit(f'error: there is no row {unknown[0]}; there are {", ".join(names)}')
    if args.list:
        print('\n'.join(f'{row.name}{" (compiles)" if row.compiled_ops else ""}' for row in ROWS))
        return
    matrix = Matrix(args.folder, args.python, args.reuse)
    usual = [row for row in ROWS if args.slow or not row.compiled_ops]
    chosen = [names[name] for name in args.rows] or usual
    for row in chosen:
        path = matrix.folder / 'results' / f'{row.name}.json'
        if args.again or not path.is_file():
            print(f'{row.name} ...', flush=True)
            result = matrix.run(row)
            path.write_text(json.dumps(asdict(result), indent=2) + '\n')
            print(f'{row.name}: {result.status}: {result.detail}', flush=True)
            if not args.keep:
                shutil.rmtree(matrix.folder / 'rows' / row.name, ignore_errors=True)
        write_table(read_results(matrix.folder), args.table)
    results = read_results(matrix.folder)
    bad = [row.name for row in chosen if results[row.name].status not in ('passed', 'refused')]
    sys.exit(f'not passed: {", ".join(bad)}' if bad else 0)


if __name__ == '__main__':
    main()
