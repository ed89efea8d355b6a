"""A stack of ReLU layers without biases, as MLPs of any input share it."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from grokscope.models.dropout import drop, dropout_mask
from grokscope.models.normalization import (
    NORMALIZATIONS,
    Norm,
    Statistics,
    normalized,
)

Norms = tuple[Norm | None, ...]


def make_norms(normalization: str | None, n_layers: int, width: int) -> Norms:
    """One norm layer for each hidden layer, or None for each."""
    if normalization is None:
        return (None,) * n_layers
    return tuple(NORMALIZATIONS[normalization].init(width) for _ in range(n_layers))


def mask(
    key: PRNGKeyArray | None, layer: int, shape: tuple[int, ...], dropout: Float[Array, ""] | float
) -> Bool[Array, "example unit"] | None:
    """Which units of a layer are kept in this step; without a key all."""
    if key is None:
        return None
    return dropout_mask(jax.random.fold_in(key, layer), shape, jnp.asarray(dropout))


def dense_layers(
    h: Float[Array, "example width"],
    hidden: Sequence[Float[Array, "width width"]],
    norms: Norms,
    training: bool,
    key: PRNGKeyArray | None = None,
    dropout: Float[Array, ""] | float = 0.0,
) -> tuple[Float[Array, "example width"], list[Statistics]]:
    """The last hidden layer from the first one's activations, and what BatchNorm layers saw."""
    h, seen = normalized(norms[0], h, training)
    for layer, (matrix, norm) in enumerate(zip(hidden, norms[1:], strict=True), start=1):
        h = h @ matrix.T
        h = jax.nn.relu(drop(h, mask(key, layer, h.shape, dropout), dropout))
        h, more = normalized(norm, h, training)
        seen = seen + more
    return h, seen
