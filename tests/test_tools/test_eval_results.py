"""The scoring tool as a user meets it, and under thousands of damaged files."""

import copy
import csv
import gzip
import importlib.util
import io
import json
import math
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vis_reference import official_stats, random_files

from rocovis_mm.formats.json_files import read_json

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')  # of pycocotools

ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
TOOLS = Path(__file__).resolve().parents[2] / 'tools'
STATS = 'AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl'.split()


@pytest.fixture(scope='module')
def tool():
    """The tool as a module, so that it can be run many times."""
    sys.path.insert(0, str(TOOLS))
    spec = importlib.util.spec_from_file_location('eval_results', TOOLS / 'eval_results.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(TOOLS))


@pytest.fixture
def files(tmp_path):
    truth, results = random_files(4, videos=6)
    (tmp_path / 'gt.json').write_text(json.dumps(truth))
    (tmp_path / 'pred.json').write_text(json.dumps(results))
    return tmp_path


def run(tool, folder, *arguments, gt='gt.json', pred='pred.json'):
    """Exit status and the figures written."""
    out = folder / 'out' / 'metrics.json'
    out.unlink(missing_ok=True)
    status = tool.main([str(folder / gt), str(folder / pred), '--out', str(out), *arguments])
    return status, json.loads(out.read_text()) if out.exists() else None


def test_as_a_program_and_without_torch(files):
    """From another folder, without the package on the path."""
    code = (
        'import runpy, sys; sys.argv = sys.argv[1:];\n'
        'try: runpy.run_path(sys.argv[0], run_name="__main__")\n'
        'except SystemExit as exit: assert "torch" not in sys.modules; raise'
    )
    command = [sys.executable, '-c', code, str(TOOLS / 'eval_results.py'), 'gt.json', 'pred.json']
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    environment['PYTHONPATH'] = str(TOOLS)
    done = subprocess.run(
        [*command, '--jobs', '2', '--out', 'metrics.json'],
        cwd=files, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, '')
    assert 'Tube-Boundary AP' in done.stdout
    figures = json.loads((files / 'metrics.json').read_text())
    expected = [f'{name}{suffix}' for suffix in ('', '_boundary') for name in STATS]
    expected += [f'{name}_pool{s}' for s in ('', '_boundary') for name in ('AP', 'AP50', 'AP75')]
    assert list(figures) == expected
    done = subprocess.run([*command[:-1], 'gt.json'], cwd=files, env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == '' and done.stderr.count('\n') == 1
    assert done.stderr.startswith('error: gt.json: expected a list')


def test_figures_are_the_official_ones(tool, files, monkeypatch):
    truth, results = (json.loads((files / n).read_text()) for n in ('gt.json', 'pred.json'))
    status, figures = run(tool, files)
    assert status == 0
    for boundary, suffix in ((False, ''), (True, '_boundary')):
        expected = official_stats(truth, results, boundary, monkeypatch)
        assert [figures[f'{n}{suffix}'] for n in STATS] == pytest.approx(expected, abs=1e-9)


def test_packed_files_score_the_same(tool, files):
    expected = run(tool, files)
    with zipfile.ZipFile(files / 'pred.zip', 'w') as archive:
        archive.write(files / 'pred.json', 'results.json')
    (files / 'gt.json.gz').write_bytes(gzip.compress((files / 'gt.json').read_bytes()))
    assert run(tool, files, gt='gt.json.gz', pred='pred.zip') == expected


def test_per_class_and_errors(tool, files, capsys):
    status, figures = run(tool, files, '--per-class', '--errors')
    assert status == 0
    names = [row['name'] for row in figures['per_class']]
    assert names == ['c1', 'c2', 'c3']
    valid = [row['AP'] for row in figures['per_class'] if row['AP'] >= 0]
    assert figures['AP'] == pytest.approx(np.mean(valid))
    assert figures['errors']['tracks'] > 0
    printed = capsys.readouterr().out
    assert 'c2' in printed and 'duplicate' in printed
    assert f'{100 * figures["AP"]:.2f}' in printed


def test_files_of_all_tables(tool, files):
    paths = {kind: files / 'out' / f't.{kind}' for kind in ('csv', 'markdown', 'latex')}
    words = [word for kind, path in paths.items() for word in (f'--{kind}', str(path))]
    _, figures = run(tool, files, '--per-class', '--errors', '--group-by', 'size', *words)
    lines = list(csv.DictReader(io.StringIO(paths['csv'].read_text())))
    assert {line['table'] for line in lines} == {'summary', 'classes', 'errors', 'groups'}
    for name in ('AP', 'AP_boundary', 'AP_pool', 'AR10'):
        assert float(lines[0][name]) == figures[name]
        by_class = {line['class']: line[name] for line in lines if line['class']}
        if name != 'AP_pool':
            assert by_class == {row['name']: str(row[name]) for row in figures['per_class']}
        by_group = {line['group']: line[name] for line in lines if line['group']}
        assert by_group == {row['group']: str(row[name]) for row in figures['groups']}
    for kind, end in (('markdown', '|'), ('latex', '\\\\')):
        text = paths[kind].read_text()
        for words in (['Video AP'], ['class'], ['results', 'duplicate'], ['small']):
            assert any(all(w in line for w in words) and line.endswith(end)
                       for line in text.splitlines())  # fmt: skip
        assert f'{100 * figures["AP"]:.2f}' in text


def test_json_is_another_name_of_out(tool, files):
    assert tool.main([str(files / 'gt.json'), str(files / 'pred.json'), '--json',
                      str(files / 'a.json')]) == 0  # fmt: skip
    assert json.loads((files / 'a.json').read_text()) == run(tool, files)[1]


def test_comparing_leaves_the_figures_of_each_file_as_they_are(tool, files, capsys):
    results = json.loads((files / 'pred.json').read_text())
    (files / 'fewer.json').write_text(json.dumps(results[::2]))
    plain, fewer = run(tool, files)[1], run(tool, files, pred='fewer.json')[1]
    capsys.readouterr()
    paths = [str(files / name) for name in ('fewer.json', 'pred.json')]
    status, figures = run(tool, files, '--csv', str(files / 't.csv'), '--compare', *paths)
    compared = figures.pop('compare')
    assert status == 0 and figures == plain
    assert [row['file'] for row in compared] == ['fewer.json', 'pred.json (2)']
    assert {key: compared[0][key] for key in fewer} == fewer
    differences = compared[0]['differences']
    assert list(differences) == ['AP', 'AP50', 'AP75', 'AP_boundary', 'AP_pool']
    for name, each in differences.items():
        assert each['difference'] == fewer[name] - plain[name]
        assert each['low'] <= each['high']
    assert all(set(each.values()) == {0} for each in compared[1]['differences'].values())
    lines = list(csv.DictReader(io.StringIO((files / 't.csv').read_text())))
    assert [line['AP'] for line in lines[:2]] == [str(plain['AP']), str(fewer['AP'])]
    assert float(lines[3]['AP_low']) == differences['AP']['low']
    printed = capsys.readouterr().out
    assert f'{100 * differences["AP"]["difference"]:+.2f} [' in printed and '95 %' in printed


def test_all_groups_of_files_in_one_table(tool, files, capsys):
    (files / 'videos.json').write_text('{"first": [1, 2], "rest": [3, 4, 5, 6]}')
    (files / 'classes.json').write_text('{"base": [1, 3], "novel": [2]}')
    status, figures = run(
        tool, files, '--groups-file', str(files / 'videos.json'), '--category-groups',
        str(files / 'classes.json'), '--per-class', '--group-by', 'occlusion', 'size', 'length',
        '--compare', str(files / 'pred.json'),
    )  # fmt: skip
    assert status == 0 and figures['compare'][0]['groups'] == figures['groups']
    rows = {(row['grouping'], row['group']): row for row in figures['groups']}
    assert [group for grouping, group in rows if grouping == 'occlusion'] == [
        'slight', 'moderate', 'heavy',
    ]  # fmt: skip
    classes = {row['category_id']: row['AP'] for row in figures['per_class']}
    assert rows['categories file', 'novel']['AP'] == classes[2]
    (files / 'ids.txt').write_text('1 2')
    _, alone = run(tool, files, '--subset-video-ids', str(files / 'ids.txt'))
    first = rows['videos file', 'first']
    assert {key: first[key] for key in alone} == alone
    table = [line for line in capsys.readouterr().out.splitlines() if 'occlusion' in line]
    assert len(table) == 6  # each level of each file


@pytest.mark.parametrize(
    ('option', 'content', 'words'),
    [
        ('--groups-file', '{"a": [99]}', 'groups.json: a[0]: 99 is none of the videos'),
        ('--category-groups', '{"a": [99]}', 'groups.json: a[0]: 99 is none of the categories'),
        ('--groups-file', '[1]', 'groups.json: expected a dict'),
    ],
)
def test_files_of_groups_that_cannot_be(tool, files, capsys, option, content, words):
    (files / 'groups.json').write_text(content)
    assert run(tool, files, option, str(files / 'groups.json')) == (2, None)
    assert words in capsys.readouterr().err


def test_mistakes_are_named_in_a_line(tool, files, capsys):
    assert run(tool, files, gt='pred.json', pred='gt.json') == (2, None)
    assert 'these look swapped' in capsys.readouterr().err
    results = json.loads((files / 'pred.json').read_text())
    (files / 'other.json').write_text(json.dumps([dict(r, video_id=77) for r in results]))
    assert run(tool, files, pred='other.json') == (2, None)
    assert 'another split' in capsys.readouterr().err
    assert run(tool, files, '--compare', str(files / 'other.json')) == (2, None)
    printed = capsys.readouterr()
    assert printed.err.count('\n') == 1 and printed.out == ''
    (files / 'one.json').write_text(json.dumps([r for r in results if r['video_id'] == 2]))
    assert run(tool, files, pred='one.json')[0] == 0
    printed = capsys.readouterr()
    assert '5 of 6 videos have no predictions: 1, 3, 4, 5, 6' in printed.out and not printed.err
    (files / 'ids.txt').write_text('1')
    assert run(tool, files, '--subset-video-ids', str(files / 'ids.txt'), pred='one.json')[0] == 0
    printed = capsys.readouterr().err
    assert printed.startswith('warning: ') and printed.count('\n') == 1


@pytest.mark.parametrize('text', ['[1, 2,3]', '1\n2\n3\n', '1 2, 3'])
def test_subset(tool, files, text):
    (files / 'ids.txt').write_text(text)
    _, part = run(tool, files, '--subset-video-ids', str(files / 'ids.txt'))
    truth, results = (json.loads((files / n).read_text()) for n in ('gt.json', 'pred.json'))
    for key in ('videos', 'annotations'):
        name = 'id' if key == 'videos' else 'video_id'
        truth[key] = [item for item in truth[key] if item[name] in (1, 2, 3)]
    (files / 'gt.json').write_text(json.dumps(truth))
    (files / 'pred.json').write_text(json.dumps([r for r in results if r['video_id'] in (1, 2, 3)]))
    assert run(tool, files) == (0, part)


@pytest.mark.parametrize(
    ('text', 'words'),
    [('', 'no video ids'), ('a b', 'not a list of video ids'), ('1 77', 'no video has id 77')],
)
def test_subsets_that_cannot_be(tool, files, capsys, text, words):
    (files / 'ids.txt').write_text(text)
    assert run(tool, files, '--subset-video-ids', str(files / 'ids.txt')) == (2, None)
    assert words in capsys.readouterr().err


def test_format_only(tool, files, capsys):
    truth = json.loads((files / 'gt.json').read_text())
    truth['annotations'] = None
    (files / 'gt.json').write_text(json.dumps(truth))
    assert run(tool, files) == (2, None)
    assert '--format-only' in capsys.readouterr().err
    assert run(tool, files, '--format-only', str(files / 'new' / 'sub')) == (0, None)
    with zipfile.ZipFile(files / 'new' / 'sub.zip') as archive:
        packed = json.loads(archive.read('results.json'))
    assert packed == json.loads((files / 'pred.json').read_text())
    packed[0]['score'] = 'high'
    (files / 'pred.json').write_text(json.dumps(packed))
    assert run(tool, files, '--format-only', str(files / 'other')) == (2, None)
    assert not (files / 'other.json').exists()


def test_no_predictions_score_zero(tool, files, capsys):
    (files / 'pred.json').write_text('[]')
    status, figures = run(tool, files)
    assert status == 0 and figures['AP'] == 0.0
    assert 'warning: ' in capsys.readouterr().err


def test_files_that_are_not_there(tool, files, capsys):
    assert run(tool, files, pred='nowhere.json') == (2, None)
    assert run(tool, files, pred='.') == (2, None)
    assert capsys.readouterr().err.count('\n') == 2


# --- damaged files -----------------------------------------------------------------------

ODD_VALUES = [
    None, True, False, -1, 0, 1, 2, 7, 1.5, 2.0, float('nan'), float('inf'), 1e308, 10**30,
    '', 'x', 'é', '0', [], {}, [None], [[]], [[1, 2, 3, 4, 5, 6]], [[1, 1, 30, 1, 30, 9]],
    {'size': [3, 3], 'counts': [9]}, {'counts': 'x'}, {'size': [12, 12]},
]  # fmt: skip


def places(content):
    """Every (container, key) inside a json value."""
    for key in content if isinstance(content, dict) else range(len(content)):
        yield content, key
        if isinstance(content[key], (dict, list)):
            yield from places(content[key])


def damage_value(rng, content):
    """Change, remove, repeat or swap something somewhere inside."""
    spots = list(places(content))
    if not spots:
        return
    holder, key = spots[rng.integers(len(spots))]
    action, value = rng.integers(6), holder[key]
    if action == 0:
        holder[key] = copy.deepcopy(ODD_VALUES[rng.integers(len(ODD_VALUES))])
    elif action == 1:
        del holder[key]
    elif action == 2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(value))
    elif action == 3:
        other, other_key = spots[rng.integers(len(spots))]
        if not isinstance(value, (dict, list)) and not isinstance(other[other_key], (dict, list)):
            holder[key], other[other_key] = other[other_key], value
    elif isinstance(value, str) and value:
        at = int(rng.integers(len(value)))
        character = chr(rng.integers(32, 130))
        holder[key] = value[:at] + character * (action - 3) + value[at + int(rng.integers(2)) :]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        holder[key] = value + int(rng.integers(-2, 3))


def damage_text(rng, data):
    """Cut, overwrite or drop bytes."""
    at, action = int(rng.integers(len(data))), rng.integers(4)
    if action == 0:
        return data[:at]
    if action == 1:
        return data[:at] + bytes([rng.integers(256)]) + data[at + 1 :]
    if action == 2:
        return data[:at] + data[at + int(rng.integers(1, 30)) :]
    return data[:at] + data[at : at + 9] + data[at:]


def zipped(content, method):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, 'w', method) as archive:
        archive.writestr('results.json', content)
    return packed.getvalue()


def write_damaged(folder, seed):
    """Write a valid pair of files with some damage."""
    rng = np.random.default_rng(seed)
    contents = list(random_files(int(rng.integers(12)), videos=2, size=(6, 14)))
    for _ in range(rng.integers(1, 4)):
        damage_value(rng, contents[rng.integers(2)])
    data = [json.dumps(content).encode() for content in contents]
    for index in range(2):
        packing = rng.random()
        if packing < 0.15:
            data[index] = gzip.compress(data[index], mtime=0)
        elif packing < 0.3:
            data[index] = zipped(data[index], int(rng.choice(ZIP_METHODS)))
        if rng.random() < 0.15:
            data[index] = damage_text(rng, data[index])
    for name, content in zip(('gt.json', 'pred.json'), data):
        (folder / name).write_bytes(content)


def score_damaged(tool, folder, seed, capsys, monkeypatch):
    """Score a damaged pair of files; return whether that was possible, and what went wrong."""
    write_damaged(folder, seed)
    status, figures = run(tool, folder, *(MORE if seed % 8 == 0 else ()))
    printed = capsys.readouterr()
    if status == 2:
        one_line = printed.err.startswith('error: ') and printed.err.count('\n') == 1
        refused = figures is None and printed.out == '' and one_line
        return False, '' if refused else f'not refused in one line: {printed}'
    if status != 0 or not all(is_possible(*pair) for pair in numbers(figures)):
        return True, f'status {status}, figures {figures}'
    if gaps := figures.get('gaps'):
        stages = [gaps[f'AP{stage}'] for stage in ('', '_ranking', '_tracking', '_class')]
        if stages != sorted(stages) or gaps['AP'] != figures['AP']:
            return True, f'AP falls from stage to stage: {gaps}'
    truth, results = (read_json(folder / name) for name in ('gt.json', 'pred.json'))
    if results and all(is_plain(track) for track in [*truth['annotations'], *results]):
        for boundary, suffix in ((False, ''), (True, '_boundary')):
            expected = official_stats(truth, results, boundary, monkeypatch)
            found = [figures[f'{name}{suffix}'] for name in STATS]
            if found != pytest.approx(expected, abs=1e-9, rel=0):
                return True, f'{found} and not {expected}'
    return True, ''


MORE = ('--tracking-boundary', '--gaps', '--consistency', '--errors', '--group-by', 'occlusion',
        'size', 'length', 'events')  # fmt: skip


def numbers(figures, name=''):
    """Every number inside, by the name of its figure."""
    if isinstance(figures, (dict, list)):
        for key in figures if isinstance(figures, dict) else range(len(figures)):
            yield from numbers(figures[key], key if isinstance(figures, dict) else name)
    elif isinstance(figures, (int, float)):
        yield name, figures


def is_possible(name, value):
    """Whether a figure can have this value: a count, a share, or -1 for nothing to measure."""
    if name.startswith('MOTA'):
        return math.isfinite(value) and value <= 1
    if isinstance(value, int):
        return value >= 0 or name in ('category_id', 'video_id')
    return value == -1 or 0 <= value <= 1 + 1e-12


def is_plain(track):
    """Whether the official code takes it: it knows no defaults, and no code but compressed."""
    areas = track.get('areas', [])
    return (
        all(code is None or code and isinstance(code.get('counts'), str)
            if isinstance(code, (dict, type(None))) else False
            for code in track['segmentations'])
        and track.get('iscrowd', 0) in (0, 1)
        and ('score' in track or {'areas', 'iscrowd'} <= set(track))
        and areas is not None
        and track.get('id', 1) != 0
        and not any(isinstance(area, float) and math.isnan(area) for area in areas)
    )  # fmt: skip


fuzzing = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@settings(fuzzing, max_examples=400)
@given(st.integers(0, 2**40))
def test_damaged_files_are_scored_right_or_refused(tool, tmp_path, capsys, monkeypatch, seed):
    _, mistake = score_damaged(tool, tmp_path, seed, capsys, monkeypatch)
    assert not mistake


@pytest.mark.slow
def test_ten_thousand_damaged_files(tool, tmp_path, capsys, monkeypatch):
    scored = 0

    @settings(fuzzing, max_examples=12_000)
    @given(st.integers(0, 2**40))
    def fuzz(seed):
        nonlocal scored
        alive, mistake = score_damaged(tool, tmp_path, seed, capsys, monkeypatch)
        assert not mistake
        scored += alive

    fuzz()
    assert scored > 1000  # both outcomes were seen often


def test_groups_apart(tool, files, capsys):
    truth = json.loads((files / 'gt.json').read_text())
    chosen = [video['id'] for video in truth['videos'][:2]]
    for video in truth['videos'][:2]:
        video.update(tags=['hidden'], degraded=[0])
    (files / 'gt.json').write_text(json.dumps(truth))
    _, plain = run(tool, files)
    status, figures = run(tool, files, '--group-by', 'tags')
    assert status == 0 and 'hidden' in capsys.readouterr().out
    groups = {row['group']: row for row in figures.pop('groups')}
    assert figures == plain
    (files / 'ids.json').write_text(json.dumps(chosen))
    _, alone = run(tool, files, '--subset-video-ids', str(files / 'ids.json'))
    assert {key: groups['hidden'][key] for key in alone} == alone
    status, figures = run(tool, files, '--group-by', 'degraded')
    assert [row['videos'] for row in figures['groups']][0] == 2
    del truth['videos'][0]['tags'], truth['videos'][1]['tags']
    (files / 'gt.json').write_text(json.dumps(truth))
    assert run(tool, files, '--group-by', 'tags') == (2, None)
    assert "gt.json: videos: no video has 'tags'" in capsys.readouterr().err
