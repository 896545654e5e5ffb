"""Plots are written, and what they show is what was scored."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import run_script
from vis_reference import random_files

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools' / 'plot_metrics.py'


@pytest.fixture
def files(tmp_path):
    truth, results = random_files(4, videos=6)
    truth['categories'].append({'id': 9, 'name': 'never / seen'})
    for name, content in (('gt', truth), ('a', results), ('b', results[::2])):
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
    return tmp_path


def run(folder, *arguments):
    return run_script(TOOL, 'gt.json', 'a.json', *arguments, cwd=folder)


def test_two_files_on_one_axis(files):
    done = run(files, 'b.json', '--names', 'first run', 'second run', '--format', 'svg')
    assert (done.returncode, done.stderr) == (0, '')
    names = {'ap_vs_iou', 'precision_recall_pooled'} | {f'precision_recall_c{k}' for k in (1, 2, 3)}
    assert {path.stem for path in (files / 'plots').glob('*.svg')} == names
    for path in (files / 'plots').iterdir():
        drawn = path.read_text()
        assert 'first run' in drawn and 'second run' in drawn  # as comments of the text's paths


@pytest.mark.parametrize(('kind', 'magic'), [('png', b'\x89PNG'), ('pdf', b'%PDF')])
def test_formats_and_classes(files, kind, magic):
    done = run(files, '--format', kind, '--classes', 'c1', '--out-dir', 'deep/er', '--iou', '0.6')
    assert done.returncode == 0
    written = sorted((files / 'deep' / 'er').iterdir())
    assert [path.stem for path in written] == [
        'ap_vs_iou', 'precision_recall_c1', 'precision_recall_pooled',
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(magic) for path in written)


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--iou', '0.52'], 'error: --iou 0.52 is not measured'),
        (['--classes', 'zebra'], "error: gt.json: no category is called 'zebra'"),
        (['gt.json'], 'error: gt.json: expected a list'),
        (['--names', 'a', 'b'], 'as many --names'),
        (['a.json'], 'tell them apart with --names'),
    ],
)
def test_errors(files, arguments, words):
    done = run(files, *arguments)
    assert done.returncode == 2 and words in done.stderr and 'Traceback' not in done.stderr


def test_ap_by_threshold_is_the_ap_of_the_table(files):
    sys.path.insert(0, str(TOOL.parent))
    try:
        import plot_metrics
    finally:
        sys.path.remove(str(TOOL.parent))
    truth = plot_metrics.load_ground_truth(files / 'gt.json')
    predictions = plot_metrics.load_predictions(files / 'a.json', truth)
    for scores in plot_metrics.evaluate_tracks(truth, predictions).values():
        ap = plot_metrics.ap_by_threshold(scores)
        stats = scores.stats()
        assert np.allclose([ap.mean(), ap[0], ap[5]], [stats['AP'], stats['AP50'], stats['AP75']])
