"""Waves at multiples of a neuron's frequency: of networks made of known waves."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.analysis.harmonics import MULTIPLES, doubled_power, harmonics
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.analytic_terms import analytic_terms
from grokscope.models.network import named_arrays
from grokscope.session.elsewhere import from_arrays
from networks import random_network

P = 23
PLAIN = Experiment().replace(modulus=P, width=6)


def made(size, turn=np.pi):
    """Six neurons of frequencies 1 to 6, in U and V with a wave of a size at three times of it."""
    k, rng = np.arange(1, 7), np.random.default_rng(0)
    residue = np.arange(P)[:, None]
    phases = rng.uniform(0, 2 * np.pi, (3, 6))
    angles = 2 * np.pi / P * k * residue
    U, V, W = (np.cos(angles + phase) for phase in phases)
    U += size * np.cos(3 * angles + 3 * phases[0] + turn)
    V += size * np.cos(3 * angles + 3 * phases[1] + turn)
    named = {"U": U, "V": V, "W": W}
    return from_arrays({name: x.astype(np.float32) for name, x in named.items()}, PLAIN)


def test_amplitude_and_shift_are_those_that_were_put_in():
    found = harmonics(made(0.3, turn=1.0)).sel(matrix=["U", "V"])
    assert found.neuron.values.tolist() == [*range(6)]
    np.testing.assert_allclose(found.amplitude.sel(multiple=3), 0.3, atol=1e-5)
    np.testing.assert_allclose(found["shift"].sel(multiple=3), 1.0, atol=1e-4)
    np.testing.assert_allclose(found["shift"].sel(multiple=1) % (2 * np.pi), 0, atol=1e-6)
    assert (found.second == 3).all()
    others = [n for n in MULTIPLES if n not in (1, 3)]
    np.testing.assert_allclose(found.amplitude.sel(multiple=others), 0, atol=1e-5)


def test_a_wave_of_half_the_size_in_antiphase_cancels_the_doubled_terms():
    """cos(x)² has cos(2x) / 2, and 2 · cos(x) · a cos(3x + π) has -a cos(2x)."""
    plain = doubled_power(made(0))
    assert plain > 1
    assert doubled_power(made(0.5)) == pytest.approx(0, abs=1e-4 * plain)
    assert doubled_power(made(0.2)) == pytest.approx((1 - 2 * 0.2) ** 2 * plain, rel=1e-4)
    assert doubled_power(made(0.2, turn=0)) == pytest.approx((1 + 2 * 0.2) ** 2 * plain, rel=1e-4)


def test_without_the_wave_the_terms_are_those_of_the_network_without_it():
    assert doubled_power(made(0.2), without=3) == pytest.approx(doubled_power(made(0)), rel=1e-4)
    assert doubled_power(made(0.2), without=5) == pytest.approx(doubled_power(made(0.2)), rel=1e-4)
    nothing = doubled_power(made(0), without=1)
    assert nothing == pytest.approx(0, abs=1e-6)


def test_neurons_that_are_not_periodic_are_left_out_and_left_alone():
    weights = random_network(PLAIN)
    run = from_arrays(named_arrays(weights), PLAIN)
    assert (run.neuron_ipr < 0.5).all()
    assert harmonics(run).sizes["neuron"] == 0
    inputs = np.stack(np.divmod(np.arange(P * P), P), axis=1)
    terms = analytic_terms(np.asarray(weights(jnp.asarray(inputs))).reshape(P, P, P))
    power = sum((terms[name] ** 2).sum() for name in ("2m-q", "2m+q", "2n-q", "2n+q"))
    assert doubled_power(run, without=3) == pytest.approx(power, rel=1e-4)


@pytest.mark.parametrize(
    "settings", [{"model": "deep_mlp"}, {"operation": "multiplication"}], ids=["deep", "product"]
)
def test_other_networks_are_refused(settings):
    experiment = Experiment().replace(modulus=7, **settings)
    with pytest.raises(ConfigError, match="must be of a network of two layers on modular addition"):
        harmonics(from_arrays(named_arrays(random_network(experiment)), experiment))


@pytest.mark.parametrize("modulus", [2, 3])
def test_a_single_frequency_has_no_second(modulus):
    experiment = PLAIN.replace(modulus=modulus, width=8)
    run = from_arrays(named_arrays(random_network(experiment)), experiment)
    assert (harmonics(run).second == 0).all()


@pytest.mark.slow
def test_terms_that_overlap_and_sums_of_three_are_refused():
    even, three = PLAIN.replace(modulus=8), PLAIN.replace(modulus=5, operands=3)
    for experiment, words in ((even, "an odd modulus"), (three, "addition of two residues")):
        run = from_arrays(named_arrays(random_network(experiment)), experiment)
        with pytest.raises(ConfigError, match=words):
            doubled_power(run)


def test_double_precision_stays_and_weights_are_left_as_they_are():
    experiment = PLAIN.replace(precision="float64")
    run = from_arrays(named_arrays(random_network(experiment)), experiment)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # JAX's of a precision that it gives up
        before = doubled_power(run)
        doubled_power(run, without=2)
        assert doubled_power(run) == before
