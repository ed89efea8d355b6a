"""Dropout masks, the layer that architectures share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray


def dropout_mask(
    key: PRNGKeyArray, shape: tuple[int, int], probability: Float[Array, ""]
) -> Bool[Array, "example unit"]:
    """Which units are kept, each with probability 1 - `probability` exactly.

    A unit is kept if its random byte lies below 256 · (1 - probability). The threshold's
    fraction is made up by a second draw that raises the threshold by one for some examples, so
    that the probability is not rounded to 1/256. Bytes are cut from 32-bit words because the
    generator spends the same time on a byte as on a word: 2.8 ms instead of 11.9 ms a step of
    the default network (`benchmarks/step.py` shows the whole).
    """
    examples, units = shape
    byte_key, dither_key = jax.random.split(key)
    words = jax.random.bits(byte_key, (examples, -(-units // 4)), jnp.uint32)
    bytes_ = jnp.concatenate([(words >> shift) & 0xFF for shift in (0, 8, 16, 24)], axis=1)
    threshold = jnp.floor(256 * (1 - probability) + jax.random.uniform(dither_key, (examples, 1)))
    return bytes_[:, :units] < threshold.astype(jnp.uint32)
