"""The comparison of methods: what it asks of the runs, what it makes of their results."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from rocovis_mm.datasets.embedded import make_tiny_dataset
from rocovis_mm.evaluation.functional.evaluate import evaluate_tracks
from rocovis_mm.evaluation.functional.report import name_pooled_stats, name_stats
from rocovis_mm.evaluation.functional.tracks import load_ground_truth, load_predictions
from rocovis_mm.registry import MODELS
from rocovis_mm.structures import StreamState
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / 'tools'))

import comparison_report  # noqa: E402
import run_comparison  # noqa: E402

ROWS = run_comparison.ROWS


@pytest.fixture(scope='module')
def dataset(tmp_path_factory):
    return make_tiny_dataset(tmp_path_factory.mktemp('data') / 'tiny', val_videos=6)


def perfect_results(truth: dict) -> list[dict]:
    return [
        dict(
            video_id=a['video_id'], category_id=a['category_id'], score=0.5,
            segmentations=a['segmentations'],
        )
        for a in truth['annotations']
    ]  # fmt: skip


def plan(arguments: list[str], name: str = 'full', start: str | None = 's.pth', iterations=70):
    args = run_comparison.parse_args(arguments)
    start = start and Path(start)
    return run_comparison.plan_run(args, ROWS[name], Path('out'), 7, start, iterations)


def test_all_rows_share_all_options_but_their_own(dataset):
    common = {}
    for name, row in ROWS.items():
        run = plan(['--data-root', str(dataset.root)], name)
        common[name] = set(run.options) - set(row.options)
    assert all(options == common['full'] for options in common.values())
    assert {'randomness.seed=7', 'max_iters=70', *run_comparison.TRACK_RULE} <= common['full']


def build(run: run_comparison.Run) -> torch.nn.Module:
    config = run.config
    init_default_scope(config.default_scope)
    return MODELS.build(config.model).eval()


@pytest.mark.parametrize('name', ROWS)
def test_clips_of_the_hard_data_move_as_its_streams_do(name):
    steps = plan(['--difficulty', 'hard'], name).config.train_dataloader.dataset.pipeline
    assert [step.frame_range for step in steps if 'frame_range' in step] == [2]


@pytest.mark.parametrize('name', ROWS)
def test_rows_are_what_their_titles_say(name, dataset):
    config = plan(['--data-root', str(dataset.root)], name).config
    model = config.model
    kind, strides = {
        'minvis': ('MinVIS', None), 'minvis_trained': ('MinVIS', None),
        'genvis': ('GenVIS', None), 'genvis_trained': ('GenVIS', None),
        'ctvis': ('CTVIS', None),
        'dvis': ('DVIS', None),
        'direct': ('RoCoVIS', 0), 'imp': ('RoCoVIS', 2), 'full': ('RoCoVIS', 2),
        'global': ('RoCoVIS', 2),
    }[name]  # fmt: skip
    assert model.type == f'rocovis_mm.{kind}'
    assert model.get('freeze_detector', False) == (name in ('genvis', 'dvis'))
    if strides is not None:
        assert len(model.track_head.pixel_decoder.propagation_strides) == strides
        assigner = dict(full='UVLAPlusPlus', **{'global': 'ClipGlobal'}).get(name, 'UVLA')
        assert model.track_head.assigner.type == f'rocovis_mm.{assigner}Assigner'
    assert model.track_rule.reduce == 'max' and model.track_rule.mask_scoring
    assert model.track_rule.scoring_size == 'input'
    (curriculum,) = (h for h in config.custom_hooks if h.type.endswith('.CurriculumHook'))
    assert curriculum.single_frames_until == curriculum.half_size_until == 0
    assert len(config.test_dataloader.dataset.metainfo.classes) == 5


@pytest.mark.parametrize('name', ['imp', 'full', 'global'])
def test_propagation_begins_as_its_start_with_direct_decoding(name, dataset):
    """No step of the training has to undo what random weights do to the features of the start."""
    outputs = {}
    torch.manual_seed(0)
    frames = torch.randn(2, 1, 3, 96, 160)
    start = build(plan(['--data-root', str(dataset.root)], 'minvis'))
    for row in ('direct', name):
        model = build(plan(['--data-root', str(dataset.root)], row))
        missing = model.load_state_dict(start.state_dict(), strict=False).missing_keys
        assert all('.propagation.' in key for key in missing) and bool(missing) == (row == name)
        state, logits = StreamState(), []
        with torch.no_grad():
            for image in frames:
                prediction = model.track_head.decode(model.extract_features(image), state)
                state = model.track_head.advance(state, prediction)
                logits.append(prediction.mask_logits[-1])
        outputs[row] = torch.stack(logits)
    assert torch.equal(outputs[name], outputs['direct'])


@pytest.mark.parametrize('start', [None, 's.pth'])
@pytest.mark.parametrize('name', ['minvis', 'genvis_trained', 'direct', 'imp', 'full'])
def test_a_lite_start_learns_frames_and_all_that_follows_clips(name, start, dataset):
    arguments = ['--data-root', str(dataset.root), '--template', 'lite0_custom']
    config = plan(arguments, name, start, iterations=110).config
    (hook,) = (hook for hook in config.custom_hooks if 'switch_iter' in hook)
    assert hook.switch_iter == (0 if start else 100)
    assert hook.switch_batch_size == 2 and config.train_dataloader.batch_size == 4
    samples = hook.switch_pipeline[0], config.train_dataloader.dataset.pipeline[0]
    assert [sample.num_frames for sample in samples] == [3, 1]
    assert not any(h.type.endswith('.CurriculumHook') for h in config.custom_hooks)


def test_a_row_off_the_papers_table_has_to_be_asked_for():
    assert set(ROWS) - set(run_comparison.parse_args([]).rows) == {'global'}
    args = run_comparison.parse_args(['--rows', 'global', 'imp', '--iterations', '9'])
    assert args.rows == ['imp', 'global']
    assert run_comparison.iterations_of(args, None) == dict(imp=9, **{'global': 9})


def test_no_checkpoint_is_chosen_on_the_videos_that_score():
    config = plan(['--difficulty', 'hard']).config
    assert config.train_cfg.val_begin > config.train_cfg.max_iters == 70
    assert config.test_dataloader.dataset.data_root == 'data/embedded_hard/'


def test_a_budget_of_seconds_fixes_iterations_once(tmp_path, monkeypatch):
    """Of each iteration the median round counts, and a later call does not measure again."""
    asked = []

    def measured(_, name, turn):
        asked.append((name, turn))
        uneven = np.ones((run_comparison.ROUNDS, 2))
        uneven[0], uneven[[1, -1], [0, 1]] = 0.1, 3
        return dict(genvis=uneven, imp=np.full_like(uneven, 0.5))[name][turn]  # `full` is as `imp`

    monkeypatch.setattr(run_comparison, 'time_iterations', measured)
    arguments = ['--work-dir', str(tmp_path), '--rows', 'full', 'genvis', 'minvis']
    arguments += ['--threads', '1', '--budget-seconds', '100']
    wanted = dict(minvis=0, genvis=100, full=200)
    assert run_comparison.iterations_of(run_comparison.parse_args(arguments), None) == wanted
    rounds = range(run_comparison.ROUNDS)
    assert sorted(asked) == [(name, turn) for name in ('genvis', 'imp') for turn in rounds]
    arguments[-1] = '10'
    wanted = dict(minvis=0, genvis=10, full=20)
    assert run_comparison.iterations_of(run_comparison.parse_args(arguments), None) == wanted
    assert len(asked) == 2 * len(rounds)
    run_comparison.iterations_of(
        run_comparison.parse_args([*arguments, '--cfg-options', 'batch_size=1']), None
    )
    assert len(asked) == 4 * len(rounds)  # other settings, other times


def test_iterations_can_be_equal(tmp_path):
    args = run_comparison.parse_args(['--iterations', '9', '--rows', 'minvis', 'direct', 'full'])
    assert run_comparison.iterations_of(args, None) == dict(minvis=0, direct=9, full=9)


def test_finished_runs_are_used_again_and_interrupted_ones_go_on(dataset, tmp_path, monkeypatch):
    calls = []

    def call(run, _, name, *arguments, more=()):
        calls.append((name, *arguments, *more))
        if name == 'train.py':
            run.checkpoint.touch()
        if name == 'eval_results.py':
            (run.folder / 'metrics.json').write_text('{"AP": 0.5}')

    monkeypatch.setattr(run_comparison, 'call', call)
    monkeypatch.setattr(
        run_comparison.Run, 'config', plan(['--data-root', str(dataset.root)]).config
    )
    start = tmp_path / 'start.pth'
    start.write_bytes(b'weights')
    folder = tmp_path / 'seed_0'
    run = run_comparison.Run(folder / 'full', Path('c.py'), (), start, 70)
    run_comparison.carry_out(run)
    assert [name for name, *_ in calls] == ['train.py', 'test.py', 'eval_results.py']
    assert '--resume' in calls[0] and f'load_from={start}' in calls[0]
    run_comparison.carry_out(run)
    assert len(calls) == 3
    (run.folder / 'metrics.json').unlink()
    run_comparison.carry_out(run)
    assert [name for name, *_ in calls[3:]] == ['test.py', 'eval_results.py']
    start.write_bytes(b'other weights')
    run_comparison.carry_out(run)
    assert [name for name, *_ in calls[5:]] == ['train.py', 'test.py', 'eval_results.py']
    run_comparison.carry_out(run_comparison.Run(folder / 'start', Path('c.py'), (), None, 70))
    assert [name for name, *_ in calls[8:]] == ['train.py']  # the row `minvis` tests it


@pytest.mark.parametrize('common', [True, False], ids=['common start', 'own starts'])
def test_a_start_that_all_seeds_share_is_tested_once(common, dataset, tmp_path, monkeypatch):
    carried, reported = [], {}
    monkeypatch.setenv('OMP_NUM_THREADS', '1')  # which the tool sets
    monkeypatch.setattr(run_comparison, 'carry_out', lambda run: carried.append(run) or run)
    monkeypatch.setattr(run_comparison, 'milliseconds', lambda runs: dict.fromkeys(runs, 1.0))
    monkeypatch.setattr(
        run_comparison,
        'write_report',
        lambda *args: reported.update(zip(args[3], args[3].values())),
    )
    more = ['--start', str(tmp_path / 's.pth')] if common else []
    run_comparison.main(
        [
            '--data-root',
            str(dataset.root),
            '--work-dir',
            str(tmp_path),
            '--seeds',
            '2',
            '3',
            '--threads',
            '1',
        ]
        + ['--rows', 'minvis', 'full', '--iterations', '7', *more]
    )
    folders = [str(run.folder.relative_to(tmp_path)) for run in carried if run.start]
    tests_of_starts = ['seed_2/minvis', *([] if common else ['seed_3/minvis'])]
    assert sorted(folders) == sorted([*tests_of_starts, 'seed_2/full', 'seed_3/full'])
    minvis, full = (reported[ROWS[name].title] for name in ('minvis', 'full'))
    assert [x.parent.name for x in minvis] == ['seed_2', 'seed_2' if common else 'seed_3']
    assert [x.parent.name for x in full] == ['seed_2', 'seed_3']


def test_a_folder_that_an_orphan_works_in_is_waited_for(tmp_path, monkeypatch):
    path = tmp_path / 'lock'
    with path.open('w') as orphans, path.open('w') as own, path.open('w') as third:
        fcntl.flock(orphans, fcntl.LOCK_EX)
        said = []

        def say(text):
            said.append(text)
            fcntl.flock(orphans, fcntl.LOCK_UN)  # the orphan ends

        monkeypatch.setattr(run_comparison, 'say', say)
        run_comparison.take(own, 'seed_0/full')
        assert len(said) == 1 and 'seed_0/full' in said[0]
        with pytest.raises(BlockingIOError):
            fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_failed_run_names_its_output_and_ends_what_is_to_come(tmp_path):
    run = run_comparison.Run(tmp_path, tmp_path / 'no_config.py', (), None, 1)
    with (tmp_path / 'lock').open('w') as lock, pytest.raises(RuntimeError) as failed:
        run_comparison.call(run, lock, 'eval_results.py', tmp_path / 'none', tmp_path / 'none')
    assert str(tmp_path / 'output.log') in str(failed.value)
    assert 'none' in str(failed.value)


def write_run(folder: Path, dataset, wrong_in: Sequence[int] = ()) -> Path:
    """Write a run's results: perfect but for videos in which all classes are wrong."""
    results = perfect_results(json.loads(dataset.val_json.read_text()))
    for record in results:
        if record['video_id'] in wrong_in:
            record['category_id'] = record['category_id'] % 5 + 1
    truth = load_ground_truth(dataset.val_json)
    scores = evaluate_tracks(truth, load_predictions(results, truth))
    folder.mkdir(parents=True)
    (folder / 'results.json').write_text(json.dumps(results))
    (folder / 'metrics.json').write_text(
        json.dumps({**name_stats(scores), **name_pooled_stats(scores)})
    )
    return folder


def test_a_perfect_run_has_perfect_figures(dataset, tmp_path):
    truth = load_ground_truth(dataset.val_json)
    run = comparison_report.score(truth, {'first': [1]}, write_run(tmp_path / 'run', dataset))
    assert run.figures.pop('ID switches') == 0
    assert set(run.figures.values()) == {100}
    assert np.allclose([*run.resampled.values()], 100)
    assert run.groups == pytest.approx(
        {'AP, first': 100, 'AP^B, first': 100, 'AP^Pool, first': 100}
    )


def test_the_report_has_means_spreads_intervals_and_groups(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(comparison_report, 'RESAMPLES', 100)
    folders = {
        'perfect': [write_run(tmp_path / 'p' / str(seed), dataset) for seed in range(2)],
        'worse': [write_run(tmp_path / 'w' / str(seed), dataset, [1, 2, 3]) for seed in range(2)],
    }
    facts = dict.fromkeys(folders, dict(iterations=70, ms_per_frame=12.34))
    settings = dict(seeds=[0, 1], work_dir=tmp_path)
    comparison_report.write_report(tmp_path, settings, dataset.val_json, folders, facts)
    stored = json.loads((tmp_path / 'comparison.json').read_text())
    assert stored['figures']['perfect']['AP'] == [100, 100] and stored['settings']['seeds'] == [
        0,
        1,
    ]
    pair = stored['differences'][0]
    assert (pair['row'], pair['against']) == ('worse', 'perfect')
    for title in comparison_report.RESAMPLED:
        found = pair[title]
        assert -100 <= found['low'] < found['difference'] < found['high'] <= 0
    lines = (tmp_path / 'comparison.md').read_text().splitlines()
    assert any(line.startswith('| perfect | 100.0 ± 0.0 |') for line in lines)
    assert any(line.endswith('| 70 | 12.3 |') for line in lines)
    assert any(line.startswith('| worse | perfect | -') for line in lines)
    assert (tmp_path / 'comparison.png').stat().st_size > 5000


def test_groups_are_tags_where_there_are_any(dataset, tmp_path):
    content = json.loads(dataset.val_json.read_text())
    for video in content['videos']:
        video['tags'] = ['twins'] if video['id'] == 2 else []
    path = tmp_path / 'val.json'
    path.write_text(json.dumps(content))
    truth = load_ground_truth(path)
    assert comparison_report.name_groups(path, truth) == {'twins (1 videos)': [2]}
    for video in content['videos']:
        del video['tags']
    path.write_text(json.dumps(content))
    names = [name.split()[0] for name in comparison_report.name_groups(path, truth)]
    assert set(names) <= {'disappearance', 'crossing', 'rest'} and names


@pytest.mark.slow
def test_end_to_end_and_again_without_training(dataset, tmp_path):
    command = [
        sys.executable, str(REPOSITORY / 'tools/run_comparison.py'), '--work-dir', 'out',
        '--data-root', str(dataset.root), '--start-iterations', '4', '--budget-seconds', '0.5',
        '--seeds', '0', '--cfg-options', 'input_size=(64,64)', 'test_size=(64,64)', 'batch_size=1',
    ]  # fmt: skip
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    stored = json.loads((tmp_path / 'out/comparison.json').read_text())
    assert list(stored['figures']) == [row.title for row in ROWS.values() if row.default]
    assert np.isfinite([list(v.values()) for v in stored['figures'].values()]).all()
    assert all(fact['ms_per_frame'] > 0 for fact in stored['facts'].values())
    trained = {p: p.stat().st_mtime for p in (tmp_path / 'out').rglob('*.pth')}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert trained == {p: p.stat().st_mtime for p in (tmp_path / 'out').rglob('*.pth')}
