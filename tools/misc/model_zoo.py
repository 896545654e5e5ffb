"""Write the tables of docs/model_zoo.md from the metafiles beside the configs.

    python tools/misc/model_zoo.py

Each table is between `<!-- table: DATASET; WHERE SCORED -->` and `<!-- end of table -->`. The tool
rewrites these tables. The scores of the paper come from `Paper Results` and ours from `Results`,
both in configs/*/metafile.yml. Models of other methods than `METHODS` have no row: docs/peers/ has
their scores.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / 'docs/model_zoo.md'
MARKED = re.compile(
    r'(<!-- table: (?P<data>[^;]*); (?P<scored>.*?) -->\n).*?(<!-- end of table -->)', re.DOTALL
)
METHODS = ('MinVIS', 'GenVIS', 'RoCoVIS')
BACKBONES = {'r50': 'R-50', 'swin-l': 'Swin-L'}
VARIANTS = {
    'direct': 'direct query decoding',
    'imp': '+ instance mask propagation',
    'coco-joint': 'with COCO',
}
FIGURES = {  # key of a metafile -> head of a column
    'AP_boundary': 'AP^B',
    'AP50_boundary': 'AP^B 50',
    'AP75_boundary': 'AP^B 75',
    'AR1_boundary': 'AR^B 1',
    'AP': 'AP',
    'AP50': 'AP50',
    'AP75': 'AP75',
    'AR1': 'AR1',
    'AR10': 'AR10',
    'AP_pool': 'AP^Pool',
}
UNTRAINED = 'not trained yet'


def read_models(root: Path = ROOT) -> list[dict[str, Any]]:
    """Return the models of all metafiles that model-index.yml imports, in its order."""
    index = yaml.safe_load((root / 'model-index.yml').read_text(encoding='utf-8'))
    return [
        model
        for name in index['Import']
        for model in yaml.safe_load((root / name).read_text(encoding='utf-8'))['Models']
    ]


def describe(model: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
    """Return the displayed name of a model and its sort key in a table."""
    parts = model['Name'].split('_')
    backbone = next(key for key in BACKBONES if key in parts)
    variants = [key for key in VARIANTS if key in parts]
    name = ', '.join([model['In Collection'], BACKBONES[backbone], *map(VARIANTS.get, variants)])
    rank = {(): 2, ('direct',): 0, ('imp',): 1}.get(tuple(variants), 3)
    order = list(BACKBONES).index(backbone), METHODS.index(model['In Collection']), rank
    return name, order


def training_data(model: dict[str, Any]) -> list[str]:
    """Return the names of the data sets a model is trained on."""
    data = model['Metadata']['Training Data']
    return data if isinstance(data, list) else [data]


def paper_figures(model: dict[str, Any], scored: str) -> dict[str, float]:
    """Return the paper's scores of a model on the videos of `scored`, {} if there are none."""
    for result in model['Metadata'].get('Paper Results', ()):
        if result['Dataset'] == scored:
            return result['Metrics']
    return {}


def own_figures(model: dict[str, Any], scored: str) -> str:
    """Return the scores of our own checkpoint on the videos of `scored`."""
    for result in model['Results'] or ():
        if result['Dataset'] == scored:
            metrics = result['Metrics'].items()
            return ', '.join(f'{FIGURES[key]} {value:.1f}' for key, value in metrics)
    return UNTRAINED


def make_table(models: list[dict[str, Any]], data: str, scored: str) -> str:
    """Return the table of the models trained on `data`.

    Args:
        models: of all metafiles.
        data: their `Training Data`, or the first of it.
        scored: the `Dataset` of the results. If it starts with "only ", models without
            scores of the paper are omitted.
    """
    only, scored = scored.startswith('only '), scored.removeprefix('only ')
    rows = [model for model in models if training_data(model)[0] == data]
    rows = [model for model in rows if model['In Collection'] in METHODS]
    rows = [model for model in rows if paper_figures(model, scored) or not only]
    if not rows:
        raise ValueError(f'{DOCUMENT}: no metafile has a model trained on {data!r} with {scored!r}')
    rows.sort(key=lambda model: describe(model)[1])
    found = [key for key in FIGURES if any(key in paper_figures(model, scored) for model in rows)]
    head = ['model', *(f"{FIGURES[key]}, paper's" for key in found), 'ours', 'training']
    lines = [head, ['---'] * len(head)]
    for model in rows:
        figures = paper_figures(model, scored)
        lines.append(
            [
                f'[{describe(model)[0]}](../{model["Config"]})',
                *(f'{figures[key]:.1f}' if key in figures else '-' for key in found),
                own_figures(model, scored),
                f'`tools/train.py {model["Config"]}`',
            ]
        )
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def fill(text: str, models: list[dict[str, Any]]) -> str:
    """Return a document with its tables rewritten."""

    def table(match: re.Match[str]) -> str:
        return match[1] + make_table(models, match['data'], match['scored']) + match[4]

    return MARKED.sub(table, text)


def main() -> int:
    """Rewrite the document and return the exit status."""
    text = DOCUMENT.read_text(encoding='utf-8')
    filled = fill(text, read_models())
    if filled != text:
        DOCUMENT.write_text(filled, encoding='utf-8')
    print(f'{DOCUMENT}: {"written" if filled != text else "is as the metafiles say"}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
