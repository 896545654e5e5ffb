"""Every published full-size checkpoint fits the config that docs/checkpoints.md names for it.

The lists of ``shared/facts/published_keys`` hold names and shapes; no tensor here has memory.
"""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import mmdet
import pytest
import torch
from full_size import build_without_memory
from torch import Tensor, nn

from rocovis_mm.checkpoints import to_detectron2, to_mm
from rocovis_mm.checkpoints.conversion import NOTES
from rocovis_mm.utils import load_config
from tests.conftest import REPOSITORY

MASK2FORMER_SWIN = 'mask2former_swin-l-p4-w12-384-in21k_8xb2-8e_youtubevis2021.py'
SEQFORMER = 'configs/seqformer/seqformer_r50_youtube-vis-2019'
CONFIGS = {
    'ctvis_r50_ovis': 'configs/ctvis/ctvis_r50_ovis.py',
    'ctvis_r50_ytvis19': 'configs/ctvis/ctvis_r50_youtube-vis-2019.py',
    'ctvis_swinl_ovis': 'configs/ctvis/ctvis_swin-l_ovis.py',
    'ctvis_swinl_ytvis19': 'configs/ctvis/ctvis_swin-l_youtube-vis-2019.py',
    'dvis_online_r50_ovis': 'configs/dvis/dvis_r50_ovis.py',
    'dvis_online_r50_ytvis19': 'configs/dvis/dvis_r50_youtube-vis-2019.py',
    'dvis_online_swinl_ovis': 'configs/dvis/dvis_swin-l_ovis.py',
    'dvis_online_swinl_ytvis19': 'configs/dvis/dvis_swin-l_youtube-vis-2019.py',
    'genvis_online_r50_ovis': 'configs/genvis/genvis_r50_ovis.py',
    'genvis_online_r50_ytvis19': 'configs/genvis/genvis_r50_youtube-vis-2019.py',
    'genvis_online_swinl_ovis': 'configs/genvis/genvis_swin-l_ovis.py',
    'genvis_online_swinl_ytvis19': 'configs/genvis/genvis_swin-l_youtube-vis-2019.py',
    'idol_r50_ovis': 'configs/idol/idol_r50_ovis.py',
    'idol_r50_ytvis19': 'configs/idol/idol_r50_youtube-vis-2019.py',
    'idol_swinl_ytvis19': 'configs/idol/idol_swin-l_youtube-vis-2019.py',
    'mask2former_r50_ytvis19': 'configs/mask2former_vis/mask2former_vis_r50_custom.py',
    'mask2former_swinl_ytvis19': f'mmdet::mask2former_vis/{MASK2FORMER_SWIN}',
    'minvis_r50_ovis': 'configs/minvis/minvis_r50_ovis.py',
    'minvis_r50_ytvis19': 'configs/minvis/minvis_r50_youtube-vis-2019.py',
    'minvis_swinl_ovis': 'configs/minvis/minvis_swin-l_ovis.py',
    'minvis_swinl_ytvis19': 'configs/minvis/minvis_swin-l_youtube-vis-2019.py',
    'seqformer_original_r50_ytvis19': f'{SEQFORMER}_original.py',
    'seqformer_r50_ytvis19': f'{SEQFORMER}.py',
    'vmt_r50_hqytvis': 'configs/vmt/vmt_r50_hq-ytvis.py',
}
"""List of a published checkpoint -> the config it goes to."""


def published(name: str, shared_dir: Path) -> dict[str, Tensor]:
    """Return a published checkpoint's weights: shapes alone, and Swin's index as it is."""
    text = (shared_dir / 'facts/published_keys' / f'{name}.json').read_text()
    return {key: tensor_of(key, shape) for key, shape in json.loads(text).items()}


def tensor_of(key: str, shape: list[int]) -> Tensor:
    """Return a tensor without memory; the index of Swin's table counts offsets row by row."""
    if not key.endswith('relative_position_index'):
        return torch.empty(shape, device='meta')
    window = round(shape[0] ** 0.5)
    pixel = torch.arange(window * window)
    row, column = pixel // window, pixel % window
    rows, columns = row[:, None] - row + window - 1, column[:, None] - column + window - 1
    return rows * (2 * window - 1) + columns


def build(name: str) -> nn.Module:
    """Return the model of a config, at full size and without memory."""
    options, path = {}, REPOSITORY / name
    if name.startswith('mmdet::') or 'mask2former_vis' in name:
        folder = Path(mmdet.__file__).parent / '.mim/configs'
        if not folder.is_dir():
            pytest.skip('this mmdet carries no configs')
        if name.startswith('mmdet::'):
            path = folder / name[len('mmdet::') :]
        else:
            options['classes'] = tuple(f'class {index}' for index in range(40))
    return build_without_memory(load_config(path, options).model)


def load_strictly(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load weights, which must be the model's name for name and shape for shape."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # a copy into a tensor without memory does nothing
        model.load_state_dict(weights, strict=True)


@pytest.mark.parametrize('name', CONFIGS)
def test_a_published_checkpoint_fits_the_config_that_the_docs_name(name, shared_dir):
    config = CONFIGS[name]
    assert config in (REPOSITORY / 'docs/checkpoints.md').read_text()
    weights = published(name, shared_dir)
    kind = name.partition('_')[0]
    kind = {'mask2former': 'mask2former_vis', 'seqformer': 'auto'}.get(kind, kind)
    converted = to_mm({'model': weights}, kind)
    assert not converted['meta'][NOTES]['begin_anew']
    load_strictly(build(config), converted['state_dict'])
    back = to_detectron2(converted)['model']
    assert {key: x.shape for key, x in back.items()} == {key: x.shape for key, x in weights.items()}


def test_no_list_is_forgotten(shared_dir):
    names = {path.stem for path in (shared_dir / 'facts/published_keys').glob('*.json')}
    assert names == set(CONFIGS)


@pytest.mark.parametrize('method', ['minvis', 'rocovis', 'genvis', 'ctvis', 'dvis'])
def test_a_published_detector_starts_every_method(method, shared_dir):
    """All that is not the method's own is loaded, under the names of MMDetection's Mask2Former."""
    converted = to_mm({'model': published('mask2former_r50_ytvis19', shared_dir)})
    assert converted['meta'][NOTES]['model'] == 'mask2former'
    model = build(f'configs/{method}/{method}_r50_youtube-vis-2019.py')
    own = {
        'minvis': None,
        'rocovis': r'\.propagation\.',
        'genvis': r'\.object_decoder\.',
        'ctvis': r'\.reid_embed\.',
        'dvis': r'\.tracker\.',
    }[method]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        result = model.load_state_dict(converted['state_dict'], strict=False)
    assert not result.unexpected_keys
    assert bool(result.missing_keys) == (own is not None)
    assert all(re.search(own, key) for key in result.missing_keys)
