"""The paper's network: two layers, no biases (Eq. 1), with or without a norm layer (Eq. 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from grokscope.models.dropout import dropout_mask
from grokscope.models.network import Layer, Network
from grokscope.models.normalization import (
    NORMALIZATIONS,
    Norm,
    Statistics,
    normalized,
)
from grokscope.models.pairs import activated_sum

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"quadratic": jnp.square, "relu": jax.nn.relu}


class TwoLayer(Network):
    """f(m, n) = W norm(φ(U e_m + V e_n)).

    U and V are kept as the transposes of the paper's, so that all three matrices have one row
    a residue and one column a neuron, and a token's embedding is a contiguous row.

    >>> model = TwoLayer.init(jax.random.key(0), 5, 5, width=8)
    >>> model(jnp.array([[0, 1], [4, 2]])).shape
    (2, 5)
    """

    U: Float[Array, "modulus width"]
    V: Float[Array, "modulus width"]
    W: Float[Array, "modulus width"]
    activation: str = eqx.field(static=True)
    norm: Norm | None = None
    tables: ClassVar[tuple[str, ...]] = ("U", "V")
    operands: ClassVar[tuple[str, ...]] = ("U", "V")

    @classmethod
    def init(
        cls,
        key: PRNGKeyArray,
        n_inputs: int,
        n_labels: int,
        width: int,
        activation: str = "quadratic",
        normalization: str | None = None,
    ) -> TwoLayer:
        """Weights ~ N(0, (16N)^(-2/3)), a variance (App. A); of pairs, inputs are like labels."""
        assert n_inputs == n_labels
        scale = (16 * width) ** (-1 / 3)
        U, V, W = scale * jax.random.normal(key, (3, n_inputs, width), jnp.float32)
        norm = None if normalization is None else NORMALIZATIONS[normalization].init(width)
        return cls(U, V, W, activation, norm)

    @property
    def layers(self) -> dict[str, Layer]:
        """One hidden layer; a neuron's three vectors are its columns of U, V and W."""
        gamma = None if self.norm is None else "norm_gamma"
        return {"hidden": Layer(("U", "V", "W"), "W", gamma)}

    def __call__(self, inputs: Int[Array, "example 2"]) -> Float[Array, "example modulus"]:
        """Logits in evaluation."""
        return self.features(inputs) @ self.W.T

    def features(self, inputs: Int[Array, "example 2"]) -> Float[Array, "example width"]:
        """What the neurons add, in evaluation: neuron k adds `features[:, k] * W[:, k]`."""
        hidden = activated_sum(ACTIVATIONS[self.activation], self.U, self.V, inputs, None, 0.0)
        return normalized(self.norm, hidden, training=False)[0]

    def in_training(
        self,
        inputs: Int[Array, "example 2"],
        key: PRNGKeyArray | None = None,
        dropout: Float[Array, ""] | float = 0.0,
        shared: PyTree = None,
    ) -> tuple[Float[Array, "example modulus"], list[Statistics]]:
        """Logits, and what BatchNorm saw.

        With a key, each pre-activation is dropped with probability `dropout`.
        """
        kept = None
        if key is not None:
            kept = dropout_mask(key, (len(inputs), self.U.shape[1]), jnp.asarray(dropout))
        phi = ACTIVATIONS[self.activation]
        hidden = activated_sum(phi, self.U, self.V, inputs, kept, dropout)
        hidden, seen = normalized(self.norm, hidden, training=True)
        return hidden @ self.W.T, seen
