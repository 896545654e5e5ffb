"""Curves from mmengine's scalar logs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rocovis_mm.visualization.curves import draw_curves, find_scalars, read_scalars, smooth


def write_log(path, records):
    path.parent.mkdir(parents=True)
    path.write_text('\n'.join(json.dumps(record) for record in records))
    return path


def test_a_resumed_run_is_one_series_and_the_later_log_counts(tmp_path):
    write_log(
        tmp_path / '20260101_000000' / 'vis_data' / 'scalars.json',
        [dict(loss=4.0, iter=1, step=1), dict(loss=3.0, step=2), dict(AP=0.1, step=2)],
    )
    second = write_log(
        tmp_path / '20260102_000000' / 'vis_data' / 'scalars.json',
        [dict(loss=2.0, step=2), dict(loss=1.0, step=3), dict(AP=0.5, step=4)],
    )
    with second.open('a') as stream:
        stream.write('\n{"loss": 0.')  # killed while writing
    scalars = read_scalars(find_scalars(tmp_path))
    assert scalars['loss'].tolist() == [[1, 4], [2, 2], [3, 1]]
    assert scalars['AP'].tolist() == [[2, 0.1], [4, 0.5]]


@pytest.mark.parametrize('steps', [(0, 0, 0), (1, 2, 2), (4, 8, 8)])
def test_figures_are_drawn_at_their_iteration_however_they_were_counted(tmp_path, steps):
    """In iterations, in epochs, or not at all; the third one opens the log of a resumed run."""

    def training(iteration):
        return dict(lr=0.1, loss=9.0, iter=iteration, step=iteration)

    write_log(
        tmp_path / '20260101_000000' / 'vis_data' / 'scalars.json',
        [training(2), training(4), dict(AP=0.1, time=1.0, step=steps[0]), training(6), training(8),
         dict(AP=0.2, time=1.0, step=steps[1])],
    )  # fmt: skip
    write_log(
        tmp_path / '20260102_000000' / 'vis_data' / 'scalars.json',
        [dict(AP=0.3, time=1.0, step=8 if steps[2] else 0), training(10)],
    )
    scalars = read_scalars(find_scalars(tmp_path))
    assert scalars['AP'].tolist() == [[4, 0.1], [8, 0.3]]
    assert scalars['loss'].tolist() == [[step, 9] for step in (2, 4, 6, 8, 10)]


def test_smoothing_is_the_mean_of_the_values_so_far():
    values = np.random.default_rng(0).random(20)
    wanted = [values[max(0, i - 4) : i + 1].mean() for i in range(20)]
    assert smooth(values, 5) == pytest.approx(wanted, rel=1e-7)


def test_curves_are_drawn_with_and_without_a_validation(tmp_path):
    steps = np.arange(1, 50.0)
    loss = np.stack([steps, 10 / steps], axis=1)
    ap = np.array([[10, 0.1], [40, 0.6]])
    for number, scalars in enumerate(({'loss': loss, 'AP': ap}, {'loss': loss}, {})):
        with Image.open(draw_curves(scalars, tmp_path / f'{number}.png')) as picture:
            assert picture.size[0] > 1000
