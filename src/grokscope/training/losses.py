"""The losses: one number for each example, from its logits and its label."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from grokscope.errors import ConfigError
from grokscope.experiment.own_code import OwnCode, call

Loss = Callable[[Float[Array, "example label"], Int[Array, "example"]], Float[Array, "example"]]


def mse(
    logits: Float[Array, "example label"], labels: Int[Array, "example"]
) -> Float[Array, "example"]:
    """Squared distance to the one-hot label, averaged over the outputs (App. A).

    As a product with a constant vector, since XLA's CPU compiler does not vectorise a sum along
    rows: it saves 0.5 ms of a default step.
    """
    n_labels = logits.shape[1]
    squares = jnp.square(logits - jax.nn.one_hot(labels, n_labels))
    return squares @ jnp.full(n_labels, 1 / n_labels)


def stablemax(
    logits: Float[Array, "example label"], labels: Int[Array, "example"]
) -> Float[Array, "example"]:
    """Cross-entropy of the probabilities s(x) / Σ s(x) in place of softmax's (Prieto et al., 2025).

    s(x) is x + 1 for x ≥ 0 and 1 / (1 - x) below: it grows linearly where eˣ does exponentially,
    so that the sum does not round to its largest term when a network is sure of itself.
    """
    return optax.softmax_cross_entropy_with_integer_labels(log_s(logits), labels)


def log_s(logits: Float[Array, "*any"]) -> Float[Array, "*any"]:
    """The logits of a softmax that has stablemax's probabilities: log s(x) = ± log(1 + |x|)."""
    sign = jnp.where(logits >= 0, 1, -1)
    return sign * jnp.log1p(sign * logits)


LOSSES: dict[str, Loss] = {
    "mse": mse,
    "cross_entropy": optax.softmax_cross_entropy_with_integer_labels,
    "stablemax": stablemax,
}
"""The losses in `experiment.losses.LossName`."""

SOFTMAX_LOGITS: dict[str, Callable[[Array], Array]] = {
    "cross_entropy": lambda logits: logits,
    "stablemax": log_s,
}
"""Of each of `experiment.losses.CROSS_ENTROPIES`, the logits whose softmax it compares."""


def loss_of(name: str) -> Loss:
    """The loss of a name: one of `LOSSES`, or the user's.

    Args:
        name: as in `Experiment.loss`.

    >>> loss_of("mse")(jnp.array([[1.0, 0.0]]), jnp.array([1])).tolist()
    [1.0]
    """
    return partial(_own, name) if isinstance(name, OwnCode) else LOSSES[name]


def smoothed(
    name: str,
    logits: Float[Array, "example label"],
    labels: Int[Array, "example"],
    share: Float[Array, ""] | float,
) -> Float[Array, "example"]:
    """A cross-entropy whose label has only a part of the probability, all labels the rest.

    Args:
        name: one of `SOFTMAX_LOGITS`.
        logits: of some examples.
        labels: theirs.
        share: what is spread evenly over all labels (Szegedy et al., 2016, Sec. 7).
    """
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[1]), share)
    return optax.softmax_cross_entropy(SOFTMAX_LOGITS[name](logits), targets)


def _own(
    code: OwnCode, logits: Float[Array, "example label"], labels: Int[Array, "example"]
) -> Float[Array, "example"]:
    """What a user's loss returns.

    Raises:
        ConfigError: if it is not one number for each example.
    """
    losses = call(code, logits, labels)
    shape, dtype = getattr(losses, "shape", ()), getattr(losses, "dtype", type(losses).__name__)
    if shape != labels.shape or dtype != logits.dtype:
        raise ConfigError(
            f"`{code.label}` must return one loss for each example, {logits.dtype} "
            f"{list(labels.shape)} of logits {list(logits.shape)}, got {dtype} {list(shape)}. "
            "Mend the function."
        )
    return losses
