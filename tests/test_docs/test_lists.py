"""Lists of the docs name all of their kind, as the code has it."""

from __future__ import annotations

import re

import pytest

from rocovis_mm.checkpoints import KINDS
from rocovis_mm.models import OfflineVISModel, OnlineVISModel
from rocovis_mm.registry import MODELS
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / 'docs'


def models(base: type) -> set[str]:
    """Return the names of the registered models of a kind."""
    found = MODELS.module_dict.values()
    return {each.__name__ for each in found if isinstance(each, type) and issubclass(each, base)}


def test_each_section_of_the_changelog_is_one_list():
    text = (REPOSITORY / 'CHANGELOG.md').read_text()
    assert not re.findall(r'(?m)^(?:- |  ).*\n\n+- .*$', text)


def test_the_kinds_of_checkpoints():
    text = (DOCS / 'checkpoints.md').read_text()
    (listed,) = re.findall(r'--model \{([^}]*)\}', text)
    assert listed.split(',') == ['auto', *KINDS]


@pytest.mark.parametrize('page', ['index.md', 'model_zoo.md', 'peers/index.md'])
def test_pages_that_name_all_models(page):
    text = (DOCS / page).read_text()
    assert not {
        name for name in models(OnlineVISModel) | models(OfflineVISModel) if name not in text
    }


def test_streaming_names_all_online_models():
    intro = (DOCS / 'streaming.md').read_text().partition('\n- [')[0]
    assert not {name for name in models(OnlineVISModel) if name not in intro}
