"""An MLP of features, such as an image's pixels, with ReLU layers and no biases (App. H)."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree, Shaped

from grokscope.models.dense import Norms, dense_layers, make_norms, mask
from grokscope.models.dropout import drop
from grokscope.models.network import Layer, Network
from grokscope.models.normalization import Statistics


class ImageMLP(Network):
    """f(x) = W h, h from x by ReLU layers; bytes are scaled to 0 to 1, other features as they are.

    >>> model = ImageMLP.init(jax.random.key(0), 784, 10, width=8)
    >>> len(model.hidden), model(jnp.zeros((2, 784), jnp.uint8)).shape
    (3, (2, 10))
    """

    hidden: tuple[Float[Array, "_ _"], ...]  # [output, input]
    W: Float[Array, "label width"]
    norms: Norms

    @classmethod
    def init(
        cls,
        key: PRNGKeyArray,
        n_inputs: int,
        n_labels: int,
        width: int,
        depth: int = 4,
        normalization: str | None = None,
    ) -> ImageMLP:
        """Weights ~ N(0, 2 / fan-in), a variance (He et al., 2015)."""
        widths = [n_inputs, *[width] * (depth - 1), n_labels]
        *hidden, W = (
            (2 / fan_in) ** 0.5 * jax.random.normal(key, (fan_out, fan_in), jnp.float32)
            for key, fan_in, fan_out in zip(
                jax.random.split(key, depth), widths[:-1], widths[1:], strict=True
            )
        )
        return cls(tuple(hidden), W, make_norms(normalization, depth - 1, width))

    @property
    def layers(self) -> dict[str, Layer]:
        """Hidden layers in order; none has vectors over residues, so no unit has an IPR."""
        outgoing = [f"hidden_{index}" for index in range(1, len(self.hidden))]
        names = [f"layer_{index}" for index in range(1, len(self.hidden) + 1)]
        return {
            name: Layer((), matrix) for name, matrix in zip(names, [*outgoing, "W"], strict=False)
        }

    def __call__(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example label"]:
        """Logits in evaluation."""
        return self.features(inputs) @ self.W.T

    def features(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example width"]:
        """The last hidden layer in evaluation: neuron k adds `features[:, k] * W[:, k]`."""
        return self._last(inputs, False, None, 0.0)[0]

    def in_training(
        self,
        inputs: Shaped[Array, "example *feature"],
        key: PRNGKeyArray | None = None,
        dropout: Float[Array, ""] | float = 0.0,
        shared: PyTree = None,
    ) -> tuple[Float[Array, "example label"], list[Statistics]]:
        """Logits, and what BatchNorm saw; with a key, under dropout of every pre-activation."""
        h, seen = self._last(inputs, True, key, dropout)
        return h @ self.W.T, seen

    def _last(
        self,
        inputs: Shaped[Array, "example *feature"],
        training: bool,
        key: PRNGKeyArray | None,
        dropout: Float[Array, ""] | float,
    ) -> tuple[Array, list[Statistics]]:
        x = inputs.reshape(len(inputs), math.prod(inputs.shape[1:])).astype(self.W.dtype)
        x = x / 255 if inputs.dtype == jnp.uint8 else x
        if not self.hidden:
            return x, []
        h = x @ self.hidden[0].T
        h = jax.nn.relu(drop(h, mask(key, 0, h.shape, dropout), dropout))
        return dense_layers(h, self.hidden[1:], self.norms, training, key, dropout)
