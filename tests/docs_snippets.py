"""The fenced blocks of README and docs, and configs that are shown there as examples."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from sybil.document import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

REPOSITORY = Path(__file__).resolve().parents[1]
FENCED = RawFencedCodeBlockLexer(re.compile(r'(?P<language>\w*)[^\n]*\n'))
NOT_RUN = re.compile(r'<!-- not run: (.+) -->\n\Z')
"""The comment above a block of commands that tests only parse, with the reason."""


@dataclass(frozen=True)
class Block:
    """A fenced block. `not_run` is the reason why its commands do not run, or empty."""

    page: str
    line: int
    language: str
    text: str
    not_run: str

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'

    def commands(self) -> list[list[str]]:
        """Return the words of each command of a block of bash."""
        lines = self.text.replace('\\\n', ' ').replace(' && ', '\n').splitlines()
        return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def pages() -> list[Path]:
    """Return README, CONTRIBUTING, and all pages of docs/ and demo/."""
    folders = [sorted((REPOSITORY / folder).rglob('*.md')) for folder in ('docs', 'demo')]
    return [REPOSITORY / 'README.md', REPOSITORY / 'CONTRIBUTING.md', *sum(folders, [])]


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page in order."""
    document = Document(page.read_text(encoding='utf-8'), str(page))
    name = str(page.relative_to(REPOSITORY))
    for region in sorted(FENCED(document), key=lambda each: each.start):
        before, text = document.text[: region.start], str(region.lexemes['source'])
        reason = NOT_RUN.search(before)
        line = before.count('\n') + 2
        yield Block(name, line, region.lexemes['language'], text, reason[1] if reason else '')


BLOCKS = [block for page in pages() for block in blocks_of(page)]


def read_snippet(document: str, name: str, folder: Path) -> Config:
    """Return the config in the block of a document that begins with ``# <name>``.

    Paths of the repository in it (``configs/...``) are found from anywhere.
    """
    (text,) = (
        block.text
        for block in blocks_of(REPOSITORY / document)
        if re.match(rf'# {re.escape(name)}\b', block.text)
    )
    path = folder / name
    path.write_text(text.replace("'configs/", f"'{REPOSITORY}/configs/"), encoding='utf-8')
    return Config.fromfile(path)
