"""Dropout, as architectures share it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.extend.random import threefry_2x32
from jaxtyping import Array, Bool, Float, PRNGKeyArray


def dropout_mask(
    key: PRNGKeyArray, shape: tuple[int, ...], probability: Float[Array, ""]
) -> Bool[Array, "example unit"]:
    """Which units are kept, each with probability 1 - `probability` exactly.

    A unit is kept if its random byte lies below 256 · (1 - probability). The threshold's
    fraction is made up by a second draw that raises the threshold by one for some examples, so
    that the probability is not rounded to 1/256.

    The generator is JAX's own, Threefry. Called directly it gives two words a block where
    `jax.random.bits` gives one, or one byte: a default step then takes 2.4 ms longer than one
    without dropout, and not 12 ms (docs/decisions.md).
    """
    examples, units = shape
    byte_key, dither_key = jax.random.split(key)
    columns = -(-units // 4)
    counts = jnp.arange(examples * columns, dtype=jnp.uint32)
    words = threefry_2x32(jax.random.key_data(byte_key), counts).reshape(examples, columns)
    bytes_ = jnp.concatenate([(words >> shift) & 0xFF for shift in (0, 8, 16, 24)], axis=1)
    dither = jax.random.uniform(dither_key, (examples, 1), jnp.float32)
    threshold = jnp.floor(256 * (1 - probability) + dither)
    return bytes_[:, :units] < threshold.astype(jnp.uint32)


def drop(
    h: Float[Array, "*example unit"],
    kept: Bool[Array, "*example unit"] | None,
    probability: Float[Array, ""] | float,
) -> Float[Array, "*example unit"]:
    """Kept units over 1 - `probability`, which keeps their mean; the others zero."""
    return h if kept is None else jnp.where(kept, h / (1 - probability), 0)
