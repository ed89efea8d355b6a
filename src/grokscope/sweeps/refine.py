"""Follow the boundaries between phases instead of filling the grid (NumPy and SciPy only)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

UNKNOWN = -1
"""The code of a cell whose phase is not known; phases have codes from 0."""

BEYOND = 127
"""More than any code; eight bits hold it, as a diagram's phases have."""

COARSE = 4
"""Cells between two lines of the first lattice: a power of two."""

# Which cells count as a cell's neighbours: all eight around it, or the four beside it.
AROUND = np.ones((1, 3, 3), bool)
BESIDE = ndimage.generate_binary_structure(2, 1)[None]

Codes = Int[np.ndarray, "panel row column"]


def follow_boundaries(
    codes: Codes, coarse: int = COARSE
) -> Iterator[Bool[np.ndarray, "panel row column"]]:
    """Which cells to train next, until both sides of every boundary are trained.

    The first round is a coarse lattice of cells, with the last row and column. The lattice is then
    halved again and again. If the cells around a new one have the same phase, the new one is
    assumed to have it too; otherwise it is trained. An assumed cell is trained after all if a cell
    beside it proves to have another phase. At the end every cell is trained, or enclosed by cells
    of one phase.

    Args:
        codes: the known phases, `UNKNOWN` elsewhere. Before the caller asks for the next round it
            fills in the last one, and may fill in others. A cell that cannot be known may stay
            `UNKNOWN`: it is asked for once.
        coarse: cells between two lines of the first lattice, a power of two.

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
    # Known cells are visited in the order of a first run too: a sweep that goes on then asks for
    # the same cells as one that was never interrupted.
    looked_at = np.zeros(codes.shape, bool)
    guess = np.full_like(codes, UNKNOWN)
    step = coarse
    while step:
        lattice = _lattice(codes, step)
        low, high = _extremes(guess[lattice], AROUND)
        alike = (low == high) & (step < coarse)
        guess[lattice] = np.where((guess[lattice] == UNKNOWN) & alike, high, guess[lattice])
        while True:
            if step == 1:
                looked_at |= codes != UNKNOWN
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

    Nothing is filled in a panel whose coarse lattice has gaps, since it is not refined yet.

    Args:
        codes: the known phases, `UNKNOWN` elsewhere.
        coarse: as for `follow_boundaries`.

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
