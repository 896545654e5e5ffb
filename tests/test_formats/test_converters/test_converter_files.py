"""Files appear whole or not at all, and are written record by record."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from rocovis_mm.formats.converters.files import (
    Parts,
    read_info,
    read_parts,
    write_annotations,
)
from rocovis_mm.formats.whole_files import (
    FileExistsOtherwise,
    whole_file,
    whole_with_companions,
)


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path):
    path = tmp_path / 'new' / 'a.json'
    with whole_file(path) as stream:
        stream.write(b'old')
    with pytest.raises(RuntimeError), whole_file(path) as stream:
        stream.write(b'half of the n')
        raise RuntimeError
    assert path.read_bytes() == b'old'
    with pytest.raises(FileExistsOtherwise), whole_file(path, overwrite=False) as stream:
        stream.write(b'new')
    assert path.read_bytes() == b'old'
    with whole_file(path, overwrite=False) as stream:
        stream.write(b'old')
    assert [each.name for each in path.parent.iterdir()] == ['a.json']


def test_files_of_a_writer_that_takes_a_path_appear_together_or_not_at_all(tmp_path):
    path = tmp_path / 'new' / 'a.xml'

    def write(text):
        with whole_with_companions(path) as temporary:
            assert temporary.name == path.name
            temporary.with_suffix('.bin').write_text(text)
            if text == 'half':
                raise RuntimeError
            temporary.write_text(text)

    write('old')
    with pytest.raises(RuntimeError):
        write('half')
    assert {x.name: x.read_text() for x in path.parent.iterdir()} == {
        'a.xml': 'old',
        'a.bin': 'old',
    }
    write('new')
    assert {x.name: x.read_text() for x in path.parent.iterdir()} == {
        'a.xml': 'new',
        'a.bin': 'new',
    }


def test_records_are_written_one_by_one(tmp_path):
    """A million pixels' worth of records, and never more than one of them in memory."""
    path = tmp_path / 'a.json'

    def records():
        for number in range(300):
            yield dict(id=number, text='x' * 50_000)

    tracemalloc.start()
    counts = write_annotations(path, dict(info=dict(a=1)), dict(annotations=records(), videos=[]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts == dict(annotations=300, videos=0)
    assert peak < 1_000_000 < path.stat().st_size
    content = json.loads(path.read_text())
    assert [record['id'] for record in content['annotations']] == list(range(300))
    assert content['videos'] == [] and read_info(path) == content['info'] == dict(a=1)
    write_annotations(path, {}, dict(videos=[]), overwrite=True)
    assert json.loads(path.read_text()) == dict(videos=[]) and read_info(path) is None


def test_parts_of_other_settings_are_thrown_away(tmp_path):
    parts = Parts(tmp_path / 'a.json', dict(height=1))
    with whole_file(parts.path('x/y')) as stream:
        stream.write(b'{"tracks": []}')
    assert Parts(tmp_path / 'a.json', dict(height=1)).load('x/y') == dict(tracks=[])
    assert not Parts(tmp_path / 'a.json', dict(height=2)).path('x/y').exists()
    parts.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_lacks_is_named(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{"videos": [{"id": 1}, {"name": "x"}]}')
    with pytest.raises(ValueError, match=r"a\.json: videos\[1\]: missing key 'id'; so it is"):
        read_parts(path, dict(videos=('id',)), 'so it is')
    assert read_info(path) is None
    with pytest.raises(FileNotFoundError, match=r'b\.json: no such file; so it is'):
        read_parts(tmp_path / 'b.json', {}, 'so it is')
