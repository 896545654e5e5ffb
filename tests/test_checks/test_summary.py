"""Figures of the drawn scene, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.checks.summary import count_gap, format_summary, summarize
from rocovis_mm.formats.vis_annotations import VISAnnotations, inspect_vis_annotations
from rocovis_mm.visualization.dataset_plots import draw_summary
from tests.test_checks.test_problems import scene
from tests.test_datasets.drawn_scene import masks_of


def test_figures_of_the_scene(tmp_path):
    content = scene()
    content['annotations'][1]['iscrowd'] = 1
    content['categories'].append(dict(id=30, name='wolf'))
    content['videos'].append(
        dict(id=3, height=9, width=16, file_names=[f'three/{t}.jpg' for t in range(6)])
    )
    summary = summarize(inspect_vis_annotations(content, 'a.json')[0])
    assert summary.video_lengths == [4, 4, 6]
    assert summary.tracks_per_video == [2, 1, 0]
    assert summary.track_lengths == [4, 2, 2]  # red, blue, green
    assert summary.absent == [0.0, 0.5, 0.5]
    assert summary.gaps == [0, 2, 0]
    assert summary.classes == dict(dog=2, cat=1, wolf=0)
    assert summary.resolutions == {(32, 20): 2, (16, 9): 1}
    masks = [
        mask for video in ('one', 'two') for track in masks_of(video).values() for mask in track
    ]
    sides = [np.sqrt(mask.mean()) for mask in masks if mask.any()]
    np.testing.assert_allclose(summary.mask_sides, sides)
    figures = summary.figures()
    assert (figures['videos'], figures['frames'], figures['tracks'], figures['masks']) == (
        3,
        14,
        3,
        8,
    )
    assert figures['crowds'] == 1 and figures['tracks_that_return'] == 1
    assert figures['absent_share'] == pytest.approx(4 / 12)
    assert figures['video_length'] == dict(min=4, median=4.0, mean=14 / 3, max=6)
    # green comes in, goes; blue goes and returns, larger by more than 0.4 of its largest; red is
    # never below that
    assert figures['events'] == dict(births=1, disappearances=2, returns=1, occlusions=1)
    text = format_summary(summary)
    assert '3 videos, 14 frames, 3 tracks (1 crowds), 8 masks' in text and '33.3 %' in text
    path = draw_summary(summary, tmp_path / 'new' / 'summary.png')
    with Image.open(path) as picture:
        assert picture.width > 1000
        colors = picture.convert('RGB').getcolors(1 << 24)
    assert len(colors) > 50  # something is drawn


def test_nothing_at_all(tmp_path):
    summary = summarize(VISAnnotations([], []))
    assert summary.figures()['absent_share'] == 1.0 and '0 videos' in format_summary(summary)
    assert draw_summary(summary, tmp_path / 'a.png').is_file()


def test_gaps():
    assert [count_gap(np.array(row, bool)) for row in ([0, 0], [0, 1, 0], [1, 0, 0, 1, 0, 1])] == [
        0,
        0,
        3,
    ]
