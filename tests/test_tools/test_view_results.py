"""tools/analysis_tools/view_results.py as a user calls it."""

from __future__ import annotations

import json
import sys

import pytest

from tests.rerun_reading import Recording, needs_rerun
from tools.analysis_tools.view_results import main

MASK = {'size': [8, 8], 'counts': [8, 16, 40]}


@pytest.fixture
def files(tmp_path):
    """A ground truth of two videos, and a results file that has one object in each."""
    videos = [dict(id=n, height=8, width=8, length=1, file_names=[f'{n}.jpg']) for n in (1, 2)]
    notes = [dict(id=n, video_id=n, category_id=1, segmentations=[MASK]) for n in (1, 2)]
    truth = dict(videos=videos, categories=[dict(id=1, name='fox')], annotations=notes)
    results = [dict(video_id=n, category_id=1, score=0.9, segmentations=[MASK]) for n in (1, 2)]
    paths = tmp_path / 'results.json', tmp_path / 'gt.json'
    for path, content in zip(paths, (results, truth)):
        path.write_text(json.dumps(content))
    return [str(path) for path in paths]


def test_a_file_is_written_with_and_without_rerun_before_it(tmp_path, files, capsys):
    needs_rerun()
    for number, words in enumerate(([], ['--rerun'])):
        path = tmp_path / f'{number}.rrd'
        assert main([*files, *words, '--save', str(path), '--videos', '2']) == 0
        assert capsys.readouterr().out == f'{path}: 1 videos, 1 frames\n'
        recording = Recording(path)
        assert recording.boxes('/video_2/prediction', 0) == {1: ([1, 0, 3, 8], 'fox #1 0.90')}
        assert recording.boxes('/video_2/truth', 0) == {1: ([1, 0, 3, 8], 'fox #2')}
        assert not any(name.startswith('/video_1') for name in recording.rows)


def test_where_to_must_be_said(files, capsys):
    with pytest.raises(SystemExit) as end:
        main(files)
    assert end.value.code == 2 and 'give --rerun to open the viewer' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'told'),
    [
        (['--save', 'view.mp4'], 'ends in .rrd'),
        (['--rerun', 'gt.json'], 'no address of a viewer'),
        (['--save', 'view.rrd', '--videos', '7'], 'no video has id 7'),
        (['--save', 'view.rrd', '--images', 'nowhere'], 'no readable image'),
    ],
)
def test_faults_are_told_in_a_line(tmp_path, files, capsys, monkeypatch, words, told):
    needs_rerun()
    monkeypatch.chdir(tmp_path)
    assert main([*files, *words]) == 2
    error = capsys.readouterr().err
    assert told in error and error.startswith('error: ') and error.count('\n') == 1


def test_without_rerun_the_command_is_named(files, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    assert main([*files, '--save', 'view.rrd']) == 2
    assert "pip install 'rerun-sdk>=0.24'" in capsys.readouterr().err
