"""The losses of AP in words and as shares of a bar."""

import pytest

from rocovis_mm.evaluation.functional.quality_report import (
    consistency_table,
    gap_segments,
    gap_table,
    gap_words,
)

FIGURES = {
    'AP': 0.25,
    'AP_tracking': 0.6,
    'AP_class': 0.75,
    'AP_tracking_upper': 0.6,
    'AP_class_upper': 0.8,
    'lost_to_ranking': 0.125,
    'lost_to_tracking': 0.35,
    'lost_to_classes': 0.15,
    'lost_to_masks': 0.25,
    'unsolved_tracking': 0,
    'unsolved_class': 2,
}


def test_words():
    first, second = gap_words(FIGURES)
    assert first == (
        'Of the 75.00 AP that are missing, 35.00 are lost to tracking (12.50 of them to ranking: '
        'scores, duplicates and false positives), 15.00 to classes and 25.00 to masks.'
    )
    assert second.startswith('2 videos are not solved exactly')
    assert 'between 75.00 and 80.00' in second
    assert len(gap_words({**FIGURES, 'unsolved_class': 0})) == 1
    assert gap_words({'AP': -1.0}) == ['No ground truth counts, so no AP is lost.']


def test_segments_fill_the_bar():
    segments = gap_segments(FIGURES)
    assert list(segments.values()) == pytest.approx([0.25, 0.125, 0.225, 0.15, 0.25])
    assert gap_segments({'AP': -1.0}) == {}


def test_tables_have_a_row_and_words_for_each_file():
    table = gap_table(['a', 'b'], [FIGURES, {**FIGURES, 'AP': -1.0}])
    assert table.texts()[1] == ['a', '25.00', '35.00', '12.50', '15.00', '25.00', '60.00', '75.00']
    assert table.texts()[2][1] == '-'
    assert [note[:3] for note in table.notes] == ['a: ', 'a: ', 'b: ']
    assert gap_table(['a'], [FIGURES]).notes[0].startswith('Of the')
    row = dict(matched_tracks=3, jitter=0.1, jitter_videos=0.2, flicker=-1.0, flicker_videos=-1.0)
    table = consistency_table(['a'], [{**row, 'lost_frames': 4, 'videos': []}])
    assert table.texts()[1] == ['a', '3', '10.00', '20.00', '-', '-', '4']
    assert 'videos' not in table.tidy()[0]
