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
from tests.docs_snippets import BLOCKS, REPOSITORY, pages

LAUNCHES = {  # script -> its tool, and which of its arguments are not the tool's
    'tools/dist_train.sh': ('tools/train.py', (1,)),
    'tools/dist_test.sh': ('tools/test.py', (2,)),
    'tools/slurm_train.sh': ('tools/train.py', (0, 1)),
    'tools/slurm_test.sh': ('tools/test.py', (0, 1)),
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
        return find_tool(words[1:]) or (shlex.join(words[:2]), [])
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
    tool, arguments = tool_of(words)
    files = [w for w in words if re.match(r'(configs|tools|demo|requirements)/[\w./-]+\.\w+$', w)]
    problems += [name for name in (*files, tool) if not (REPOSITORY / name).exists()]
    if tool and not problems:
        parser = parser_of(tool)
        given = [word.partition('=')[0] for word in arguments if word.startswith('--')]
        problems += [option for option in given if option not in parser._option_string_actions]
        if whole and not problems:
            problems += refusal(parser, arguments)
    return problems


def refusal(parser: argparse.ArgumentParser, arguments: list[str]) -> list[str]:
    """Return the last line of what a parser says to arguments, or a config to ``--cfg-options``."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            given = vars(parser.parse_args(arguments))
        if given.get('cfg_options') and (REPOSITORY / given['config']).is_file():
            load_config(REPOSITORY / given['config'], given['cfg_options'])
    except SystemExit:
        return said.getvalue().splitlines()[-1:]
    except ValueError as error:
        return [str(error)]
    return []


def missing_on(text: str) -> list[str]:
    """Return what code in running text names that is not there: files, make's verbs, options.

    `{a,b}` in the name of a file names two.
    """
    missing = []
    places = r'(?<![\w/.:-])(?:tools|configs|demo|docs|requirements|rocovis_mm)/[\w./*{},-]+'
    for span in re.findall(r'`([^`\n]+)`', text):
        for name in re.findall(places, span):
            before, inside, after = re.fullmatch(r'([^{]*)\{?([^}]*)\}?(.*?)[.,]?', name).groups()
            names = [before + each + after for each in inside.split(',')]
            missing += [n for n in names if n != 'rocovis_mm/.mim' and not any(REPOSITORY.glob(n))]
        if re.match(r'(make|python tools/|tools/)', span):
            missing += problems_of(shlex.split(span), whole=False)
    return missing


@pytest.mark.parametrize('block', [b for b in BLOCKS if b.language == 'bash'], ids=str)
def test_a_command_names_what_exists(block):
    for words in block.commands():
        assert not problems_of(words), shlex.join(words)
    for name in re.findall(r'\btests/[\w/.]+\w', block.not_run):
        assert (REPOSITORY / name).exists()


@pytest.mark.parametrize('page', pages(), ids=lambda page: page.name)
def test_running_text_names_what_exists(page):
    text = page.read_text(encoding='utf-8')
    for block in BLOCKS:
        text = text.replace(block.text, '')
    assert not missing_on(text)


def test_commands_are_found():
    found = [shlex.join(w) for b in BLOCKS if b.language == 'bash' for w in b.commands()]
    assert 'python tools/dataset_converters/generate_embedded.py data/embedded' in found
    assert len(found) > 90


@pytest.mark.parametrize(
    ('command', 'said'),
    [
        ('make tost', 'tost'),
        ('rocovis trian x.py', 'rocovis trian'),
        ('rocovis convert cvat x --wrok-dir x', '--wrok-dir'),
        ('rocovis train x --launcher mpy', 'invalid choice'),
        ('rocovis train configs/rocovis/rocovis_demo.py --cfg-options max_iter=3', 'max_iter'),
        ('python tools/train.py configs/rocovis/none.py', 'configs/rocovis/none.py'),
        ('python tools/train.py --launcher none', 'arguments are required: config'),
        ('tools/dist_train.sh x.py 8 9', 'unrecognized arguments: 9'),
    ],
)
def test_a_mistake_is_found(command, said):
    (problem,) = problems_of(command.split())
    assert said in problem


def test_mistakes_in_running_text_are_found():
    text = 'run `make tost` or `make test` on `configs/{rocovis,none}/`, `tools/train.py --wrok`'
    assert missing_on(text) == ['tost', 'configs/none/', '--wrok']
