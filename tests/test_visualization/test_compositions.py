"""How videos are laid out: panes, mosaics and sheets, also of few videos and of none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.formats.run_lengths import Tube, encode_mask
from rocovis_mm.visualization.compositions import (
    GAP,
    HEADER,
    compared_frames,
    contact_sheet,
    mosaic_frames,
    tile,
    write_pictures,
)
from rocovis_mm.visualization.curves import draw_comparison
from rocovis_mm.visualization.video_results import DrawnTrack, DrawnVideo

HEIGHT, WIDTH, LENGTH = 48, 80, 3


@pytest.fixture
def video(tmp_path):
    paths = [tmp_path / f'{t}.png' for t in range(LENGTH)]
    for path in paths:
        Image.new('RGB', (WIDTH, HEIGHT), (120, 130, 140)).save(path)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:30, 10:40] = 1
    tube = Tube.from_counts(HEIGHT, WIDTH, [encode_mask(mask)['counts']] * LENGTH)
    return DrawnVideo(1, paths, [DrawnTrack(0, 'cat', tube)], [DrawnTrack(0, 'cat 0.90', tube)])


def share_of_gaps(picture):
    """Share of the columns that show nothing but the gap's colour, below the header."""
    body = picture[HEADER:]
    return (body == body[-1, -1]).all(axis=(0, 2)).mean()


def test_a_lone_pane_has_the_picture_for_itself(video):
    frames = list(compared_frames([replace(video, truth=[])], width=160, height=96))
    assert len(frames) == LENGTH
    for frame in frames:
        assert frame.shape == (HEADER + 96 + 2 * GAP, 160 + 2 * GAP, 3)
        assert share_of_gaps(frame) < 0.1


@pytest.mark.parametrize('number', [1, 2, 3, 4])
def test_few_videos_fill_the_mosaic(video, number):
    frames = mosaic_frames([video] * number, columns=3, width=80, height=48)
    columns = min(number, 3)
    assert frames[0].shape[1] == columns * (80 + GAP) + GAP
    assert share_of_gaps(frames[0]) < 0.25


def test_videos_with_and_without_annotated_tracks_have_one_size(video):
    videos = [replace(video, truth=[]), video]
    frames = list(compared_frames(videos, width=160, height=96))
    assert {frame.shape for frame in frames} == {(138, 2 * (160 + GAP) + GAP, 3)}
    assert all(share_of_gaps(frame) < 0.1 for frame in frames)
    sheet = contact_sheet(videos, columns=2, width=80, height=48)
    assert sheet.shape[0] == 2 * (HEADER + 2 * (48 + GAP) + GAP)


def test_nothing_to_draw_is_said(video, tmp_path):
    empty = replace(video, images=[])
    for videos in ([], [empty]):
        for draw in (mosaic_frames, contact_sheet, lambda some: list(compared_frames(some))):
            with pytest.raises(ValueError, match='nothing to draw'):
                draw(videos)
        with pytest.raises(ValueError, match='nothing to draw'):
            write_pictures(videos, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    assert len(mosaic_frames([empty, video], width=80, height=48)) == LENGTH
    with pytest.raises(ValueError, match='no images'):
        tile([], 0)
    for figures, columns in (({}, ['AP']), ({'a': {}}, [])):
        with pytest.raises(ValueError, match='give one of each or more'):
            draw_comparison(figures, columns, tmp_path / 'a.png')
