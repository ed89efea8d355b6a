"""Normalisation layers, as architectures share them (Eq. 5): BatchNorm and LayerNorm."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EPS = 1e-5
"""Added to a variance before its root is taken; like `MOMENTUM` the common frameworks' default."""

MOMENTUM = 0.1
"""Share of a batch's statistics in the running ones."""

Model = TypeVar("Model", bound=eqx.Module)


class Statistics(eqx.Module):
    """Means and unbiased variances of units: of one batch, or running ones. Not trained."""

    mean: Float[Array, "unit"]
    variance: Float[Array, "unit"]


class BatchNorm(eqx.Module):
    """γ (h - mean) / √(variance + ε) + β, each unit over the batch (Ioffe and Szegedy, 2015).

    In training the statistics are the batch's own; in evaluation the running ones, which are
    means over batches with exponentially falling weights.
    """

    gamma: Float[Array, "unit"]
    beta: Float[Array, "unit"]
    running: Statistics

    @classmethod
    def init(cls, n_units: int) -> BatchNorm:
        """γ = 1, β = 0; the running mean is 0 and the running variance 1 until data are seen."""
        ones, zeros = jnp.ones(n_units), jnp.zeros(n_units)
        return cls(ones, zeros, Statistics(zeros, ones))

    def __call__(self, h: Float[Array, "example unit"]) -> Float[Array, "example unit"]:
        """In evaluation."""
        return self._scaled(h - self.running.mean, self.running.variance)

    def in_training(
        self, h: Float[Array, "example unit"]
    ) -> tuple[Float[Array, "example unit"], Statistics]:
        """By the batch's own statistics, its biased variance, and what was seen of it."""
        n = len(h)
        mean = h.mean(axis=0)
        centred = h - mean
        variance = jnp.square(centred).mean(axis=0)
        return self._scaled(centred, variance), Statistics(mean, variance * (n / (n - 1)))

    def _scaled(self, centred: Array, variance: Array) -> Array:
        return centred * (self.gamma * jax.lax.rsqrt(variance + EPS)) + self.beta


class LayerNorm(eqx.Module):
    """γ (h - mean) / √(variance + ε) + β, each example over its units (Ba et al., 2016)."""

    gamma: Float[Array, "unit"]
    beta: Float[Array, "unit"]

    @classmethod
    def init(cls, n_units: int) -> LayerNorm:
        """γ = 1, β = 0."""
        return cls(jnp.ones(n_units), jnp.zeros(n_units))

    def __call__(self, h: Float[Array, "example unit"]) -> Float[Array, "example unit"]:
        """The same in training and in evaluation."""
        centred = h - h.mean(axis=1, keepdims=True)
        variance = jnp.square(centred).mean(axis=1, keepdims=True)
        return centred * jax.lax.rsqrt(variance + EPS) * self.gamma + self.beta


Norm = BatchNorm | LayerNorm

NORMALIZATIONS: dict[str, type[Norm]] = {"batch_norm": BatchNorm, "layer_norm": LayerNorm}
"""Norm layers by the names in `experiment.models.Normalization`."""


def normalized(
    norm: Norm | None, h: Float[Array, "example unit"], training: bool
) -> tuple[Float[Array, "example unit"], list[Statistics]]:
    """Behind a norm layer, if there is one, and what it saw in training if it is a BatchNorm."""
    if training and isinstance(norm, BatchNorm):
        h, seen = norm.in_training(h)
        return h, [seen]
    return (h if norm is None else norm(h)), []


def _is_statistics(node: object) -> bool:
    return isinstance(node, Statistics)


def running_statistics(model: eqx.Module) -> list[Statistics]:
    """Of the model's BatchNorm layers, in the order of its fields."""
    return [n for n in jax.tree.leaves(model, is_leaf=_is_statistics) if _is_statistics(n)]


def has_batch_norm(model: eqx.Module) -> bool:
    """Whether a batch's examples bear on each other in training."""
    return bool(running_statistics(model))


def split_trained(model: Model) -> tuple[Model, Model]:
    """The model's weights, and all else (running statistics), each with None for the other."""
    trained = jax.tree.map(lambda node: not _is_statistics(node), model, is_leaf=_is_statistics)
    return eqx.partition(model, trained)


def with_seen(model: Model, seen: list[Statistics]) -> Model:
    """The model after its BatchNorm layers, in order, saw a batch with these statistics."""

    def absorb(old: Array, new: Array) -> Array:
        return (1 - MOMENTUM) * old + MOMENTUM * new

    if not seen:
        return model
    absorbed = jax.tree.map(absorb, running_statistics(model), seen)
    return eqx.tree_at(running_statistics, model, absorbed)
