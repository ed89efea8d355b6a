"""The table of neurons: its columns by their definitions, its groups by what they do."""

import numpy as np
import pytest

from grokscope.analysis.neurons import ipr_valley, lottery, neuron_table, wave_table
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.runs.compact import without_weights
from grokscope.runs.train import train
from grokscope.training.networks import init_model
from networks import random_network


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


@pytest.mark.slow
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


def test_the_lottery_is_recounted_neuron_by_neuron(coexisting):
    """Ranks and mismatches of the final frequency among all those of the initial weights."""
    found, frequency = lottery(coexisting), neuron_table(coexisting).frequency
    initial = init_model(coexisting.experiment)
    p = coexisting.experiment.task.modulus
    for neuron in (0, 57, 199):
        waves = []
        for name in "UVW":
            vector = np.asarray(getattr(initial, name))[:, neuron].astype(float)
            waves.append([
                vector @ np.exp(-2j * np.pi * f * np.arange(p) / p) for f in range(1, p // 2 + 1)
            ])  # fmt: skip
        amplitudes = np.abs(waves).prod(axis=0)
        own = frequency[neuron] - 1
        assert found.rank[neuron] == 1 + sum(amplitudes > amplitudes[own])
        angles = np.angle(waves)[:, own]
        turn = (angles[0] + angles[1] - angles[2] + np.pi) % (2 * np.pi) - np.pi
        assert found.mismatch[neuron] == pytest.approx(abs(turn), abs=1e-4)


def test_steadiness_parts_the_neurons_that_ipr_parts(coexisting):
    """Without rule, truth or order of residues; here 12 of 200 neurons differ, by chance 100."""
    table = neuron_table(coexisting)
    assert set(table.part) == {"steady", "unsteady"}
    assert ((table.part == "steady") == (table.group == "high")).mean() > 0.9


@pytest.mark.slow
def test_layers_whose_neurons_have_no_vectors_have_no_waves():
    experiment = Experiment(model="transformer", steps=0, modulus=5, width=8)
    network = train(experiment, progress=False).network
    for layer in ("block_0_mlp", "unknown"):
        words = f"neurons have vectors over the residues, got '{layer}'. Use embedding or output"
        with pytest.raises(ConfigError, match=words):
            wave_table(network, layer, np.arange(5))


@pytest.mark.slow
def test_a_lottery_needs_three_vectors(coexisting):
    experiment = Experiment(model="deep_mlp", steps=0, modulus=5, width=4)
    with pytest.raises(ConfigError, match="vectors over residues for each operand"):
        lottery(train(experiment, progress=False))


def test_equal_iprs_have_no_valley_and_one_residue_no_wave():
    assert ipr_valley(np.full(3, 0.7214883401940817)) is None
    experiment = Experiment().replace(operation="multiplication", modulus=2, width=8)
    with pytest.raises(ConfigError, match="`order` must have two residues at least"):
        wave_table(random_network(experiment), "hidden", np.array([1]))


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["subtraction", "division"])
def test_neurons_of_an_operation_with_an_inverse_are_aligned_too(operation):
    """cos(a - b) has the phase of V with the other sign."""
    settings = {"modulus": 31, "width": 100, "train_fraction": 0.8, "weight_decay": 2}
    run = train(Experiment(operation=operation, steps=600).replace(**settings), progress=False)
    assert run.final.test_accuracy > 0.95
    table = neuron_table(run)
    assert table.mismatch[table.ipr > 0.5].abs().median() < 0.1
    assert lottery(run).rank.mean() < 0.9 * lottery(run).n_frequencies / 2
