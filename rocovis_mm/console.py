"""Printing names and tables to streams of any encoding and width."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Sequence


def print_anything() -> None:
    """Let stdout and stderr write what their encoding lacks as escapes instead of failing.

    Names of classes and files may be in any script, and a stream in ASCII (``LANG=C``, a pipe, a
    log of cron). Each tool calls this first.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')


def tool_parser(text: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help shows a tool's docstring with its line breaks."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def report(work: Callable[[], Iterable[str]]) -> int:
    """Print the lines that `work` returns, or its error, and return a tool's exit status."""
    try:
        lines = work()
    except (ValueError, OSError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(*lines, sep='\n')
    return 0


def text_table(rows: Sequence[Sequence[object]]) -> str:
    """Return a table with lines of ASCII; it is as wide as its cells, wherever it is printed.

    Args:
        rows: cells of each row; the first row is the head.
    """
    # Here, because the import takes longer than all else that a tool does before its work.
    from rich.box import ASCII2
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=ASCII2, show_header=False)
    for number, row in enumerate(rows):
        cells = [Text(str(cell)) for cell in row]
        for cell in cells:
            cell.expand_tabs()
        table.add_row(*cells, end_section=number == 0)
    file = io.StringIO()
    Console(file=file, width=10**6, force_terminal=False, color_system=None).print(table)
    return file.getvalue().rstrip('\n')
