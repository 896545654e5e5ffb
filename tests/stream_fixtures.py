"""Inferencers and cameras that the tests share."""

from __future__ import annotations

import pytest

from tests.tiny_streams import METHODS, FakeCapture, tiny_inferencer


@pytest.fixture(scope='session', params=list(METHODS))
def inferencer(request):
    return tiny_inferencer(**METHODS[request.param])


@pytest.fixture(scope='session')
def rocovis():
    return tiny_inferencer(**METHODS['RoCoVIS'])


@pytest.fixture
def fake_camera(monkeypatch):
    """Let OpenCV open fake cameras; returns a function that sets what they show."""
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
