"""The first layer of networks that take tokens: an embedding for each operand, added."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from grokscope.models.dropout import drop

# Tokens come from our own tables, so the gathers need no bounds check.
_UNCHECKED = "promise_in_bounds"

NAMES = ("U", "V")
"""Of the tables of the first operands; others are `more_0`, `more_1`, …"""


def table_names(n_operands: int) -> tuple[str, ...]:
    """The names of each operand's table in networks with fields U, V and more.

    >>> table_names(3)
    ('U', 'V', 'more_0')
    """
    return (*NAMES, *(f"more_{index}" for index in range(n_operands - 2)))[:n_operands]


def tables_of(network: Any) -> tuple[Any, ...]:
    """The matrices of those names that a network has, in the order of the operands."""
    return tuple(table for table in (network.U, network.V, *network.more) if table is not None)


def activated_sum(
    phi: Callable[[Array], Array],
    tables: tuple[Float[Array, "token width"], ...],
    inputs: Int[Array, "example operand"],
    kept: Bool[Array, "example width"] | None,
    dropout: Float[Array, ""] | float,
) -> Float[Array, "example width"]:
    """φ(drop(U[m] + V[n])), with a backward pass that gathers again instead of keeping gathers.

    XLA on the CPU fuses a gather into its only consumer, where it is nearly free, but writes
    it out when forward and backward pass share it. As one reduction forward and a gather for each
    operand backward neither is shared: 9.6 instead of 11.8 ms a default step.

    Args:
        phi: the activation.
        tables: for each operand, the embedding of every token.
        inputs: the tokens.
        kept: which pre-activations dropout leaves; None for all.
        dropout: the probability by which they were dropped.
    """
    return _activated_sum(phi, tables, inputs, kept, dropout)  # type: ignore[return-value]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _activated_sum(phi, tables, inputs, kept, dropout):
    starts = jnp.arange(len(tables), dtype=inputs.dtype) * len(tables[0])
    rows = jnp.concatenate(tables).at[inputs + starts].get(mode=_UNCHECKED)
    return phi(drop(rows.sum(axis=1), kept, dropout))


def _forward(phi, tables, inputs, kept, dropout):
    return _activated_sum(phi, tables, inputs, kept, dropout), (tables, inputs, kept, dropout)


def _backward(phi, saved, gradient):
    tables, inputs, kept, dropout = saved
    tokens = [inputs[:, place] for place in range(len(tables))]  # inputs.T would be copied
    h = sum(table.at[m].get(mode=_UNCHECKED) for table, m in zip(tables, tokens, strict=True))
    (dh,) = jax.vjp(lambda h: phi(drop(h, kept, dropout)), h)[1](gradient)
    # Zeros twice would be made once and copied: 156 instead of 145 µs a step at batch size 8.
    # Adding to -0.0 is exact too.
    zeros = [jnp.full_like(table, -0.0 if i % 2 else 0.0) for i, table in enumerate(tables)]
    of_tables = tuple(
        zero.at[m].add(dh, mode=_UNCHECKED) for zero, m in zip(zeros, tokens, strict=True)
    )
    return of_tables, None, None, None


_activated_sum.defvjp(_forward, _backward)
