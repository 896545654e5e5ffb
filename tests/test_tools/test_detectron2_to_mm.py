"""tools/model_converters/detectron2_to_mm.py: files in, files out, and what it says."""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
import re
import sys
from pathlib import Path

import pytest
import torch
from detectron2_weights import weights

from rocovis_mm.checkpoints import convert_file, read_checkpoint

TOOL = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'detectron2_to_mm.py'


@pytest.fixture(scope='module')
def source(shared_dir) -> dict[str, torch.Tensor]:
    """GenVIS under its names; every dimension but the first made small, to be quick."""
    return {
        name: tensor[(..., *(slice(2) for _ in tensor.shape[1:]))].clone()
        for name, tensor in weights('genvis', shared_dir).items()
    }


@pytest.fixture
def zoo(source, tmp_path) -> Path:
    """A file in the form of Detectron2's model zoo."""
    model = {name: tensor.numpy() for name, tensor in source.items()}
    content = {'model': model, '__author__': 'somebody', 'matching_heuristics': True}
    path = tmp_path / 'model_final_abc123.pkl'
    path.write_bytes(pickle.dumps(content, 2))
    return path


@pytest.fixture
def tool(monkeypatch):
    """Return a function that runs the tool on arguments."""
    spec = importlib.util.spec_from_file_location('detectron2_to_mm', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def call(*arguments: object) -> None:
        monkeypatch.setattr(sys, 'argv', [TOOL.name, *map(str, arguments)])
        module.main()

    return call


def test_a_file_of_the_zoo_there_and_back(zoo, source, tool, tmp_path, capsys):
    there, back = tmp_path / 'new' / 'genvis.pth', tmp_path / 'back.pkl'
    tool(zoo, there)
    text = capsys.readouterr().out
    digest = hashlib.sha256(zoo.read_bytes()).hexdigest()
    assert f'sha256 {digest}' in text
    assert 'WARNING' in text and 'its name states a md5 of abc123' in text
    assert '474 tensors used, 3 left out, 53 made anew' in text
    assert 'genvis_criterion.empty_weight: the weight of' in text
    assert 'ResNet-50, 7 classes; pixel decoder of 2 channels, 2 layers on 3 levels' in text
    assert 'object decoder: 16 queries of 2 channels, 2 + 2 layers, FFN 128' in text
    assert 'num_classes=7' in text and f'written: {there}' in text
    converted = torch.load(there, weights_only=True)
    origin = converted['meta']['detectron2']['source']
    assert origin['sha256'] == digest
    assert origin['__author__'] == 'somebody' and origin['file'] == zoo.name

    tool(there, back, '--reverse')
    assert 'tensors under the names of Detectron2' in capsys.readouterr().out
    found = read_checkpoint(back)
    assert '__author__' in found and 'matching_heuristics' not in found
    assert found['model']._metadata['sem_seg_head'] == {'version': 2}
    assert set(found['model']) == set(source)
    for name, tensor in source.items():
        assert torch.equal(found['model'][name].tensor(), tensor), name
    with back.open('rb') as file:  # as Detectron2 reads it
        assert set(pickle.load(file, encoding='latin1')['model']) == set(source)

    tool(there, tmp_path / 'back.pth', '--reverse', '--model', 'genvis')
    model = torch.load(tmp_path / 'back.pth', weights_only=True)['model']
    assert all(torch.equal(model[name], source[name]) for name in source)


def test_a_name_with_the_right_hash_passes_without_a_warning(zoo, tmp_path):
    digits = hashlib.md5(zoo.read_bytes()).hexdigest()[:6]
    right = zoo.rename(tmp_path / f'model_final_{digits}.pkl')
    assert 'WARNING' not in convert_file(right, tmp_path / 'x.pth')


def test_averages_and_the_twin_are_pointed_out(source, tmp_path):
    frame = {name: x for name, x in source.items() if not re.match('vita_|genvis_', name)}
    torch.save({'model': frame, 'model_ema': frame, 'iteration': 9}, tmp_path / 'x.pth')
    text = convert_file(tmp_path / 'x.pth', tmp_path / 'y.pth', 'minvis')
    assert 'averaged weights are beside the ones taken: model_ema' in text
    assert 'give --model minvis' not in text
    text = convert_file(tmp_path / 'x.pth', tmp_path / 'z.pth', entry='model_ema')
    assert 'for one, give --model minvis' in text and 'averaged' not in text
    meta = torch.load(tmp_path / 'z.pth', weights_only=True)['meta']['detectron2']
    assert meta['source']['iteration'] == 9


def test_what_begins_anew_and_the_normalisation_are_told(source, tmp_path):
    vita = {name: x for name, x in source.items() if 'vita_module.pre_' not in name}
    vita['pixel_mean'] = torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1)
    torch.save(vita, tmp_path / 'x.pth')
    text = convert_file(tmp_path / 'x.pth', tmp_path / 'y.pth', 'genvis')
    assert 'NOT THERE: this is VITA' in text and 'object_decoder.memory_key.weight' in text
    assert 'pixel_mean is [103.53, 116.28, 123.675]: check it' in text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['ZOO', 'out.pth', '--model', 'minvis'], 'ZOO: vita_module.* is there: this is a GenVIS'),
        (['ZOO', 'out.pth', '--reverse'], 'ZOO: no entry state_dict with weights'),
        (['ZOO', 'out.pth', '--entry', 'ema'], "ZOO: no entry 'ema' with the weights"),
        (['none.pkl', 'out.pth'], 'none.pkl: no such checkpoint'),
        (['ZOO', 'ZOO'], 'ZOO: would overwrite the source'),
        (['ZOO', 'out.pkl'], 'out.pkl: MMEngine reads .pth files'),
        (['ZOO', '.'], '.: is a folder'),
        (['CUT', 'out.pth'], 'CUT: cannot be read as a checkpoint: '),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    zoo, tool, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    cut = tmp_path / 'cut.pkl'
    cut.write_bytes(zoo.read_bytes()[:-1000])
    names = {'ZOO': str(zoo), 'CUT': str(cut)}
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit) as error:
        tool(*(names.get(each, each) for each in arguments))
    for name, path in names.items():
        message = message.replace(name, path)
    assert str(error.value).startswith(f'error: {message}')
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
