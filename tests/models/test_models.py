import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.models.analytic import analytic_network, logit_terms
from grokscope.models.dropout import dropout_mask
from grokscope.models.two_layer import TwoLayer
from reference import dense_scores, weights64

PAIRS = np.stack(np.divmod(np.arange(97**2), 97), axis=1)


@pytest.mark.parametrize("activation", ["quadratic", "relu"])
def test_forward_equals_dense_one_hot(activation):
    model = TwoLayer.init(jax.random.key(1), 11, 11, width=40, activation=activation)
    data = make_dataset(Experiment().replace(modulus=11, corruption_fraction=0.3))
    U, V, W = weights64(model)
    logits = np.asarray(model(jnp.asarray(data.inputs)))
    X = np.concatenate([np.eye(11)[data.inputs[:, 0]], np.eye(11)[data.inputs[:, 1]]], axis=1)
    h = X @ np.concatenate([U, V], axis=1).T
    dense = (h**2 if activation == "quadratic" else np.maximum(h, 0)) @ W.T
    np.testing.assert_allclose(logits, dense, rtol=1e-5, atol=1e-6)


def test_initial_variance_is_the_papers():
    """Relative error of a variance from 291,000 normals is .26 %; 1.5 % is beyond five sigma."""
    model = TwoLayer.init(jax.random.key(0), 97, 97, width=1000)
    values = np.concatenate([np.ravel(m) for m in (model.U, model.V, model.W)])
    assert values.var() == pytest.approx((16 * 1000) ** (-2 / 3), rel=0.015)
    assert abs(values.mean()) < 5 * values.std() / len(values) ** 0.5


@pytest.mark.parametrize("width", [1000, 1067, 2000])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_analytic_network_adds_perfectly(width, seed):
    logits = analytic_network(97, width, seed)(jnp.asarray(PAIRS))
    assert (np.asarray(logits).argmax(axis=1) == PAIRS.sum(axis=1) % 97).all()


def test_boxed_term_is_the_modular_delta():
    pairs = PAIRS[::37]
    delta = np.eye(97)[pairs.sum(axis=1) % 97]
    exact = logit_terms(pairs, 97, width=970, seed=3)["m+n-q"]
    np.testing.assert_allclose(exact, delta, atol=1e-9)
    near = logit_terms(pairs, 97, width=1000, seed=3)["m+n-q"]
    assert np.abs(near - delta).max() <= 97 / 1000


@pytest.mark.parametrize("wrong", [{"modulus": 1}, {"width": 0}, {"seed": -1}])
def test_an_analytic_network_of_no_size_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"`{name}` must be a whole number from "):
        analytic_network(**wrong)


def test_the_analytic_network_has_half_as_many_frequencies_as_residues():
    """Real weights of frequency k and p - k are the same up to phase (footnote 5)."""
    U = np.asarray(analytic_network(97, 1940).U)
    strongest = np.abs(np.fft.rfft(U, axis=0)).argmax(axis=0)
    assert len(np.unique(strongest)) == 49  # ⌈97 / 2⌉


@pytest.mark.slow
def test_terms_sum_to_the_logits_and_others_vanish_as_width_grows():
    pairs = PAIRS[::97]
    sizes = []
    for width in (1000, 16_000):
        terms = logit_terms(pairs, 97, width, seed=1)
        logits = np.asarray(analytic_network(97, width, seed=1)(jnp.asarray(pairs)))
        np.testing.assert_allclose(sum(terms.values()), logits, atol=2e-5)
        others = sum(values for name, values in terms.items() if name != "m+n-q")
        sizes.append(np.sqrt((others**2).mean()))
    assert sizes[0] / sizes[1] == pytest.approx(4, rel=0.25)  # 1/√N


@pytest.mark.parametrize("probability", [0.05, 0.3, 0.6, 0.999])
def test_dropout_keeps_each_unit_with_the_stated_probability(probability):
    """A million draws: five standard errors; examples are dithered, so they are the unit."""
    mask = np.asarray(dropout_mask(jax.random.key(0), (2000, 501), jnp.float32(probability)))
    share = mask.mean(axis=1)
    error = max(share.std(), 1e-4) / 2000**0.5
    assert abs(share.mean() - (1 - probability)) < 5 * error


def test_dropout_acts_on_the_pre_activation_and_only_with_a_key():
    model = TwoLayer.init(jax.random.key(1), 11, 11, width=64)
    inputs = jnp.asarray(PAIRS[:50] % 11)
    key, p = jax.random.key(5), 0.4
    kept = np.asarray(dropout_mask(key, (50, 64), jnp.float32(p)))
    U, V, W = weights64(model)
    h = (U.T[inputs[:, 0]] + V.T[inputs[:, 1]]) * kept / (1 - p)
    logits, _ = model.in_training(inputs, key, p)
    np.testing.assert_allclose(logits, h**2 @ W.T, rtol=2e-5, atol=1e-6)
    assert np.array_equal(model(inputs), model.in_training(inputs, None, p)[0])


def test_scores_of_reference_agree_with_argmax_of_model():
    """The reference itself is checked on the analytic network, whose answer is known."""
    data = make_dataset(Experiment(corruption_fraction=0.2))
    scores = dense_scores(*weights64(analytic_network(97, 1000)), data)
    assert scores["test_accuracy"] == scores["corrected_accuracy"] == 1
    assert scores["corrupted_accuracy"] == pytest.approx(
        (data.given_labels == data.true_labels)[data.is_corrupted].mean()
    )
