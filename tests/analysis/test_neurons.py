"""The table of neurons: its columns by their definitions, its groups by what they do."""

import numpy as np
import pytest

from grokscope.analysis.neurons import ipr_valley, neuron_table
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.runs.compact import without_weights
from grokscope.runs.train import train


def test_columns_by_their_definitions(coexisting):
    table = neuron_table(coexisting)
    matrices = {name: coexisting.dataset[name].values.astype(float) for name in "UVW"}
    p = len(matrices["U"])
    for neuron in (0, 57, 199):
        row, shares, angles = table.loc[neuron], [], []
        for name in "UVW":
            vector = matrices[name][:, neuron]
            residues = np.arange(p)
            waves = [vector @ np.exp(-2j * np.pi * f * residues / p) for f in range(p // 2 + 1)]
            shares.append(np.abs(waves) ** 2 / np.sum(np.abs(waves) ** 2))
            angles.append(np.angle(waves))
        frequency = 1 + np.sum(shares, axis=0)[1:].argmax()
        assert row.frequency == frequency
        assert row.share == pytest.approx(np.mean(shares, axis=0)[frequency], rel=1e-4)
        phases = [angle[frequency] for angle in angles]
        assert row[["phase_U", "phase_V", "phase_W"]].tolist() == pytest.approx(phases, abs=1e-4)
        turn = np.exp(1j * (phases[0] + phases[1] - phases[2]))
        assert np.exp(1j * row.mismatch) == pytest.approx(turn, abs=1e-4)
        assert row.norm == pytest.approx(np.linalg.norm(matrices["W"][:, neuron]), rel=1e-5)
    np.testing.assert_array_equal(table.ipr, coexisting.neuron_ipr)


def test_the_group_of_low_ipr_holds_the_wrong_labels(coexisting):
    """Of single neurons, removed alone; the other group is the control."""
    table = neuron_table(coexisting)
    valley = ipr_valley(coexisting.neuron_ipr)
    assert valley is not None
    assert set(table.group) <= {"low", "high", "dead"}
    assert (table.ipr[table.group == "low"] < valley).all()
    assert (table.ipr[table.group == "high"] >= valley).all()
    means = table.groupby("group")[["test_accuracy", "corrupted_accuracy"]].mean()
    assert means.test_accuracy["high"] < means.test_accuracy["low"]
    assert means.corrupted_accuracy["low"] < means.corrupted_accuracy["high"]


def test_the_valley_of_two_groups_and_of_one():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.15, 0.03, 100), rng.normal(0.8, 0.05, 100)
    valley = ipr_valley(np.r_[low, high, np.nan])
    assert valley is not None
    assert low.max() < valley < high.min()
    assert ipr_valley(low) is None
    assert ipr_valley(np.array([])) is None
    assert ipr_valley(np.full(9, 0.5)) is None


def test_a_network_without_ipr_has_norms_and_effects():
    experiment = Experiment(task="plain_data:features", model="image_mlp", steps=20)
    run = train(experiment.replace(width=8), progress=False)
    table = neuron_table(run)
    changes = ["test_accuracy", "corrupted_accuracy"]
    assert table.columns.tolist() == [
        "norm",
        "memorizing",
        "generalizing",
        "steadiness",
        "part",
        *changes,
    ]
    assert len(table) == 8


def test_runs_without_weights_are_refused(coexisting):
    with pytest.raises(ConfigError, match="must have its weights"):
        neuron_table(without_weights(coexisting))
