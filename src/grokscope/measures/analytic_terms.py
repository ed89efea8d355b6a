"""The terms of the analytic solution (Eq. 6) in the logits of any network of pairs."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from grokscope.models.network import Network

LEADING = "m+n-q"
"""The term that answers: it alone has no random phases."""


def logits_of_pairs(
    network: Network, pairs: Int[np.ndarray, "example 2"]
) -> Float[np.ndarray, "m n q"]:
    """A network's logits over all pairs, in the order that `analytic_terms` takes.

    Args:
        network: of two operands.
        pairs: all of them, in any order.
    """
    p = 1 + int(pairs.max())
    table = np.empty((p, p, p), np.float32)
    table[tuple(pairs.T)] = network(jnp.asarray(pairs))
    return table


def analytic_terms(logits: Float[np.ndarray, "m n q"]) -> dict[str, Float[np.ndarray, "m n q"]]:
    """The parts of logits that have the form of Eq. 6's nine terms.

    Each term is a sum of waves in one residue, as in (2m - q) mod p. The part of any logits that is
    such a sum is their mean over all m, n and q of equal residue, less the mean of all. Parts are
    orthogonal, so their squares add up.

    Args:
        logits: over all pairs; the modulus must be odd.

    Returns:
        By the names of `models.analytic.logit_terms`. `LEADING` is the one that answers.

    >>> m, n, q = np.ogrid[:5, :5, :5]
    >>> found = analytic_terms(np.cos(2 * np.pi / 5 * (2 * m - q)) + 0 * n)
    >>> [name for name, part in found.items() if np.abs(part).max() > 1e-9]
    ['2m-q']
    """
    p = len(logits)
    m, n, q = np.ogrid[:p, :p, :p]
    residues = {
        "2m-q": 2 * m - q,
        "2m+q": 2 * m + q,
        "2n-q": 2 * n - q,
        "2n+q": 2 * n + q,
        "m+n-q": m + n - q,
        "m+n+q": m + n + q,
        "m-n-q": m - n - q,
        "m-n+q": m - n + q,
        "-q": -q,
    }
    found, mean = {}, logits.mean()
    for name, residue in residues.items():
        of_triple = np.broadcast_to(residue % p, logits.shape)
        sums = np.bincount(of_triple.ravel(), logits.ravel(), minlength=p)
        found[name] = (sums / p**2 - mean)[of_triple]
    return found
