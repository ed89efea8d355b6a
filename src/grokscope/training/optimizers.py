"""Optimisers as Optax transformations whose settings may be traced, so none recompiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PyTree

from grokscope.errors import ConfigError
from grokscope.experiment.own_code import OwnCode, call
from grokscope.experiment.part import Own, Part

Scalar = Float[Array, ""] | float

Update = Callable[..., optax.GradientTransformation]

UPDATES: dict[str, Update] = {}
"""The update of each optimiser, from its settings, by the name of its settings."""


def update_of(name: str) -> Callable[[Update], Update]:
    """A decorator: register the update of the optimiser whose settings have a name."""

    def register(function: Update) -> Update:
        UPDATES[name] = function
        return function

    return register


SMALLEST = 1e-37
"""Keeps 0 · rsqrt(0) finite; no square mean that small matters beside eps."""


class AdamState(NamedTuple):
    """Steps taken, and running means of the gradient and of its square."""

    steps: Int[Array, ""]
    mean: PyTree
    square: PyTree


@update_of("adamw")
def adamw(
    learning_rate: Scalar, beta1: Scalar, beta2: Scalar, eps: Scalar, weight_decay: Scalar
) -> optax.GradientTransformation:
    """AdamW (Loshchilov and Hutter, 2019, Algorithm 2, without a schedule).

    The same update as `optax.adamw`, with both bias corrections moved into the scalars and the
    root taken by a reciprocal root: one division and one root a weight instead of three and one.
    At batch size 8, where the pass over the weights dominates, that saved 45 of 200 µs
    a step (docs/decisions.md).
    """

    def init(params: PyTree) -> AdamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return AdamState(jnp.zeros((), jnp.int32), zeros, zeros)

    def update(updates: PyTree, state: Any, params: PyTree = None):
        steps = state.steps + 1
        mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state.mean, updates)
        square = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, state.square, updates)
        # lr · m̂ / (√v̂ + ε) = rate · m / (√v + floor)
        root = jnp.sqrt(1 - beta2**steps)
        rate = learning_rate * root / (1 - beta1**steps)
        floor = eps * root
        decay = learning_rate * weight_decay

        def change(w: Array, m: Array, v: Array) -> Array:
            root_v = v * jax.lax.rsqrt(jnp.maximum(v, SMALLEST))
            return -decay * w - rate * (m / (root_v + floor))

        updates = jax.tree.map(change, params, mean, square)
        return updates, AdamState(steps, mean, square)

    return optax.GradientTransformation(init, update)


@update_of("adam")
def adam(*, weight_decay: Scalar, **settings: Scalar) -> optax.GradientTransformation:
    """Adam (Kingma and Ba, 2015) with an L2 penalty."""
    penalty = optax.add_decayed_weights(weight_decay)
    return optax.chain(penalty, adamw(**settings, weight_decay=0.0))


@update_of("sgd")
def sgd(
    learning_rate: Scalar, weight_decay: Scalar, momentum: Scalar
) -> optax.GradientTransformation:
    """Gradient descent with momentum and an L2 penalty."""
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(learning_rate, momentum))


MUON_RMS = 0.2
"""Root mean square of Muon's updates: about Adam's (Liu et al., arXiv 2502.16982, Eq. 4)."""


@update_of("muon")
def muon(
    learning_rate: Scalar, weight_decay: Scalar, momentum: Scalar
) -> optax.GradientTransformation:
    """Muon (Jordan, 2024) for all matrices, embeddings and read-out too.

    For vectors it is AdamW with Nesterov's momentum, as Optax has it.
    """
    return optax.contrib.muon(
        learning_rate,
        beta=momentum,
        weight_decay=weight_decay,
        adam_weight_decay=weight_decay,
        consistent_rms=MUON_RMS,
    )


@update_of("lion")
def lion(
    learning_rate: Scalar, beta1: Scalar, beta2: Scalar, weight_decay: Scalar
) -> optax.GradientTransformation:
    """Lion (Chen et al., 2023, Algorithm 2)."""
    return optax.lion(learning_rate, beta1, beta2, weight_decay=weight_decay)


class SlowState(NamedTuple):
    """Steps taken, and the running mean of the gradient."""

    steps: Int[Array, ""]
    slow: PyTree


@update_of("grokfast")
def grokfast(
    *, slow_memory: Scalar, slow_gain: Scalar, **settings: Scalar
) -> optax.GradientTransformation:
    """Grokfast-EMA (Lee et al., 2024, Algorithm 2), in front of AdamW.

    The mean begins with the first gradient, as in the authors' code.
    """

    def init(params: PyTree) -> SlowState:
        return SlowState(jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def update(updates: PyTree, state: Any, params: PyTree = None):
        memory = jnp.where(state.steps == 0, 0, slow_memory)
        slow = jax.tree.map(lambda h, g: memory * h + (1 - memory) * g, state.slow, updates)
        updates = jax.tree.map(lambda g, h: g + slow_gain * h, updates, slow)
        return updates, SlowState(state.steps + 1, slow)

    return optax.chain(optax.GradientTransformation(init, update), adamw(**settings))


Kind = tuple[str, tuple[tuple[str, Any], ...]]
"""An optimiser's name, or the user's code, and those settings that are no floats."""


def split_settings(settings: Part) -> tuple[Kind, dict[str, float]]:
    """An optimiser's kind, which a compiled block is specialised to, and what may be traced.

    >>> from grokscope.experiment.optimizers import SGD
    >>> kind, traced = split_settings(SGD())
    >>> kind
    ('sgd', (('warmup_steps', 0), ('cosine_steps', None)))
    >>> traced
    {'learning_rate': 0.01, 'weight_decay': 0.0, 'momentum': 0.0}
    """
    document = settings.model_dump()
    name = document.pop("name")
    everything = settings.settings if isinstance(settings, Own) else document
    traced = {name: value for name, value in everything.items() if isinstance(value, float)}
    fixed = tuple((name, everything[name]) for name in everything if name not in traced)
    return (document.get("code", name), fixed), traced


def learning_rate_share(
    step: int | Int[Array, ""], warmup_steps: int, cosine_steps: int | None
) -> Float[Array, ""]:
    """The share of the learning rate with which a step is taken.

    Args:
        step: steps taken before it, counted from the first of all.
        warmup_steps: steps in which the share rises from 0 to 1.
        cosine_steps: the step at which it has fallen to 0 along half a cosine; None if it stays 1.

    >>> [round(float(learning_rate_share(step, 2, 6)), 6) for step in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if cosine_steps is None:
        return jnp.asarray(optax.linear_schedule(0.0, 1.0, warmup_steps)(step))
    return jnp.asarray(
        optax.warmup_cosine_decay_schedule(0.0, 1.0, warmup_steps, cosine_steps)(step)
    )


def make_optimizer(
    kind: Kind, settings: Mapping[str, Scalar], step: int | Int[Array, ""] = 0
) -> optax.GradientTransformation:
    """The optimiser of a kind: one of `UPDATES`, or the user's.

    Args:
        kind: its name, or the user's code, and its fixed settings.
        settings: its other settings, which may be traced.
        step: steps taken before the one that it is for, which may be traced.

    Raises:
        ConfigError: if the user's function returns no Optax transformation.
    """
    name, fixed = kind
    if not isinstance(name, OwnCode):
        schedule = dict(fixed)
        if any(schedule.values()):
            share = learning_rate_share(step, **schedule)
            settings = {**settings, "learning_rate": share * settings["learning_rate"]}
        return UPDATES[name](**settings)
    made = call(name, **dict(fixed), **settings)
    if not isinstance(made, optax.GradientTransformation):
        raise ConfigError(
            f"`{name.label}` must return an Optax transformation, got "
            f"{type(made).__name__}. Mend the function."
        )
    return made
