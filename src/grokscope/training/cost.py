"""What training costs: relative work, and seconds from a measured step."""

from __future__ import annotations

import time

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.training.loop import n_weights, train_steps

PER_STEP = 100
"""Examples' worth of work in a step besides its examples, most of it the optimiser (measured)."""

DROPOUT = 1.15
"""How much longer a step with dropout takes (measured: 1.11 to 1.25)."""

TIMED_STEPS = 10

CELL_SECONDS = 0.05
"""What a cell takes at least besides its steps: data, measurements, its file (measured)."""


def work(experiment: Experiment) -> float:
    """Multiply-adds of a run that does not stop early; for shares and ratios.

    >>> half, most = Experiment(), Experiment(train_fraction=0.9)
    >>> 1.7 < work(most) / work(half) < 1.8
    True
    """
    examples = experiment.batch_size or experiment.n_train
    slower = DROPOUT if experiment.dropout else 1.0
    return experiment.steps * (examples + PER_STEP) * _size(experiment) * slower


def _size(experiment: Experiment) -> float:
    """Multiply-adds for an example of a step, in proportion: the weights, most often."""
    if experiment.model.name == "two_layer":  # quickly, as every cell of a sweep is asked
        return 3.0 * experiment.model.width * experiment.n_inputs
    return float(n_weights(experiment))


def seconds_per_work(experiment: Experiment) -> float:
    """Seconds for a unit of `work` on this machine, from a few steps of the experiment, timed."""
    timed = experiment.replace(steps=2 * TIMED_STEPS, measure_every=TIMED_STEPS, settle=False)
    times = [time.perf_counter() for _ in train_steps([timed], [make_dataset(timed)])]
    return (times[2] - times[1]) / (work(timed) / 2)
