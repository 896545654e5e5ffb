"""tools/test.py in 1, 2 and 3 joined processes: the same figures and results to the last digit."""

from __future__ import annotations

import json

import pytest
import torch
from processes import REPOSITORY, run_main, run_ranks

from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.registry import MODELS
from rocovis_mm.utils import load_config

CONFIG = REPOSITORY / 'configs/rocovis/rocovis_demo.py'
LENGTHS = (6, 4)  # of two videos: of three ranks one has nothing to do


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    root = make_tiny_dataset(tmp_path_factory.mktemp('test') / 'data', val_videos=2).root
    content = json.loads((root / 'val.json').read_text())
    for video, length in zip(content['videos'], LENGTHS):
        video.update(length=length, file_names=video['file_names'][:length])
        for track in content['annotations']:
            if track['video_id'] == video['id']:
                for key, value in track.items():
                    if isinstance(value, list) and len(value) > length:
                        track[key] = value[:length]
    content['annotations'] = [
        track for track in content['annotations'] if any(track['segmentations'])
    ]
    (root / 'val.json').write_text(json.dumps(content))
    return root


@pytest.fixture(scope='module')
def checkpoint(data):
    """A model whose random weights draw masks."""
    torch.manual_seed(3)
    model = MODELS.build(load_config(CONFIG).model)
    model.init_weights()
    with torch.no_grad():
        model.track_head.query_decoder.mask_embed[-1].weight.mul_(8)
        model.track_head.query_decoder.cls_embed.weight.mul_(4)
    torch.save(dict(state_dict=model.state_dict(), meta={}), data / 'random.pth')
    return data / 'random.pth'


def figures(folder):
    (path,) = [p for p in folder.rglob('*.json') if p.parent.name[:2] == '20']
    values = json.loads(path.read_text())
    return {key: value for key, value in values.items() if 'time' not in key}


def test_any_number_of_ranks_gives_the_same_to_the_last_digit(data, checkpoint, tmp_path):
    found = []
    for ranks in (1, 2, 3):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        launcher = ['--launcher', 'pytorch'] if ranks > 1 else []
        run_ranks(
            ranks, run_main, 'test', CONFIG, checkpoint, *launcher, '--work-dir', folder,
            '--out', folder / 'results.json', '--cfg-options', f'data_root={data}/',
            'input_size=(96,64)',
            'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False',
            folder=tmp_path,
        )  # fmt: skip
        found.append((figures(folder), (folder / 'results.json').read_bytes()))
    tracks = json.loads(found[0][1])
    assert {track['video_id'] for track in tracks} == {1, 2}
    assert any(any(track['segmentations']) for track in tracks)
    assert 'AP' in found[0][0] and 'AP_pool_boundary' in found[0][0]
    assert found[1] == found[0] and found[2] == found[0]
