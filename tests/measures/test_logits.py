"""Restricted and excluded logits against a transform over all pairs, and closed forms."""

import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.data.dataset import complete, make_dataset
from grokscope.data.groups import group_of
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.logits import KEY_POWER, losses_of, rule_of, rule_scores, scores_of
from grokscope.measures.together import scores_on
from grokscope.models.analytic import analytic_network, logit_terms
from grokscope.models.two_layer import TwoLayer
from networks import logits_of, numbers, random_network
from plain import cross_entropy, mse

NOISY = Experiment(corruption_fraction=0.3)


def all_pairs(p, seed=0):
    """Every pair of residues once, in a random order."""
    pairs = np.random.default_rng(seed).permutation(p * p)
    return np.stack(np.divmod(pairs, p), axis=1).astype(np.int32)


def by_definition(logits, inputs, order, key):
    """Restricted and excluded logits by the transform over (m, n) of each label, written out."""
    n = len(order)
    place = {residue: index for index, residue in enumerate(order.tolist())}
    rows = {
        (place[m], place[k]): row
        for row, (m, k) in enumerate(inputs.tolist())
        if m in place and k in place
    }
    restricted, excluded = logits.astype(float), logits.astype(float)
    for label in range(logits.shape[1]):
        table = np.array([[logits[rows[m, k], label] for k in range(n)] for m in range(n)])
        constant, waves = np.zeros((n, n), complex), np.zeros((n, n), complex)
        m, k = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
        for f in {0, *key, *(n - f for f in key)}:
            wave = np.exp(2j * np.pi * f * (m + k) / n)
            part = (table * wave.conj()).sum() / n**2 * wave
            if f == 0:
                constant = constant + part
            else:
                waves = waves + part
        assert np.abs((constant + waves).imag).max() < 1e-9
        for (m_, k_), row in rows.items():
            restricted[row, label] = (constant + waves).real[m_, k_]
            excluded[row, label] = table[m_, k_] - waves.real[m_, k_]
    return restricted, excluded


def key_of(logits, inputs, order):
    """Frequencies by the share of power of waves (f, f), the strongest first, of the least number.

    By `np.fft.fft2` over a table, where the package takes means over m + n.
    """
    n = len(order)
    table = np.zeros((n, n, logits.shape[1]))
    place = np.full(inputs.max() + 1, -1)
    place[order] = np.arange(n)
    for (m, k), row in zip(place[inputs].tolist(), logits, strict=True):
        if m >= 0 and k >= 0:
            table[m, k] = row
    waves = np.fft.fft2(table, axes=(0, 1))
    power = [(np.abs(waves[f, f]) ** 2).sum() for f in range(1, n // 2 + 1)]
    ranked = sorted(range(n // 2), key=lambda f: -power[f])
    count = 1
    while sum(power[f] for f in ranked[:count]) < KEY_POWER * sum(power):
        count += 1
    return [f + 1 for f in ranked[:count]]


def sums_in(order, inputs):
    """The sum of both places in an order, modulo its length; -1 with a residue that is left out."""
    places = {residue: place for place, residue in enumerate(order.tolist())}
    return np.array([
        (places[m] + places[n]) % len(order) if m in places and n in places else -1
        for m, n in inputs.tolist()
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "p"), [("addition", 5), ("addition", 6), ("multiplication", 7)]
)
@pytest.mark.parametrize("scale", [0.0, 3.0])
def test_both_parts_are_projections_on_waves_of_two_frequencies(operation, p, scale):
    """Of noise alone, and of a wave in noise, which then has fewer key frequencies."""
    experiment = NOISY.replace(operation=operation, modulus=p)
    order, inputs = group_of(experiment.task, None).shift_order, all_pairs(p)
    place = np.zeros(p, int)
    place[order] = np.arange(len(order))
    angle = 2 * np.pi * (place[inputs].sum(axis=1)[:, None] - place) / len(order)
    noise = np.random.default_rng(1).normal(size=(p * p, p))
    logits = (noise + scale * np.cos(angle)).astype(np.float32)
    rule = rule_of(logits, sums_in(order, inputs), len(order))
    key = key_of(logits, inputs, order)
    assert np.flatnonzero(rule.is_key).tolist() == sorted(key)
    restricted, excluded = by_definition(logits, inputs, order, key)
    np.testing.assert_allclose(rule.restricted, restricted, atol=1e-5)
    np.testing.assert_allclose(rule.excluded, excluded, atol=1e-5)
    known = np.isin(inputs, order).all(axis=1)
    total = (rule.restricted + rule.excluded)[known]
    np.testing.assert_allclose(total, logits[known] + logits[known].mean(axis=0), atol=1e-5)


def test_pairs_with_a_zero_stay_as_they_are_in_multiplication():
    inputs, order = (
        all_pairs(7),
        group_of(NOISY.replace(operation="multiplication", modulus=7).task, None).shift_order,
    )
    logits = np.random.default_rng(0).normal(size=(49, 7)).astype(np.float32)
    rule = rule_of(logits, sums_in(order, inputs), len(order))
    has_zero = (inputs == 0).any(axis=1)
    np.testing.assert_array_equal(rule.restricted[has_zero], logits[has_zero])
    np.testing.assert_array_equal(rule.excluded[has_zero], logits[has_zero])
    assert not np.allclose(rule.restricted[~has_zero], logits[~has_zero])


@pytest.mark.parametrize(("p", "width"), [(7, 6), (13, 12), (12, 5)])
def test_of_the_analytic_network_it_is_three_of_nine_terms(p, width, monkeypatch):
    """m + n - q, m + n + q and -q depend on m + n and the label alone; the others do not.

    Those average to 0 over the pairs of one m + n, unless 2 f is a multiple of the modulus, as of
    no frequency up to this width.
    """
    network, inputs = analytic_network(p, width), all_pairs(p)
    terms = logit_terms(inputs, p, width)
    logits = logits_of(network, inputs)
    monkeypatch.setattr("grokscope.measures.logits.KEY_POWER", 1 - 1e-9)  # all that it has
    rule = rule_of(logits, inputs.sum(axis=1) % p, p)
    assert np.flatnonzero(rule.is_key).tolist() == list(range(1, (p + 1) // 2))
    expected = terms["m+n-q"] + terms["m+n+q"] + terms["-q"]
    np.testing.assert_allclose(rule.restricted, expected, atol=1e-5)
    # Of the three, -q is the mean over all pairs, which restricted logits keep; excluded ones too.
    excluded = sum(terms.values()) - expected + terms["-q"]
    np.testing.assert_allclose(rule.excluded, excluded, atol=1e-5)


def network_of(frequencies, p, width, seed=0):
    """As the analytic one, of these frequencies alone, with phases that make it exact."""
    rng = np.random.default_rng(seed)
    f = np.resize(frequencies, width) * 2 * np.pi / p
    u, v = rng.uniform(-np.pi, np.pi, (2, width))
    residue = np.arange(p)[:, None]
    U, V, W = (np.cos(f * residue + phase) for phase in (u, v, u + v))
    return TwoLayer(*(jnp.asarray(matrix, jnp.float32) for matrix in (U, V, W)), "quadratic")


@pytest.mark.parametrize("frequencies", [[2, 5], [1, 3], [4]])
def test_key_frequencies_of_a_network_made_of_some_are_these(frequencies):
    p = 11
    network, inputs = network_of(frequencies, p, 40), all_pairs(p)
    rule = rule_of(logits_of(network, inputs), inputs.sum(axis=1) % p, p)
    assert np.flatnonzero(rule.is_key).tolist() == frequencies


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_losses_are_means_over_their_examples(loss):
    experiment = NOISY.replace(modulus=7, width=12, loss=loss)
    data, network = make_dataset(experiment), random_network(experiment)
    found = numbers(rule_scores, network, Examples(data, experiment))
    logits = logits_of(network, data.inputs)
    key = key_of(logits, data.inputs, np.arange(7))
    restricted, excluded = by_definition(logits, data.inputs, np.arange(7), key)
    plain = {"mse": mse, "cross_entropy": cross_entropy}[loss]

    def mean(part, subset):
        return pytest.approx(plain(part[subset], data.given_labels[subset]), rel=1e-4)

    test, wrong = ~data.is_train, data.is_corrupted
    right = restricted.argmax(axis=1) == data.true_labels
    assert found == {
        "key_frequencies": len(key),
        "restricted_test_loss": mean(restricted, test),
        "restricted_test_accuracy": pytest.approx(right[test].mean()),
        "restricted_corrected_accuracy": pytest.approx(right[wrong].mean()),
        "restricted_corrupted_loss": mean(restricted, wrong),
        "excluded_train_loss": mean(excluded, data.is_train),
        "excluded_corrupted_loss": mean(excluded, wrong),
    }


def test_without_wrong_labels_their_losses_are_missing_and_without_residues_all_are():
    experiment = Experiment().replace(modulus=7, width=12)
    found = numbers(
        rule_scores, random_network(experiment), Examples(make_dataset(experiment), experiment)
    )
    missing = {name for name, value in found.items() if np.isnan(value)}
    assert missing == {name for name in found if "corrected" in name or "corrupted" in name}
    assert len(missing) == 3
    others = complete(Experiment(task="plain_data:features", model="image_mlp", width=8))
    examples = Examples(make_dataset(others), others)
    assert numbers(rule_scores, random_network(others), examples) == {}


def test_scores_of_logits_are_those_of_the_network():
    experiment = NOISY.replace(modulus=7, width=12, loss="cross_entropy")
    data, network = make_dataset(experiment), random_network(experiment)
    logits = logits_of(network, data.inputs)
    ours = scores_of(logits, data, "cross_entropy")
    assert ours == pytest.approx(scores_on(Examples(data, experiment), network), rel=1e-5)
    alone = [cross_entropy(logits[[i]], data.given_labels[[i]]) for i in range(len(logits))]
    np.testing.assert_allclose(
        losses_of(logits, data.given_labels, "cross_entropy"), alone, rtol=1e-4, atol=1e-6
    )


def test_key_frequencies_of_an_even_modulus_go_by_energy_and_of_nothing_are_none():
    """The alternating wave has one frequency, others have two of a transform's."""
    n = 8
    values = np.add.outer(np.arange(n), np.arange(n)).ravel() % n
    turn = 2 * np.pi * values / n
    shares = {0.04: [1], 0.06: [1, 4]}  # of energy: the mean of a cosine's square is a half
    for share, keys in shares.items():
        logits = np.sqrt(2 * (1 - share)) * np.cos(turn) + np.sqrt(share) * np.cos(4 * turn)
        rule = rule_of(logits[:, None], values, n)
        assert np.flatnonzero(rule.is_key).tolist() == keys
    assert not rule_of(np.ones((n * n, 2)), values, n).is_key.any()
