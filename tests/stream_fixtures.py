"""Inferencers and cameras that the tests share; what they need is imported with the first test."""

from __future__ import annotations

import pytest

METHODS = {
    'RoCoVIS': dict(strides=(16, 32), memory_frames=2),
    'MinVIS': dict(method='minvis'),
    'GenVIS': dict(method='genvis'),
    'CTVIS': dict(method='ctvis'),
}


@pytest.fixture(scope='session', params=list(METHODS))
def inferencer(request):
    from tests.tiny_streams import tiny_inferencer

    return tiny_inferencer(**METHODS[request.param])


@pytest.fixture(scope='session')
def rocovis():
    from tests.tiny_streams import tiny_inferencer

    return tiny_inferencer(**METHODS['RoCoVIS'])


@pytest.fixture
def fake_camera(monkeypatch):
    """Let OpenCV open fake cameras; returns a function that sets what they show."""
    from tests.tiny_streams import FakeCapture

    opened = []

    def show(images, **stated):
        capture = FakeCapture(images, **stated)
        monkeypatch.setattr(
            'rocovis_mm.apis.sources.cv2.VideoCapture',
            lambda target: opened.append(target) or capture,
        )
        capture.opened = opened
        return capture

    return show
