"""Text in pictures, in any script that an installed font has, or else in Latin letters.

matplotlib's DejaVu Sans has Latin, Greek, Cyrillic, Arabic, Hebrew and more, and comes first. Other
characters are searched in the fonts of the system. Characters without a font are transliterated.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont, features

try:
    from anyascii import anyascii
except ImportError:
    anyascii = None

DEJAVU = Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')
PLAIN = ('regular', 'sans', 'gothic', 'noto')
"""Words in the names of fonts to prefer."""
FANCY = ('bold', 'italic', 'oblique', 'light', 'thin', 'black', 'mono', 'serif', 'condensed')
"""Words in the names of fonts to take last."""
BOXES = ('lastresort', 'adobeblank', 'unifont', 'notdef')
"""Words in the names of fonts that have a placeholder for every character."""
INVISIBLE = {0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, *range(0xFE00, 0xFE10)}
"""Joiners and variation selectors, which need no glyph."""
LAYOUT = {'direction': 'ltr'} if features.check('raqm') else {}
"""A name may run from right to left, but the characters of ``#1`` beside it keep their order."""

_preferred: list[Path] = []


def use_font(path: str | Path | None) -> None:
    """Take this font first, in all pictures of the process; None takes it back.

    Args:
        path: of a .ttf, .otf or .ttc file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no font that can be drawn with.
    """
    if path is not None and not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such font file')
    if path is not None and not characters(Path(path)):
        raise ValueError(f'{path}: is no font that can be drawn with; give a .ttf, .otf or .ttc')
    _preferred[:] = [] if path is None else [Path(path)]
    font_for.cache_clear()


@cache
def load(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """Return a font, `size` pixels high."""
    return ImageFont.truetype(str(path), size)


@cache
def characters(path: Path) -> frozenset[int]:
    """Return the characters that a font has; none where it cannot be drawn with."""
    try:
        load(path, 20)
        return frozenset(FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError, ValueError):  # a bitmap font, a damaged one
        return frozenset()


@cache
def system_fonts() -> tuple[Path, ...]:
    """Return the fonts of the system, plain ones first."""
    found = {Path(path) for path in font_manager.findSystemFonts()}
    usable = [x for x in found if not any(word in x.stem.lower() for word in BOXES)]
    return tuple(sorted(usable, key=lambda path: (rank(path.stem.lower()), str(path))))


def rank(name: str) -> int:
    """Return how late a font is taken, by its name."""
    return sum(word in name for word in FANCY) * 10 - sum(word in name for word in PLAIN)


@cache
def font_for(cluster: str) -> Path | None:
    """Return the first font that has a character and the marks on it, or None."""
    needed = {ord(character) for character in cluster} - INVISIBLE
    if needs_shaping(cluster) and not features.check('raqm'):
        return None  # its letters would be apart, or in the wrong order
    for path in (*_preferred, DEJAVU):
        if needed <= characters(path):
            return path
    return next((path for path in system_fonts() if needed <= characters(path)), None)


def needs_shaping(cluster: str) -> bool:
    """Whether a character is written right to left, or changes its form beside others."""
    return any(
        unicodedata.bidirectional(character) in ('R', 'AL')
        or '\u0900' <= character <= '\u109f'
        or '\u1780' <= character <= '\u17ff'
        for character in cluster
    )


def clusters(text: str) -> Iterator[str]:
    """Yield the characters of a text, each with the marks and joiners after it."""
    cluster = ''
    for character in unicodedata.normalize('NFC', text):
        joined = unicodedata.category(character) in ('Mn', 'Mc', 'Me')
        if cluster and not joined and ord(character) not in INVISIBLE:
            yield cluster
            cluster = ''
        cluster += character
    if cluster:
        yield cluster


def in_latin(text: str) -> str:
    """Return a text in ASCII, without the characters that cannot be transliterated."""
    if anyascii is not None:
        return anyascii(text)
    plain = unicodedata.normalize('NFKD', text)
    return plain.encode('ascii', 'ignore').decode()


def readable(text: str, otherwise: str) -> str:
    """Return a text that can be drawn. Characters without a font are transliterated.

    Args:
        text: a name in any script.
        otherwise: an id, for a name of which nothing readable remains.
    """
    parts = [(part, font_for(part) is not None) for part in clusters(text)]
    drawn = ''.join(part if there else in_latin(part) for part, there in parts)
    lost = any(not there and not in_latin(part) for part, there in parts)
    return otherwise if lost or not drawn.strip() else drawn


def runs(text: str, size: int) -> list[tuple[str, ImageFont.FreeTypeFont]]:
    """Return pieces of a text, each with its font, with '?' or Latin for other characters."""
    pieces: list[tuple[str, Path]] = []
    for cluster in clusters(text):
        path = font_for(cluster)
        if path is None:
            cluster, path = in_latin(cluster) or '?', DEJAVU
        if cluster == ' ' and pieces and ord(' ') in characters(pieces[-1][1]):
            path = pieces[-1][1]
        if pieces and pieces[-1][1] == path:
            pieces[-1] = (pieces[-1][0] + cluster, pieces[-1][1])
        else:
            pieces.append((cluster, path))
    return [(piece, load(path, size)) for piece, path in pieces]


def text_width(text: str, size: int) -> float:
    """Return how wide a text is, in pixels."""
    return sum(font.getlength(piece, **LAYOUT) for piece, font in runs(text, size))


def draw_text(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    color: tuple[int, int, int],
    size: int,
    centred: bool = False,
) -> None:
    """Write a line of text.

    Args:
        pen: draws on the picture.
        place: (x, y) of the text's left middle, or of its middle.
        text: in any script.
        color: RGB.
        size: in pixels.
        centred: whether `place` is the middle.
    """
    pieces = runs(text, size)
    if len(pieces) == 1:
        anchor = 'mm' if centred else 'lm'
        pen.text(place, pieces[0][0], color, pieces[0][1], anchor=anchor, **LAYOUT)
        return
    left, middle = place
    if centred:
        left -= text_width(text, size) / 2
    ascent, descent = load(DEJAVU, size).getmetrics()
    baseline = middle + (ascent - descent) / 2
    for piece, font in pieces:
        pen.text((left, baseline), piece, color, font, anchor='ls', **LAYOUT)
        left += font.getlength(piece, **LAYOUT)


def chart_fonts(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return settings under which matplotlib draws texts, for ``matplotlib.rc_context``."""
    paths = dict.fromkeys(font_for(part) for text in texts for part in clusters(text))
    families = []
    for path in paths:
        if path is not None and path != DEJAVU:
            font_manager.fontManager.addfont(path)
            families.append(font_manager.FontProperties(fname=path).get_name())
    first = families if _preferred else []
    return {'font.family': [*first, 'DejaVu Sans', *families]}
