"""How alike the two operands act on a network's logits (Zhong et al., arXiv 2306.17844)."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokscope.data.dataset import Dataset
from grokscope.errors import require_whole
from grokscope.measures.material import Draws, Material, Numbers, on_host
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

    Raises:
        ConfigError: if a number is out of range.
    """
    require_whole("n_labels", n_labels, 1, "Use that of the dataset.")
    require_whole("triples", triples, 1, f"Use {TRIPLES}.")
    require_whole("seed", seed, 0, "Use 0.")
    return float(_mean_cosines(network, _drawn([pairs], n_labels, triples, seed))[0])


def _drawn(sets: Sequence[Int[np.ndarray, "_ 2"]], n_labels: int, triples: int, seed: int) -> Draws:
    """Draws of each of some sets of pairs; zeros of an empty one."""
    pairs = np.zeros((len(sets), triples, 2), np.int32)
    labels = np.zeros((len(sets), triples), np.int32)
    for place, some in enumerate(sets):
        rng = np.random.default_rng(seed)
        if len(some):
            pairs[place] = some[rng.integers(len(some), size=triples)]
            labels[place] = rng.integers(n_labels, size=triples)
    return Draws(pairs, labels, np.array([len(some) > 0 for some in sets]))


def draws_of(dataset: Dataset) -> Draws:
    """Draws of all pairs of a dataset, and of the corrupted ones."""
    pairs = dataset.inputs
    return _drawn([pairs, pairs[dataset.is_corrupted]], dataset.n_labels, TRIPLES, 0)


@compiled()
def _mean_cosines(network: Network, draws: Draws) -> Float[Array, "of"]:
    """For each draw the mean over the triples that have a cosine."""
    tables = [arrays_of(network)[name] for name in network.operands]
    is_shared = network.operands[0] == network.operands[1]

    def cosine(pair: Array, label: Array) -> Array:
        rows = jnp.stack([table[token] for table, token in zip(tables, pair, strict=True)])
        gradients = jax.grad(lambda rows: network.logits_of_rows(rows)[label])(rows)
        if not is_shared:
            gradients = jnp.stack([table @ g for table, g in zip(tables, gradients, strict=True)])
        first, second = gradients
        return first @ second / (jnp.linalg.norm(first) * jnp.linalg.norm(second))

    def mean(draw: Draws) -> Array:
        cosines = jax.lax.map(lambda triple: cosine(*triple), draw[:2], batch_size=100)
        is_there = ~jnp.isnan(cosines) & draw.exist
        return jnp.where(is_there, cosines, 0).sum() / is_there.sum()

    return jax.lax.map(mean, draws)


def symmetricities(network: Network, material: Material, loss: str) -> Numbers:
    """Symmetricity over all pairs and over corrupted ones; none without two `operands`."""
    if material.draws is None or len(network.operands) != 2:
        return {}
    every, corrupted = on_host(_mean_cosines(network, material.draws))
    return {"gradient_symmetricity": every, "corrupted_symmetricity": corrupted}
