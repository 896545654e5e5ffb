"""Thousands of damaged files of all formats: converted right, or refused in one line."""

from __future__ import annotations

import io
import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from rocovis_mm.formats.converters.exchange import FORMATS
from tests.test_formats.test_converters.track_content import decode, make_content, write_files
from tests.test_tools.test_eval_results import damage_text, damage_value
from tools.dataset_converters.convert_formats import main

pytestmark = pytest.mark.filterwarnings('ignore:__array__ implementation')  # of pycocotools

NUMBERS = (101, 102, 201)
RESULTS = ('vis', 'coco', 'sa-co')
TOKENS = (
    '',
    '-1',
    '0',
    '1',
    '3',
    '10',
    '255',
    '1001',
    '99999999999',
    'x',
    'é',
    '1.5',
    'nan',
    '2;3',
)
SHADES = (0, 1, 2, 7, 254, 255, 256, 999, 1000, 1001, 3001, 10000, 65535)


@pytest.fixture(scope='module')
def sound(tmp_path_factory):
    """The ground truth, and the files of each format by their paths."""
    folder = tmp_path_factory.mktemp('sound')
    content = make_content(names=('object', 'pedestrian'), numbers=NUMBERS)
    for note in content['annotations']:
        note['category_id'] = 7
    truth, results = write_files(folder, content)
    written = {}
    for form in FORMATS:
        for source in (truth, results) if form in RESULTS else (truth,):
            out = folder / f'{form} of {source.stem}'
            known = ['--ground-truth', str(truth), '--every', '1']
            assert main(['vis', form, str(source), str(out), *known]) == 0
            files = [out] if out.is_file() else sorted(p for p in out.rglob('*') if p.is_file())
            written[form, source.stem] = {p.relative_to(folder): p.read_bytes() for p in files}
    extras = folder / 'extras'
    assert main(['coco', 'vis', str(folder / 'coco of truth'), str(extras)]) == 0
    content = json.loads(extras.read_text())
    for note in content['annotations']:
        note.update(segmentations_refined=note['segmentations'], occlusion=[0.5])
    written['vis', 'extras'] = {Path('extras'): json.dumps(content).encode()}
    return truth, written


def damage_file(rng, path, data):
    """Damage the content of a file in the way of its kind."""
    if rng.random() < 0.2:
        return damage_text(rng, data) if data else b'\0'
    if path.suffix == '.png':
        try:
            ids = np.array(Image.open(io.BytesIO(data)))
        except (OSError, SyntaxError, ValueError):  # damaged already
            return damage_text(rng, data)
        ids[rng.random(ids.shape) < 0.3] = min(rng.choice(SHADES), np.iinfo(ids.dtype).max)
        ids = ids[: len(ids) - (rng.random() < 0.1)]
        stream = io.BytesIO()
        image = Image.fromarray(ids)
        (image.convert('RGB') if rng.random() < 0.1 else image).save(stream, 'PNG')
        return stream.getvalue()
    if path.suffix in ('.txt', '.xml'):
        text = data.decode('latin-1')
        words = list(re.finditer(r'[^\s"<>,;]+', text))
        if not words:
            return b'x'
        word = words[rng.integers(len(words))]
        token = TOKENS[rng.integers(len(TOKENS))]
        return (text[: word.start()] + token + text[word.end() :]).encode('latin-1')
    try:
        content = json.loads(data)
    except ValueError:
        return damage_text(rng, data)
    for _ in range(rng.integers(1, 4)):
        damage_value(rng, content)
    return json.dumps(content).encode()


def write_damaged(folder, written, rng):
    """Write the files of a format with some damage, and return the source."""
    files = dict(written)
    for _ in range(rng.integers(1, 3)):
        path = list(files)[rng.integers(len(files))]
        action = rng.random()
        if action < 0.05 and len(files) > 1:
            del files[path]
        elif action < 0.1:
            files[path.with_name('7' + path.name)] = files[path]
        else:
            files[path] = damage_file(rng, path, files[path])
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder / next(iter(written)).parts[0]


def plain_text(source):
    """Yield video name, track, frame number and mask of MOTS text."""
    for file in source.glob('*.txt'):
        for line in filter(None, map(str.split, file.read_text().splitlines())):
            code = dict(size=[int(line[3]), int(line[4])], counts=line[5])
            if int(line[2]) != 10:
                yield file.stem, int(line[1]), int(line[0]), decode(code)


def plain_pictures(source, deep_void, void):
    """The same of masks with a number per pixel."""
    for file in source.glob('*/*.png'):
        with Image.open(file) as image:
            ids = np.asarray(image)
        for number in {*np.unique(ids).tolist()} - {0, deep_void if ids.itemsize > 1 else void}:
            yield file.parent.name, number, int(file.stem), ids == number


def plain_masklets(source):
    """The same of SA-V."""
    for content in map(json.loads, (file.read_text() for file in source.glob('*.json'))):
        for t, codes in enumerate(content['masklet']):
            for number, code in zip(content['masklet_id'], codes, strict=True):
                if code:
                    yield str(content['video_id']), int(number), t, decode(code)


PLAIN = {
    'mots-txt': plain_text,
    'mots-png': partial(plain_pictures, deep_void=10000, void=None),
    'davis-png': partial(plain_pictures, deep_void=None, void=255),
    'sa-v': plain_masklets,
}


def masks_of(content, numbered):
    """Masks of YouTube-VIS content by such keys; frames have their places or numbered names."""
    videos, found = {video['id']: video for video in content['videos']}, {}
    for note in content['annotations']:
        for t, code in enumerate(note['segmentations']):
            if code is not None:
                path = Path(videos[note['video_id']]['file_names'][t])
                key = (path.parent.name, note.get('track_id', note['id']))
                found[(*key, int(path.stem) if numbered else t)] = decode(code).tobytes()
    return found


def run(capsys, *arguments):
    """Return the exit status, and what is wrong with the output."""
    status = main(list(map(str, arguments)))
    text = re.sub(r'[^\n]*(track|video)/s\]\s*', '', capsys.readouterr().err)  # progress bars
    lines = [line for line in text.splitlines() if line]
    one_line = status == 2 and len(lines) == 1 and lines[0].startswith('error: ')
    return status, '' if status == 0 or one_line else f'{arguments}: {status}, {lines}'


def convert_damaged(sound, folder, capsys, seed):
    """Convert damaged files there and back; return whether they were read, and what is wrong."""
    truth, written = sound
    rng = np.random.default_rng(seed)
    for each in folder.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    (form, kind), files = list(written.items())[rng.integers(len(written))]
    source = write_damaged(folder, files, rng)
    known = ['--ground-truth', truth] if kind == 'results' or rng.random() < 0.6 else []
    known += ['--keep-crowds'] * (rng.random() < 0.2)
    out, other, back = folder / 'out.json', folder / 'other', folder / 'back.json'
    status, mistake = run(capsys, form, 'vis', source, out, '--annotations', *known)
    if status or mistake:
        return False, mistake
    content = json.loads(out.read_text())
    if form in PLAIN and '--keep-crowds' not in known:
        expected = {(*key, t): m.tobytes() for *key, t, m in PLAIN[form](source) if m.any()}
        found = masks_of(content, form != 'sa-v')
        if found != expected:
            return True, f'{form}: {sorted(found.keys() ^ expected.keys())} or masks differ'
    target = list(FORMATS)[rng.integers(len(FORMATS))]
    status, mistake = run(capsys, 'vis', target, out, other, '--every', 1)
    if not status:
        known = [] if target == 'sa-v' else ['--ground-truth', out]  # it knows one class only
        status, mistake = run(capsys, target, 'vis', other, back, *known)
        mistake = mistake or (f'{target} is not read again' if status else '')
    return True, mistake


fuzzing = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@settings(fuzzing, max_examples=100)
@given(st.integers(0, 2**40))
def test_damaged_files_are_converted_right_or_refused(sound, tmp_path, capsys, seed):
    _, mistake = convert_damaged(sound, tmp_path, capsys, seed)
    assert not mistake


@pytest.mark.slow
def test_thousands_of_damaged_files(sound, tmp_path, capsys):
    read = 0

    @settings(fuzzing, max_examples=5000)
    @given(st.integers(0, 2**40))
    def fuzz(seed):
        nonlocal read
        alive, mistake = convert_damaged(sound, tmp_path, capsys, seed)
        assert not mistake
        read += alive

    fuzz()
    assert 500 < read < 4500  # both outcomes were seen often
