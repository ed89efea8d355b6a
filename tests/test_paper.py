"""Real training at the paper's settings: what the network learns, and where."""

import numpy as np
import pytest

from grokscope import figures
from grokscope.config import Experiment
from grokscope.data import make_dataset
from grokscope.figures import FAMILIES
from grokscope.grid import Grid
from grokscope.prune import pruning_curve, pruning_order
from grokscope.run import final_network, train
from grokscope.sweeps import sweep

FIGURE_1 = {0: "coexistence", 5: "partial_inversion", 15: "full_inversion"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def figure_1(decay, seed, steps, store):
    experiment = Experiment(corruption_fraction=0.35, steps=steps, measure_every=50)
    return train(experiment.replace(weight_decay=decay, seed=seed), store, progress=False)


@pytest.mark.parametrize("decay", FIGURE_1)
def test_phases_of_figure_1_in_a_quarter_of_the_steps(decay, store):
    run = figure_1(decay, 0, 500, store)
    assert run.phase() == FIGURE_1[decay]


def test_pruning_separates_the_rule_from_the_wrong_labels(store):
    run = figure_1(0, 0, 500, store)
    data, network = make_dataset(run.experiment), final_network(run)
    low = pruning_curve(network, data, pruning_order(run.neuron_ipr, "lowest")).isel(pruned=325)
    assert low.corrupted_accuracy < 0.1
    assert low.test_accuracy > 0.95
    assert abs(low.train_accuracy - 0.65) < 0.05
    high = pruning_curve(network, data, pruning_order(run.neuron_ipr, "highest")).isel(pruned=150)
    assert high.test_accuracy < 0.1
    assert high.corrupted_accuracy > 0.8


def test_multiplication_groks_with_periodic_neurons_in_the_groups_order(store):
    experiment = Experiment(steps=300, measure_every=50).replace(
        operation="multiplication", modulus=59, width=256, weight_decay=5, train_fraction=0.6
    )
    run = train(experiment, store, progress=False)
    assert run.final.test_accuracy > 0.99
    assert run.final.mean_ipr > 0.7
    plain = np.fft.rfft(run.dataset.U.values.astype(float), axis=0)
    power = np.abs(plain) ** 2
    assert np.median((power**2).sum(axis=0) / power.sum(axis=0) ** 2) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("decay", FIGURE_1)
def test_phases_of_figure_1_at_the_papers_settings(decay, seed, store):
    assert figure_1(decay, seed, 2000, store).phase() == FIGURE_1[decay]


@pytest.mark.slow
def test_weight_decay_20_forgets_with_collapsing_norms(store):
    run = figure_1(20, 0, 2000, store)
    assert run.phase() == "forgetting"
    norms = run.dataset.norm.sel(matrix="U")
    assert norms[-1] < 0.4 * norms.max()


@pytest.mark.slow
@pytest.mark.parametrize(("dropout", "phase"), [(0.3, "partial_inversion"), (0.9, "confusion")])
def test_phases_by_dropout(dropout, phase, store):
    experiment = Experiment(corruption_fraction=0.35, measure_every=50).replace(dropout=dropout)
    assert train(experiment, store, progress=False).phase() == phase


DIAGRAMS = [number for number, family in FAMILIES.items() if family == "diagrams"]


@pytest.mark.parametrize("number", DIAGRAMS)
def test_every_diagram_draws_from_real_runs_and_states_its_settings(number, store, tmp_path):
    figure = figures.load(number)
    for grid in figures.grids(figure).values():
        assert list(grid.sizes.values()) == [4, 17, 19, 1]
        assert grid.base.steps == 2000
    tiny = [
        Grid(
            base=grid.base.replace(modulus=11, width=24, steps=30),
            axes={**grid.axes, "train_fraction": (0.4, 0.8), "corruption_fraction": (0.0, 0.5)},
        )
        for grid in figures.grids(figure, "quick").values()
    ]
    sweeps = [sweep(grid, store, workers=1, progress=False) for grid in tiny]
    path = tmp_path / "figure.svg"
    figures.draw_sweeps(figure.draw, sweeps, path)
    words = path.read_text()
    cells = f"{16 * len(tiny)} of {16 * len(tiny)} cells trained"
    for setting in ("p = 11", "N = 24", "adamw, lr 0.01", "seed 0", cells, "corruption fraction ξ"):
        assert setting in words, setting


@pytest.mark.parametrize("number", [n for n in FAMILIES if n not in DIAGRAMS])
def test_every_figure_draws_from_real_runs_and_states_its_settings(number, store, tmp_path):
    """At a tiny scale; what it needs at the paper's is checked by its experiments."""
    figure = figures.load(number)
    assert {e.steps for e in figure.experiments} == {2000}
    assert {e.train_fraction for e in figure.experiments} == {0.5}
    tiny = [e.replace(modulus=11, width=24, steps=30) for e in figure.experiments]
    runs = [train(e, store, progress=False) for e in tiny]
    path = tmp_path / "figure.svg"
    figures.draw(figure, runs, path)
    words = path.read_text()
    for setting in ("p = 11", "N = 24", "α = 0.5", "adamw, lr 0.01", "seed 0", "quick"):
        assert setting in words, setting
