"""The last whole checkpoint, from which a run resumes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rocovis_mm.checkpoints.reading import read_checkpoint

POINTER = 'last_checkpoint'
NEEDED = ('meta', 'state_dict', 'message_hub', 'optimizer')
"""Entries that MMEngine writes into a checkpoint that can be resumed."""


def check_resumable(path: str | Path) -> None:
    """Check that a run can resume from a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, cut short, or holds no state of a training run.
    """
    checkpoint = read_checkpoint(path)
    missing = [key for key in NEEDED if key not in checkpoint]
    if missing:
        raise ValueError(
            f'{path}: no state of a training run (no {", ".join(missing)}); to start from its '
            'weights, give it as load_from instead'
        )


def find_whole_checkpoint(folder: str | Path) -> tuple[str | None, list[str]]:
    """Return the checkpoint to resume from, and the problems of later ones.

    Args:
        folder: work folder of a run.

    Returns:
        the path, None where no checkpoint was written yet; and one line for each
        damaged or foreign file that was passed over.

    Raises:
        ValueError: there are checkpoints, but none of them is whole.
    """
    problems: list[str] = []
    for path in candidates(Path(folder)):
        try:
            check_resumable(path)
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
        else:
            return str(path), problems
    if problems:
        raise ValueError(
            f'{folder}: no whole checkpoint to resume from; give another --work-dir to start anew. '
            + '; '.join(problems)
        )
    return None, []


def candidates(folder: Path) -> Iterator[Path]:
    """Yield the checkpoints of a run: the one it points to, then the others, newest first."""
    pointer = folder / POINTER
    named = Path(pointer.read_text().strip()) if pointer.is_file() else Path()
    if not named.is_file() and named.name:  # the folder was moved
        named = folder / named.name
    if named.is_file():
        yield named
    numbered = [
        path for path in folder.glob('*.pth') if re.fullmatch(r'(iter|epoch)_\d+\.pth', path.name)
    ]
    for path in sorted(numbered, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        if not (named.is_file() and path.samefile(named)):
            yield path
