"""The ``rocovis`` command: the files of ``tools/`` under short names.

``rocovis eval GT.json PRED.json`` runs ``tools/eval_results.py GT.json PRED.json`` in the same
process. A tool is imported only when it runs, so that ``rocovis --help`` is quick and scoring
needs no torch.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
COMMANDS = {
    'eval': 'tools/eval_results.py',
    'errors': 'tools/analysis_tools/analyze_errors.py',
    'report': 'tools/analysis_tools/track_report.py',
    'plot': 'tools/analysis_tools/plot_metrics.py',
    'draw': 'tools/analysis_tools/draw_results.py',
    'view': 'tools/analysis_tools/view_results.py',
    'check': 'tools/misc/check_dataset.py',
    'browse': 'tools/analysis_tools/browse_dataset.py',
    'split': 'tools/dataset_converters/split_dataset.py',
    'cut': 'tools/dataset_converters/cut_videos.py',
    'generate': 'tools/dataset_converters/generate_embedded.py',
    'train': 'tools/train.py',
    'test': 'tools/test.py',
    'demo': 'demo/video_demo.py',
    'web': 'demo/web_demo.py',
    'ablate': 'tools/analysis_tools/ablate_propagation.py',
    'export': 'tools/deployment/export.py',
    'quantize': 'tools/deployment/quantize.py',
    'benchmark': 'tools/analysis_tools/benchmark.py',
    'gpu-report': 'tools/analysis_tools/gpu_report.py',
    'publish': 'tools/misc/publish_model.py',
    'convert': {
        'formats': 'tools/dataset_converters/convert_formats.py',
        'categories': 'tools/dataset_converters/coco_to_vis_categories.py',
        'cocovid': 'tools/dataset_converters/cocovid_to_vis.py',
        'cvat': 'tools/dataset_converters/cvat_to_vis.py',
        'davis': 'tools/dataset_converters/davis_to_vis.py',
        'vipseg': 'tools/dataset_converters/vipseg_to_vis.py',
        'jsonl': 'tools/misc/jsonl_to_results.py',
        'checkpoint': 'tools/model_converters/detectron2_to_mm.py',
        'videomt': 'tools/model_converters/videomt_to_mm.py',
    },
}
"""The tool of each command; ``convert`` has commands of its own."""
FORMATS = (
    'vis',
    'mots-txt',
    'mots-png',
    'davis-png',
    'coco',
    'cocovid',
    'cvat-coco',
    'cvat-video',
    'labelme',
    'sa-v',
    'sa-co',
)
"""Names of formats: ``convert FROM TO`` is ``convert formats FROM TO``."""
OPENMMLAB = ('torch', 'mmengine', 'mmcv', 'mmdet')


def tool_path(name: str) -> Path:
    """Return the path of a tool in an installation, or else in the checkout."""
    packed = PACKAGE / '.mim' / name
    return packed if packed.is_file() else PACKAGE.parent / name


def find_tool(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """Return the tool that a command line names, and the arguments of the tool."""
    found: str | dict | None = COMMANDS
    words = list(words)
    if words[:1] == ['convert'] and words[2:] and set(words[1:3]) <= set(FORMATS):
        words.insert(1, 'formats')
    while isinstance(found, dict):
        found = found.get(words.pop(0)) if words else None
    return None if found is None else (found, words)


def describe(tool: str) -> str:
    """Return the first line of the docstring of a tool, which is not imported."""
    tree = ast.parse(tool_path(tool).read_text(encoding='utf-8'))
    return (ast.get_docstring(tree) or '').partition('\n')[0]


def usage() -> str:
    """Return the list of all commands with their tools' descriptions."""
    lines = ['usage: rocovis COMMAND ...', '', 'commands (rocovis COMMAND --help says more):']
    for name, tool in COMMANDS.items():
        tools = tool if isinstance(tool, dict) else {'': tool}
        for kind, each in tools.items():
            lines.append(f'  {f"{name} {kind}".strip():<20}{describe(each)}')
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] in ([], ['-h'], ['--help']):
        print(usage())
        return 0
    if words == ['--version']:
        from rocovis_mm.version import __version__

        print(f'rocovis_mm {__version__}')
        return 0
    found = find_tool(words)
    if found is None:
        print(f'{usage()}\n\nrocovis: no such command: {" ".join(words[:2])}', file=sys.stderr)
        return 2
    tool, rest = found
    path = tool_path(tool)
    command = ' '.join(['rocovis', *words[: len(words) - len(rest)]])
    sys.argv = [command, *rest]
    sys.path.insert(0, str(path.parent))  # of the modules beside it
    try:
        return import_module(path.stem).main() or 0
    except ModuleNotFoundError as error:
        if (error.name or '').partition('.')[0] not in OPENMMLAB:
            raise
        print(
            f'{command}: {error.name} is not installed, which models need; '
            "install it with: pip install 'rocovis_mm[mm]'",
            file=sys.stderr,
        )
        return 1
