"""Where phases meet along the rows of a diagram, and how surely over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from grokscope.analysis.statistics import mean_interval
from grokscope.measures.phases import Phase
from grokscope.sweeps.diagram import PHASES, phase_codes, phase_diagram
from grokscope.sweeps.refine import UNKNOWN


@dataclass(frozen=True)
class Boundary:
    """Where one phase gives way to another along a row of a diagram.

    Attributes:
        row: the row's place along every other dimension, by name.
        before, after: the phases to the left and right of it.
        position: the mean over seeds, in units of the columns' axis.
        low, high: confidence interval of that mean; NaN for a single seed.
    """

    row: dict[str, int]
    before: Phase
    after: Phase
    position: float
    low: float
    high: float


def boundaries(
    dataset: xr.Dataset, confidence: float = 0.95, **thresholds: float
) -> list[Boundary]:
    """The boundaries between most frequent phases along the last axis, row by row.

    A seed's boundary lies where the fewest of its cells, between the neighbouring boundaries, are
    on the wrong side. Its cells of a third phase there count as of the side at whose end they are.
    Cells that it lacks count as of the most frequent phase there; a seed that lacks all cells on
    both sides has no boundary. The interval is Student's over the seeds, and at least from one
    column to the next: even if all seeds agree, they say no more than between which columns it
    lies.

    Args:
        dataset: of a sweep, or a selection of it.
        confidence: the share of intervals that hold the truth.
        thresholds: `generalizes`, `memorizes` and `slack`, as in `classify`.

    Raises:
        ConfigError: if the confidence does not lie between 0 and 1.

    >>> from grokscope import Grid
    >>> from grokscope.sweeps.diagram import collect
    >>> boundaries(collect(Grid(axes={"train_fraction": [0.3, 0.5]}), "no store"))
    []
    """
    diagram = phase_diagram(dataset, confidence, **thresholds)
    codes = phase_codes(dataset, **thresholds).values
    inferred, phase = (diagram[name].values[..., None] for name in ("inferred", "phase"))
    known = np.where(inferred, phase, codes)
    codes = np.where(known == UNKNOWN, phase, known)
    if not diagram.phase.dims:
        return []
    *names, column = map(str, diagram.phase.dims)
    columns, found = dataset[column].values, []
    if columns.dtype.kind not in "iuf" or not np.isfinite(columns).all():
        return []
    for place in np.ndindex(diagram.phase.shape[:-1]):
        row = diagram.phase.values[place]
        ends = np.flatnonzero(row[:-1] != row[1:])
        for number, end in enumerate(ends):
            before, after = int(row[end]), int(row[end + 1])
            if UNKNOWN in (before, after):
                continue
            first = ends[number - 1] + 1 if number else 0
            last = ends[number + 1] if number + 1 < len(ends) else len(row) - 1
            window = slice(first, last + 1)
            has_side = np.isin(known[place][window], (before, after)).any(axis=0)
            seeds = codes[place][window, has_side].T
            cuts = [_cut(seed, columns[window], before, after) for seed in seeds]
            middle = np.mean(cuts) if cuts else columns[end : end + 2].mean()
            low = high = np.nan
            if len(cuts) > 1:
                interval = mean_interval(np.array(cuts), confidence)
                half = abs(columns[end + 1] - columns[end]) / 2
                low = max(min(interval.low, middle - half), columns.min())
                high = min(max(interval.high, middle + half), columns.max())
            where = dict(zip(names, place, strict=True))
            numbers = (round(float(value), 12) for value in (middle, low, high))
            found.append(Boundary(where, PHASES[before], PHASES[after], *numbers))
    return found


def _cut(codes: np.ndarray, columns: np.ndarray, before: int, after: int) -> float:
    """Where to cut a seed's row so that fewest cells are misplaced; the middle of equal places."""
    either = np.flatnonzero(np.isin(codes, (before, after)))
    if either.size:  # a third phase beyond them is no place for this boundary
        place = np.arange(len(codes))
        codes = np.where(place < either[0], before, np.where(place > either[-1], after, codes))
    places = range(len(codes) + 1)
    wrong = [(codes[:i] == after).sum() + (codes[i:] == before).sum() for i in places]
    best = np.flatnonzero(np.array(wrong) == min(wrong))
    edges = np.concatenate([columns[:1], (columns[:-1] + columns[1:]) / 2, columns[-1:]])
    return float(edges[best].mean())
