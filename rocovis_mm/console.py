"""Printing to streams of any encoding; needs nothing but Python."""

from __future__ import annotations

import sys


def print_anything() -> None:
    """Let stdout and stderr write what their encoding lacks as escapes instead of failing.

    Names of classes and files may be in any script, and a stream in ASCII (``LANG=C``, a pipe, a
    log of cron). Each tool calls this first.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')
