"""Units reduced to their strongest frequencies: identities, an explicit transform, invariances."""

from dataclasses import replace
from math import gcd

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grokscope.data.dataset import complete, make_dataset
from grokscope.data.groups import group_of
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.extraction import Waves, extracted, extraction_scores
from grokscope.measures.scores import measured_layers
from grokscope.measures.vote import vote_logits
from grokscope.models.analytic import analytic_network
from grokscope.models.network import named_arrays, with_arrays
from networks import numbers, random_network
from reference import accuracy, weights64

P = 7
TINY = Experiment(corruption_fraction=0.3, modulus=P, width=12)

NETWORKS = {
    "quadratic": {},
    "relu": {"activation": "relu"},
    "batch norm": {"normalization": "batch_norm"},
    "layer norm": {"normalization": "layer_norm"},
    "deep": {"model": "deep_mlp", "depth": 3},
    "deep with norm layers": {"model": "deep_mlp", "depth": 4, "normalization": "batch_norm"},
    "transformer": {"model": "transformer", "heads": 2},
    "tied": {"model": "transformer", "heads": 2, "tied": True},
    "transformer with norm layers": {
        "model": "transformer", "heads": 2, "normalization": "layer_norm",
    },
    "multiplication": {"operation": "multiplication"},
    "even modulus": {"modulus": 8},
}  # fmt: skip


def experiment_of(name):
    return TINY.replace(**NETWORKS[name])


def by_definition(vectors, order, frequencies):
    """The same by a matrix of waves: [residue, unit] for each vector of the units.

    Each frequency is projected on by its cosine and its sine; the shares of power of a unit's
    vectors are summed; the frequencies of the largest sums are kept, the constant last, and
    residues that are not in the order keep their weights.
    """
    n = len(order)
    angle = 2 * np.pi * np.outer(np.arange(n), np.arange(n)) / n
    parts = []  # [vector, freq, place, unit]
    powers = []
    for matrix in vectors:
        ordered = np.asarray(matrix, float)[order]
        coefficients = (np.cos(angle) - 1j * np.sin(angle)) @ ordered
        power = (np.abs(coefficients) ** 2)[: n // 2 + 1]
        powers.append(power / power.sum(axis=0))
        waves = []
        for f in range(n // 2 + 1):
            both = {f, (n - f) % n}
            waves.append(sum(np.exp(1j * angle[g])[:, None] * coefficients[g] for g in both) / n)
        parts.append(np.real(waves))
    total = sum(powers)
    found = [np.array(matrix, float) for matrix in vectors]
    for unit in range(total.shape[1]):
        varying = sorted(range(1, n // 2 + 1), key=lambda f: -total[f, unit])
        kept = [*varying, 0][:frequencies]  # the constant is the last
        for matrix, waves in zip(found, parts, strict=True):
            matrix[order, unit] = sum(waves[f, :, unit] for f in kept)
    return found


def assert_same_arrays(one, other, tolerance=1e-5):
    for name, array in named_arrays(one).items():
        np.testing.assert_allclose(named_arrays(other)[name], array, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("modulus", [7, 8, 23])
def test_one_frequency_of_the_analytic_network_is_the_network(modulus):
    network = analytic_network(modulus, 3 * modulus)
    assert_same_arrays(network, extracted(network, np.arange(modulus), 1), 1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_all_frequencies_of_any_network_are_the_network(name):
    experiment = experiment_of(name)
    network, order = random_network(experiment), group_of(experiment.task, None).shift_order
    waves = Waves(network, order)
    again = waves.strongest(waves.n_frequencies)
    assert type(again) is type(network)
    assert_same_arrays(network, again)


@pytest.mark.parametrize("name", NETWORKS)
def test_units_keep_their_strongest_frequencies_by_an_explicit_transform(name):
    experiment = experiment_of(name)
    network, order = random_network(experiment), group_of(experiment.task, None).shift_order
    for frequencies in (1, 2):
        found = named_arrays(extracted(network, order, frequencies))
        expected = dict(named_arrays(network))
        for layer in measured_layers(network).values():
            vectors = [expected[name] for name in layer.vectors]
            made = by_definition(vectors, order, frequencies)
            expected |= dict(zip(layer.vectors, made, strict=True))
        for array in found:
            np.testing.assert_allclose(found[array], expected[array], atol=1e-5, err_msg=array)


def test_each_layer_of_an_mlp_has_frequencies_of_its_own():
    network = random_network(experiment_of("deep"))
    assert Waves(network, np.arange(P)).ranks.keys() == {"first", "last"}


def test_any_order_of_residues_is_taken_as_it_is():
    network = random_network(TINY)
    order = np.random.default_rng(3).permutation(P)
    expected = by_definition([network.U, network.V, network.W], order, 1)
    found = extracted(network, order)
    for matrix, values in zip((found.U, found.V, found.W), expected, strict=True):
        np.testing.assert_allclose(matrix, values, atol=1e-6)


def test_multiplication_keeps_the_weights_of_zero():
    network = random_network(experiment_of("multiplication"))
    order = group_of(experiment_of("multiplication").task, None).shift_order
    assert 0 not in order
    waves = Waves(network, order)
    assert waves.n_frequencies == (P - 1) // 2 + 1
    for made in (waves.strongest(1), waves.with_random_phases(1, seed=0)):
        for name in "UVW":
            np.testing.assert_array_equal(getattr(made, name)[0], getattr(network, name)[0])
            assert not np.allclose(getattr(made, name)[1:], getattr(network, name)[1:])


@pytest.mark.parametrize("name", ["quadratic", "even modulus", "multiplication", "tied"])
def test_random_phases_keep_the_amplitudes_of_what_is_kept(name):
    experiment = experiment_of(name)
    network, order = random_network(experiment), group_of(experiment.task, None).shift_order
    waves = Waves(network, order)
    for count in (1, 2, waves.n_frequencies):
        kept, moved = waves.strongest(count), waves.with_random_phases(count, seed=5)
        for layer in measured_layers(network).values():
            for matrix in layer.vectors:
                ours, theirs = (named_arrays(each)[matrix] for each in (kept, moved))
                assert theirs.dtype == np.float32
                assert not np.allclose(ours, theirs, atol=1e-3)
                # The transform written out, so that amplitudes are not by the code's own.
                n = len(order)
                dft = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
                np.testing.assert_allclose(
                    np.abs(dft @ theirs[order]), np.abs(dft @ ours[order]), atol=1e-4
                )
    again = waves.with_random_phases(1, seed=5)
    assert_same_arrays(again, waves.with_random_phases(1, seed=5), 0)
    matrix = next(iter(measured_layers(network).values())).vectors[0]
    other = waves.with_random_phases(1, seed=6)
    assert not np.allclose(named_arrays(again)[matrix], named_arrays(other)[matrix])


def test_phases_of_all_waves_are_spread_over_the_circle():
    """The mean of 400 unit vectors is below .2: by chance at 1 in 10⁶ (exp(-400 · .04))."""
    network = analytic_network(5, 400)
    moved = Waves(network, np.arange(5)).with_random_phases(3, seed=0)
    for name in "UVW":
        before, after = (np.fft.rfft(getattr(each, name), axis=0) for each in (network, moved))
        strongest = np.abs(before).argmax(axis=0), np.arange(400)
        turns = after[strongest] / before[strongest]
        live = strongest[0] > 0  # a constant only changes its sign
        np.testing.assert_allclose(np.abs(turns), 1, atol=1e-3)
        assert abs(turns[live].mean()) < 0.2
        assert set(np.round(turns[~live]).real.tolist()) == {-1, 1}


@settings(max_examples=25)
@given(st.sampled_from([7, 8, 9]), st.integers(1, 8), st.integers(1, 3), st.integers(0, 99))
def test_residues_renamed_by_an_automorphism_permute_frequencies_and_nothing_else(
    modulus, factor, frequencies, seed
):
    """m becomes c m, of which the group does not know: a wave f becomes a wave c⁻¹ f."""
    assume(gcd(factor, modulus) == 1)
    experiment = Experiment(corruption_fraction=0.3).replace(modulus=modulus, width=8, seed=seed)
    network, data = random_network(experiment, seed), make_dataset(experiment)
    order = np.arange(modulus)
    renamed = factor * order % modulus
    inverse = np.argsort(renamed)
    other = with_arrays(network, {name: getattr(network, name)[inverse] for name in "UVW"})
    ours, theirs = (Waves(each, order) for each in (network, other))
    # A wave of frequency c f over m is one of frequency f over c m; f and p - f are one.
    carried = factor * np.arange(modulus // 2 + 1) % modulus
    carried = np.minimum(carried, modulus - carried)
    np.testing.assert_array_equal(theirs.ranks["hidden"], ours.ranks["hidden"][carried])

    names = ("inputs", "true_labels", "given_labels")
    data_renamed = replace(
        data, **{name: renamed[getattr(data, name)].astype(np.int32) for name in names}
    )
    logits, moved = (
        logits_of(waves.strongest(frequencies), each)
        for waves, each in ((ours, data), (theirs, data_renamed))
    )
    np.testing.assert_allclose(moved, logits[:, inverse], atol=1e-5)
    for subset in (data.is_train, ~data.is_train, data.is_corrupted):
        ours, theirs = (
            accuracy(found[subset], each.given_labels[subset])
            for found, each in ((logits, data), (moved, data_renamed))
        )
        assert theirs == pytest.approx(ours, nan_ok=True)
    votes, votes_moved = (vote_logits(each, order) for each in (data, data_renamed))
    np.testing.assert_allclose(votes_moved, votes[:, inverse], atol=1e-6)


def logits_of(network, data):
    """Of a two-layer network with the quadratic activation."""
    U, V, W = weights64(network)
    return (U.T[data.inputs[:, 0]] + V.T[data.inputs[:, 1]]) ** 2 @ W.T


NAMES = "test_accuracy", "corrupted_accuracy", "corrected_accuracy"


@pytest.mark.parametrize("name", ["relu", "multiplication", "tied"])
def test_scores_are_those_of_the_network_of_one_frequency(name):
    experiment = experiment_of(name)
    network, data = random_network(experiment), make_dataset(experiment)
    examples = Examples(data, experiment)
    single = extracted(network, group_of(experiment.task, None).shift_order)
    predicted = np.asarray(single(jnp.asarray(data.inputs))).argmax(axis=1)
    is_right, test, wrong = predicted == data.given_labels, ~data.is_train, data.is_corrupted
    expected = is_right[test], is_right[wrong], (predicted == data.true_labels)[wrong]
    found = numbers(extraction_scores, network, examples)
    assert found == {
        f"extracted_{name}": pytest.approx(values.mean())
        for name, values in zip(NAMES, expected, strict=True)
    }


def test_a_network_without_vectors_has_no_extraction():
    experiment = complete(Experiment(task="plain_data:features", model="image_mlp", width=8))
    examples = Examples(make_dataset(experiment), experiment)
    assert numbers(extraction_scores, random_network(experiment), examples) == {}
