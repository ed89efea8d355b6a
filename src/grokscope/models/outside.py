"""A network that something other than JAX evaluates, such as a module of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from grokscope.models.network import Layer, Network

Forward = Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]
"""Logits [example, label] from arrays by name and inputs; it leaves both as they are."""


class Outside(Network):
    """A network of arrays by name, whose logits a function outside JAX gives.

    It is measured, pruned and extracted by calls of that function with other arrays. There are no
    gradients.

    >>> double = Outside({"W": jnp.eye(2)}, lambda arrays, x: 2 * x @ arrays["W"], 2)
    >>> double(jnp.ones((1, 2))).tolist()
    [[2.0, 2.0]]
    """

    outside: dict[str, Array]
    forward: Forward = eqx.field(static=True)
    n_labels: int = eqx.field(static=True)
    named_layers: tuple[tuple[str, Layer], ...] = eqx.field(static=True, default=())

    @property
    def layers(self) -> dict[str, Layer]:
        """Those that it was given."""
        return dict(self.named_layers)

    def __call__(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example label"]:
        """Logits in evaluation."""
        shape = jax.ShapeDtypeStruct((len(inputs), self.n_labels), jnp.float32)
        return jax.pure_callback(partial(_logits, self.forward), shape, self.outside, inputs)


def _logits(forward: Forward, arrays: Mapping[str, Array], inputs: Array) -> np.ndarray:
    """What a function says, given arrays of NumPy."""
    on_host = {name: np.asarray(array) for name, array in arrays.items()}
    return np.asarray(forward(on_host, np.asarray(inputs)), np.float32)
