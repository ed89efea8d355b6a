"""The analytic solution: a two-layer network with cosine weights (Eq. 2, App. D)."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from grokscope.errors import require_whole
from grokscope.models.two_layer import TwoLayer


def _frequencies_and_phases(modulus: int, width: int, seed: int):
    """ω σ(k) with ω = 2π/p and σ a permutation of 1…N, and both uniform phases; [N] each."""
    rng = np.random.default_rng(seed)
    frequency = 2 * np.pi / modulus * rng.permutation(np.arange(1, width + 1))
    phase_u, phase_v = -rng.uniform(-np.pi, np.pi, (2, width))  # the interval is (-π, π]
    return frequency, phase_u, phase_v


def analytic_network(modulus: int = 97, width: int = 500, seed: int = 0) -> TwoLayer:
    """The network of Eq. 2, which adds modulo p without training; exact as N grows.

    Its amplitude is (2/N)^(1/3): the paper's Eq. 2 prints the exponent with a minus, which
    contradicts the factor 2/N of Eq. 6.

    Raises:
        ConfigError: if a number is out of range.

    >>> model = analytic_network(modulus=23, width=2300)
    >>> int(model(jnp.array([[20, 5]])).argmax())
    2
    """
    require_whole("modulus", modulus, 2, "Use 97.")
    require_whole("width", width, 1, "Use 500.")
    require_whole("seed", seed, 0, "Use 0.")
    frequency, phase_u, phase_v = _frequencies_and_phases(modulus, width, seed)
    residue = np.arange(modulus)[:, None]
    amplitude = (2 / width) ** (1 / 3)
    U = amplitude * np.cos(frequency * residue + phase_u)
    V = amplitude * np.cos(frequency * residue + phase_v)
    W = amplitude * np.cos(-frequency * residue - phase_u - phase_v)
    U, V, W = (jnp.asarray(matrix, jnp.float32) for matrix in (U, V, W))
    return TwoLayer(U, V, W, "quadratic")


def logit_terms(
    inputs: Int[np.ndarray, "example 2"], modulus: int = 97, width: int = 500, seed: int = 0
) -> dict[str, Float[np.ndarray, "example modulus"]]:
    """The nine terms of Eq. 6 for `analytic_network` of the same arguments; they sum to its logits.

    The keys are the arguments of the cosines, as in "2m-q". The only term without random
    phases, "m+n-q" (boxed in the paper), is the modular Kronecker delta of Eq. 7-8 if N is a
    multiple of p, and within p/N of it otherwise; the others are of order 1/√N.

    >>> terms = logit_terms(np.array([[20, 5]]), modulus=23, width=2300)
    >>> np.flatnonzero(terms["m+n-q"][0] > 0.5).tolist()
    [2]
    """
    frequency, u, v = _frequencies_and_phases(modulus, width, seed)
    m, n = inputs.T
    # name: factor, argument without q, sign of q, phase
    terms = {
        "2m-q": (1 / 4, 2 * m, -1, u - v),
        "2m+q": (1 / 4, 2 * m, +1, 3 * u + v),
        "2n-q": (1 / 4, 2 * n, -1, v - u),
        "2n+q": (1 / 4, 2 * n, +1, u + 3 * v),
        "m+n-q": (1 / 2, m + n, -1, 0 * u),
        "m+n+q": (1 / 2, m + n, +1, 2 * u + 2 * v),
        "m-n-q": (1 / 2, m - n, -1, -2 * v),
        "m-n+q": (1 / 2, m - n, +1, 2 * u),
        "-q": (1.0, 0 * m, -1, -u - v),
    }
    turn = np.exp(1j * np.outer(frequency, np.arange(modulus)))  # [N, p]
    turns = {+1: turn, -1: turn.conj()}

    def total(factor: float, argument: np.ndarray, sign: int, phase: np.ndarray) -> np.ndarray:
        """Σ_k cos(ω_k (argument ± q) + phase_k) as the real part of a product of matrices."""
        start = np.exp(1j * (np.outer(argument, frequency) + phase))  # [example, N]
        return 2 / width * factor * np.real(start @ turns[sign])

    return {name: total(*parts) for name, parts in terms.items()}
