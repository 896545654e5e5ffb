"""The report: parts that go on where they ended, errors that stop nothing, a tiny run on a CPU."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / 'tools' / 'analysis_tools'
SMALL = ['--device', 'cpu', '--model-size', 'tiny', '--sizes', '64x96', '--frames', '1']


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(FOLDER))
    try:
        import gpu_report
    finally:
        sys.path.remove(str(FOLDER))
    return gpu_report


@pytest.fixture
def run(tool, tmp_path):
    """Run the command on a CPU; return its status and the content of its parts."""

    def run(*words):
        status = tool.main([*SMALL, '--out', str(tmp_path), *words])
        found = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob('*.json')}
        return status, found

    return run


def test_a_row_that_fails_stops_nothing_and_is_tried_again(tool, run, monkeypatch, tmp_path):
    calls = []

    def rows(settings):
        for name in 'abc':
            yield name, lambda name=name: measure(name)

    def measure(name):
        calls.append(name)
        if calls.count('b') == 1 and name == 'b':
            raise RuntimeError('out of\nmemory')
        return dict(rate=2.5, curve=[[1, 2, 3.0]])

    def broken(settings):
        raise KeyError('nothing')

    monkeypatch.setitem(tool.PARTS, 'kernel', rows)
    monkeypatch.setitem(tool.PARTS, 'equality', broken)
    status, found = run('--parts', 'equality', 'kernel')
    assert status == 0 and calls == ['a', 'b', 'c']
    assert found['kernel']['rows']['b']['error'] == 'RuntimeError: out of memory'
    assert found['equality']['rows']['equality']['error'].startswith('KeyError')
    report = (tmp_path / 'report.md').read_text()
    assert '- b: failed: RuntimeError: out of memory' in report
    assert '| a | 2.5 |' in report and '| 1 | 2 | 3 |' in report
    monkeypatch.setitem(tool.PARTS, 'equality', lambda settings: iter([('d', dict)]))
    _, found = run('--parts', 'equality', 'kernel')
    assert calls == ['a', 'b', 'c', 'b'] and found['kernel']['rows']['b']['rate'] == 2.5
    assert set(found['equality']['rows']) == {'d'}
    assert 'failed' not in (tmp_path / 'report.md').read_text()


def test_a_command_out_of_time_says_what_is_left(tool, run, monkeypatch, tmp_path):
    monkeypatch.setitem(tool.PARTS, 'kernel', lambda settings: iter([('a', dict), ('b', dict)]))
    _, found = run('--parts', 'kernel', '--minutes', '0')
    assert found['kernel']['left'] == ['a', 'b'] and not found['kernel']['rows']
    assert 'Not measured, for want of time: a, b' in (tmp_path / 'report.md').read_text()
    _, found = run('--parts', 'kernel')
    assert found['kernel']['left'] == [] and set(found['kernel']['rows']) == {'a', 'b'}


def test_a_device_that_failed_ends_the_command(tool, run, monkeypatch):
    def fail():
        raise RuntimeError('CUDA error: an illegal memory access was encountered')

    monkeypatch.setitem(tool.PARTS, 'kernel', lambda settings: iter([('a', fail), ('b', fail)]))
    with pytest.raises(SystemExit, match='run the command again'):
        run('--parts', 'kernel')


def test_figures_of_another_machine_are_not_mixed(tool, run, monkeypatch, capsys):
    monkeypatch.setitem(tool.PARTS, 'kernel', lambda settings: iter([('a', dict)]))
    run('--parts', 'kernel')
    monkeypatch.setattr(tool, 'machine', lambda device: 'another')
    assert run('--parts', 'kernel')[0] == 2
    assert 'was measured on CPU' in capsys.readouterr().err


def test_each_part_measures_on_a_cpu(tool, run, monkeypatch):
    speed, training = tool.gpu_report_speed, tool.gpu_report_training
    monkeypatch.setattr(speed, 'CLIP', 2)
    monkeypatch.setattr(speed, 'DTYPES', dict(bfloat16=torch.bfloat16))
    monkeypatch.setattr(tool.gpu_report_equality, 'CLIP', 2)
    monkeypatch.setattr(training, 'ROWS', {'bfloat16': training.ROWS['bfloat16']})
    parts = ['versions', 'kernel', 'equality', 'speed', 'videomt', 'memory', 'training']
    lengths = ('--lengths', '2', '--short-side', '60', '--shared', 'missing')
    status, found = run('--parts', *parts, *lengths)
    assert status == 0 and set(found) == set(parts)
    rows = {name: content['rows'] for name, content in found.items()}
    assert rows['versions']['machine']['torch'] == torch.__version__
    assert all('no Triton kernel' in row['error'] for row in rows['kernel'].values())
    assert not [
        row for name in parts if name != 'kernel' for row in rows[name].values() if 'error' in row
    ]
    for title, row in rows['equality'].items():
        if 'float32' in title:
            assert row['mask logits, difference'] == 0 and row['tracks in common, of 10'] == 10
        else:
            assert row['mask logits, difference'] > 0 and row['equal pixels, %'] > 90
    assert len(rows['equality']) == 9 and len(rows['speed']) == 4
    assert all(row['frames/s'] > 0 for row in [*rows['speed'].values(), *rows['videomt'].values()])
    assert rows['videomt']['theirs, H100, ViT-S']['frames/s'] == 294
    assert rows['videomt']['RoCoVIS, eager']['input'] == '64x128'  # padded
    assert rows['memory']['RoCoVIS, 2 frames']['host, MiB'] > 1
    assert rows['training']['bfloat16']['s a step'] > 0


def test_a_curve_ends_in_time_with_scores(run):
    _, found = run('--parts', 'curve', '--minutes', '0.001')
    ((title, row),) = found['curve']['rows'].items()
    assert title == 'rocovis_tiny_custom' and row['iterations'] == 1
    assert row['curve'][0][1:] == [1, row['first loss']] and 0 <= row['AP'] <= 1


def test_rows_of_a_gpu(tool, monkeypatch):
    """Which rows there would be; nothing is measured."""
    arguments = [*SMALL[2:], '--out', 'x']
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    settings = tool.settings_of(tool.parse_args(arguments))
    titles = {
        name: [title for title, _ in tool.PARTS[name](settings)] for name in ('speed', 'compiled')
    }
    assert len(titles['speed']) == 3 * (4 + 3) and len(titles['compiled']) == 3 * (4 + 3)
    assert titles['compiled'][0] == 'RoCoVIS, 64x96, float16, compile'
    ways = {title.rpartition(', ')[2] for name in titles for title in titles[name]}
    assert ways == {'eager', 'graphs', 'compile', 'reduce-overhead'}


def test_published_models_equal_their_code(tool, shared_dir, monkeypatch):
    """As tests/test_models/test_vis/test_published_baselines.py finds, on this device."""
    settings = tool.settings_of(
        tool.parse_args([*SMALL, '--out', 'x', '--shared', str(shared_dir)])
    )
    report = tool.gpu_report_equality
    stream, known = report.stream, {}

    def once(model, frames, way=None):
        """The device is the CPU, whose outputs are known."""
        if model not in known:
            known[model] = stream(model, frames)
        return known[model]

    monkeypatch.setattr(report, 'stream', once)
    rows = dict(tool.PARTS['equality'](settings))
    assert len(rows) == 18
    for name in ('MinVIS', 'GenVIS', 'CTVIS', 'DVIS', 'IDOL'):
        figures = rows[f'{name}, published, float32, eager']()
        assert figures['published class logits, difference'] < 1e-4
        assert ('published identities, equal, %' in figures) == (name in ('CTVIS', 'IDOL'))
        assert figures.get('published identities, equal, %', 100) == 100


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--sizes', '360'], 'height and width'),
        (['--data', 'nowhere'], 'has no train.json'),
        (['--device', 'cuda:7'], 'no CUDA device'),
    ],
)
def test_wrong_arguments_are_refused(tool, capsys, words, message):
    if 'cuda:7' in words and torch.cuda.is_available():
        pytest.skip('there is a CUDA device')
    with pytest.raises(SystemExit):
        tool.parse_args([*SMALL, '--out', 'x', *words])
    assert message in capsys.readouterr().err
