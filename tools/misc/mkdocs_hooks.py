"""Hooks of MkDocs for docs/: API pages, equations, links to files outside docs/."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

FENCE = re.compile(r'^( *)(```+|~~~+).*?^\1\2`*\s*$', re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r'^\$\$(.+?)\$\$$', re.MULTILINE | re.DOTALL)
INLINE = re.compile(r'(?<![\\$`])\$([^$`\n]+)\$(?![$`])')
LEAVING = re.compile(r'\[([^\]]+)\]\((?:\.\./)+([^)#]+)(?:#[^)]*)?\)')
SOURCE = re.compile(r'^<!-- source: (\S+) (\S+) -->$', re.MULTILINE)
PACKAGE = 'rocovis_mm'


def on_files(files: Files, config: Any) -> Files:
    """Add a page ``api/X.md`` for each sub-package, with every module of it."""
    root = Path(config['config_file_path']).parent
    for package in sorted((root / PACKAGE).glob('*/__init__.py')):
        name = package.parent.name
        if name == 'configs':  # values, no interface
            continue
        modules = sorted(
            '.'.join(path.relative_to(root).with_suffix('').parts)
            for path in package.parent.rglob('*.py')
            if path.name != '__init__.py'
        )
        text = f'# {PACKAGE}.{name}\n' + ''.join(f'\n::: {module}\n' for module in modules)
        files.append(File.generated(config, f'api/{name}.md', content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Insert the code that a page names, turn LaTeX into MathML, and link files outside docs/.

    Raises:
        PluginError: a link leads to a file that is not in the repository.
    """
    root = Path(config['config_file_path']).parent

    def name_file(link: re.Match) -> str:
        text, target = link.groups()
        inside = Path(config['docs_dir'], target)
        if inside.exists() and Path(page.file.src_path).parent != Path('.'):
            return link.group()  # from a folder of docs/ to another page
        if not (root / target).exists():
            raise PluginError(f'{page.file.src_path}: the link to ../{target} leads nowhere')
        return text if target in text else f'{text} (`{target}`)'

    def mend(text: str) -> str:
        text = BLOCK.sub(lambda found: convert(found.group(1).strip(), display='block'), text)
        text = INLINE.sub(lambda found: convert(found.group(1)), text)
        return LEAVING.sub(name_file, text)

    markdown = SOURCE.sub(lambda found: code_block(root / found.group(1), found.group(2)), markdown)
    parts, at = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [mend(markdown[at : fence.start()]), fence.group()]
        at = fence.end()
    return ''.join([*parts, mend(markdown[at:])])


def code_block(path: Path, name: str) -> str:
    """Return the code of the function `name` (``f`` or ``Class.f``) without its docstring.

    Raises:
        PluginError: the file has no such function.
    """
    text = path.read_text(encoding='utf-8')
    node: Any = ast.parse(text)
    for part in name.split('.'):
        node = next((child for child in node.body if getattr(child, 'name', None) == part), None)
        if node is None:
            raise PluginError(f'{path}: there is no {name} for the docs to show')
    lines = text.splitlines()
    doc = node.body[0]
    head = lines[node.lineno - 1 : doc.lineno - 1]
    body = textwrap.dedent('\n'.join([*head, *lines[doc.end_lineno : node.end_lineno]]))
    return f'```python\n{body}\n```'
