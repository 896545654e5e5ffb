"""Inferencers and cameras."""

from tests.stream_fixtures import fake_camera, inferencer, rocovis  # noqa: F401
