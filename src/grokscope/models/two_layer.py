"""The paper's network: two layers, no biases (Eq. 1), with or without a norm layer (Eq. 5)."""

from __future__ import annotations

from collections.abc import Callable

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
from grokscope.models.tokens import activated_sum, table_names, tables_of

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"quadratic": jnp.square, "relu": jax.nn.relu}


class TwoLayer(Network):
    """f(m, n) = W norm(φ(U e_m + V e_n)).

    U and V are kept as the transposes of the paper's, so that all three matrices have one row
    a residue and one column a neuron, and a token's embedding is a contiguous row. Of a third and
    a fourth operand the matrices are in `more`; of a single one there is no V.

    >>> model = TwoLayer.init(jax.random.key(0), 5, 5, width=8)
    >>> model(jnp.array([[0, 1], [4, 2]])).shape
    (2, 5)
    """

    U: Float[Array, "token width"]
    V: Float[Array, "token width"] | None
    W: Float[Array, "label width"]
    activation: str = eqx.field(static=True)
    norm: Norm | None = None
    more: tuple[Float[Array, "token width"], ...] = ()

    @classmethod
    def init(
        cls,
        key: PRNGKeyArray,
        n_inputs: int,
        n_labels: int,
        width: int,
        activation: str = "quadratic",
        normalization: str | None = None,
        n_operands: int = 2,
    ) -> TwoLayer:
        """Weights ~ N(0, (16N)^(-2/3)), a variance (App. A)."""
        scale = (16 * width) ** (-1 / 3)
        ends = [n_inputs * place for place in range(1, n_operands + 1)]
        rows = scale * jax.random.normal(key, (ends[-1] + n_labels, width), jnp.float32)
        *tables, W = jnp.split(rows, ends)
        norm = None if normalization is None else NORMALIZATIONS[normalization].init(width)
        U, V, *more = [*tables, None][: max(2, n_operands)]
        return cls(U, V, W, activation, norm, tuple(more))

    @property
    def operands(self) -> tuple[str, ...]:
        """U of the first, V of the second."""
        return table_names(len(tables_of(self)))

    @property
    def layers(self) -> dict[str, Layer]:
        """One hidden layer; a neuron's vectors are its columns of U and V, and of W if labels are
        tokens.
        """
        gamma = None if self.norm is None else "norm_gamma"
        labels = ("W",) if self.W.shape == self.U.shape else ()
        return {"hidden": Layer((*self.operands, *labels), "W", gamma)}

    def __call__(self, inputs: Int[Array, "example operand"]) -> Float[Array, "example label"]:
        """Logits in evaluation."""
        return self.features(inputs) @ self.W.T

    def features(self, inputs: Int[Array, "example operand"]) -> Float[Array, "example width"]:
        """What the neurons add, in evaluation: neuron k adds `features[:, k] * W[:, k]`."""
        hidden = activated_sum(ACTIVATIONS[self.activation], tables_of(self), inputs, None, 0.0)
        return normalized(self.norm, hidden, training=False)[0]

    def in_training(
        self,
        inputs: Int[Array, "example operand"],
        key: PRNGKeyArray | None = None,
        dropout: Float[Array, ""] | float = 0.0,
        shared: PyTree = None,
    ) -> tuple[Float[Array, "example label"], list[Statistics]]:
        """Logits, and what BatchNorm saw.

        With a key, each pre-activation is dropped with probability `dropout`.
        """
        kept = None
        if key is not None:
            kept = dropout_mask(key, (len(inputs), self.U.shape[1]), jnp.asarray(dropout))
        phi = ACTIVATIONS[self.activation]
        hidden = activated_sum(phi, tables_of(self), inputs, kept, dropout)
        hidden, seen = normalized(self.norm, hidden, training=True)
        return hidden @ self.W.T, seen
