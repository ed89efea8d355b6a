"""Fourier spectra of weight vectors, and how localised they are (Eq. 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int

from grokscope.data.groups import Group
from grokscope.data.groups import residue_order as residue_order

DEAD_NORM = 1e-3
"""Vectors of a smaller Euclidean norm are dead: a neuron of such vectors adds less than 1e-9 to a
logit. Weights start at norm 0.5; those that weight decay has given up shrink to zero, and few are
caught between (docs/decisions.md)."""

HIGH_IPR = 0.5
"""An IPR that only a periodic neuron has."""


class Waves(NamedTuple):
    """Functions on a group by which `ipr_over` can be taken as products of matrices.

    Attributes:
        elements: the tokens that are elements.
        values: cosines and sines, or an orthonormal basis of the isotypic components.
        shares: how much of each wave's squared part a frequency or a component has.
    """

    elements: Int[np.ndarray, "element"]
    values: Float[np.ndarray, "element wave"]
    shares: Float[np.ndarray, "component wave"]

    @classmethod
    def of(cls, group: Group) -> Waves:
        """Those of a group."""
        n = len(group.elements)
        if group.table is None:
            angles = 2 * np.pi * np.outer(np.arange(n), np.arange(n // 2 + 1)) / n
            each = np.eye(n // 2 + 1)
            values = np.hstack([np.cos(angles), np.sin(angles)])
            return cls(group.elements, values, np.hstack([each, each]))
        found = group.components
        numbers = np.arange(len(found.starts))
        of_column = np.repeat(numbers, np.diff([*found.starts, n]))
        is_of = of_column == numbers[:, None]
        return cls(group.elements, found.basis, is_of / found.pairs[:, None])


def power_spectrum(vectors: Float[np.ndarray, "residue *unit"]) -> Float[np.ndarray, "freq *unit"]:
    """Squared modulus of the real Fourier transform along the first axis: ⌊p/2⌋ + 1 frequencies.

    The real transform has each frequency once, so a pure cosine is one peak and not two.
    """
    return _power(np.fft.rfft(vectors, axis=0))


def power_share(vectors: Float[np.ndarray, "residue *unit"]) -> Float[np.ndarray, "freq *unit"]:
    """The share of a vector's power that each frequency has; 0 for a vector of zeros."""
    return shares_of(np.fft.rfft(vectors, axis=0))


def shares_of(waves: Complex[Any, "freq *unit"]) -> Float[Any, "freq *unit"]:
    """`power_share` of vectors whose real Fourier transform is there already."""
    return _share(_power(waves))


def _share(power: Float[Any, "component *unit"]) -> Float[Any, "component *unit"]:
    """What each component has of the sum; 0 of nothing."""
    return power / power.sum(axis=0).clip(1e-30)


def _power(waves: Complex[Any, "freq *unit"]) -> Float[Any, "freq *unit"]:
    return waves.real**2 + waves.imag**2


def ipr(vectors: Float[np.ndarray, "residue *unit"]) -> Float[np.ndarray, "*unit"]:
    """Inverse participation ratio (‖ṽ‖₄/‖ṽ‖₂)⁴ along the first axis (Eq. 3, r = 2).

    ṽ is the modulus of the real Fourier transform: 1 for a cosine or a constant, 2/(p + 1) for
    a delta (p odd). Unchanged by scale and cyclic shift. NaN for a dead vector, whose ratio would
    be 0/0.

    >>> cosine = np.cos(2 * np.pi * 3 * np.arange(97) / 97)
    >>> ipr(np.stack([cosine, np.eye(97)[5], np.zeros(97)], axis=1)).round(3)
    array([1. , 0.02, nan])
    """
    return _participation(vectors, power_spectrum)


def _participation(
    vectors: Float[np.ndarray, "residue *unit"], power_of: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, "*unit"]:
    """Σ power² / (Σ power)² over the components of each vector; NaN for a dead one."""
    norm = np.linalg.norm(vectors.astype(np.float64), axis=0)
    alive = norm > DEAD_NORM
    # To unit scale first, so that squares of tiny weights do not underflow.
    power = power_of(vectors / np.where(alive, norm, 1.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = (power**2).sum(axis=0) / power.sum(axis=0) ** 2
    return np.where(alive, ratio, np.nan)


def neuron_ipr(ipr: Float[np.ndarray, "*step vectors neuron"]) -> Float[np.ndarray, "*step neuron"]:
    """IPR_k, the mean over a neuron's vectors (Eq. 4); NaN for a dead neuron.

    A neuron is dead if one of its vectors is: it then adds nothing to the logits, or nothing
    that depends on both inputs.
    """
    return np.mean(ipr, axis=-2)


def mean_ipr(neuron_ipr: Float[np.ndarray, "*step neuron"]) -> Float[np.ndarray, "*step"]:
    """Mean over the live neurons (Sec. 1.1); NaN if none is alive."""
    alive = ~np.isnan(neuron_ipr)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(alive, neuron_ipr, 0).sum(axis=-1) / alive.sum(axis=-1))


def ipr_over(vectors: Float[np.ndarray, "token *unit"], group: Group) -> Float[np.ndarray, "*unit"]:
    """IPR along the first axis in the spectrum of a task's group; NaN for a dead vector.

    Of a cyclic group it is the paper's, in the order in which the operation is a shift (Eq. 3). Of
    any other the isotypic components of functions on the group take the place of frequencies: it
    is 1 for a matrix coefficient of one irreducible representation (Chughtai et al., 2023).
    """
    if group.table is None:
        return ipr(vectors[group.elements])
    return _participation(vectors[group.elements], group.components.power)


def share_over(
    vectors: Float[np.ndarray, "token *unit"], group: Group
) -> Float[np.ndarray, "component *unit"]:
    """The share of a vector's power in each frequency, or in each isotypic component."""
    if group.table is None:
        return power_share(vectors[group.elements])
    return _share(group.components.power(vectors[group.elements]))


def places_in(order: Int[Any, "residue"], modulus: int) -> Int[Any, "modulus"]:
    """The place of each residue in an order; -1 of one that is left out.

    >>> places_in(residue_order("multiplication", 5), 5).tolist()
    [-1, 0, 1, 3, 2]
    """
    is_at = np.arange(modulus)[:, None] == order
    return is_at.argmax(axis=1) - ~is_at.any(axis=1)
