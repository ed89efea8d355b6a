"""Statements about the analytic network."""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from grokscope.models.analytic import analytic_network, logit_terms
from grokscope.paper.claims import Claim, Evidence, Share


def _analytic_accuracy(evidence: Evidence) -> Share:
    pairs = np.stack(np.divmod(np.arange(97**2), 97), axis=1)
    right = [
        np.asarray(analytic_network(97, width, seed)(jnp.asarray(pairs))).argmax(axis=1)
        == pairs.sum(axis=1) % 97
        for width in (1000, 2000, 5000)
        for seed in range(3)
    ]
    return Share(int(np.sum(right)), int(np.size(right)))


def _analytic_delta(evidence: Evidence) -> Sequence[float]:
    pairs = np.stack(np.divmod(np.arange(97**2), 97), axis=1)[::37]
    delta = np.eye(97)[pairs.sum(axis=1) % 97]
    errors = [np.abs(logit_terms(pairs, 97, 970, seed)["m+n-q"] - delta).max() for seed in range(4)]
    return [float(error) for error in errors]


CLAIMS: dict[str, Claim] = {
    "analytic": Claim(
        "1.1, Eq. 2",
        "The analytic weights add modulo p without an error if the network is wide.",
        "share of pairs answered rightly, N 1000 to 5000",
        0.999,
        "above",
        "none of 84,681 should be wrong",
        _analytic_accuracy,
        unit="pairs",
    ),
    "analytic-delta": Claim(
        "App. D, Eq. 7",
        "The one term of its logits without random phases is a Kronecker delta.",
        "largest distance from it, N = 10 p",
        1e-6,
        "below",
        "float64's rounding",
        _analytic_delta,
    ),
}
