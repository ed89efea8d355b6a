"""How fast this machine trains: a default step beside the products of matrices in it."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import jax
from jax import Array

from grokscope.experiment.experiment import Experiment
from grokscope.training.compile import compilation, compiled
from grokscope.training.cost import work
from grokscope.training.ensemble import seconds_per_work

STEP_TO_PRODUCTS = 1.25
"""A full-batch step takes at most so many times its products on a CPU (measured: 1.1 to 1.2)."""

SIZES = (1024, 1536)
"""Sizes of the matrices of which the best rate is taken: as fast as larger ones, and soon done."""

ACCELERATOR_SIZES = (8192,)
"""The same on an accelerator, where such small products take less time than to start them."""


class Speed(NamedTuple):
    """How fast one training process is.

    Attributes:
        operations: a second, in the fastest product of float32 matrices: two for each multiply-add.
        step: seconds of a full-batch step of the default experiment, the fastest too.
        ratio: of `step` to the time that its products take at that rate.
    """

    operations: float
    step: float
    ratio: float


def measure_speed(seconds: float = 4.0) -> Speed:
    """Time products and training steps, which take turns, since a machine's speed drifts.

    Args:
        seconds: how long; besides, both are compiled, and each is timed once at least.
    """
    experiment = Experiment()
    sizes = SIZES if compilation().device == "cpu" else ACCELERATOR_SIZES
    matrices = [jax.random.normal(jax.random.key(0), (size, size)) for size in sizes]
    seconds_per_work(experiment)
    for matrix in matrices:
        _product_seconds(matrix)
    rate, step, began = 0.0, math.inf, time.monotonic()
    while math.isinf(step) or time.monotonic() < began + seconds:
        for matrix in matrices:
            rate = max(rate, 2 * len(matrix) ** 3 / _product_seconds(matrix))
        step = min(step, seconds_per_work(experiment) * work(experiment) / experiment.steps)
    return Speed(rate, step, step / (operations_of_step(experiment) / rate))


def operations_of_step(experiment: Experiment) -> int:
    """Operations in the products of a two-layer network's full-batch step, forward and backward.

    Its input needs none: rows of the first matrix are looked up. The second is multiplied once
    forward and twice backward.

    >>> operations_of_step(Experiment()) / 1e9
    1.368864
    """
    return 3 * 2 * experiment.n_labels * experiment.model.widest * experiment.n_train


def _product_seconds(matrix: Array) -> float:
    """Seconds of a matrix times itself."""
    began = time.perf_counter()
    _squared(matrix).block_until_ready()
    return time.perf_counter() - began


@compiled()
def _squared(matrix: Array) -> Array:
    return matrix @ matrix
