"""Configs in MMEngine's pure-Python style, written from configs in text style."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmdet.registry
from mmengine.registry import DefaultScope, Registry

import rocovis_mm.registry
from rocovis_mm.utils import load_config
from rocovis_mm.utils.config import READ_BY_MMENGINE, without_types

CLASSES = ('type', 'ema_type', 'constructor')
"""Keys whose values are classes in pure Python."""
BY_WORDS = ('norm_cfg', 'act_cfg', 'init_cfg')
"""Parts whose types mmcv knows by words such as BN alone."""
REGISTRIES = [
    each
    for module in (rocovis_mm.registry, mmdet.registry)
    for each in vars(module).values()
    if isinstance(each, Registry)
]


def class_of(name: str) -> type | None:
    """Return the class that a config in text style names."""
    found = (registry.get(name) for registry in REGISTRIES)
    return next((each for each in found if each is not None), None)


def as_python(value: Any, imports: dict[str, str], key: str = '') -> str:
    """Return a value of a config as Python, and add the classes that it names to `imports`."""
    if isinstance(value, dict) and key not in BY_WORDS:
        parts = (f'{name}={as_python(part, imports, name)}' for name, part in value.items())
        return f'dict({", ".join(parts)})'
    if isinstance(value, list):
        return f'[{", ".join(as_python(part, imports) for part in value)}]'
    found = class_of(value) if key in CLASSES and isinstance(value, str) else None
    if found is None:
        return repr(value)
    imports[found.__name__] = found.__module__
    return found.__name__


def write_pure_python(text_config: Path, path: Path) -> Path:
    """Write a config in text style as one in pure Python, whose types are classes."""
    entries = without_types(load_config(text_config).to_dict())
    imports: dict[str, str] = {}
    with DefaultScope.overwrite_default_scope('mmdet'):
        lines = [
            f'{name} = {as_python(value, imports)}'
            for name, value in entries.items()
            if name in READ_BY_MMENGINE
        ]
    heads = [f'from {module} import {name}' for name, module in sorted(imports.items())]
    path.write_text('\n'.join([*heads, *lines, '']), encoding='utf-8')
    return path
