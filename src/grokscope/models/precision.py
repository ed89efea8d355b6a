"""In which precision is computed: that of the experiment or network, whatever JAX is set to.

JAX has one switch for numbers of 64 bits, for a whole program. Here each function that computes
turns it on for what is of float64 and off for what is of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import jax
import jax.numpy as jnp

from grokscope.experiment.experiment import Experiment

R = TypeVar("R")

MATRIX_PRODUCTS = "highest"
"""Precision of products of matrices: that of their numbers. Accelerators would round these to fewer
bits; CPUs never do."""


def matrix_products() -> str:
    """How precise products of matrices are, as JAX calls it: the user's choice if there is one."""
    return str(jax.config.values["jax_default_matmul_precision"] or MATRIX_PRODUCTS)


def is_double(values: object) -> bool:
    """Whether an experiment, a run or a network among some values is of float64.

    Args:
        values: any tree. Arrays of NumPy do not count: JAX takes them in either precision.

    >>> is_double([Experiment(), 5]), is_double(Experiment(precision="float64"))
    (False, True)
    """

    def is_one(leaf: object) -> bool:
        leaf = getattr(leaf, "experiment", leaf)
        if isinstance(leaf, Experiment):
            return leaf.precision == "float64"
        return isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) and leaf.dtype == jnp.float64

    return any(map(is_one, jax.tree.leaves(values)))


def in_own_precision(function: Callable[..., R]) -> Callable[..., R]:
    """A decorator: compute in the precision of the arguments, see `is_double`."""

    @wraps(function)
    def call(*args: object, **kwargs: object) -> R:
        double = is_double((args, kwargs))
        with jax.enable_x64(double), jax.default_matmul_precision(matrix_products()):
            return function(*args, **kwargs)

    return call
