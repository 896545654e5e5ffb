"""No config and no page addresses a part of a config by its place in a list."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import REPOSITORY

FILES = sorted((REPOSITORY / 'configs').rglob('*.py'))
PAGES = sorted([*(REPOSITORY / 'docs').glob('*.md'), REPOSITORY / 'README.md'])
OF_LISTS = r'(custom_hooks|param_scheduler|\w*pipeline|transforms|vis_backends|datasets)'


def places(text: str) -> list[str]:
    """Return the expressions that say a place in a list by its number."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Subscript):
            numbers = [part for part in ast.walk(node.slice) if isinstance(part, ast.Constant)]
            if any(isinstance(part.value, int) for part in numbers):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.Attribute) and node.attr in ('insert', 'pop'):
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_a_config_addresses_parts_by_name(path):
    assert places(path.read_text()) == []


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.stem)
def test_a_page_tells_nobody_to_count(path):
    text = path.read_text()
    assert not re.search(rf'\b{OF_LISTS}(\.\d|\[-?\d|\[:)', text)


@pytest.mark.parametrize('text', ['a[1].b = 2', 'x = [*hooks[:2]]', 'p[1].t.insert(2, r)', 'a[-1]'])
def test_places_are_found(text):
    assert places(text)
