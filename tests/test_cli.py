"""The `rocovis` command: it runs the tools, and needs torch for models only."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from rocovis_mm.cli import COMMANDS, FORMATS, OPENMMLAB, describe, find_tool, main, tool_path

ALL = [
    [name, *([kind] if kind else [])]
    for name, tool in COMMANDS.items()
    for kind in (tool if isinstance(tool, dict) else [''])
]
WITHOUT_TORCH = f'import sys; sys.modules.update(dict.fromkeys({OPENMMLAB}))\n'
NOT_INSTALLED = """
import importlib.metadata, importlib.util
def version(name):
    raise importlib.metadata.PackageNotFoundError(name)
importlib.metadata.version = version
importlib.util.find_spec = lambda *_: None
"""
"""No package has metadata, as where nothing of OpenMMLab was ever installed."""
RUN = 'from rocovis_mm.cli import main; sys.exit(main(sys.argv[1:]))'


def run(*arguments: object, code: str = WITHOUT_TORCH + RUN) -> subprocess.CompletedProcess:
    """Run a command in a process of its own, in which nothing of OpenMMLab can be imported."""
    command = [sys.executable, '-c', code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def scored(tmp_path):
    """A ground truth of one object, and a results file that holds it."""
    mask = {'size': [8, 8], 'counts': [8, 16, 40]}
    video = dict(id=1, height=8, width=8, length=1, file_names=['a.jpg'])
    truth = dict(
        videos=[video],
        categories=[dict(id=1, name='fox')],
        annotations=[dict(id=1, video_id=1, category_id=1, segmentations=[mask])],
    )
    results = [dict(video_id=1, category_id=1, score=0.9, segmentations=[mask])]
    paths = tmp_path / 'gt.json', tmp_path / 'results.json'
    for path, content in zip(paths, (truth, results)):
        path.write_text(json.dumps(content))
    return paths


@pytest.mark.parametrize('words', ALL, ids=' '.join)
def test_each_command_has_a_tool_that_says_what_it_does(words):
    tool, rest = find_tool([*words, '--help'])
    assert tool_path(tool).is_file() and rest == ['--help']
    assert describe(tool).endswith('.')


@pytest.mark.parametrize('target', FORMATS)
@pytest.mark.parametrize('source', FORMATS)
def test_two_formats_are_a_command(source, target):
    words = [source, target, 'in', 'out', '--overwrite']
    assert find_tool(['convert', *words]) == find_tool(['convert', 'formats', *words])


def test_a_single_format_is_the_command_of_its_name():
    assert find_tool(['convert', 'cocovid', 'in', 'out'])[0].endswith('cocovid_to_vis.py')
    assert find_tool(['convert', 'cocovid', 'vis', 'in', 'out'])[0].endswith('convert_formats.py')
    assert find_tool(['convert', 'vis']) is None


def test_the_help_lists_all_commands_and_imports_none(capsys):
    assert main(['--help']) == 0
    shown = capsys.readouterr().out
    assert all(f'  {" ".join(words)} ' in shown for words in ALL)
    done = run(
        code='import sys; from rocovis_mm.cli import main; main([]); '
        'print([x for x in ("torch", "numpy", "cv2", "rich") if x in sys.modules])'
    )
    assert done.stdout.endswith('[]\n')


def test_results_are_scored_without_torch(scored, tmp_path):
    done = run('eval', *scored, '--out', tmp_path / 'metrics.json')
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / 'metrics.json').read_text())['AP'] == pytest.approx(1)
    assert 'Tube-Boundary AP' in done.stdout


def test_a_data_set_is_checked_without_torch(scored):
    done = run('check', scored[0], '--out', scored[0].parent / 'found')
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('0 problems')
    assert json.loads((scored[0].parent / 'found/summary.json').read_text())


@pytest.mark.parametrize('code', [WITHOUT_TORCH + RUN, WITHOUT_TORCH + NOT_INSTALLED + RUN])
def test_a_model_asks_for_what_it_needs(code, tmp_path):
    done = run('train', tmp_path / 'config.py', code=code)
    assert done.returncode == 1
    assert 'rocovis train: ' in done.stderr and "pip install 'rocovis_mm[mm]'" in done.stderr
    assert 'Traceback' not in done.stderr


def test_the_tool_names_the_command_that_was_typed():
    done = run('convert', 'davis', '--help')
    assert done.stdout.startswith('usage: rocovis convert davis ')


@pytest.mark.parametrize('words', [['nothing'], ['convert'], ['convert', 'nothing']])
def test_an_unknown_command_is_refused_with_the_list(words, capsys):
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == '' and f'no such command: {" ".join(words)}' in shown.err


def test_a_failure_is_the_exit_status(tmp_path):
    done = run('eval', tmp_path / 'none.json', tmp_path / 'none.json')
    assert done.returncode == 2 and 'none.json' in done.stderr
