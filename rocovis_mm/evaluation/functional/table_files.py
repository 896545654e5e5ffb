"""Tables as csv, Markdown and LaTeX files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rocovis_mm.evaluation.functional.report import Difference, Table
from rocovis_mm.formats.whole_files import whole_file

LATEX_ESCAPES = str.maketrans(
    {
        '\\': r'\textbackslash{}',
        '~': r'\textasciitilde{}',
        '^': r'\textasciicircum{}',
        **{character: f'\\{character}' for character in '&%$#_{}'},
    }
)
LATEX_HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage[landscape,margin=1cm]{geometry}
% Other scripts: their code points in pdfLaTeX, the characters in XeLaTeX and LuaLaTeX.
\ifdefined\pdftexversion\newcommand\script[2]{U+#1}\else\newcommand\script[2]{#2}\fi
\begin{document}
"""
LATIN = 0x17F
"""The last character of Latin Extended-A, which every LaTeX typesets in T1."""


def csv_text(tables: Sequence[Table], file: str) -> str:
    """Return all tables as one: a line for each file, group or class, a column for each figure.

    Figures are fractions at full precision, and -1 where there is nothing to measure. The first
    columns are ``table``, the title of the table that a line is from, and ``file``. A
    `Difference` fills three columns, whose names end in ``_difference``, ``_low`` and ``_high``.

    Args:
        tables: in the order of the lines.
        file: name of the results file of the lines that name none.
    """
    lines = [
        {'table': table.title, 'file': file, **_flat(record)}
        for table in tables
        for record in table.tidy()
    ]
    columns = list(dict.fromkeys(key for line in lines for key in line))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator='\n')
    writer.writeheader()
    writer.writerows(lines)
    return stream.getvalue()


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Difference):
            flat.update({f'{key}_{end}': number for end, number in value._asdict().items()})
        else:
            flat[key] = value
    return flat


def markdown_text(tables: Sequence[Table], file: str = '') -> str:
    """Return tables in Markdown, each under its title.

    Args:
        tables: in the order of the text.
        file: name of the results file; the first line, if any.
    """
    parts = [f'Results: {_markdown(file)}'] if file else []
    for table in tables:
        parts += [f'## {table.title}', markdown_table(table), *table.notes]
    return '\n\n'.join(parts) + '\n'


def markdown_table(table: Table) -> str:
    """Return a table in Markdown, without its title and notes."""
    head, *rows = ([_markdown(cell) for cell in row] for row in table.texts())
    return '\n'.join(f'| {" | ".join(line)} |' for line in [head, ['---'] * len(head), *rows])


def _markdown(text: str) -> str:
    return ' '.join(text.split()).replace('|', r'\|')


def latex_text(tables: Sequence[Table], file: str) -> str:
    """Return tables as a LaTeX document with booktabs' rules.

    Args:
        tables: in the order of the text.
        file: name of the results file.
    """
    parts = [f'Results: {escape_latex(file)}\n\n\\bigskip\n']
    for table in tables:
        head, *rows = (' & '.join(map(escape_latex, row)) + r' \\' for row in table.texts())
        # The first cell is a text: only it is aligned to the left.
        lines = [
            r'\noindent\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%',
            rf'\begin{{tabular}}{{l{"r" * (len(table.columns) - 1)}}}',
            *(r'\toprule', head, r'\midrule', *rows, r'\bottomrule'),
            r'\end{tabular}}',
            *(f'\n{escape_latex(note)}' for note in table.notes),
            '\n\\bigskip\n',
        ]
        parts.append('\n'.join(lines))
    return f'{LATEX_HEAD}{"".join(parts)}\\end{{document}}\n'


def escape_latex(text: str) -> str:
    """Return a text as LaTeX typesets it; white space becomes single blanks."""
    plain = ' '.join(text.split()).translate(LATEX_ESCAPES)
    return ''.join(
        character if ord(character) <= LATIN else rf'\script{{{ord(character):04X}}}{{{character}}}'
        for character in plain
        if character.isprintable()
    )


WRITERS: dict[str, Callable[[Sequence[Table], str], str]] = {
    'csv': csv_text,
    'markdown': markdown_text,
    'latex': latex_text,
}
"""By the name of the format: writes tables, given the name of the results file."""


def name_files(paths: Sequence[str]) -> list[tuple[str, str]]:
    """Return each path with its name in tables: the shortest end that no other path has.

    A path that is given again gets a number.
    """
    parts = [Path(path).parts for path in paths]
    named: list[tuple[str, str]] = []
    for path, own in zip(paths, parts):
        length = 1
        while any(other != own and other[-length:] == own[-length:] for other in parts):
            length += 1
        times = 1 + sum(path == earlier for _, earlier in named)
        name = str(Path(*own[-length:]))
        named.append((name if times == 1 else f'{name} ({times})', path))
    return named


def write_text(path: Path, text: str) -> None:
    """Write a text file, which appears whole; missing folders are created."""
    with whole_file(path) as stream:
        stream.write(text.encode('utf-8', 'backslashreplace'))
