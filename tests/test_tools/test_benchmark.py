"""The benchmark: equal weights, stages that add up, arithmetic counted right."""

import json
import sys
from pathlib import Path

import pytest
import torch
from processes import run_script
from tiny_mask2former import mask2former_logits
from torch import nn

FOLDER = Path(__file__).resolve().parents[2] / 'tools' / 'analysis_tools'
TOOL = FOLDER / 'benchmark.py'
SMALL = '--model-size tiny --size 64x96 --frames 2 --objects 3 --threads 1'.split()


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(FOLDER))
    try:
        import benchmark
    finally:
        sys.path.remove(str(FOLDER))
    return benchmark


def test_prints_every_stage_of_every_method(tool, tmp_path):
    done = run_script(TOOL, *SMALL, '--out', tmp_path / 'figures.json')
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert list(figures) == list(tool.METHODS)
    for name, entry in figures.items():
        assert len(entry['seconds']) == 2 and entry['gflop'] > 0 and entry['parameters'] > 0
        for seconds in entry['seconds']:
            stages = {'read', 'preprocess', 'backbone', 'pixel decoder', 'query decoder'}
            assert stages | {'post-process', 'write'} <= set(seconds)
            assert all(value >= 0 for value in seconds.values())
        assert name in done.stdout
    for words in ('propagation', 'frames/s', 'network, ratio', 'GFLOP'):
        assert words in done.stdout


def test_costs_grow_with_resolution_and_memory(tmp_path):
    assert run_script(TOOL, *SMALL, '--costs', '--out', tmp_path / 'costs.json').returncode == 0
    costs = json.loads((tmp_path / 'costs.json').read_text())
    for memory in (1, 2, 3, 5):
        fine, middle, coarse = (costs[f'{s} {memory}']['gflop'] for s in (8, 16, 32))
        assert fine > middle > coarse > 0
    for stride in (8, 16, 32):
        row = [costs[f'{stride} {memory}']['gflop'] for memory in (1, 2, 3, 5)]
        assert row == sorted(row) and row[0] < row[-1]


def test_growth_runs_each_length_in_a_process_of_its_own(tmp_path):
    out = tmp_path / 'growth.json'
    done = run_script(TOOL, *SMALL, '--growth', 3, 6, '--methods', 'RoCoVIS', '--out', out)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert set(found) == {'RoCoVIS 3', 'RoCoVIS 6'}
    assert all(entry['host'] > 2**20 and entry['late'] > 0 for entry in found.values())


def test_mmdetections_model_is_the_published_one_and_shares_its_weights(tool):
    from mmengine.registry import init_default_scope
    from tiny_mask2former import mask2former_config

    init_default_scope('mmdet')
    config = mask2former_config().model
    config.backbone.init_cfg = None
    config.panoptic_head.num_things_classes = 40
    config.panoptic_head.loss_cls.class_weight = [1.0] * 40 + [0.1]
    published = sys.modules['benchmark_models'].MMDET_MODELS.build(config)
    theirs, ours = (tool.build(name, 'r50') for name in (tool.MASK2FORMER, 'MinVIS'))
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (theirs, published)]
    assert shapes[0] == shapes[1]
    tool.share_weights(theirs, [ours])
    decoders = theirs.panoptic_head.pixel_decoder, ours.track_head.pixel_decoder
    for mine, other in zip(*(d.state_dict().values() for d in decoders)):
        assert torch.equal(mine, other)


def test_so_many_queries_are_foreground_as_asked_for(tool):
    from mmengine.registry import init_default_scope

    init_default_scope('mmdet')
    torch.manual_seed(0)
    model, image = tool.build(tool.MASK2FORMER, 'tiny'), torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        tool.let_some_queries_see(model, image, 4)
        logits = mask2former_logits(model, image)[0][-1][0]
    assert (1 - logits.softmax(-1)[:, -1] > 0.5).sum() == 4


def test_a_stage_inside_another_stops_its_clock(tool):
    models = sys.modules['benchmark_models']
    clock = iter(range(100))
    watch = models.Stopwatch(torch.device('cpu'), lambda: float(next(clock)))
    with watch('outer'):  # 0
        with watch('inner'):  # 1
            pass  # 2
        with watch('inner'):  # 3
            pass  # 4
    # 5
    assert watch.take() == {'outer': 3.0, 'inner': 2.0}
    assert watch.take() == {}


def test_both_ways_to_sample_cost_the_same_arithmetic(tool):
    values, grid = torch.randn(2, 8, 6, 5), torch.rand(2, 7, 3, 2)
    with tool.count_flops() as counter:
        nn.functional.grid_sample(values, grid, align_corners=False)
    assert counter.get_total_flops() == 8 * 2 * 8 * 7 * 3
    rows = torch.zeros(2 * 7, 3 * 4, dtype=torch.long)
    with tool.count_flops() as counter, torch.no_grad():
        weights = torch.rand(rows.shape)
        nn.functional.embedding_bag(rows, torch.rand(30, 8), mode='sum', per_sample_weights=weights)
    assert counter.get_total_flops() == 8 * 2 * 8 * 7 * 3


def test_fused_attention_is_counted(tool):
    query, key = torch.randn(1, 2, 5, 4), torch.randn(1, 2, 7, 4)
    with tool.count_flops() as counter, torch.no_grad():
        nn.functional.scaled_dot_product_attention(query, key, key)
    assert counter.get_total_flops() == 2 * (2 * 2 * 5 * 7 * 4)


@pytest.mark.parametrize(
    ('wrong', 'words'),
    [
        (['--size', '360'], 'height and width'),
        (['--frames', '0'], '>= 1'),
        (['--device', 'cuda:7'], 'no CUDA device'),
    ],
)
def test_wrong_arguments_are_refused(tool, capsys, wrong, words):
    if 'cuda:7' in wrong and torch.cuda.is_available():
        pytest.skip('there is a CUDA device')
    with pytest.raises(SystemExit):
        tool.parse_args(wrong)
    assert words in capsys.readouterr().err
