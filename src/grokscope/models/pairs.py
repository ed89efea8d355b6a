"""The first layer of networks that take a pair of residues: two embeddings, added."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from grokscope.models.dropout import drop

# Tokens come from our own tables, so the gathers need no bounds check.
_UNCHECKED = "promise_in_bounds"


def activated_sum(
    phi: Callable[[Array], Array],
    U: Float[Array, "modulus width"],
    V: Float[Array, "modulus width"],
    inputs: Int[Array, "example 2"],
    kept: Bool[Array, "example width"] | None,
    dropout: Float[Array, ""] | float,
) -> Float[Array, "example width"]:
    """φ(drop(U[m] + V[n])), with a backward pass that gathers again instead of keeping gathers.

    XLA on the CPU fuses a gather into its only consumer, where it is nearly free, but writes
    it out when forward and backward pass share it. As one reduction forward and two gathers
    backward neither is shared: 9.6 instead of 11.8 ms a default step.
    """
    return _activated_sum(phi, U, V, inputs, kept, dropout)  # type: ignore[return-value]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _activated_sum(phi, U, V, inputs, kept, dropout):
    tokens = inputs + jnp.array([0, U.shape[0]], inputs.dtype)
    rows = jnp.concatenate([U, V]).at[tokens].get(mode=_UNCHECKED)
    return phi(drop(rows.sum(axis=1), kept, dropout))


def _forward(phi, U, V, inputs, kept, dropout):
    return _activated_sum(phi, U, V, inputs, kept, dropout), (U, V, inputs, kept, dropout)


def _backward(phi, saved, gradient):
    U, V, inputs, kept, dropout = saved
    m, n = inputs[:, 0], inputs[:, 1]
    h = U.at[m].get(mode=_UNCHECKED) + V.at[n].get(mode=_UNCHECKED)
    (dh,) = jax.vjp(lambda h: phi(drop(h, kept, dropout)), h)[1](gradient)
    # Zeros twice would be made once and copied: 156 instead of 145 µs a step at batch size 8.
    # Adding to -0.0 is exact too.
    dU = jnp.zeros_like(U).at[m].add(dh, mode=_UNCHECKED)
    dV = jnp.full_like(V, -0.0).at[n].add(dh, mode=_UNCHECKED)
    return dU, dV, None, None, None


_activated_sum.defvjp(_forward, _backward)
