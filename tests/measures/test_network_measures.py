"""Measures of a whole network, from the run to its summary, its sweep and its exports."""

import json
import warnings

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.explorer.payload import overview
from grokscope.measures.examples import Examples
from grokscope.measures.extraction import extraction_scores
from grokscope.measures.table import network_measures
from grokscope.measures.together import of_networks
from grokscope.models.network import arrays_of, with_arrays
from grokscope.runs.compact import without_weights
from grokscope.runs.run import Run, open_run
from grokscope.runs.store import Store
from grokscope.runs.summaries import as_table, summarize
from grokscope.runs.train import train, train_ensemble
from grokscope.sweeps.archive import archive, archived_run, export, load_sweep, restore
from grokscope.sweeps.diagram import collect
from grokscope.sweeps.sweep import sweep, train_missing
from networks import random_network

BASE = Experiment(steps=20, measure_every=10, corruption_fraction=0.3).replace(modulus=7, width=8)
GRID = Grid(base=BASE, axes={"weight_decay": [0, 5]})
ALL = [name for name in network_measures() if name != "second_rule_accuracy"]
"""All but that of one kind of noise, which has a test of its own."""


@pytest.fixture(scope="module")
def run():
    return train(BASE, progress=False)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("network-measures")
    sweep(GRID, folder, workers=1, progress=False)
    return folder


def values_of(run):
    return {name: float(run.dataset[name]) for name in ALL}


def test_every_measure_is_a_number_of_a_finished_run(run):
    (expected,) = of_networks([run.network], [Examples(run.data, BASE)], ALL)
    assert list(expected) == ALL
    assert values_of(run) == expected
    assert np.isfinite([*expected.values()]).all()
    for name, row in ((name, network_measures()[name]) for name in ALL):
        assert run.dataset[name].dims == ()
        assert run.dataset[name].attrs == {"units": "1", "description": row.description}
        assert len(row.title) < 30


def test_those_of_one_source_are_computed_together(run, monkeypatch):
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return extraction_scores(*arguments)

    monkeypatch.setattr("grokscope.measures.extraction.extraction_scores", counted)
    names = [name for name in ALL if name.startswith("extracted")]
    (found,) = of_networks([run.network], [Examples(run.data, BASE)], names[::-1])
    assert list(found) == names[::-1]
    assert len(calls) == 1


def test_it_survives_without_weights_and_is_summarised(run):
    compact = without_weights(run)
    assert values_of(compact) == values_of(run)
    for each in (run, compact):
        summary = summarize(each)
        assert {name: summary[name] for name in ALL} == values_of(run)
        assert type(summary["key_frequencies"]) is int
        assert json.loads(json.dumps(summary))["key_frequencies"] == summary["key_frequencies"]
    table = as_table({run.digest: summarize(run)})
    assert table.loc[run.digest, ALL].to_dict() == values_of(run)


def test_a_sweep_its_exports_and_what_is_restored_have_it(store, tmp_path):
    data = collect(GRID, store)
    runs = [train(cell, progress=False) for _, cell in GRID.cells()]
    expected = {name: [float(run.dataset[name]) for run in runs] for name in ALL}
    assert {name: data[name].values.ravel().tolist() for name in ALL} == expected
    cells = overview(data)["cells"]
    for name in ALL:
        assert cells[name] == pytest.approx(expected[name], abs=1e-3)
    export(data, tmp_path / "sweep.csv")
    read = pd.read_csv(tmp_path / "sweep.csv")
    for name in ALL:
        assert read[name].tolist() == pytest.approx(expected[name])
    export(archive(GRID, store), tmp_path / "sweep.nc")
    assert restore(load_sweep(tmp_path / "sweep.nc"), tmp_path / "again") == 2
    assert all(collect(GRID, tmp_path / "again")[name].equals(data[name]) for name in ALL)
    for run in runs:
        restored = Store(tmp_path / "again").find(run.experiment)
        assert restored is not None
        assert values_of(restored) == pytest.approx(values_of(run))


def test_a_diverged_run_has_none(tmp_path):
    wild = BASE.replace(optimizer="sgd", learning_rate=1e9, steps=30, measure_every=5)
    run = train(wild, tmp_path, progress=False)
    assert run.failed_at is not None
    assert not {*ALL} & {*run.dataset}
    for each in (run, open_run(run.path), without_weights(run)):
        assert [summarize(each)[name] for name in ALL] == [None] * len(ALL)
    found = collect(Grid(base=wild, axes={"weight_decay": [0]}), tmp_path)
    assert all(np.isnan(found[name].values).all() for name in ALL)


IMAGES = BASE.replace(task="plain_data:features", model="image_mlp", width=8)
COMPOSITE = BASE.replace(operation="multiplication", modulus=9)


def test_where_a_measure_has_no_meaning_it_is_missing_and_nothing_fails(tmp_path):
    run = train(IMAGES.replace(measures=["memorizing_half"]), tmp_path, progress=False)
    assert {*ALL} & {*run.dataset} == {"memorizing_half"}
    summary = summarize(run)
    assert [name for name in ALL if summary[name] is not None] == ["memorizing_half"]


@pytest.mark.parametrize(
    ("experiment", "name", "known"),
    [
        (IMAGES, "restricted_test_loss", "memorizing_half"),
        (COMPOSITE, "key_frequencies", "gradient_symmetricity, corrupted_symm.*, memorizing_half"),
        (BASE, "second_rule_accuracy", "extracted_test_accuracy, .*, steadiness_by_ipr"),
    ],
)
def test_a_measure_without_a_meaning_is_refused_before_training(
    experiment, name, known, tmp_path, monkeypatch
):
    monkeypatch.setattr("grokscope.runs.train.Ensemble", None)  # not reached
    asking, store = experiment.replace(measures=["memorizing_half", name]), tmp_path / "runs"
    words = f"`measures` must have a meaning for the experiment, got '{name}', .* of {known}\\.$"
    for call in (
        lambda: train(asking, store, progress=False),
        lambda: train_missing([asking], store, progress=False),
        lambda: sweep(Grid(asking, axes={"weight_decay": [0, 5]}), store, progress=False),
        lambda: sweep(Grid(experiment, axes={"measures": [None, name]}), store, progress=False),
    ):
        with pytest.raises(ConfigError, match=words) as error:
            call()
        assert "\n" not in str(error.value)
    assert not store.exists()


@pytest.mark.slow
def test_where_a_measure_has_a_meaning_for_some_cells_the_others_have_no_number(tmp_path):
    base = COMPOSITE.replace(measures=["restricted_test_loss"])
    data = sweep(Grid(base, axes={"modulus": [9, 7]}), tmp_path, workers=1, progress=False)
    assert (data.status == 1).all()
    assert np.isfinite(data.restricted_test_loss.values.ravel()).tolist() == [False, True]


ASKED = ["restricted_test_loss", "extracted_test_accuracy"]


def test_a_measure_that_is_named_is_measured_at_each_step(tmp_path):
    named = BASE.replace(measures=ASKED)
    lines = []
    asked = train(named, tmp_path, progress=False, log=lambda step, found: lines.append(found))
    for name in ASKED:
        assert asked.dataset[name].dims == ("step",)
        at_steps = [
            float(train(BASE.replace(steps=steps), progress=False).dataset[name])
            for steps in (0, 10, 20)
        ]
        assert asked.dataset[name].values.tolist() == pytest.approx(at_steps, rel=1e-6)
        assert [line[name] for line in lines] == asked.dataset[name].values.tolist()
        assert asked.dataset[name].attrs["description"] == network_measures()[name].description
        assert summarize(asked)[name] == asked.dataset[name].values[-1]
    others = [name for name in ALL if name not in ASKED]
    assert all(asked.dataset[name].dims == () for name in others)
    assert summarize(asked)["own"] == {}
    assert open_run(asked.path).dataset.identical(asked.dataset)
    compact = without_weights(asked)
    assert compact.dataset[ASKED].equals(asked.dataset[ASKED])


def test_the_names_are_part_of_the_experiment():
    named = BASE.replace(measures=ASKED)
    assert digest(named) not in {digest(BASE), digest(BASE.replace(measures=ASKED[:1]))}
    assert Experiment.from_json(named.canonical_json()) == named
    assert Experiment.from_toml(named.to_toml()) == named
    assert BASE.replace(measures=",".join(ASKED)) == named
    assert named.own_code == []
    assert BASE.replace(measures=None) == BASE


def test_runs_measured_otherwise_are_one_sweep(tmp_path):
    """Of one cell a measure is a curve, and of the other a number."""
    grid = Grid(base=BASE, axes={"measures": [None, ",".join(ASKED)]})
    data = sweep(grid, tmp_path / "runs", workers=1, progress=False)
    first, second = data.restricted_test_loss.values.ravel()
    assert first == second
    export(archive(grid, tmp_path / "runs"), tmp_path / "sweep.nc")
    assert restore(load_sweep(tmp_path / "sweep.nc"), tmp_path / "again") == 2
    for _, cell in grid.cells():
        one, other = (Store(tmp_path / name).find(cell) for name in ("runs", "again"))
        assert one is not None
        assert other is not None
        for name in ALL:
            assert other.dataset[name].equals(one.dataset[name]), name


@pytest.mark.parametrize("name", ["restricted", "test_accuracy", "seconds"])
def test_an_unknown_name_is_refused_before_training_in_one_line(name, monkeypatch):
    monkeypatch.setattr("grokscope.runs.train.Ensemble", None)  # not reached
    words = f"`measures` must be functions as in .*, or names of built-in ones, got '{name}'"
    with pytest.raises(ConfigError, match=words) as error:
        train_ensemble([BASE.replace(measures=[ASKED[0], name])])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["Restricted Loss", ""])
def test_what_is_no_name_is_refused_in_one_line(name):
    with pytest.raises(ConfigError, match="`measures` must be functions as in") as error:
        BASE.replace(measures=[name])
    assert "\n" not in str(error.value)


def test_files_of_before_still_open_and_have_none(run, tmp_path, results):
    before = Run(run.experiment, run.dataset.drop_vars(ALL))
    assert [summarize(before)[name] for name in ALL] == [None] * len(ALL)
    shipped = load_sweep(results / "figure16a.nc").drop_vars(ALL, errors="ignore")
    grid = Grid.from_toml(shipped.attrs["grid"])
    index, cell = next(iter(grid.cells()))
    old = Store(tmp_path).save(archived_run(shipped, grid, index))
    assert [summarize(open_run(old.path))[name] for name in ALL] == [None] * len(ALL)
    data = collect(Grid(base=cell, axes={"weight_decay": [cell.weight_decay]}), tmp_path)
    assert np.isfinite(data.test_accuracy).all()
    assert all(np.isnan(data[name].values).all() for name in ALL)
    cells = overview(shipped)["cells"]
    assert np.isfinite(cells["test_accuracy"][0])
    assert not any(value is not None for name in ALL for value in cells.get(name, []))


@pytest.mark.parametrize("settings", [{}, {"normalization": "layer_norm"}, {"model": "deep_mlp"}])
@pytest.mark.parametrize("live", [0, 1, 2])
def test_dead_neurons_give_numbers_or_nothing_and_no_warning(settings, live):
    """As those that weight decay has given up: no cosine, no correlation and no share is there."""
    experiment = BASE.replace(**settings | {"width": 8})
    network, data = random_network(experiment), make_dataset(experiment)
    kept = np.arange(8) < live
    arrays = {
        name: jnp.asarray(np.asarray(array) * kept)
        for name, array in arrays_of(network).items()
        if array.ndim == 2
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = of_networks([with_arrays(network, arrays)], [Examples(data, experiment)], ALL)
    assert found.keys() == {*ALL}
    missing = {name for name, value in found.items() if np.isnan(value)}
    if live == 0:
        assert {"gradient_symmetricity", "corrupted_symmetricity", "memorizing_half"} <= missing
    if live < 2:
        assert "memorizing_by_ipr" in missing
    else:
        assert not missing


def test_clean_labels_give_numbers_or_nothing_and_no_warning():
    experiment = BASE.replace(corruption_fraction=0)
    network, data = random_network(experiment), make_dataset(experiment)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = of_networks([network], [Examples(data, experiment)], ALL)
    missing = {name for name, value in found.items() if np.isnan(value)}
    assert missing == {
        name for name in ALL if "corrupted" in name or "corrected" in name or "memorizing" in name
    }
