"""The rows that `tools/run_comparison.py` trains and tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        title: as the table shows it.
        config: name of the config in `CONFIGS`, without the template's name.
        options: ``--cfg-options`` of this row alone.
        trained: False for the start as it is.
        default: False for a row that is there only where ``--rows`` names it.
        timed_as: a row whose iterations do the same work; empty for itself.
    """

    title: str
    config: str
    options: tuple[str, ...] = ()
    trained: bool = True
    default: bool = True
    timed_as: str = ''


START = Row('start', 'minvis/minvis_{}.py')
TRACK_RULE = (
    'model.track_rule.reduce=max',
    'model.track_rule.mask_scoring=True',
    'model.track_rule.scoring_size=input',
)
"""How all rows score a track."""
AS_THE_START = ('propagation_start=gate',)  # F' = 0 at first, so a row begins as its start does
ROWS = {
    'minvis': Row('MinVIS (the start)', 'minvis/minvis_{}.py', trained=False),
    'minvis_trained': Row('MinVIS, trained on', 'minvis/minvis_{}.py'),
    'genvis': Row(
        'GenVIS, frozen detector', 'genvis/genvis_{}.py', ('model.freeze_detector=True',)
    ),
    'genvis_trained': Row(
        'GenVIS, trained detector', 'genvis/genvis_{}.py', ('model.freeze_detector=False',)
    ),
    'ctvis': Row('CTVIS', 'ctvis/ctvis_{}.py'),
    'dvis': Row('DVIS, frozen detector', 'dvis/dvis_{}.py', ('model.freeze_detector=True',)),
    'direct': Row('direct query decoding', 'rocovis/rocovis_{}_direct.py'),
    'imp': Row('+ mask propagation', 'rocovis/rocovis_{}_imp.py', AS_THE_START),
    'full': Row('+ UVLA++ (RoCoVIS)', 'rocovis/rocovis_{}.py', AS_THE_START, timed_as='imp'),
    'global': Row(
        '+ mask propagation, clip-global',
        'rocovis/rocovis_{}_global.py',
        AS_THE_START,
        default=False,
    ),
}
