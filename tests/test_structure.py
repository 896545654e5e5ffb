"""The parts of the library: which part may import which, and where files are written."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

NAME = 'rocovis_mm'
ROOT = REPOSITORY / NAME
FLOORS = (
    'version',
    'console',
    'formats',
    'compat',
    'structures',
    'evaluation.functional',
    'checks',
    'registry',
    'checkpoints',
    'utils',
    'streaming',
    'datasets',
    'models',
    'engine',
    'evaluation.metrics',
    'visualization',
    'deployment',
    'apis',
    'cli',
)
"""Parts from the bottom up. Each imports only parts below it."""
ONLY = {
    'formats': set(),
    'compat': {'version'},
    'structures': set(),
    'evaluation.functional': {'console', 'formats'},
    'checks': {'formats', 'evaluation.functional'},
    'streaming': {'formats', 'structures', 'evaluation.functional', 'utils', 'compat'},
    '': {'version', 'compat'},
}
"""All that some parts import of the library; '' is the package's own `__init__.py`."""
LIGHT = ('formats', 'evaluation.functional', 'checks')
HEAVY = {'torch', 'torchvision', 'mmengine', 'mmcv', 'mmdet'}
"""Packages that the light parts do without."""
HOMES = {
    'cv2.VideoWriter': set(),
    'av.open to write': {'visualization/media.py'},
    'json.dump': set(),
    'json.dumps': {
        'formats/json_files.py',
        'streaming/results_log.py',  # a file that grows by lines
        'datasets/embedded/embedded_dataset.py',  # files of a folder that appears whole
    },
    'os.replace': {
        'formats/whole_files.py',
        'engine/hooks/whole_checkpoint_hook.py',  # MMEngine writes the file
        'datasets/embedded/embedded_dataset.py',  # a folder
        'visualization/media.py',  # an encoder writes the file
    },
    'cv2.imwrite': {'datasets/embedded/embedded_dataset.py'},
}
"""Calls that write files, and the only files that make them."""
SOURCES = {
    path: ast.parse(path.read_text('utf-8'))
    for path in sorted(ROOT.rglob('*.py'))
    if '.mim' not in path.parts  # links of an editable installation
}


def part_of(module: str) -> str:
    """Return the part that a module, such as 'rocovis_mm.formats.boxes', belongs to."""
    names = module.split('.')[1:]
    inner = '.'.join(names[:2])
    return inner if inner in FLOORS else '.'.join(names[:1])


def module_of(path: Path) -> str:
    names = path.relative_to(REPOSITORY).with_suffix('').parts
    return '.'.join(names).removesuffix('.__init__')


def imported(tree: ast.Module, path: Path) -> Iterator[tuple[str, int]]:
    """Yield each imported module and its line: also in functions and for type checkers."""
    package = module_of(path) if path.name == '__init__.py' else module_of(path).rpartition('.')[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit('.', node.level - 1)[0] if node.level else ''
            module = '.'.join(filter(None, (base, node.module)))
            yield from ((f'{module}.{name.name}', node.lineno) for name in node.names)


def imports_between_parts() -> Iterator[tuple[str, str, str]]:
    """Yield the importing part, the imported part and the place of each import."""
    for path, tree in SOURCES.items():
        own = part_of(module_of(path))
        for module, line in imported(tree, path):
            other = part_of(module)
            if module.split('.')[0] == NAME and other != own:
                yield own, other, f'{path.relative_to(REPOSITORY)}:{line} imports {module}'


def test_each_part_has_a_floor():
    parts = {part_of(module_of(path)) for path in SOURCES} - {'', 'evaluation'}
    assert parts <= set(FLOORS), f'give each part its place in FLOORS: {parts - set(FLOORS)}'


def test_imports_go_downwards_only():
    floor = {part: number for number, part in enumerate(FLOORS)}
    upwards = [
        place
        for own, other, place in imports_between_parts()
        if own and floor.get(other, -1) > floor[own]
    ]
    assert not upwards, '\n'.join(upwards)


@pytest.mark.parametrize('part', ONLY)
def test_what_a_part_imports(part):
    others = [
        place
        for own, other, place in imports_between_parts()
        if own == part and other not in ONLY[part]
    ]
    assert not others, '\n'.join(others)


@pytest.mark.parametrize('part', LIGHT)
def test_light_parts_import_no_torch(part):
    heavy = [
        f'{path.relative_to(REPOSITORY)}:{line} imports {module}'
        for path, tree in SOURCES.items()
        if part_of(module_of(path)) == part
        for module, line in imported(tree, path)
        if module.split('.')[0] in HEAVY
    ]
    assert not heavy, '\n'.join(heavy)


def kind_of_call(call: ast.Call) -> str:
    """Return what is called, such as 'os.replace'; of `av.open` whether it writes."""
    name = ast.unparse(call.func)
    modes = [argument.value for argument in call.args[1:2] if isinstance(argument, ast.Constant)]
    modes += [ast.literal_eval(word.value) for word in call.keywords if word.arg == 'mode']
    return 'av.open to write' if name == 'av.open' and 'w' in modes else name


def test_files_are_written_at_home():
    seen = {kind: set() for kind in HOMES}
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and kind_of_call(node) in HOMES:
                seen[kind_of_call(node)].add(path.relative_to(ROOT).as_posix())
    assert all(seen[kind] for kind in HOMES if HOMES[kind])
    strangers = {kind: found - HOMES[kind] for kind, found in seen.items() if found - HOMES[kind]}
    assert not strangers, f'call the home of these, or give them one: {strangers}'


def test_attention_is_called_as_torch_2_0_takes_it():
    """`scale` came with torch 2.1, `enable_gqa` with 2.5."""
    known = {'query', 'key', 'value', 'attn_mask', 'dropout_p', 'is_causal'}
    calls = [
        (path.name, {keyword.arg for keyword in node.keywords})
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith('product_attention')
    ]
    assert len(calls) >= 4
    assert not [(name, given - known) for name, given in calls if given - known]


def test_writing_functions_are_called_by_their_full_names():
    """An import of the bare function would hide its calls from the test above."""
    hidden = {'os.replace', 'json.dump', 'json.dumps', 'av.open', 'cv2.VideoWriter', 'cv2.imwrite'}
    found = [
        f'{path.relative_to(REPOSITORY)}:{line} imports {module}'
        for path, tree in SOURCES.items()
        for module, line in imported(tree, path)
        if module in hidden
    ]
    assert not found, '\n'.join(found)


@pytest.mark.parametrize('folder', ['tools', 'demo'])
def test_tools_import_the_registry_before_mmdet(folder):
    """It makes mmcv-lite enough for what mmdet imports."""
    found = 0
    for path in (REPOSITORY / folder).rglob('*.py'):
        names, text = [], path.read_text(encoding='utf-8')
        for node in ast.parse(text).body if '__main__' in text else ():
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names.append(node.module)
        late = [n for n, name in enumerate(names) if name.split('.')[0] in ('mmdet', 'mmcv')]
        if late:
            found += 1
            assert 'rocovis_mm.registry' in names[: late[0]], path
    assert found or folder == 'demo'
