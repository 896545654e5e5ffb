"""Where AP is lost, as a picture."""

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.visualization.gap_bars import draw_gaps
from rocovis_mm.visualization.palette import GAP_COLORS

FIGURES = {
    'AP': 0.4,
    'lost_to_ranking': 0.0,
    'lost_to_tracking': 0.1,
    'lost_to_classes': 0.2,
    'lost_to_masks': 0.3,
}


def test_the_bar_has_the_shares_of_the_losses(tmp_path):
    with Image.open(draw_gaps({'some/a.json': FIGURES}, tmp_path / 'new' / 'gaps.png')) as picture:
        pixels = np.array(picture.convert('RGB'))
    counts = {}
    for title, color in GAP_COLORS.items():
        wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        rows = (pixels == wanted).all(axis=2).sum(axis=1)
        counts[title] = int(np.sort(rows)[-10])  # a row through the bar, not through its label
    whole = sum(counts.values()) - counts['lost to ranking']
    assert counts['AP'] / whole == pytest.approx(0.4, abs=0.01)
    assert counts['lost to linking'] / whole == pytest.approx(0.1, abs=0.01)
    assert counts['lost to masks'] / whole == pytest.approx(0.3, abs=0.01)


def test_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match=r'no\.png: no AP to draw'):
        draw_gaps({'a': {'AP': -1.0}}, tmp_path / 'no.png')
