"""The error that ends a training whose numbers are no longer finite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mmengine.logging import MessageHub
from torch import Tensor, nn

REMEDIES = (
    'Resume from an earlier checkpoint or start anew with a lower learning rate '
    '(optim_wrapper.optimizer.lr; --auto-scale-lr fits it to the batch size), a longer warm-up '
    '(`end` of the first of param_scheduler), clipped gradients (optim_wrapper.clip_grad), or, '
    'with --amp, --amp-dtype bfloat16 or full precision'
)


class DivergenceError(ArithmeticError):
    """A training has diverged, as one of its quantities is NaN or infinite.

    Args:
        culprit: the first such quantity, as the subject of a sentence ("the class logits").
    """

    def __init__(self, culprit: str) -> None:
        hub = MessageHub.get_current_instance()
        place = ''
        if 'iter' in hub.runtime_info:
            place = f' at iteration {hub.get_info("iter") + 1}'
        rates = [name for name in ('train/base_lr', 'train/lr') if name in hub.log_scalars]
        if rates:
            place += f', learning rate {hub.get_scalar(rates[0]).current():.3g}'
        super().__init__(
            f'the training has diverged: {culprit} became NaN or infinite{place}. {REMEDIES}'
        )


def first_not_finite(values: Iterable[tuple[str, Tensor]]) -> str | None:
    """Return the name of the first tensor that holds NaN or infinity, None if all are finite."""
    for name, value in values:
        if value.is_floating_point() and not value.detach().isfinite().all():
            return name
    return None


def check_weights(model: nn.Module) -> None:
    """Check that all weights are finite.

    Raises:
        DivergenceError: names the first one that is not.
    """
    name = first_not_finite(model.named_parameters())
    if name is not None:
        raise DivergenceError(f'the weight {name}')


@contextmanager
def named_in_matching() -> Iterator[None]:
    """Name a divergence that appears in the matching of other heads than those here.

    Raises:
        DivergenceError: in place of scipy's error (scipy 1.17, ``linear_sum_assignment``).
    """
    try:
        yield
    except ValueError as error:
        if 'invalid numeric entries' not in str(error):
            raise
        raise DivergenceError('the cost of matching') from error
