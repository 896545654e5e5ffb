"""README and docs name nothing that is not there: files, tools, their options, make's verbs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.test_docs.commands import FENCED, REPOSITORY, Command, all_commands, commands_of, pages

COMMANDS = all_commands()
SHARED_OPTIONS = REPOSITORY / 'rocovis_mm' / 'utils' / 'run_config.py'
LAUNCHES = {
    'dist_train.sh': 'train.py',
    'slurm_train.sh': 'train.py',
    'dist_test.sh': 'test.py',
    'slurm_test.sh': 'test.py',
}


def options_of(tool: Path) -> set[str]:
    """Return the options that a tool declares, read off its source."""
    if tool.name in LAUNCHES:
        tool = tool.with_name(LAUNCHES[tool.name])
    sources = [tool, SHARED_OPTIONS] if tool.parent.name == 'tools' else [tool]
    return {
        argument.value
        for source in sources
        for node in ast.walk(ast.parse(source.read_text(encoding='utf-8')))
        if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'add_argument'
        for argument in node.args
        if isinstance(argument, ast.Constant) and argument.value.startswith('-')
    } | {'--help', '-h'}


def problems_of(command: Command) -> list[str]:
    """Return what a command names that does not exist."""
    text = re.sub(r'[\[\]]', ' ', command.text)
    words = Command(command.page, text.replace(' ...', '')).words
    problems = []
    if 'make' in words:
        makefile = (REPOSITORY / 'Makefile').read_text(encoding='utf-8')
        verbs = [word for word in words[words.index('make') + 1 :] if '=' not in word]
        problems += [v for v in verbs if not re.search(rf'^{v}:', makefile, re.MULTILINE)]
    for word in words:
        if re.match(r'(configs|tools|demo|requirements)/[\w./-]+\.\w+$', word):
            problems += [] if (REPOSITORY / word).exists() else [word]
    tools = [w for w in words if re.match(r'(tools|demo)/[\w./-]+\.(py|sh)$', w)]
    if tools and (REPOSITORY / tools[0]).exists():
        known = options_of(REPOSITORY / tools[0])
        given = [word.partition('=')[0] for word in words[words.index(tools[0]) :]]
        problems += [o for o in given if o.startswith('--') and o not in known]
    return problems


def paths_of(span: str) -> list[str]:
    """Return the files of the repository that code in running text names; `{a,b}` names two."""
    places = r'(?<![\w/.:-])(?:tools|configs|demo|docs|requirements|rocovis_mm)/[\w./*{},-]+'
    found = []
    for name in re.findall(places, span):
        before, brace, rest = name.rstrip('.,').partition('{')
        inside, _, after = rest.partition('}')
        found += [before + each + after for each in inside.split(',')] if brace else [before]
    return found


def missing_on(text: str) -> list[str]:
    """Return what code in running text names that is not there: files, make's verbs, options."""
    missing = []
    for span in re.findall(r'`([^`\n]+)`', FENCED.sub('', text)):
        in_wheel = 'rocovis_mm/.mim'
        missing += [p for p in paths_of(span) if p != in_wheel and not any(REPOSITORY.glob(p))]
        if re.match(r'(make|python tools/|tools/)', span):
            missing += problems_of(Command('page', span))
    return missing


@pytest.mark.parametrize('page', pages(), ids=lambda page: page.name)
def test_running_text_names_what_exists(page):
    assert not missing_on(page.read_text(encoding='utf-8'))


def test_mistakes_in_running_text_are_found():
    assert missing_on('run `make tost` on `configs/{rocovis,none}/`, `make test`') == [
        'tost', 'configs/none/'
    ]  # fmt: skip
    assert missing_on('`tools/train.py --wrok-dir x`') == ['--wrok-dir']


@pytest.mark.parametrize('command', COMMANDS, ids=str)
def test_a_command_names_what_exists(command):
    assert not problems_of(command)


def test_commands_are_found_and_their_mistakes_too(tmp_path):
    page = REPOSITORY / 'docs' / 'quick_start.md'
    texts = [command.text for command in commands_of(page)]
    assert 'python tools/dataset_converters/generate_embedded.py data/embedded' in texts
    assert len(COMMANDS) > 40
    wrong = 'python tools/train.py configs/rocovis/none.py --work-dirs x'
    assert problems_of(Command('page', wrong)) == ['configs/rocovis/none.py', '--work-dirs']
    assert problems_of(Command('page', 'make tost')) == ['tost']
