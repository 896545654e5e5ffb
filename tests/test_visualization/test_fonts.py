"""Names in any script: drawn with a font that has them, or spelled in Latin letters."""

from __future__ import annotations

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageDraw

from rocovis_mm.checks.summary import DatasetSummary
from rocovis_mm.visualization import fonts
from rocovis_mm.visualization.dataset_plots import draw_summary
from rocovis_mm.visualization.fonts import use_font
from rocovis_mm.visualization.overlay import draw_overlay, instance_caption

NAME = '\u8d64\u3044\u7bb1'  # red box, in Japanese


def make_font(path, letters: str):
    """Write a font whose letters are squares as high as the type."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 700), (900, 700), (900, 0)):
        pen.lineTo(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(['.notdef', 'square'])
    builder.setupCharacterMap({ord(letter): 'square' for letter in letters})
    builder.setupGlyf({'.notdef': TTGlyphPen(None).glyph(), 'square': pen.glyph()})
    builder.setupHorizontalMetrics({'.notdef': (500, 0), 'square': (1000, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable(dict(familyName=path.stem, styleName='Regular'))
    builder.setupOS2(sTypoAscender=800, usWinAscent=800, usWinDescent=200)
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture(autouse=True)
def no_system_fonts(monkeypatch):
    """Tests do not depend on the machine's fonts; returns a function that installs some."""
    found = []
    monkeypatch.setattr(fonts.font_manager, 'findSystemFonts', lambda: found)

    def install(*paths):
        found[:] = map(str, paths)
        fonts.system_fonts.cache_clear()
        fonts.font_for.cache_clear()

    install()
    yield install
    use_font(None)
    fonts.system_fonts.cache_clear()


def drawn(text: str, size: int = 20) -> np.ndarray:
    """Return where a text of this size leaves ink."""
    picture = Image.new('L', (200, 40))
    fonts.draw_text(ImageDraw.Draw(picture), (4, 20), text, 255, size)
    return np.asarray(picture) > 128


def test_latin_greek_and_cyrillic_are_as_they_always_were(no_system_fonts, tmp_path):
    no_system_fonts(make_font(tmp_path / 'squares.ttf', 'abcde'))
    for text in (
        'cat',
        '\u03b3\u03ac\u03c4\u03b1',
        '\u043a\u043e\u0448\u043a\u0430',
        'Gr\u00fc\u00df',
    ):
        assert fonts.readable(text, 'id') == text
        assert {font.path for _, font in fonts.runs(text, 12)} == {str(fonts.DEJAVU)}


def test_a_font_of_the_system_that_has_the_letters_is_found(no_system_fonts, tmp_path):
    no_system_fonts(
        make_font(tmp_path / 'a_part.ttf', NAME[:2]), make_font(tmp_path / 'whole.ttf', NAME)
    )
    assert fonts.readable(NAME, 'id') == NAME
    pieces = [(text, font.path.rpartition('/')[2]) for text, font in fonts.runs(f'{NAME} #3', 20)]
    assert pieces == [
        (NAME[:2], 'a_part.ttf'),
        (NAME[2], 'whole.ttf'),
        (' #3', 'DejaVuSans.ttf'),
    ]
    ink = drawn(NAME)
    for n in range(3):  # 18 of 20 pixels wide, 14 high
        assert ink[:, 4 + 20 * n : 24 + 20 * n].sum() == pytest.approx(18 * 14, rel=0.15)
    assert fonts.text_width(NAME, 20) == 60


def test_without_a_font_a_name_is_spelled_in_latin_letters():
    pytest.importorskip('anyascii')
    assert fonts.readable(NAME, 'id') == 'ChiiXiang'
    assert instance_caption(0, 3, 0.5, [NAME]) == 'ChiiXiang #3 0.50'
    assert np.array_equal(drawn(NAME), drawn('ChiiXiang'))
    assert fonts.readable('\U0001f436', 'id') == ':dog:'


@pytest.mark.parametrize('text', ['\ue000', 'a\ue000', '', '  '])
def test_a_name_that_cannot_be_spelled_is_the_id(text):
    assert fonts.readable(text, '7') == '7'
    assert instance_caption(7, 0, None, [''] * 7 + [text]) == '7 #0'


def test_without_anyascii_too(monkeypatch):
    monkeypatch.setattr(fonts, 'anyascii', None)
    assert fonts.readable(NAME, '7') == '7'
    assert fonts.readable('\uff21\uff22', '7') in ('AB', '\uff21\uff22')  # full width


def test_letters_and_their_marks_stay_together(no_system_fonts, tmp_path):
    no_system_fonts(make_font(tmp_path / 'squares.ttf', 'e\u0301'))
    assert list(fonts.clusters('e\u0301a')) == ['\u00e9', 'a']  # NFD names
    assert list(fonts.clusters('q\u0301\u200dx')) == ['q\u0301\u200d', 'x']


def test_scripts_that_need_shaping_are_drawn_only_where_it_is_there(monkeypatch):
    pytest.importorskip('anyascii')
    arabic = '\u0643\u0644\u0628'  # DejaVu has the letters
    monkeypatch.setattr(fonts.features, 'check', lambda name: True)
    fonts.font_for.cache_clear()
    assert fonts.readable(arabic, 'id') == arabic
    monkeypatch.setattr(fonts.features, 'check', lambda name: False)
    fonts.font_for.cache_clear()
    assert fonts.readable(arabic, 'id') == 'klb'


@pytest.mark.skipif(not fonts.LAYOUT, reason='needs Pillow with Raqm')
def test_the_number_beside_a_name_that_runs_from_right_to_left_keeps_its_order():
    number, whole = drawn('#1'), drawn('\u05db\u05dc\u05d1 #1')
    width = int(fonts.text_width('#1', 20))
    places = [np.array_equal(whole[:, x : x + width], number[:, 4 : 4 + width]) for x in range(160)]
    assert sum(places) == 1


def test_the_font_that_is_asked_for_comes_first(tmp_path):
    path = make_font(tmp_path / 'mine.ttf', f'cat{NAME}')
    use_font(path)
    assert [font.path for _, font in fonts.runs(f'cat{NAME}', 20)] == [str(path)]
    use_font(None)
    assert [font.path for _, font in fonts.runs('cat', 20)] == [str(fonts.DEJAVU)]


def test_what_is_no_font_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'none\.ttf: no such font file'):
        use_font(tmp_path / 'none.ttf')
    (tmp_path / 'text.ttf').write_text('no font')
    with pytest.raises(ValueError, match=r'text\.ttf: is no font that can be drawn with'):
        use_font(tmp_path / 'text.ttf')


def test_captions_are_as_wide_as_their_text(no_system_fonts, tmp_path):
    no_system_fonts(make_font(tmp_path / 'squares.ttf', NAME))
    masks = np.zeros((1, 200, 300), bool)
    masks[0, 120:160, 100:200] = True
    picture = draw_overlay(np.zeros((200, 300, 3), np.uint8), masks, [0], [NAME], scale=1)
    plain = draw_overlay(np.zeros((200, 300, 3), np.uint8), masks, [0], ['ii'], scale=1)
    width = [np.flatnonzero(x[100].any(axis=1)).size for x in (picture, plain)]
    assert 36 <= width[0] < 60 and width[1] < width[0]  # three letters of 12 pixels and its rim


@pytest.mark.filterwarnings('error:Glyph')
@pytest.mark.parametrize('installed', [True, False])
def test_charts_take_them_too(no_system_fonts, tmp_path, installed):
    """matplotlib warns of each letter that it has not."""
    if installed:
        no_system_fonts(make_font(tmp_path / 'squares.ttf', NAME))
    summary = DatasetSummary(
        **{
            **{field: 0 for field in DatasetSummary.__dataclass_fields__},
            **dict(classes={NAME: 3, 'cat': 1}, resolutions={(4, 3): 1}),
            **dict.fromkeys(
                ('video_lengths', 'tracks_per_video', 'track_lengths', 'absent', 'mask_sides'),
                [1.0, 2.0],
            ),
        }
    )
    assert draw_summary(summary, tmp_path / 'summary.png').is_file()
