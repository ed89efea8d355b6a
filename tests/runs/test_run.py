"""A finished run, and the file that holds it."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError, StoreError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.runs.compact import without_weights
from grokscope.runs.files import write_sealed
from grokscope.runs.record import KEPT
from grokscope.runs.run import Run, open_run, write_run
from grokscope.runs.train import train

EXPERIMENT = Experiment(steps=20, corruption_fraction=0.3).replace(modulus=11, width=8)


@pytest.fixture(scope="module")
def run():
    return train(EXPERIMENT, progress=False)


@pytest.fixture
def path(run, tmp_path):
    """The run in a file."""
    write_run(run, tmp_path / "run.nc")
    return tmp_path / "run.nc"


def test_a_file_keeps_everything(run, path):
    again = open_run(path)
    assert again.experiment == EXPERIMENT
    assert again.dataset.identical(run.dataset)


def test_network_and_data_are_those_that_were_trained(run, path):
    network = open_run(path).network
    for name in "UVW":
        assert np.array_equal(getattr(network, name), run.dataset[name])
    data = make_dataset(EXPERIMENT)
    assert np.array_equal(run.data.given_labels, data.given_labels)
    right = np.asarray(network(jnp.asarray(data.inputs))).argmax(axis=1) == data.given_labels
    assert right[: data.n_train].mean() == pytest.approx(run.final.train_accuracy.item())
    with pytest.raises(ConfigError, match="must have its weights"):
        _ = without_weights(run).network


def test_a_run_without_weights_keeps_no_weights_over_time_and_no_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savetxt("table.csv", np.add.outer(range(7), range(7)) % 7, fmt="%d", delimiter=",")
    run = train(Experiment(task="table.csv", steps=4, width=8, keep_weights=2), progress=False)
    assert {"inputs", "kept_U"} <= {*run.dataset.variables}
    lean = without_weights(run)
    assert not {"inputs", "kept_U"} & {*lean.dataset.variables}
    assert not [name for name in lean.dataset.variables if str(name).startswith(KEPT)]


def test_one_line_says_how_a_run_ended(run):
    train_accuracy, test_accuracy = run.final.train_accuracy, run.final.test_accuracy
    phase = str(run.phase()).replace("_", " ")
    assert repr(run) == (
        f"<Run {run.digest[:12]}: {phase}, train {train_accuracy:.2f}, test {test_accuracy:.2f}, "
        "20 steps>"
    )


def test_any_reader_of_netcdf_opens_it_and_finds_units_and_descriptions(run, path):
    with xr.open_dataset(path) as dataset:
        for name, variable in dataset.variables.items():
            assert variable.attrs["description"], name
        assert all(v.attrs["units"] == "1" for v in dataset.data_vars.values())
        assert dataset.attrs["digest"] == digest(EXPERIMENT)
        assert json.loads(dataset.attrs["experiment"])["steps"] == 20
        assert {"jax", "instructions"} <= json.loads(dataset.attrs["environment"]).keys()
    assert run.dataset.sizes == {
        "step": 3, "matrix": 3, "vectors": 3, "neuron": 8, "residue": 11
    }  # fmt: skip


def test_another_schema_is_refused_with_its_number(path):
    dataset = xr.load_dataset(path, engine="netcdf4").assign_attrs(schema_version=99)
    write_sealed(path, bytes(dataset.to_netcdf(engine="netcdf4")))
    with pytest.raises(StoreError, match="schema version 1, got 99"):
        open_run(path)


def test_a_diverged_run_is_data(tmp_path):
    wild = EXPERIMENT.replace(optimizer="sgd", learning_rate=1e9, measure_every=5)
    run = train(wild, tmp_path, progress=False)
    assert run.failed_at is not None
    assert run.phase() == "diverged"
    assert run.dataset.step[-1] < run.failed_at
    assert np.isfinite(run.dataset.train_loss).all()
    assert open_run(run.path).failed_at == run.failed_at
    assert repr(run) == f"<Run {run.digest[:12]}: diverged at step {run.failed_at}>"


def test_phase_of_a_run_takes_thresholds():
    dataset = xr.Dataset(
        {
            "train_accuracy": ("step", [0.1, 1.0, 0.66]),
            "test_accuracy": ("step", [0.0, 0.95, 0.2]),
        }
    )
    run = Run(EXPERIMENT, dataset)
    assert run.phase() == "forgetting"
    assert run.phase(generalizes=0.99) == "confusion"
    assert run.phase(generalizes=0.1, memorizes=0.6) == "coexistence"
    with pytest.raises(ConfigError, match=r"got .step.\. Use one of generalizes"):
        run.phase(step=100.0)
