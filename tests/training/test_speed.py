"""The speed of this machine, beside what NumPy and a clock say."""

import time

import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.training.ensemble import train_steps
from grokscope.training.speed import measure_speed, operations_of_step

FACTOR = 6
"""Between timings of two programs, of which one may have two cores and the other half of one."""


@pytest.mark.slow
def test_the_speed_is_that_of_numpy_s_products_and_of_training():
    found = measure_speed(seconds=0.5)
    matrix = np.ones((1024, 1024), np.float32)
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        matrix @ matrix
        taken.append(time.perf_counter() - began)
    assert 1 / FACTOR < found.operations * min(taken) / (2 * 1024**3) < FACTOR
    experiment = Experiment(steps=20, measure_every=20)
    began = time.perf_counter()
    *_, (step, (state,)) = train_steps([experiment], [make_dataset(experiment)])
    state.order.block_until_ready()
    assert found.step < FACTOR * (time.perf_counter() - began) / step
    assert found.ratio == pytest.approx(found.step * found.operations / 1.368864e9)
    assert found.ratio > 0.9


def test_a_step_multiplies_the_second_matrix_three_times():
    experiment = Experiment(train_fraction=0.8).replace(modulus=11, width=20)
    shapes = [((96, 20), (20, 11)), ((20, 96), (96, 11)), ((96, 11), (11, 20))]
    assert experiment.n_train == 96
    assert operations_of_step(experiment) == sum(2 * a * b * c for (a, b), (_, c) in shapes)
