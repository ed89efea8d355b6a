"""Which grid a store's runs are of: recorded by their sweep, or found out from them."""

import shutil

import pytest

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.runs.train import train
from grokscope.sweeps.diagram import DONE, collect
from grokscope.sweeps.recorded_grids import RECORDS, grid_in
from grokscope.sweeps.sweep import sweep

BASE = Experiment(steps=4, measure_every=2, corruption_fraction=0.3).replace(modulus=7, width=8)
AXES = {"train_fraction": [0.3, 0.4, 0.5, 0.6, 0.7], "corruption_fraction": [0, 0.1, 0.2]}
GRID = Grid(base=BASE, axes=AXES)


def swept(grid, store, **options):
    sweep(grid, store, workers=1, progress=False, **options)


def unrecorded(store):
    """A store as if its runs were trained one by one."""
    shutil.rmtree(store / RECORDS)
    return store


def test_a_refined_sweep_shows_rows_without_a_run(tmp_path):
    swept(GRID, tmp_path, limit=2)
    assert grid_in(tmp_path) == GRID
    assert grid_in(unrecorded(tmp_path)).size == 2


def test_of_several_the_largest_is_shown_and_what_lies_beside_all_is_not_lost(tmp_path):
    swept(GRID.every(2), tmp_path)
    assert grid_in(tmp_path) == GRID.every(2)
    swept(GRID, tmp_path, limit=1)
    assert grid_in(tmp_path) == GRID
    train(BASE.replace(train_fraction=0.2), tmp_path, progress=False)
    found = grid_in(tmp_path)
    assert 0.2 in found.axes["train_fraction"]


def test_a_record_that_cannot_be_read_is_passed_over(tmp_path):
    swept(GRID.every(2), tmp_path)
    (record,) = (tmp_path / RECORDS).iterdir()
    record.write_bytes(b"\xff [not a grid")
    assert grid_in(tmp_path).size == GRID.every(2).size
    record.write_text("axes = {width = [1]}\ncode = '../../x'")
    assert grid_in(tmp_path).size == GRID.every(2).size


def test_the_grid_of_a_store_is_found_from_its_runs(tmp_path):
    axes = {"learning_rate": [0.1, 1e9], "steps": [4, 10], "corruption_fraction": [0, 0.3]}
    grid = Grid(base=BASE.replace(optimizer="sgd"), axes=axes)
    with pytest.raises(ConfigError, match="without any"):
        grid_in(tmp_path)
    swept(grid, tmp_path)
    found = grid_in(unrecorded(tmp_path))
    assert set(found.axes) == set(axes)
    assert list(found.axes)[-1] == "corruption_fraction"
    assert (collect(found, tmp_path).status == DONE).all()


def test_settings_that_go_together_in_a_store_are_one_dimension(tmp_path):
    together = {"batch_size": [4, 8], "steps": [8, 4], "measure_every": [4, 2]}
    axes = {**together, "corruption_fraction": [0, 0.5]}
    grid = Grid(base=BASE.replace(modulus=5), axes=axes, zipped=[tuple(together)], seeds=2)
    swept(grid, tmp_path)
    found = grid_in(unrecorded(tmp_path))
    assert {tuple(sorted(group)) for group in found.zipped} == {tuple(sorted(together))}
    assert (collect(found, tmp_path).status == DONE).all()
    assert collect(found, tmp_path).status.size == grid.size


def test_a_store_of_several_sweeps_says_so(tmp_path):
    for seed, (width, decay, modulus) in enumerate(
        [(8, 1, 7), (8, 2, 5), (9, 1, 11), (9, 2, 13), (10, 3, 17)]
    ):
        base = BASE.replace(width=width, weight_decay=decay, modulus=modulus, seed=seed)
        swept(Grid(base=base, axes={"steps": [seed]}), tmp_path)
    with pytest.raises(ConfigError, match="Say which sweep is meant with --grid"):
        grid_in(tmp_path)
