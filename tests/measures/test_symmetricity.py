"""Cosines between gradients by two operands, against formulas and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokscope.data.dataset import make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.symmetricity import gradient_symmetricity, symmetricities
from grokscope.models.network import with_arrays
from networks import logits_of, numbers, random_network
from plain import transformer
from reference import weights64

P, TRIPLES = 7, 100
TINY = Experiment(corruption_fraction=0.3).replace(modulus=P, width=12)


def drawn(pairs, n_labels, seed):
    """The pairs and labels that the mean is over."""
    rng = np.random.default_rng(seed)
    return pairs[rng.integers(len(pairs), size=TRIPLES)], rng.integers(n_labels, size=TRIPLES)


def cosine(first, second):
    return first @ second / np.linalg.norm(first) / np.linalg.norm(second)


@pytest.mark.parametrize("activation", ["quadratic", "relu"])
def test_of_two_layers_it_is_by_the_one_hot_vectors_and_1_for_equal_embeddings(activation):
    """∂f_q/∂e_m = U (φ′(h) ∘ W_q), and V in place of U for the second operand."""
    network = random_network(TINY.replace(activation=activation))
    U, V, W = weights64(network)
    pairs = make_dataset(TINY).inputs
    expected = []
    for (m, n), q in zip(*drawn(pairs, P, seed=4), strict=True):
        h = U[:, m] + V[:, n]
        slope = 2 * h if activation == "quadratic" else (h > 0).astype(float)
        expected.append(cosine(U.T @ (slope * W[q]), V.T @ (slope * W[q])))
    found = gradient_symmetricity(network, pairs, P, TRIPLES, seed=4)
    assert found == pytest.approx(np.mean(expected), abs=1e-5)
    same = with_arrays(network, {"V": network.U})
    assert gradient_symmetricity(same, pairs, P, TRIPLES) == pytest.approx(1, abs=1e-6)
    opposite = with_arrays(network, {"V": -network.U})
    assert gradient_symmetricity(opposite, pairs, P, TRIPLES) == pytest.approx(-1, abs=1e-6)


def by_differences(network, pair, label, step=1e-6):
    """Gradients of a logit by two embeddings: each operand is given a row of its own in float64.

    The table gets two more rows, copies of the operands', and the pair points to these. The
    read-out is set apart, so that it stays what it is, also where it is the embedding itself.
    """
    table = np.asarray(network.E, np.float64)
    readout = table if network.W is None else np.asarray(network.W, np.float64)
    p = len(table)

    class Moved:
        def __getattr__(self, name):
            return getattr(network, name)

    moved = Moved()
    moved.W = readout

    def logit(rows):
        moved.E = np.vstack([table, rows])
        return transformer(moved, np.array([[p, p + 1]]))[0, label]

    rows = table[list(pair)]
    gradient = np.zeros_like(rows)
    for place in np.ndindex(*rows.shape):
        change = np.zeros_like(rows)
        change[place] = step
        gradient[place] = (logit(rows + change) - logit(rows - change)) / (2 * step)
    return gradient


@pytest.mark.parametrize(("tied", "depth"), [(False, 2), (True, 1)])
def test_of_a_transformer_it_is_by_the_two_embeddings_alone(tied, depth):
    """By finite differences of another implementation, in float64, on a few triples."""
    experiment = TINY.replace(model="transformer", width=8, heads=2, tied=tied, depth=depth)
    network = random_network(experiment)
    pairs = np.array([[1, 4], [3, 3], [5, 0]], np.int32)
    for seed, pair in enumerate(pairs):
        rng = np.random.default_rng(seed)
        rng.integers(1, size=1)
        label = rng.integers(P, size=1).item()
        expected = cosine(*by_differences(network, pair, label))
        found = gradient_symmetricity(network, pair[None], P, 1, seed)
        assert found == pytest.approx(expected, abs=1e-3), pair


def test_without_pairs_it_is_missing_and_of_images_there_is_none():
    network, data = random_network(TINY), make_dataset(TINY)
    assert np.isnan(gradient_symmetricity(network, data.inputs[:0], P))
    found = numbers(symmetricities, network, Examples(data, TINY))
    wrong = data.inputs[data.is_corrupted]
    assert found == {
        "gradient_symmetricity": gradient_symmetricity(network, data.inputs, P),
        "corrupted_symmetricity": gradient_symmetricity(network, wrong, P),
    }
    assert found["gradient_symmetricity"] != found["corrupted_symmetricity"]
    clean = make_dataset(TINY.replace(corruption_fraction=0))
    found = numbers(symmetricities, network, Examples(clean, TINY))
    assert np.isnan(found["corrupted_symmetricity"])
    images = random_network(Experiment(task="mnist", model="image_mlp", width=8))
    assert numbers(symmetricities, images, Examples(data, TINY)) == {}


@pytest.mark.parametrize("model", ["two_layer", "deep_mlp"])
def test_logits_of_rows_are_those_of_their_pair(model):
    network = random_network(TINY.replace(model=model, normalization="batch_norm"))
    rows = jnp.stack([network.U[5], network.V[2]])
    found = jax.jit(lambda network, rows: network.logits_of_rows(rows))(network, rows)
    expected = logits_of(network, np.array([[5, 2]]))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"n_labels": 0}, {"triples": 0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"`{name}` must be a whole number from "):
        gradient_symmetricity(
            random_network(TINY), make_dataset(TINY).inputs, **{"n_labels": P, **wrong}
        )
