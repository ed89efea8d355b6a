"""An MLP of tokens with any number of ReLU layers and no biases (App. G.3, G.4)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from grokscope.models.dense import Norms, dense_layers, make_norms, mask
from grokscope.models.network import Layer, Network
from grokscope.models.normalization import Statistics
from grokscope.models.tokens import activated_sum, table_names, tables_of


class DeepMLP(Network):
    """f(m, n) = W h, h from φ(U e_m + V e_n) by ReLU layers, with norm layers if wanted.

    >>> model = DeepMLP.init(jax.random.key(0), 5, 5, width=8, depth=4)
    >>> len(model.hidden), model(jnp.array([[0, 1], [4, 2]])).shape
    (2, (2, 5))
    """

    U: Float[Array, "token width"]
    V: Float[Array, "token width"] | None
    hidden: tuple[Float[Array, "width width"], ...]
    W: Float[Array, "label width"]
    norms: Norms
    more: tuple[Float[Array, "token width"], ...] = ()

    @classmethod
    def init(
        cls,
        key: PRNGKeyArray,
        n_inputs: int,
        n_labels: int,
        width: int,
        depth: int = 3,
        parameterization: str = "standard",
        normalization: str | None = None,
        n_operands: int = 2,
    ) -> DeepMLP:
        """Weights ~ N(0, 2 / fan-in), or N(0, 2 / N^(2/3)) if lazy (App. G.3); variances.

        The fan-in of U and V together is 2p, the length of the two one-hot vectors.
        """
        first, last, *rest = jax.random.split(key, depth)

        def normal(key: PRNGKeyArray, shape: tuple[int, ...], fan_in: int) -> Array:
            variance = 2 / (fan_in if parameterization == "standard" else width ** (2 / 3))
            return variance**0.5 * jax.random.normal(key, shape, jnp.float32)

        tables = normal(first, (n_operands, n_inputs, width), n_operands * n_inputs)
        hidden = tuple(normal(key, (width, width), width) for key in rest)
        W = normal(last, (n_labels, width), width)
        U, V, *more = [*tables, None][: max(2, n_operands)]
        return cls(U, V, hidden, W, make_norms(normalization, depth - 1, width), tuple(more))

    @property
    def operands(self) -> tuple[str, ...]:
        """U of the first, V of the second."""
        return table_names(len(tables_of(self)))

    @property
    def layers(self) -> dict[str, Layer]:
        """Neurons of the first layer have their vectors in U and V, those of the last in W if
        labels are tokens.
        """
        n_layers = len(self.hidden) + 1
        names = ["first", *(f"layer_{index}" for index in range(2, n_layers)), "last"][-n_layers:]
        labels = ("W",) if self.W.shape == self.U.shape else ()
        vectors = [self.operands, *[()] * (n_layers - 2), labels][-n_layers:]
        if n_layers == 1:
            names, vectors = ["hidden"], [(*self.operands, *labels)]
        outgoing = [*(f"hidden_{index}" for index in range(n_layers - 1)), "W"]
        gammas = [norm and f"norms_{index}_gamma" for index, norm in enumerate(self.norms)]
        rows = zip(names, map(Layer, vectors, outgoing, gammas), strict=True)
        return dict(rows)

    def __call__(self, inputs: Int[Array, "example operand"]) -> Float[Array, "example label"]:
        """Logits in evaluation."""
        return self.features(inputs) @ self.W.T

    def features(self, inputs: Int[Array, "example operand"]) -> Float[Array, "example width"]:
        """The last hidden layer in evaluation: neuron k adds `features[:, k] * W[:, k]`."""
        h = activated_sum(jax.nn.relu, tables_of(self), inputs, None, 0.0)
        return dense_layers(h, self.hidden, self.norms, training=False)[0]

    def in_training(
        self,
        inputs: Int[Array, "example operand"],
        key: PRNGKeyArray | None = None,
        dropout: Float[Array, ""] | float = 0.0,
        shared: PyTree = None,
    ) -> tuple[Float[Array, "example label"], list[Statistics]]:
        """Logits, and what BatchNorm saw; with a key, under dropout of every pre-activation."""
        kept = mask(key, 0, (len(inputs), self.U.shape[1]), dropout)
        h = activated_sum(jax.nn.relu, tables_of(self), inputs, kept, dropout)
        h, seen = dense_layers(h, self.hidden, self.norms, True, key, dropout)
        return h @ self.W.T, seen
