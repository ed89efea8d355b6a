"""What was measured of many runs, as arrays over the cells of a grid."""

import numpy as np
import pytest

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures.table import MEASURES
from grokscope.runs.summaries import IPR_BINS
from grokscope.sweeps import columns
from grokscope.sweeps.diagram import as_dataset

BASE = Experiment(steps=20).replace(modulus=11, width=8)
GRID = Grid(BASE, axes={"weight_decay": [0, 1, 2, 3], "model": ["deep_mlp", "two_layer"]}, seeds=2)


def summary(i, matrices):
    numbers = {name: i + place / 64 for place, name in enumerate(MEASURES)}
    parts = {"norm": dict.fromkeys(matrices, i + 0.5), "own": {"mine": -float(i)}}
    return numbers | parts | {"ipr_counts": {"hidden": [i] * IPR_BINS} if i % 3 else {}}


@pytest.fixture
def found():
    """Summaries of all cells but the fifth, which has failed, and the sixth."""
    names = {"deep_mlp": ("first", "U"), "two_layer": ("U", "V")}
    cells = enumerate(zip(GRID.digests, GRID.cells(), strict=True))
    made = {name: summary(i, names[cell.model.name]) for i, (name, (_, cell)) in cells}
    return {name: made[name] for i, name in enumerate(GRID.digests) if i not in (5, 6)}


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_every_number_is_at_its_cell_in_whatever_order_a_store_has_them(
    found, at_once, monkeypatch
):
    monkeypatch.setattr(columns, "AT_ONCE", at_once)
    failed = {GRID.digests[5]}
    data = as_dataset(GRID, found, failed)
    backwards = as_dataset(GRID, dict(reversed(found.items())), failed)
    assert data.drop_attrs().identical(backwards.drop_attrs())
    assert data.matrix.values.tolist() == ["first", "U", "V"]
    assert data.status.values.ravel().tolist() == [1] * 5 + [2, 0] + [1] * 9
    for i, name in enumerate(GRID.digests):
        place = np.unravel_index(i, data.status.shape)
        for measure in MEASURES:
            value = data[measure].values[place]
            assert np.isnan(value) if name not in found else value == found[name][measure]
        if name not in found:
            assert np.isnan(data.ipr_histogram.values[place]).all()
            continue
        norms = [found[name]["norm"].get(m, np.nan) for m in ("first", "U", "V")]
        assert np.array_equal(data.norm.values[place], norms, equal_nan=True)
        assert data.mine.values[place] == -i
        assert np.array_equal(
            data.ipr_histogram.values[place],
            [[i if i % 3 else np.nan] * IPR_BINS],
            equal_nan=True,
        )


def test_cells_that_are_one_experiment_have_one_run():
    axes = {"second_rule": ["subtraction", "multiplication"], "weight_decay": [0, 1]}
    grid = Grid(BASE, axes=axes)
    assert len({*grid.digests}) == 2
    found = {name: summary(i, ("U",)) for i, name in enumerate(dict.fromkeys(grid.digests))}
    data = as_dataset(grid, found, ())
    assert data.train_loss.values[:, :, 0].tolist() == [[0, 1], [0, 1]]


def test_of_nothing_there_is_nothing():
    data = as_dataset(GRID, {}, ())
    assert np.isnan(data.train_accuracy).all()
    assert data.norm.shape == (4, 2, 2, 0)
