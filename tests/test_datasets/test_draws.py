from __future__ import annotations

import pickle
import random

import numpy as np
import torch

from rocovis_mm.datasets.draws import Draw


def numbers():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_a_draw_decides_all_random_numbers_and_leaves_the_others_alone():
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = numbers()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with Draw(5, (0, 7)).seeded():
        first = numbers()
    assert numbers() == expected  # the generators go on as if nothing had been drawn
    with Draw(2, (0, 7)).seeded():
        assert numbers() == first
    with Draw(5, (0, 8)).seeded():
        assert not set(numbers()) & set(first)


def test_generators_are_restored_after_an_error():
    np.random.seed(3)
    expected = np.random.rand()
    np.random.seed(3)
    try:
        with Draw(0, (1,)).seeded():
            raise KeyError
    except KeyError:
        pass
    assert np.random.rand() == expected


def test_the_key_survives_pickling_and_the_shifts_of_dataset_wrappers():
    draw = Draw(12, (3, 4))
    for other, index in ((pickle.loads(pickle.dumps(draw)), 12), (draw - 10, 2), (draw % 5, 2)):
        assert isinstance(other, Draw)
        assert (int(other), other.key) == (index, (3, 4))
    assert [0, 1, 2][Draw(1, ())] == 1
