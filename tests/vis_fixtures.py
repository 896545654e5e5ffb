"""A small valid data set whose parts tests then spoil."""

from __future__ import annotations

import copy
import json

import cv2
import numpy as np
import pytest

from tests.test_datasets.vis_content import CONTENT, HEIGHT, WIDTH


@pytest.fixture
def content():
    """The json's content, free to be changed."""
    return copy.deepcopy(CONTENT)


@pytest.fixture
def write(tmp_path):
    """Write a content and its images; return the json's path."""

    def _write(content):
        path = tmp_path / 'ann.json'
        path.write_text(json.dumps(content))
        for video in content.get('videos', []):
            for t, name in enumerate(video.get('file_names', [])):
                (tmp_path / 'img' / name).parent.mkdir(parents=True, exist_ok=True)
                image = np.full((HEIGHT, WIDTH, 3), 10 * t, dtype=np.uint8)
                cv2.imwrite(str(tmp_path / 'img' / name), image)
        return path

    return _write
