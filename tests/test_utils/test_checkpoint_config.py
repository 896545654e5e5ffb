"""The config inside a checkpoint is read without running it."""

from __future__ import annotations

import pytest
import torch
from mmengine.config import Config

from rocovis_mm.utils.checkpoint_config import checkpoint_config
from tests.conftest import REPOSITORY


def save(path, text):
    torch.save(dict(meta=dict(cfg=text), state_dict={}), path)
    return path


@pytest.mark.parametrize('name', ['rocovis_demo', 'rocovis_tiny_custom'])
def test_it_is_the_config_that_mmengine_wrote(tmp_path, name):
    config = Config.fromfile(REPOSITORY / f'configs/rocovis/{name}.py')
    read = checkpoint_config(save(tmp_path / 'model.pth', config.pretty_text))
    assert read.to_dict() == Config.fromstring(config.pretty_text, '.py').to_dict()
    assert read.model.type == 'rocovis_mm.RoCoVIS'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('import os\n', 'line 1 is no `name = value`'),
        ("a = 1\nb = open('/etc/passwd')", 'line 2 calls open'),
        ('a = dict(**{})', r'has \*\*'),
        ('a = [x for x in range(3)]', 'malformed'),
        ('a = (', 'never closed'),
    ],
)
def test_anything_but_literals_is_refused(tmp_path, text, message):
    path = save(tmp_path / 'model.pth', text)
    with pytest.raises(ValueError, match=message) as caught:
        checkpoint_config(path)
    assert str(path) in str(caught.value)
    assert 'give the config file' in str(caught.value)


def test_a_checkpoint_without_a_config_is_named(tmp_path):
    torch.save(dict(state_dict={}), tmp_path / 'bare.pth')
    with pytest.raises(ValueError, match='contains no config'):
        checkpoint_config(tmp_path / 'bare.pth')
