"""What a run logs, which checkpoint it calls the best, and how it ends when it diverges."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from scipy.optimize import linear_sum_assignment
from toy_run import best, logged, toy_runner

from rocovis_mm.engine.hooks import DivergenceHook
from rocovis_mm.models.task_modules.assigners.uvla import MaskMatcher
from rocovis_mm.structures import ClipTargets
from rocovis_mm.utils.divergence import DivergenceError
from rocovis_mm.visualization.curves import find_scalars, read_scalars


class LastStep(Hook):
    """A step of the optimiser that nobody looks at any more."""

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 3:
            runner.model.weight.data.fill_(float('inf'))


def match(loss):
    """Do as MMDetection's assigners do."""
    linear_sum_assignment(loss.detach().reshape(1, 1).numpy())
    return loss


@pytest.mark.parametrize('by_epoch', [False, True])
def test_early_iterations_are_logged_and_figures_at_their_iteration(tmp_path, by_epoch):
    toy_runner(tmp_path, [0.1, 0.2], by_epoch=by_epoch).train()
    assert logged(tmp_path, 'AP') == [(4, 0.1), (8, 0.2)]
    first = [step for step, _ in logged(tmp_path, 'loss')]
    assert first[:2] == [1, 2] and len(set(first)) == len(first)
    figures = [0.3, 0.4] if by_epoch else [0.2, 0.3, 0.4]  # nobody noted that the last was taken
    toy_runner(tmp_path, figures, by_epoch=by_epoch, iterations=16, resume=True).train()
    assert logged(tmp_path, 'AP')[-2:] == [(12, 0.3), (16, 0.4)]
    again = [step for step, _ in logged(tmp_path, 'loss')][len(first) :]
    assert again[:2] == [9, 10]
    curves = read_scalars(find_scalars(tmp_path))
    assert curves['AP'].tolist() == [[4, 0.1], [8, 0.2], [12, 0.3], [16, 0.4]]


def test_an_interval_below_the_early_iterations_is_kept(tmp_path):
    toy_runner(tmp_path, iterations=12, log_interval=1).train()
    assert [step for step, _ in logged(tmp_path, 'loss')] == list(range(1, 13))


@pytest.mark.parametrize(
    ('figures', 'kept'),
    [
        ([0.0, -1.0, 0.0], []),
        ([0.0, 0.2, 0.0], ['best_AP_iter_8.pth']),
        ([0.2, 0.2, 0.1], ['best_AP_iter_8.pth']),
        ([0.2, 0.1, 0.3], ['best_AP_iter_12.pth']),
    ],
)
def test_the_best_is_the_last_of_the_highest_above_nothing(tmp_path, figures, kept):
    runner = toy_runner(tmp_path, figures, iterations=12, save_best='AP', rule='greater')
    runner.train()
    assert best(tmp_path) == kept


def test_the_least_is_the_best_where_the_rule_says_so(tmp_path):
    toy_runner(tmp_path, [0.2, 0.0, 0.1], iterations=12, save_best='AP', rule='less').train()
    assert best(tmp_path) == ['best_AP_iter_8.pth']


def test_epochs_have_one_best_too(tmp_path):
    options = dict(iterations=12, by_epoch=True, save_best='AP', rule='greater')
    toy_runner(tmp_path, [0.0, 0.2, 0.2], **options).train()
    assert best(tmp_path) == ['best_AP_epoch_3.pth']


def test_a_moved_run_that_is_resumed_still_has_one_best(tmp_path):
    options = dict(save_best='AP', rule='greater')
    toy_runner(tmp_path / 'there', [0.2, 0.1], **options).train()
    shutil.move(tmp_path / 'there', tmp_path / 'here')
    (tmp_path / 'here' / 'last_checkpoint').write_text(str(tmp_path / 'here' / 'iter_8.pth'))
    toy_runner(tmp_path / 'here', [0.1, 0.1, 0.3], iterations=16, resume=True, **options).train()
    assert best(tmp_path / 'here') == ['best_AP_iter_16.pth']


def test_the_best_of_an_earlier_run_is_kept_under_another_name(tmp_path):
    options = dict(save_best='AP', rule='greater')
    toy_runner(tmp_path, [0.9, 0.1], **options).train()
    content = (tmp_path / 'best_AP_iter_4.pth').read_bytes()
    toy_runner(tmp_path, [0.1, 0.2], name='second', **options).train()
    assert best(tmp_path) == ['best_AP_iter_8.pth']
    [earlier] = tmp_path.glob('earlier_*_best_AP_iter_4.pth')
    assert earlier.read_bytes() == content


def test_a_figure_that_is_not_there_is_named(tmp_path):
    runner = toy_runner(tmp_path, [0.1, 0.2], save_best='AP_boundry', rule='greater')
    with pytest.raises(ValueError, match="save_best: .* no 'AP_boundry', but AP, AP_pool"):
        runner.train()


@pytest.mark.parametrize(
    ('spoil', 'culprit'),
    [
        (lambda loss, weight: loss * float('nan'), 'the loss loss_line'),
        (lambda loss, weight: loss + float('inf'), 'the loss loss_line'),
        (lambda loss, weight: match(loss * float('nan')), 'the cost of matching'),
        # finite, but its slope at 0 is not
        (lambda loss, weight: loss + (weight - weight).sum().abs().sqrt(), 'the norm of the grad'),
    ],
)
def test_a_divergence_names_the_iteration_the_culprit_and_remedies(tmp_path, spoil, culprit):
    runner = toy_runner(tmp_path, iterations=8, spoil={5: spoil}, lr=0.02)
    with pytest.raises(DivergenceError) as raised:
        runner.train()
    text = str(raised.value)
    assert text.startswith(f'the training has diverged: {culprit}') and 'at iteration 6' in text
    assert 'learning rate 0.002' in text and '\n' not in text
    for remedy in ('optim_wrapper.optimizer.lr', 'warm-up', 'clip_grad', '--amp-dtype bfloat16'):
        assert remedy in text
    assert [path.name for path in tmp_path.glob('*.pth')] == ['iter_4.pth']


def test_weights_that_are_not_finite_are_not_saved_and_not_validated(tmp_path):
    runner = toy_runner(tmp_path, iterations=4, hooks=[LastStep()])
    with pytest.raises(DivergenceError, match='the weight weight'):
        runner.train()
    assert not list(tmp_path.glob('*.pth'))
    with pytest.raises(DivergenceError, match='the weight weight'):
        DivergenceHook().before_test_epoch(runner)


def test_steps_that_float16_leaves_out_are_no_divergence():
    hook = DivergenceHook(patience=3)
    scaler = SimpleNamespace(is_enabled=lambda: True)
    runner = SimpleNamespace(optim_wrapper=SimpleNamespace(loss_scaler=scaler))
    lost, good = dict(loss=torch.tensor(float('inf'))), dict(loss=torch.tensor(1.0))
    for outputs in (lost, lost, good, lost, lost):
        hook.after_train_iter(runner, 0, None, outputs)
    with pytest.raises(DivergenceError, match='the loss loss'):
        hook.after_train_iter(runner, 0, None, lost)


@pytest.mark.parametrize('spoiled', [0, 1])
def test_a_prediction_that_is_not_finite_is_named_before_it_is_matched(spoiled):
    targets = ClipTargets(
        torch.tensor([1]), torch.ones(1, 1, 8, 8, dtype=torch.bool), torch.tensor([7])
    )
    logits = [torch.zeros(2, 3, 4), torch.zeros(2, 3, 4, 4)]
    matcher = MaskMatcher(
        [dict(type='mmdet.ClassificationCost'), dict(type='mmdet.DiceCost', pred_act=True)], 16
    )
    assert matcher.cost(*logits, targets, 0).shape == (2, 3, 1)
    logits[spoiled][1, 2] = float('nan')
    name = ('the class logits', 'the mask logits')[spoiled]
    with pytest.raises(DivergenceError, match=f'diverged: {name} became NaN'):
        matcher.cost(*logits, targets, 0)
