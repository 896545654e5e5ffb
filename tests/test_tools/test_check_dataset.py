"""tools/misc/check_dataset.py as a user meets it."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import REPOSITORY
from tests.test_datasets.drawn_scene import vis_json, write_images, write_json

TOOLS = REPOSITORY / 'tools'
CATEGORIES = [dict(id=4, name='cat'), dict(id=9, name='dog')]


def scene():
    return copy.deepcopy(vis_json(CATEGORIES, dict(red=4, blue=9, green=9)))


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(TOOLS))
    spec = importlib.util.spec_from_file_location('check', TOOLS / 'misc/check_dataset.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(TOOLS))


@pytest.fixture
def data(tmp_path):
    write_images(tmp_path / 'img')
    write_json(tmp_path / 'ann.json', scene())
    return tmp_path


def run(tool, capsys, *arguments):
    status = tool.main([str(argument) for argument in arguments])
    return status, capsys.readouterr()


def test_as_a_program_and_without_torch(data):
    """From another folder, without the package on the path; a sound data set is left alone."""
    code = (
        'import runpy, sys; sys.argv = sys.argv[1:];\n'
        'try: runpy.run_path(sys.argv[0], run_name="__main__")\n'
        'except SystemExit as exit: assert "torch" not in sys.modules; raise'
    )
    command = [sys.executable, '-c', code, str(TOOLS / 'misc/check_dataset.py'), 'ann.json']
    environment = {key: value for key, value in os.environ.items() if key != 'PYTHONPATH'}
    done = subprocess.run(
        [*command, '--img-root', 'img', '--out', 'report', '--fix', 'mended.json'],
        cwd=data,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('0 problems\n')
    assert '2 videos, 8 frames, 3 tracks' in done.stdout
    assert sorted(path.name for path in (data / 'report').iterdir()) == [
        'problems.txt',
        'summary.json',
        'summary.png',
    ]
    assert json.loads((data / 'report/summary.json').read_text())['masks'] == 8
    assert json.loads((data / 'mended.json').read_text()) == scene()


def test_problems_are_listed_and_mended(tool, capsys, data):
    content = scene()
    content['annotations'][0]['id'] = 0
    content['annotations'][1]['segmentations'].pop()
    content['videos'][1]['length'] = 9
    write_json(data / 'ann.json', content)
    (data / 'img/two/00001.jpg').unlink()
    options = ['--img-root', data / 'img', '--out', data / 'report']
    status, printed = run(tool, capsys, data / 'ann.json', *options)
    assert status == 1
    assert printed.out.startswith('3 problems\n')  # video two cannot be read, nor looked at
    lines = printed.out.splitlines()[1:4]
    assert (data / 'report/problems.txt').read_text().splitlines() == lines
    for part in ('length is 9', '3 entries', 'an id is 0'):
        assert any(part in line for line in lines)

    status, printed = run(tool, capsys, data / 'ann.json', *options, '--fix', data / 'mended.json')
    assert status == 0
    told = printed.out[printed.out.index('things mended') :]
    for part in ('id 0 is now 4', 'length 9 is now 4', '3 entries', '1 of 4 frames taken out'):
        assert part in told
    assert told.endswith('0 problems remain\n')
    assert json.loads((data / 'ann.json').read_text()) == content  # the source is not touched
    status, printed = run(tool, capsys, data / 'mended.json', '--img-root', data / 'img')
    assert status == 0 and '1 videos' not in printed.out and '7 frames, 2 tracks' in printed.out

    status, printed = run(tool, capsys, data / 'mended.json', '--fix', data / 'ann.json')
    assert status == 2 and 'exists with another content; --overwrite' in printed.err
    assert json.loads((data / 'ann.json').read_text()) == content


def test_what_cannot_be_mended_remains(tool, capsys, data):
    content = scene()
    content['videos'].append(dict(content['videos'][0], file_names=['one/00000.jpg'], length=1))
    write_json(data / 'ann.json', content)
    status, printed = run(tool, capsys, data / 'ann.json', '--fix', data / 'mended.json')
    assert status == 1
    assert '1 problems remain' in printed.out and printed.out.count('duplicate video id 1') == 2
    write_json(data / 'ann.json', [dict(video_id=1, score=1)])
    status, printed = run(tool, capsys, data / 'ann.json', '--fix', data / 'mended.json')
    assert status == 1 and 'nothing mended' in printed.out


def test_categories_against_a_config(tool, capsys, data):
    config = data / 'config.py'
    config.write_text(
        'model = dict(track_head=dict(num_classes=3))\n'
        "train_dataloader = dict(dataset=dict(type='VISDataset', ann_file='x', "
        "metainfo=dict(classes=('cat', 'cow'))))\n"
    )
    status, printed = run(tool, capsys, data / 'ann.json', '--config', config)
    assert status == 1 and printed.out.startswith('3 problems\n')
    assert "['cow'] are not there" in printed.out and "are of 'dog'" in printed.out
    assert '2 classes but a model for 3' in printed.out


def test_files_that_are_not_there_or_damaged(tool, capsys, data):
    status, printed = run(tool, capsys, data / 'gone.json')
    assert status == 2 and 'gone.json: no such file' in printed.err
    status, printed = run(tool, capsys, data / 'ann.json', '--img-root', data / 'gone')
    assert status == 2 and 'correct --img-root' in printed.err
    text = (data / 'ann.json').read_text()
    (data / 'ann.json').write_text(text[:-50])
    status, printed = run(tool, capsys, data / 'ann.json')
    assert status == 1 and 'not a complete json file' in printed.out


SCENE = scene()
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 100),
    st.floats(allow_nan=False),
    st.text(max_size=3),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(
        st.sampled_from(['id', 'size', 'counts', 'file_names']), st.integers(), max_size=2
    ),
)


@st.composite
def damaged(draw):
    """The scene with a few values anywhere in it replaced, removed or doubled."""
    content = copy.deepcopy(SCENE)
    for _ in range(draw(st.integers(1, 4))):
        holder = content
        for _ in range(draw(st.integers(0, 4))):
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            inner = [key for key in keys if isinstance(holder[key], (dict, list)) and holder[key]]
            if not inner:
                break
            holder = holder[draw(st.sampled_from(inner))]
        key = draw(
            st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder)))
        )
        action = draw(st.sampled_from(['replace', 'remove', 'double']))
        if action == 'remove':
            del holder[key]
        elif action == 'double' and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = draw(JUNK)
        if not holder:
            break
    return content


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=damaged())
def test_whatever_is_in_a_file_is_told_and_never_a_crash(tool, capsys, data, content):
    """Exit status 1 always comes with a problem, and a mended file without problems is sound."""
    write_json(data / 'ann.json', content)
    (data / 'mended.json').unlink(missing_ok=True)
    options = ['--img-root', data / 'img', '--quick', '--threads', 1, '--fix', data / 'mended.json']
    status, printed = run(tool, capsys, data / 'ann.json', *options)
    assert status in (0, 1), printed.err
    if status == 0:
        again, printed = run(tool, capsys, data / 'mended.json', *options[:-2])
        assert again == 0 and printed.out.startswith('0 problems\n')


def test_an_empty_data_set_is_never_written(tool, data, capsys):
    content = scene()
    for video in content['videos']:
        video['file_names'] = [f'other/{name}' for name in video['file_names']]
        video['file_names'][0] = 'gone.png'
    write_json(data / 'ann.json', content)
    arguments = (data / 'ann.json', '--img-root', data / 'img', '--fix', data / 'mended.json')
    status, printed = run(tool, capsys, *arguments)
    assert status == 1 and not (data / 'mended.json').exists()
    assert 'nothing mended: ' in printed.out and 'none of its videos would be left' in printed.out
    assert '0 problems remain' not in printed.out
