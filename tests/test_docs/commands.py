"""What README and docs show: commands, blocks of Python, of yaml and json."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FENCED = re.compile(r'^( *)```(\w*)[^\n]*\n(.*?)^\1```[ \t]*$', re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r'(?:^    .+\n)+', re.MULTILINE)
SHELL = ('bash', 'sh', 'shell', 'console')
STARTS = re.compile(r'(?:[A-Z_]+=\S* )*(?:python|make|mim|pip|bash|pre-commit|tools/|demo/)')
"""What a line of an indented block begins with if it is a command; in fenced ones all are."""


@dataclass(frozen=True)
class Command:
    """One command line, continuation lines joined.

    Attributes:
        page: file it stands in, relative to the repository.
        text: the command without its comment.
    """

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """The command split as a shell splits it."""
        return shlex.split(self.text)

    def __str__(self) -> str:
        return f'{self.page}: {self.text}'


@dataclass(frozen=True)
class Block:
    """A fenced block that is no command.

    Attributes:
        page: file it stands in, relative to the repository.
        line: the number of its first line.
        language: as its fence says, '' if it does not.
        text: what it holds, without the indentation of the whole block.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'


def pages() -> list[Path]:
    """Return README, CONTRIBUTING, and all pages of docs/ and demo/."""
    found = [REPOSITORY / 'README.md', REPOSITORY / 'CONTRIBUTING.md']
    for folder in ('docs', 'demo'):
        found += sorted((REPOSITORY / folder).rglob('*.md'))
    return found


def commands_of(page: Path) -> list[Command]:
    """Return the commands in shell blocks and in indented blocks of a page, in order."""
    text = page.read_text(encoding='utf-8')
    name = str(page.relative_to(REPOSITORY))
    blocks = [(m.start(), m.group(3), False) for m in FENCED.finditer(text) if m.group(2) in SHELL]
    rest = FENCED.sub(lambda m: re.sub(r'[^\n]', '.', m.group()), text)
    blocks += [(m.start(), m.group(), True) for m in INDENTED.finditer(rest)]
    found = []
    for _, block, indented in sorted(blocks):
        for line in re.sub(r'\\\n\s*', '', block).splitlines():
            line = re.sub(r'(^|\s+)#\s.*$', '', line.strip())
            if line and (STARTS.match(line) or not indented):
                found.append(Command(name, line))
    return found


def all_commands() -> list[Command]:
    """Return the commands of all pages."""
    return [command for page in pages() for command in commands_of(page)]


def all_blocks() -> list[Block]:
    """Return the fenced blocks of all pages that hold no commands."""
    found = []
    for page in pages():
        text = page.read_text(encoding='utf-8')
        for match in FENCED.finditer(text):
            indent, language, body = match.groups()
            if language not in SHELL:
                line = text[: match.start()].count('\n') + 2
                body = re.sub(rf'^{indent}', '', body, flags=re.MULTILINE)
                found.append(Block(str(page.relative_to(REPOSITORY)), line, language, body))
    return found
