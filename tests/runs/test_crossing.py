"""Every setting goes with every other: nine networks in which each pair of values occurs."""

import itertools

import numpy as np
import pytest

from grokscope.experiment.experiment import Experiment
from grokscope.measures.table import scores
from grokscope.runs.compact import without_weights
from grokscope.runs.pruning import pruning_curves
from grokscope.runs.train import train

NAMES = ("activation", "loss", "normalization", "dropout", "batch_size", "optimizer")
NETWORKS = [
    ("quadratic", "cross_entropy", None, 0.2, 16, "sgd"),
    ("relu", "mse", "layer_norm", 0.0, None, "sgd"),
    ("relu", "mse", "batch_norm", 0.2, 16, "adam"),
    ("quadratic", "cross_entropy", "batch_norm", 0.0, None, "adamw"),
    ("quadratic", "cross_entropy", "layer_norm", 0.2, None, "adam"),
    ("relu", "mse", None, 0.0, 16, "adamw"),
    ("quadratic", "mse", None, 0.0, None, "adam"),
    ("relu", "cross_entropy", "layer_norm", 0.2, 16, "adamw"),
    ("relu", "mse", "batch_norm", 0.2, 16, "sgd"),
]


def test_every_pair_of_values_occurs():
    for first, second in itertools.combinations(zip(*NETWORKS, strict=True), 2):
        pairs = set(zip(first, second, strict=True))
        assert pairs == set(itertools.product(set(first), set(second)))


@pytest.mark.slow
@pytest.mark.parametrize("values", NETWORKS)
def test_it_learns_and_every_measure_works(values):
    settings = dict(zip(NAMES, values, strict=True))
    experiment = Experiment(steps=60, measure_every=60, corruption_fraction=0.2).replace(
        modulus=11, width=24, **settings
    )
    if experiment.optimizer.name == "sgd":
        experiment = experiment.replace(learning_rate=0.5)
    run = train(experiment, progress=False)
    assert run.phase() != "diverged"
    losses = run.dataset.train_loss.values
    assert losses[-1] < losses[0]
    curves = pruning_curves(run).isel(pruned=0, first=0)
    for name in scores():
        assert float(curves[name]) == pytest.approx(float(run.final[name]), rel=1e-5)
    lean = without_weights(run)
    assert lean.phase() == run.phase()
    assert np.array_equal(np.isnan(lean.neuron_ipr), np.isnan(run.neuron_ipr))
