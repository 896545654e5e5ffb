"""The metafiles say of each config what it is, and of each figure whose it is."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from mmengine.config import Config

from tests.conftest import REPOSITORY

CONFIGS = sorted((REPOSITORY / 'configs').glob('[!_]*/*.py'))
METAFILES = sorted((REPOSITORY / 'configs').glob('*/metafile.yml'))
LOADER = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)


def load(path: Path) -> dict[str, Any]:
    return yaml.load(path.read_text(), LOADER)


MODELS = {
    model['Name']: model
    for path in METAFILES
    for model in load(path)['Models']
}  # fmt: skip
PLACES = {  # of a paper's table -> its column of figures
    'youtube-vis-2022': 'YouTube-VIS 2022 val, long videos',
    'ovis': 'OVIS val',
    'hq-ytvis': 'HQ-YTVIS val',
    'hq-ytvis test': 'HQ-YTVIS test',
    'vipseg-things': 'VIPSeg-things val',
}
TABLE_1 = ['AP', 'AP50', 'AP75', 'AR1', 'AR10']
TABLE_2 = [
    'AP_boundary', 'AP50_boundary', 'AP75_boundary', 'AR1_boundary',
    'AP', 'AP50', 'AP75', 'AR1', 'AP_pool',
]  # fmt: skip
TABLE_3 = ['AP_boundary', 'AP75_boundary', 'AR1_boundary', 'AP', 'AP75', 'AR1']


@pytest.fixture(scope='module')
def tool():
    path = REPOSITORY / 'tools/misc/model_zoo.py'
    spec = importlib.util.spec_from_file_location('model_zoo', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_index_imports_every_metafile():
    index = load(REPOSITORY / 'model-index.yml')
    assert index == dict(Import=[str(path.relative_to(REPOSITORY)) for path in METAFILES])
    assert {path.parent for path in METAFILES} == {path.parent for path in CONFIGS}


@pytest.mark.parametrize('path', METAFILES, ids=lambda path: path.parent.name)
def test_a_metafile_has_openmmlabs_form(path):
    content = load(path)
    assert set(content) == {'Collections', 'Models'}
    (collection,) = content['Collections']
    assert {'Name', 'Metadata', 'Paper', 'README'} <= set(collection)
    assert (REPOSITORY / collection['README']).is_file()
    for model in content['Models']:
        keys = {'Name', 'In Collection', 'Config', 'Metadata', 'Results', 'Weights'}
        assert set(model) == keys, model['Name']
        assert model['In Collection'] == collection['Name']
        assert model['Config'] == f'configs/{path.parent.name}/{model["Name"]}.py'


def test_every_config_is_listed_once_and_nothing_else():
    contents = [load(path) for path in METAFILES]
    listed = [model['Config'] for content in contents for model in content['Models']]
    there = [str(path.relative_to(REPOSITORY)) for path in CONFIGS]
    assert sorted(listed) == sorted(there), 'add the config to the metafile.yml beside it'


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_an_entry_says_what_its_config_says(path):
    meta = MODELS[path.stem]['Metadata']
    if not re.search('youtube-vis|_ovis|hq-ytvis|vipseg', path.stem):
        assert set(meta) == {'Training Data', 'Status'}
        return
    config = Config.fromfile(path)
    data = meta['Training Data']
    data, *others = data if isinstance(data, list) else [data]
    assert re.sub('[ -]', '_', data).lower() == config.benchmark
    assert others == (['COCO'] if 'coco_dataset' in config else [])
    assert meta['Iterations'] == config.train_cfg.max_iters
    assert meta['Batch Size'] == config.auto_scale_lr.base_batch_size


@pytest.mark.parametrize('name', MODELS)
def test_figures_are_ours_only_where_a_checkpoint_of_ours_is(name):
    model = MODELS[name]
    trained = model['Metadata']['Status'] == 'trained'
    assert bool(model['Results']) == bool(model['Weights']) == trained
    for result in model['Results'] or ():
        assert {'Task', 'Dataset', 'Metrics'} == set(result)


WAYS = ('long videos', 'mean of short and long videos')
"""What a figure on YouTube-VIS 2022 is of."""


def without_way(model: dict) -> list[str]:
    """Return the places of figures on YouTube-VIS 2022 that do not say what they are of."""
    meta = model['Metadata']
    lists = [value for key, value in meta.items() if key.endswith('Results')]
    places = [result['Dataset'] for results in [*lists, model['Results']] for result in results]
    return [
        place
        for place in places
        if place.startswith('YouTube-VIS 2022') and place.partition(', ')[2] not in WAYS
    ]


@pytest.mark.parametrize('name', MODELS)
def test_figures_on_youtube_vis_2022_say_which_videos_they_are_of(name):
    assert without_way(MODELS[name]) == [], f'say which, one of {WAYS}'


def test_a_figure_that_does_not_say_which_videos_is_found():
    for key in ('Paper Results', 'Published Results'):
        bad, good = (
            dict(Dataset='YouTube-VIS 2022 val'),
            dict(Dataset=f'YouTube-VIS 2022 val, {WAYS[1]}'),
        )
        model = dict(Metadata={key: [bad, good, dict(Dataset='OVIS val')]}, Results=[])
        assert without_way(model) == ['YouTube-VIS 2022 val']
        assert without_way(dict(Metadata={}, Results=[bad, good])) == ['YouTube-VIS 2022 val']


def test_tables_of_figures_on_youtube_vis_2022_say_which_videos_they_are_of():
    """Columns and rows of the pages: the data set's name and a figure, but no word of them."""
    silent = []
    for path in sorted([REPOSITORY / 'README.md', *(REPOSITORY / 'docs').rglob('*.md')]):
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            head = number + 1 < len(lines) and set(lines[number + 1]) <= set('|-: ')
            cells = [cell.strip() for cell in line.split('|')] if line.startswith('|') else []
            named = [cell for cell in cells if re.search('(YouTube-VIS|YTVIS) ?(20)?22', cell)]
            figures = head or any(re.fullmatch(r'[\d./ ]*\d\.\d[\d./ ]*', cell) for cell in cells)
            if figures and any(not re.search('long|mean', cell) for cell in named):
                silent.append(f'{path.name}:{number + 1}')
    assert silent == [], f'say in the cell which videos, one of {WAYS}'


def paper_rows(text: str, number: int) -> list[list[str]]:
    """The rows of a table of the paper, tab-separated cells without their marks."""
    block = text.split(f'\nTable {number}:')[0].rstrip().rpartition('\n\n')[2]
    lines = [re.sub(r'<[^>]*>|\*|†', '', line) for line in block.split('\n')]
    return [[cell.strip() for cell in line.split('\t')] for line in lines]


def numbers(cells: list[str], names: list[str]) -> dict[str, float]:
    return {name: float(cell) for name, cell in zip(names, cells)}


def paper_figures(text: str) -> dict[tuple[str, str], dict[str, float]]:
    """(config, place) -> figures, from the tables of the paper itself."""
    found, backbone = {}, ''
    for row in paper_rows(text, 1):
        backbone = {'ResNet-50': 'r50', 'Swin-L': 'swin-l'}.get(row[0], backbone)
        method = re.match('MinVIS|GenVIS|RoCoVIS', row[1])
        if method:
            stem = f'{method[0].lower()}_{backbone}'
            found[f'{stem}_youtube-vis-2022', 'youtube-vis-2022'] = numbers(row[2:7], TABLE_1)
            found[f'{stem}_ovis', 'ovis'] = numbers(row[7:], TABLE_1)
    names = {
        'MinVIS': 'minvis_r50_hq-ytvis',
        'GenVIS': 'genvis_r50_hq-ytvis',
        'Direct': 'rocovis_r50_hq-ytvis_direct',
        '+ Instance': 'rocovis_r50_hq-ytvis_imp',
        '+ Label': 'rocovis_r50_hq-ytvis',
    }
    for row in paper_rows(text, 2):
        for start, stem in names.items():
            if row[0].startswith(start):
                found[stem, 'hq-ytvis'] = numbers(row[1:], TABLE_2)
    for row in paper_rows(text, 3):
        method = re.match('MinVIS|GenVIS|RoCoVIS', row[0])
        if method:
            stem = f'{method[0].lower()}_r50'
            found[f'{stem}_hq-ytvis', 'hq-ytvis test'] = numbers(row[1:7], TABLE_3)
            found[f'{stem}_vipseg-things', 'vipseg-things'] = numbers(row[7:], TABLE_3)
    return found


def test_the_papers_figures_are_those_of_its_tables(shared_dir):
    expected = {
        (stem, PLACES[place]): figures
        for (stem, place), figures in paper_figures(
            (shared_dir / 'paper/rocovis.md').read_text()
        ).items()
    }
    assert len(expected) == 2 * 6 + 5 + 2 * 3
    found = {
        (name, result['Dataset']): result['Metrics']
        for name, model in MODELS.items()
        for result in model['Metadata'].get('Paper Results', ())
    }
    assert found == expected


def test_the_document_has_the_tables_of_the_metafiles(tool):
    text = tool.DOCUMENT.read_text()
    assert tool.fill(text, tool.read_models()) == text, 'run tools/misc/model_zoo.py'
    assert len(tool.MARKED.findall(text)) == 7
    shown = set(re.findall(r'\]\(\.\./(configs/[^)]*\.py)\)', text))
    assert shown == {
        model['Config']
        for model in MODELS.values()
        if 'Iterations' in model['Metadata'] and model['In Collection'] in tool.METHODS
    }


def test_a_model_that_was_trained_shows_its_figures(tool):
    models = [dict(MODELS['rocovis_r50_ovis'])]
    table = tool.make_table(models, 'OVIS', 'OVIS val')
    cells = table.splitlines()[2].split(' | ')
    assert cells[1:7] == ['35.1', '57.9', '34.6', '15.8', '41.0', 'not trained yet']
    assert all("paper's" in head for head in table.splitlines()[0].split(' | ')[1:6])
    result = dict(Task='Video Instance Segmentation', Dataset='OVIS val', Metrics={'AP': 12.34})
    models[0]['Results'] = [result]
    assert tool.make_table(models, 'OVIS', 'OVIS val').splitlines()[2].split(' | ')[6] == 'AP 12.3'
    with pytest.raises(ValueError, match="no metafile has a model trained on 'KITTI'"):
        tool.make_table(models, 'KITTI', 'KITTI val')


def test_an_installation_carries_configs_and_index(tmp_path):
    """`mim` and `rocovis_mm::` configs look for them in the package's .mim folder."""
    commands = ['egg_info', '-e', str(tmp_path), 'build_py', '--build-lib', str(tmp_path / 'lib')]
    subprocess.run(
        [sys.executable, 'setup.py', '-q', *commands],
        cwd=REPOSITORY, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    packed = tmp_path / 'lib/rocovis_mm/.mim'
    index = load(packed / 'model-index.yml')
    for name in index['Import']:
        for model in load(packed / name)['Models']:
            assert (packed / model['Config']).is_file()
    assert (packed / 'configs/_base_/default_runtime.py').is_file()
    assert (packed / 'tools/train.py').is_file()
