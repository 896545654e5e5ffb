"""The data set that these tests spoil."""

from tests.vis_fixtures import content, write  # noqa: F401
