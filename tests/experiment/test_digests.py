"""Digests of whole grids are those of their cells, each made by itself."""

from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grokscope.errors import ConfigError
from grokscope.experiment import digests
from grokscope.experiment.digests import product_digests
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.paper.grids import GRIDS

BASE = Experiment(steps=20).replace(modulus=11, width=8)

AXES = {
    "weight_decay": [0, 5, 15],
    "learning_rate": [0.01, 0.1],
    "train_fraction": [0.1, 0.3, 0.35, 0.9],
    "corruption_fraction": [0, 0.3, 1],
    "corruption": ["asymmetric", None, "by_operand", "second_rule"],
    "exclude_true_label": [False, True],
    "second_rule": ["subtraction", "multiplication"],
    "batch_size": [None, 4, 16],
    "loss": ["mse", "cross_entropy"],
    "label_smoothing": [0, 0.1],
    "precision": ["float32", "float64"],
    "width": [8, 16],
    "normalization": [None, "batch_norm"],
    "modulus": [7, 11],
    "operation": ["addition", "division"],
    "optimizer": ["adamw", "sgd"],
    "measure": [None, "log:4"],
    "cosine_steps": [None, 20, 40],
    "steps": [10, 20, 30],
    "start_step": [0, 5],
    "seed": None,
}
"""Axes, those among them whose settings say something of others."""


BASES = [BASE, BASE.replace(exclude_true_label=True, corruption_fraction=0.3)]
"""In the second a corruption of another kind resets a setting, which a third does not restore."""


def one_by_one(grid_values, base=BASE):
    """What each cell is called, or that one is impossible."""
    names = [*grid_values]
    try:
        return tuple(
            digest(base.replace(**dict(zip(names, values, strict=True))))
            for values in product(*grid_values.values())
        )
    except ConfigError:
        return None


@pytest.mark.slow
@settings(max_examples=150)
@given(
    st.sampled_from(BASES), st.lists(st.sampled_from([*AXES]), min_size=2, max_size=4, unique=True)
)
@example(BASES[1], ["corruption", "weight_decay"])
def test_digests_of_a_product_are_those_of_its_cells(base, names):
    axes = {name: AXES[name] or list(range(12)) for name in names} | {"init_seed": list(range(9))}
    found = product_digests(base, [[{name: v} for v in values] for name, values in axes.items()])
    if found is not None:
        assert found == one_by_one(axes, base)


def test_axes_of_different_fields_are_quick_and_those_of_one_field_together():
    axes = {"weight_decay": [0, 5, 15], "learning_rate": [0.1, 1.0], "seed": list(range(30))}
    dimensions = [[{name: v} for v in values] for name, values in axes.items()]
    assert product_digests(BASE, dimensions) == one_by_one(axes)


@pytest.mark.parametrize("name", ["figure14", "figure16a", "decay_on", "noises"])
def test_digests_of_grids_of_many_kinds_are_those_of_their_cells(name):
    grid = GRIDS[name]()
    assert grid.digests == tuple(digest(cell) for _, cell in grid.cells())


def test_an_impossible_cell_of_a_large_grid_is_refused_by_name():
    axes = {"batch_size": [4, 40], "train_fraction": [0.1 + 0.02 * i for i in range(30)]}
    with pytest.raises(ConfigError, match=r"batch_size = 40, train_fraction = 0.1, seed = 0: "):
        Grid(BASE, axes=axes)


def test_few_experiments_are_made_for_many_cells(monkeypatch):
    made = []
    real = Experiment.replace

    def counted(experiment, /, **values):
        made.append(values)
        return real(experiment, **values)

    monkeypatch.setattr(Experiment, "replace", counted)
    axes = {
        "weight_decay": [*range(20)],
        "train_fraction": [0.1 + 0.02 * i for i in range(20)],
        "corruption_fraction": [0.1, 0.2, 0.3],
    }
    assert Grid(BASE, axes=axes, seeds=2).size == 2400
    assert len(made) < 60
    assert digests.product_digests(BASE, [[{"start_step": step} for step in range(9)]]) is None
