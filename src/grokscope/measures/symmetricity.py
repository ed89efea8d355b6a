"""How alike the two operands act on a network's logits (Zhong et al., arXiv 2306.17844)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokscope.experiment.experiment import Experiment
from grokscope.measures.scores import Examples
from grokscope.models.network import Network, arrays_of
from grokscope.training.compile import compiled

TRIPLES = 1000
"""Pairs and labels that the mean is over: its standard error is then below .01 (measured)."""


def gradient_symmetricity(
    network: Network,
    pairs: Int[np.ndarray, "example 2"],
    n_labels: int,
    triples: int = TRIPLES,
    seed: int = 0,
) -> float:
    """The mean cosine between a logit's gradients by its first and by its second operand.

    It is taken over pairs and labels drawn at random. If both operands are rows of one table, the
    gradients are by these rows, as in the paper of Zhong et al.; if each has a table of its own,
    they are by the one-hot vectors that choose the rows, as the spaces of the rows differ. 1 for a
    network that adds two equal embeddings; an untrained one of two tables is near 0.

    Args:
        network: with `operands`.
        pairs: the pairs to draw from.
        n_labels: the labels to draw from.
        triples: how many are drawn.
        seed: of the draw.

    Returns:
        NaN if there are no pairs, or all gradients are 0. Triples of which one is 0 are left out.
    """
    if not len(pairs):
        return float("nan")
    rng = np.random.default_rng(seed)
    drawn = pairs[rng.integers(len(pairs), size=triples)]
    cosines = np.asarray(_cosines(network, drawn, rng.integers(n_labels, size=triples)))
    known = cosines[~np.isnan(cosines)]
    return float(known.mean()) if len(known) else float("nan")


@compiled()
def _cosines(
    network: Network, pairs: Int[Array, "triple 2"], labels: Int[Array, "triple"]
) -> Float[Array, "triple"]:
    """The cosine of each triple."""
    tables = [arrays_of(network)[name] for name in network.operands]
    is_shared = network.operands[0] == network.operands[1]

    def cosine(pair: Array, label: Array) -> Array:
        rows = jnp.stack([table[token] for table, token in zip(tables, pair, strict=True)])
        gradients = jax.grad(lambda rows: network.logits_of_rows(rows)[label])(rows)
        if not is_shared:
            gradients = jnp.stack([table @ g for table, g in zip(tables, gradients, strict=True)])
        first, second = gradients
        return first @ second / (jnp.linalg.norm(first) * jnp.linalg.norm(second))

    return jax.lax.map(lambda triple: cosine(*triple), (pairs, labels), batch_size=100)


def symmetricities(
    network: Network, examples: Examples, experiment: Experiment
) -> dict[str, float]:
    """Symmetricity over all pairs and over corrupted ones; none without `operands`."""
    if len(network.operands) != 2:
        return {}
    pairs, is_corrupted = examples.dataset.inputs, examples.dataset.is_corrupted
    n_labels = experiment.n_labels
    return {
        "gradient_symmetricity": gradient_symmetricity(network, pairs, n_labels),
        "corrupted_symmetricity": gradient_symmetricity(network, pairs[is_corrupted], n_labels),
    }
