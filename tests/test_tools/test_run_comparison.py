"""The comparison of methods: what it asks of the runs, what it makes of their results."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from rocovis_mm.testing import make_tiny_dataset
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'tools'))

import run_comparison  # noqa: E402


def perfect_results(truth: dict) -> list[dict]:
    return [
        dict(
            video_id=a['video_id'], category_id=a['category_id'], score=0.5,
            segmentations=a['segmentations'],
        )
        for a in truth['annotations']
    ]  # fmt: skip


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    return make_tiny_dataset(tmp_path_factory.mktemp('data') / 'tiny', val_videos=6)


def test_perfect_results_have_perfect_figures_in_every_group(dataset, tmp_path):
    path = dataset.root / 'val.json'
    truth = json.loads(path.read_text())
    (tmp_path / 'results.json').write_text(json.dumps(perfect_results(truth)))
    figures = run_comparison.figures_of(tmp_path, path)
    assert len(figures) >= 10
    for name, value in figures.items():
        wanted = 0 if name.startswith('ID switches') else 100
        assert value == pytest.approx(wanted), name


def test_a_switched_track_is_counted(dataset, tmp_path):
    """One track's second half goes by another identity."""
    path = dataset.root / 'val.json'
    truth = json.loads(path.read_text())
    results = perfect_results(truth)
    whole = max(results, key=lambda r: sum(s is not None for s in r['segmentations']))
    half = len(whole['segmentations']) // 2
    rest = dict(whole, score=0.4, segmentations=[None] * half + whole['segmentations'][half:])
    whole['segmentations'] = whole['segmentations'][:half] + [None] * half
    (tmp_path / 'results.json').write_text(json.dumps([*results, rest]))
    figures = run_comparison.figures_of(tmp_path, path)
    assert figures['ID switches'] == 1 and figures['AP'] < 100


def test_the_report_has_mean_and_spread(tmp_path):
    args = run_comparison.parse_args(['--work-dir', str(tmp_path), '--seeds', '0', '1'])
    names = [*run_comparison.FIGURES, 'ID switches']
    names += [f'{name}, rest (3 videos)' for name in names]
    figures = {
        method: {name: [10.0 * m, 10.0 * m + 4] for name in names}
        for m, method in enumerate(run_comparison.METHODS)
    }
    run_comparison.write_report(args, figures, dict.fromkeys(figures, 12.34))
    text = (tmp_path / 'comparison.md').read_text()
    for m, method in enumerate(figures):
        rows = [line for line in text.splitlines() if line.startswith(f'| {method} |')]
        assert [row.count(f'{10 * m + 2:.1f} ± 2.0') for row in rows] == [5, 3]
        assert rows[0].endswith('| 12.3 |')
    stored = json.loads((tmp_path / 'comparison.json').read_text())
    assert stored['figures'] == figures and stored['seeds'] == [0, 1]
    assert (tmp_path / 'comparison.png').stat().st_size > 5000


def test_all_methods_get_the_same_options():
    args = run_comparison.parse_args(['--data-root', 'data/mine', '--classes', 'a', 'b'])
    options = run_comparison.options_of(args, 7)
    assert {'randomness.seed=7', 'data_root=data/mine/', "classes=('a','b')"} <= set(options)
    assert 'max_iters=400' in options


@pytest.mark.slow
def test_end_to_end_and_again_without_training(dataset, tmp_path):
    command = [
        sys.executable, str(REPOSITORY / 'tools/run_comparison.py'), '--work-dir', 'out',
        '--data-root', str(dataset.root), '--max-iters', '4', '--seeds', '0', '--cfg-options',
        'input_size=(64,64)', 'test_size=(64,64)', 'batch_size=1', '--classes',
        *(c['name'] for c in json.loads((dataset.root / 'val.json').read_text())['categories']),
    ]  # fmt: skip
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    figures = json.loads((tmp_path / 'out/comparison.json').read_text())
    assert list(figures['figures']) == list(run_comparison.METHODS)
    assert np.isfinite([list(v.values()) for v in figures['figures'].values()]).all()
    assert all(value > 0 for value in figures['ms_per_frame'].values())
    trained = {p: p.stat().st_mtime for p in (tmp_path / 'out').rglob('*.pth')}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert trained == {p: p.stat().st_mtime for p in (tmp_path / 'out').rglob('*.pth')}
