"""Reading json in all its wrappings, and writing submissions."""

import gzip
import json
import zipfile

import pytest

from rocovis_mm.formats.json_files import read_json, write_submission

CONTENT = [{'video_id': 1, 'text': 'é' * 50}]
TEXT = json.dumps(CONTENT)


def zip_of(path, **members):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, text in members.items():
            archive.writestr(name.replace('__', '.'), text)


def test_plain_gzipped_and_zipped(tmp_path):
    """Told apart by content, whatever they are called."""
    path = tmp_path / 'any.name'
    path.write_text(TEXT)
    assert read_json(path) == read_json(str(path)) == CONTENT
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert read_json(path) == CONTENT
    zip_of(path, results__json=TEXT, notes__txt='x', other__json='{}')
    assert read_json(path) == CONTENT
    zip_of(path, mine__json=TEXT)
    assert read_json(path) == CONTENT


def test_a_zip_needs_one_json(tmp_path):
    path = tmp_path / 'a.zip'
    zip_of(path, a__json='[]', b__json='[]')
    with pytest.raises(ValueError, match=r'a.zip: expected results.json in the zip, found a.json'):
        read_json(path)
    zip_of(path, a__txt='')
    with pytest.raises(ValueError, match='found no json file'):
        read_json(path)


@pytest.mark.parametrize('wrap', [str.encode, lambda text: gzip.compress(text.encode())])
def test_truncated_files(tmp_path, wrap):
    path = tmp_path / 'cut.json'
    data = wrap(TEXT)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r'cut.json: .*; '):
            read_json(path)


def test_truncated_zip(tmp_path):
    path = tmp_path / 'cut.zip'
    zip_of(path, results__json=TEXT)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r'cut.zip: .*; '):
            read_json(path)


def test_what_is_not_json(tmp_path):
    path = tmp_path / 'bad.json'
    for data in (b'\xff\xfe', b'hello', b'[' * 200_000, b'[' + b'9' * 5000 + b']'):
        path.write_bytes(data)
        with pytest.raises(ValueError, match='bad.json: '):
            read_json(path)
    with pytest.raises(OSError, match='missing.json'):
        read_json(tmp_path / 'missing.json')


def test_submission(tmp_path):
    plain, packed = write_submission(CONTENT, tmp_path / 'new' / 'run.v1')
    assert (plain.name, packed.name) == ('run.v1.json', 'run.v1.zip')
    assert read_json(plain) == read_json(packed) == CONTENT
    with zipfile.ZipFile(packed) as archive:
        assert archive.namelist() == ['results.json']
