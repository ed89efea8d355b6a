"""Networks measured together are as each alone, whatever they are."""

import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures.examples import Examples
from grokscope.measures.table import MEASURES, network_measures
from grokscope.measures.together import of_networks
from grokscope.runs.compact import all_without_weights, without_weights
from grokscope.runs.train import train_ensemble
from grokscope.sweeps.sweep import sweep
from networks import random_network

BASE = Experiment(steps=20, measure_every=10, corruption_fraction=0.3, modulus=7, width=12)
KINDS = {
    "quadratic": {},
    "multiplication": {"operation": "multiplication", "activation": "relu"},
    "deep": {"model": "deep_mlp", "loss": "cross_entropy"},
    "transformer": {"model": "transformer", "width": 8, "heads": 2},
    "three operands": {"operands": 3, "modulus": 5},
    "group": {"task": "group", "group": "S3"},
    "second rule": {"corruption": "second_rule", "second_rule": "subtraction"},
    "layer norm": {"normalization": "layer_norm"},
    "float64": {"precision": "float64"},
}


def cells_of(kind):
    """Three that differ in their data, the last without wrong labels."""
    experiment = BASE.replace(**KINDS[kind])
    last = experiment if kind == "second rule" else experiment.replace(corruption_fraction=0)
    return [experiment, experiment.replace(seed=1), last.replace(seed=2)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_measures_of_whole_networks_are_those_of_each_alone(kind):
    cells = cells_of(kind)
    networks = [*map(random_network, cells)]
    examples = [Examples(make_dataset(cell), cell) for cell in cells]
    names = [*network_measures()]
    together = of_networks(networks, examples, names, "at once")
    assert len(together) == 3
    for found, network, some in zip(together, networks, examples, strict=True):
        (alone,) = of_networks([network], [some], names)
        assert found.keys() == alone.keys()
        assert found == pytest.approx(alone, rel=1e-4, abs=1e-5, nan_ok=True)
    assert together[0] != pytest.approx(together[1], nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["quadratic", "transformer", "layer norm"])
def test_what_is_stored_without_weights_is_that_of_each_alone(kind):
    """With pruning curves: of terms that add to the logits, and of evaluating each count."""
    runs = train_ensemble(cells_of(kind))
    for found, run in zip(all_without_weights(runs, "at once"), runs, strict=True):
        alone = without_weights(run).dataset
        assert found.dataset.attrs == alone.attrs
        assert found.dataset.variables.keys() == alone.variables.keys()
        for name in alone.variables:
            values = alone[name].values
            if values.dtype.kind in "fiub":
                np.testing.assert_allclose(
                    found.dataset[name].values, values, rtol=1e-4, atol=1e-5, err_msg=name
                )


@pytest.mark.slow
def test_what_a_sweep_stores_on_an_accelerator_is_what_it_stores_here(tmp_path, monkeypatch):
    """An accelerator is played by a CPU: all examples in one tile, all networks at once."""
    grid = Grid(base=cells_of("quadratic")[0], axes={"weight_decay": [0, 5]}, seeds=2)
    here = sweep(grid, tmp_path / "here", workers=1, progress=False)
    for module in ("training.cost", "training.ensemble", "measures.together", "measures.nested",
                   "measures.examples"):  # fmt: skip
        monkeypatch.setattr(f"grokscope.{module}.on_accelerator", lambda: True)
    there = sweep(grid, tmp_path / "there", workers=1, progress=False)
    assert (there.status == 1).all()
    for name in MEASURES:
        if name not in ("seconds", "has_weights"):
            np.testing.assert_allclose(there[name], here[name], rtol=1e-3, atol=1e-4, err_msg=name)
