"""README and docs name nothing that is not there: files, tools, their options, make's verbs."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import runpy
import shlex
import sys
from functools import cache
from unittest import mock

import pytest

from rocovis_mm.cli import find_tool
from rocovis_mm.utils import load_config
from tests.docs_snippets import REPOSITORY, blocks_of, pages, running_text

LAUNCHES = {  # script -> its tool, and which of its arguments are not the tool's
    'tools/dist_train.sh': ('tools/train.py', (1,)),
    'tools/dist_test.sh': ('tools/test.py', (2,)),
    'tools/slurm_train.sh': ('tools/train.py', (0, 1)),
    'tools/slurm_test.sh': ('tools/test.py', (0, 1)),
}
COMMANDS = {
    page: [w for b in blocks_of(page) if b.language == 'bash' for w in b.commands()]
    for page in pages()
}


@cache
def parser_of(tool: str) -> argparse.ArgumentParser:
    """Return the parser that a tool makes."""
    found = []

    def keep(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        found.append(self)
        raise SystemExit

    path = REPOSITORY / tool
    with mock.patch.object(sys, 'path', [str(path.parent), *sys.path]):
        names = runpy.run_path(str(path))
        if not {'argparse', 'tool_parser'} & names.keys():
            return argparse.ArgumentParser()
        with mock.patch.object(argparse.ArgumentParser, 'parse_args', keep):
            with contextlib.suppress(SystemExit):
                names.get('parse_args', names.get('main'))()
    return found[0]


def tool_of(words: list[str]) -> tuple[str, list[str]]:
    """Return the tool that a command runs and the arguments of the tool; '' if it runs none."""
    if words[0] == 'rocovis':
        return find_tool(words[1:]) or (f'rocovis {words[1]}', [])
    for number, word in enumerate(words):
        if re.match(r'(tools|demo)/[\w./-]+\.(py|sh)$', word):
            name, not_its = LAUNCHES.get(word, (word, ()))
            return name, [w for n, w in enumerate(words[number + 1 :]) if n not in not_its]
    return '', []


def problems_of(words: list[str], whole: bool = True) -> list[str]:
    """Return what a command names that does not exist; one in running text may not be whole."""
    problems = []
    if 'make' in words:
        makefile = (REPOSITORY / 'Makefile').read_text(encoding='utf-8')
        verbs = [word for word in words[words.index('make') + 1 :] if '=' not in word]
        problems += [v for v in verbs if not re.search(rf'^{v}:', makefile, re.MULTILINE)]
    for word in words:
        if re.match(r'(configs|tools|demo|requirements)/[\w./-]+\.\w+$', word):
            problems += [] if (REPOSITORY / word).exists() else [word]
    tool, arguments = tool_of(words)
    if tool and tool not in problems:
        if not (REPOSITORY / tool).is_file():
            return [*problems, tool]
        parser = parser_of(tool)
        known = parser._option_string_actions
        given = [word.partition('=')[0] for word in arguments if word.startswith('--')]
        problems += [option for option in given if option not in known]
        if whole and not problems:
            problems += refusal(parser, arguments)
    return problems


def refusal(parser: argparse.ArgumentParser, arguments: list[str]) -> list[str]:
    """Return the last line of what a parser says to arguments, or a config to ``--cfg-options``."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            given = parser.parse_args(arguments)
    except SystemExit:
        return said.getvalue().splitlines()[-1:]
    config = REPOSITORY / str(getattr(given, 'config', ''))
    if config.is_file() and getattr(given, 'cfg_options', None):
        try:
            load_config(config, given.cfg_options)
        except ValueError as error:
            return [str(error)]
    return []


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
    for span in re.findall(r'`([^`\n]+)`', text):
        in_wheel = 'rocovis_mm/.mim'
        missing += [p for p in paths_of(span) if p != in_wheel and not any(REPOSITORY.glob(p))]
        if re.match(r'(make|python tools/|tools/)', span):
            missing += problems_of(shlex.split(span), whole=False)
    return missing


@pytest.mark.parametrize('page', pages(), ids=lambda page: page.name)
def test_a_page_names_what_exists(page):
    problems = {shlex.join(words): problems_of(words) for words in COMMANDS[page]}
    assert not {command: found for command, found in problems.items() if found}
    assert not missing_on(running_text(page))
    reasons = ' '.join(block.not_run for block in blocks_of(page))
    assert all((REPOSITORY / name).exists() for name in re.findall(r'tests/[\w/.]+\w', reasons))


def test_commands_are_found_and_their_mistakes_too():
    found = [shlex.join(words) for commands in COMMANDS.values() for words in commands]
    assert 'python tools/dataset_converters/generate_embedded.py data/embedded' in found
    assert len(found) > 90
    train = 'configs/rocovis/rocovis_demo.py --cfg-options max_iter=3'
    for wrong, problems in {
        'python tools/train.py configs/rocovis/none.py --work-dirs x': [
            'configs/rocovis/none.py', '--work-dirs',
        ],
        'make tost': ['tost'],
        'rocovis trian x.py': ['rocovis trian'],
        'rocovis convert cvat x --wrok-dir x': ['--wrok-dir'],
        'python tools/train.py --launcher none': ['the following arguments are required: config'],
        'tools/train.py x --launcher mpy': ['invalid choice'],
        'tools/dist_train.sh x.py 8 9': ['unrecognized arguments: 9'],
        f'rocovis train {train}': ['max_iter'],
        f'tools/slurm_train.sh PARTITION NAME {train}': ['max_iter'],
    }.items():  # fmt: skip
        said = problems_of(wrong.split())
        assert len(said) == len(problems) and all(map(str.count, said, problems)), (wrong, said)


def test_mistakes_in_running_text_are_found():
    assert missing_on('run `make tost` on `configs/{rocovis,none}/`, `make test`') == [
        'tost', 'configs/none/'
    ]  # fmt: skip
    assert missing_on('`tools/train.py --wrok-dir x`') == ['--wrok-dir']
