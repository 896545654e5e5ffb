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
from pathlib import Path
from unittest import mock

import pytest

from tests.docs_snippets import REPOSITORY, blocks_of, pages, running_text

LAUNCHES = {  # script -> its tool, and which of its arguments are not the tool's
    'tools/dist_train.sh': ('tools/train.py', (1,)),
    'tools/dist_test.sh': ('tools/test.py', (2,)),
    'tools/slurm_train.sh': ('tools/train.py', (0, 1)),
    'tools/slurm_test.sh': ('tools/test.py', (0, 1)),
}


def commands_of(page: Path) -> list[list[str]]:
    """Return the words of each command in the bash blocks of a page."""
    found = []
    for block in blocks_of(page):
        if block.language == 'bash':
            for line in block.text.replace('\\\n', ' ').splitlines():
                words = shlex.split(line, comments=True)
                parts = ' '.join('\n' if word == '&&' else shlex.quote(word) for word in words)
                found += [shlex.split(part) for part in parts.split('\n')]
    return [words for words in found if words]


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


def problems_of(words: list[str], whole: bool = True) -> list[str]:
    """Return what a command names that does not exist; one in running text may not be whole."""
    words = [word for word in words if word not in ('...', '...]')]
    words = [re.sub(r'^\[(?=-)|(?<!\[)(?<=[A-Z.a-z])\]$', '', word) for word in words]
    problems = []
    if 'make' in words:
        makefile = (REPOSITORY / 'Makefile').read_text(encoding='utf-8')
        verbs = [word for word in words[words.index('make') + 1 :] if '=' not in word]
        problems += [v for v in verbs if not re.search(rf'^{v}:', makefile, re.MULTILINE)]
    for word in words:
        if re.match(r'(configs|tools|demo|requirements)/[\w./-]+\.\w+$', word):
            problems += [] if (REPOSITORY / word).exists() else [word]
    tools = [n for n, w in enumerate(words) if re.match(r'(tools|demo)/[\w./-]+\.(py|sh)$', w)]
    if tools and (REPOSITORY / words[tools[0]]).exists():
        name, given = words[tools[0]], words[tools[0] + 1 :]
        name, not_its = LAUNCHES.get(name, (name, ()))
        given = [word for n, word in enumerate(given) if n not in not_its]
        parser = parser_of(name)
        known = parser._option_string_actions
        problems += [w for w in given if w.startswith('--') and w.partition('=')[0] not in known]
        if whole and not problems:
            problems += refusal(parser, given)
    return problems


def refusal(parser: argparse.ArgumentParser, arguments: list[str]) -> list[str]:
    """Return the last line of what a parser says to arguments that it refuses."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parser.parse_args(arguments)
    except SystemExit:
        return said.getvalue().splitlines()[-1:]
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
    problems = {shlex.join(words): problems_of(words) for words in commands_of(page)}
    assert not {command: found for command, found in problems.items() if found}
    assert not missing_on(running_text(page))


def test_commands_are_found_and_their_mistakes_too():
    found = [shlex.join(words) for page in pages() for words in commands_of(page)]
    assert 'python tools/dataset_converters/generate_embedded.py data/embedded' in found
    assert len(found) > 90
    wrong = 'python tools/train.py configs/rocovis/none.py --work-dirs x'
    assert problems_of(wrong.split()) == ['configs/rocovis/none.py', '--work-dirs']
    assert problems_of(['make', 'tost']) == ['tost']
    (said,) = problems_of('python tools/train.py --launcher none'.split())
    assert said.endswith('the following arguments are required: config')
    assert 'invalid choice' in problems_of('tools/train.py x --launcher mpy'.split())[0]
    assert not problems_of('tools/dist_test.sh CONFIG CHECKPOINT 8 [--out RESULTS.json]'.split())


def test_mistakes_in_running_text_are_found():
    assert missing_on('run `make tost` on `configs/{rocovis,none}/`, `make test`') == [
        'tost', 'configs/none/'
    ]  # fmt: skip
    assert missing_on('`tools/train.py --wrok-dir x`') == ['--wrok-dir']
