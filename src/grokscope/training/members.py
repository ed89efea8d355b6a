"""Arrays of several networks of one shape, one behind the other, and how they are computed with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp

from grokscope.models.precision import in_own_precision

T = TypeVar("T")

How = Literal["alone", "in turn", "at once"]
"""How networks are computed: a single one, without an axis of members; each in its turn, which is
best on a CPU; or all at once, which fills an accelerator."""


def over_members(function: Callable[..., Any], how: How) -> Callable[..., Any]:
    """A function of one network's arrays, as one of the arrays of an ensemble."""
    if how == "alone":
        return function
    if how == "at once":
        return jax.vmap(function)
    return lambda *arrays: jax.lax.map(lambda one: function(*one), arrays)


@in_own_precision
def stacked(members: Sequence[T], how: How) -> T:
    """The arrays of all members as one tree; of a single one that is alone, its own."""
    return members[0] if how == "alone" else jax.tree.map(lambda *all: jnp.stack(all), *members)


def filled(members: Sequence[T]) -> list[T]:
    """Members, and copies of the last up to a power of two: of few numbers that are compiled for.

    >>> filled("abc")
    ['a', 'b', 'c', 'c']
    """
    missing = (1 << (len(members) - 1).bit_length()) - len(members)
    return [*members, *[members[-1]] * missing]


@in_own_precision
def member(arrays: T, place: int, how: How) -> T:
    """The arrays of one member."""
    return arrays if how == "alone" else jax.tree.map(lambda array: array[place], arrays)


@in_own_precision
def with_member(arrays: T, place: int, one: T, how: How) -> T:
    """The arrays with those of one member replaced."""
    if how == "alone":
        return one
    return jax.tree.map(partial(_with_row, place=place), arrays, one)


def _with_row(rows: jax.Array, row: jax.Array, place: int) -> jax.Array:
    return rows.at[place].set(row)
