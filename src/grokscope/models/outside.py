"""A network that something other than JAX evaluates, such as a module of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.buffer_callback import buffer_callback
from jax.lax import platform_dependent
from jaxtyping import Array, Float, Shaped

from grokscope.models.network import Layer, Network

Forward = Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]
"""Logits [example, label] from arrays by name and inputs, which are copies."""


class Outside(Network):
    """A network of arrays by name, whose logits a function outside JAX gives.

    It is measured, pruned and extracted by calls of that function with other arrays. There are no
    gradients. Of the layer that `read_by` carries to the logits, if it is given, features are what
    the logits change by with each unit's column a unit vector: as many units in a call as there are
    labels.

    >>> double = Outside({"W": jnp.eye(2)}, lambda arrays, x: 2 * x @ arrays["W"], 2)
    >>> double(jnp.ones((1, 2))).tolist()
    [[2.0, 2.0]]
    >>> biased = Outside({"W": jnp.eye(2)}, lambda arrays, x: x @ arrays["W"].T + 5, 2, (), "W")
    >>> biased.features(jnp.array([[3.0, 4.0]])).tolist(), biased.offset(jnp.zeros((1, 2))).tolist()
    ([[3.0, 4.0]], [[5.0, 5.0]])
    """

    outside: dict[str, Array]
    forward: Forward = eqx.field(static=True)
    n_labels: int = eqx.field(static=True)
    named_layers: tuple[tuple[str, Layer], ...] = eqx.field(static=True, default=())
    read_by: str = eqx.field(static=True, default="")

    @property
    def readout(self) -> str:  # type: ignore[override]
        """The matrix that it was given as `read_by`, if any."""
        return self.read_by

    @property
    def layers(self) -> dict[str, Layer]:
        """Those that it was given."""
        return dict(self.named_layers)

    def __call__(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example label"]:
        """Logits in evaluation."""
        shape = jax.ShapeDtypeStruct((len(inputs), self.n_labels), jnp.float32)
        on_cpu = buffer_callback(partial(_write_logits, self.forward), shape)
        elsewhere = partial(jax.pure_callback, partial(_logits, self.forward), shape)
        return platform_dependent(self.outside, inputs, cpu=on_cpu, default=elsewhere)

    def features(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example unit"]:
        """What each unit is multiplied by on its way to the logits."""
        n_labels, width = self.outside[self.readout].shape
        offset = self.offset(inputs)
        found = [
            self._with_readout(jnp.eye(n_labels, width, k=start))(inputs) - offset
            for start in range(0, width, n_labels)
        ]
        return jnp.concatenate(found, axis=1)[:, :width]

    def offset(self, inputs: Shaped[Array, "example *feature"]) -> Float[Array, "example label"]:
        """Logits without any unit."""
        return self._with_readout(jnp.zeros_like(self.outside[self.readout]))(inputs)

    def _with_readout(self, matrix: Float[Array, "label unit"]) -> Outside:
        """The network with another matrix at its end."""
        return replace(self, outside={**self.outside, self.readout: matrix})


def _logits(forward: Forward, arrays: Mapping[str, Any], inputs: Any) -> np.ndarray:
    """What a function says, given copies of arrays, which it may keep."""
    on_host = {name: np.asarray(array).copy() for name, array in arrays.items()}
    return np.asarray(forward(on_host, np.asarray(inputs).copy()), np.float32)


def _write_logits(
    forward: Forward, _: Any, logits: Any, arrays: Mapping[str, Any], inputs: Any
) -> None:
    """The same, of buffers of JAX, and written to one.

    What `jax.pure_callback` gives is still being copied, by the threads that compute. On a CPU of
    few cores all of these may wait for the function, which waits for the copies, for ever.
    """
    np.asarray(logits)[...] = _logits(forward, arrays, inputs)
