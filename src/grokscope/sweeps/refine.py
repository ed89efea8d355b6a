"""Follow the boundaries between phases instead of filling the grid (NumPy and SciPy only)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

UNKNOWN = -1
"""The code of a cell whose phase is not known; phases have codes from 0."""

BEYOND = 1000
"""More than any code."""

COARSE = 4
"""Cells between two lines of the first lattice: a power of two."""

AROUND = np.ones((1, 3, 3), bool)
BESIDE = ndimage.generate_binary_structure(2, 1)[None]

Codes = Int[np.ndarray, "panel row column"]


def follow_boundaries(
    codes: Codes, coarse: int = COARSE
) -> Iterator[Bool[np.ndarray, "panel row column"]]:
    """What to train next, until every cell is trained or enclosed by cells of its own phase.

    First come the cells of a coarse lattice, which includes the last row and column. Then the
    lattice is halved again and again. A new cell is taken to be like the cells around it if they
    agree, and is trained otherwise. A cell so taken that turns out to lie beside one of another
    phase is trained after all. In the end both sides of each boundary are trained, and a lone odd
    cell with its neighbours.

    Args:
        codes: what is known, `UNKNOWN` elsewhere; the caller fills in what it was asked for
            before it asks for more. What cannot be known may stay `UNKNOWN`, and is asked for once.
        coarse: cells between two lines of the first lattice.

    Yields:
        True for each cell to train now; never all False.

    >>> truth = np.zeros((1, 9, 9), int)
    >>> truth[:, :, 5:] = 1
    >>> codes = np.full_like(truth, UNKNOWN)
    >>> for wanted in follow_boundaries(codes):
    ...     codes[wanted] = truth[wanted]
    >>> int((codes == UNKNOWN).sum()), np.array_equal(enclosed(codes), truth)
    (52, True)
    """
    # Cells are looked at in the order of a first run, known or not, so that going on with what is
    # known asks for what is left and no more.
    looked_at = np.zeros(codes.shape, bool)
    guess = np.full_like(codes, UNKNOWN)
    step = coarse
    while step:
        lattice = _lattice(codes, step)
        low, high = _extremes(guess[lattice], AROUND)
        alike = (low == high) & (step < coarse)
        guess[lattice] = np.where((guess[lattice] == UNKNOWN) & alike, high, guess[lattice])
        if step == 1:
            looked_at |= codes != UNKNOWN
        while True:
            guess = np.where(looked_at & (codes != UNKNOWN), codes, guess)
            low, high = _extremes(guess[lattice], BESIDE)
            wanted = np.zeros(codes.shape, bool)
            unclear = guess[lattice] == UNKNOWN
            wanted[lattice] = unclear | (low != high) if step == 1 else unclear
            wanted &= ~looked_at
            if not wanted.any():
                break
            looked_at |= wanted
            if (wanted & (codes == UNKNOWN)).any():
                yield wanted & (codes == UNKNOWN)
        step //= 2


def _lattice(codes: Codes, step: int) -> tuple[np.ndarray, ...]:
    """Every `step`-th row and column and the last ones, of all panels, as an index."""
    lines = [np.unique([*range(0, size, step), size - 1]) for size in codes.shape[1:]]
    return np.ix_(np.arange(len(codes)), *lines)


def _extremes(codes: Codes, neighbours: np.ndarray) -> tuple[Codes, Codes]:
    """The lowest and the highest known code among each cell and its neighbours."""
    high = ndimage.maximum_filter(codes, footprint=neighbours, mode="constant", cval=UNKNOWN)
    known = np.where(codes == UNKNOWN, BEYOND, codes)
    low = ndimage.minimum_filter(known, footprint=neighbours, mode="constant", cval=BEYOND)
    return low, high


def enclosed(codes: Codes, coarse: int = COARSE) -> Codes:
    """Codes with every gap filled that is enclosed by cells of one phase; other gaps stay.

    So do all gaps of a panel whose coarse lattice is not known whole: it is not refined yet.

    >>> enclosed(np.array([[[1, 1, 1, 2], [1, -1, 1, -1], [1, 1, 1, 3]]]), coarse=2).tolist()
    [[[1, 1, 1, 2], [1, 1, 1, -1], [1, 1, 1, 3]]]
    """
    gaps = codes == UNKNOWN
    gaps &= ~gaps[_lattice(codes, coarse)].any(axis=(1, 2), keepdims=True)
    regions = np.empty(codes.shape, int)
    n = int(ndimage.label(gaps, np.pad(BESIDE, ((1, 1), (0, 0), (0, 0))), output=regions))  # type: ignore[arg-type]
    low, high = _extremes(codes, BESIDE)
    labels = np.arange(1, n + 1)
    lowest = np.asarray(ndimage.minimum(low, regions, labels), codes.dtype)
    highest = np.asarray(ndimage.maximum(high, regions, labels), codes.dtype)
    fill = np.concatenate([[UNKNOWN], np.where(lowest == highest, highest, UNKNOWN)])
    return np.where(gaps, fill[regions], codes)
