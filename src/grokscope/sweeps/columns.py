"""What was measured of many runs, as arrays over the cells of a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from grokscope.measures.table import MEASURES
from grokscope.runs.record import Variable, described
from grokscope.runs.summaries import IPR_BINS, Summary

AT_ONCE = 1000
"""Summaries that are looked at together: all of a large sweep's would take a gigabyte."""

INNER = {"norm": 1, "own": 1, "ipr_counts": IPR_BINS}
"""Parts of a summary that have names of their own, and how many numbers each name has."""

Columns = dict[tuple[str, ...], np.ndarray]
"""Numbers by the key of a summary, or by part and name within it; as [run, number]."""


def measured(
    found: Mapping[str, Summary], places: np.ndarray, dimensions: tuple[str, ...]
) -> tuple[dict[str, Variable], dict[str, Variable]]:
    """What was measured of every run, NaN where nothing was, and its coordinates.

    Args:
        found: summaries by digest.
        places: the number in `found` of each cell's run; -1 where there is none.
        dimensions: of `places`.
    """
    columns, names = _columns(found, places)
    none = np.full((len(found) + 1, 0), np.nan)

    def gathered(*keys: tuple[str, ...]) -> np.ndarray:
        return np.concatenate([none, *map(columns.pop, keys)], axis=1)[places]

    variables: dict[str, Variable] = {
        name: (dimensions, gathered((name,))[..., 0], row.attrs) for name, row in MEASURES.items()
    }
    norms = gathered(*(("norm", matrix) for matrix in names["norm"]))
    attrs = described("Frobenius norm of each matrix")
    variables["norm"] = (*dimensions, "matrix"), norms, attrs
    for name in names["own"]:
        attrs = described(f"your own measure {name}")
        variables[name] = dimensions, gathered(("own", name))[..., 0], attrs
    coordinates: dict[str, Variable] = {"matrix": ("matrix", names["norm"], {})}
    if layers := names["ipr_counts"]:
        counts = gathered(*(("ipr_counts", layer) for layer in layers))
        counts = counts.reshape(*places.shape, len(layers), IPR_BINS)
        attrs = described("live neurons by IPR_k, at the end")
        variables["ipr_histogram"] = (*dimensions, "layer", "ipr_bin"), counts, attrs
        middles = (np.arange(IPR_BINS) + 0.5) / IPR_BINS
        coordinates |= {"layer": ("layer", layers, {}), "ipr_bin": ("ipr_bin", middles, {})}
    return variables, coordinates


def _columns(
    found: Mapping[str, Summary], places: np.ndarray
) -> tuple[Columns, dict[str, list[str]]]:
    """The numbers of all runs and a last row of NaN; and the names in each of the `INNER` parts.

    Names are in the order in which the cells have them, wherever the store has their runs.
    """
    columns: Columns = {(name,): np.full((len(found) + 1, 1), np.nan) for name in MEASURES}
    first = np.full(len(found) + 1, places.size)
    first[places.ravel()[::-1]] = np.arange(places.size)[::-1]
    kinds: dict[str, dict[tuple[str, ...], int]] = {part: {} for part in INNER}
    summaries = iter(found.values())
    for begin in range(0, len(found), AT_ONCE):
        some = list(islice(summaries, AT_ONCE))
        rows = slice(begin, begin + len(some))
        for name in MEASURES:
            columns[name,][rows, 0] = _numbers([summary[name] for summary in some])
        for part, length in INNER.items():
            for summary, place in zip(some, first[rows].tolist(), strict=True):
                kind = tuple(summary[part])
                kinds[part][kind] = min(place, kinds[part].get(kind, place))
            none = np.nan if length == 1 else [np.nan] * length
            for name in dict.fromkeys(name for kind in kinds[part] for name in kind):
                if (part, name) not in columns:
                    columns[part, name] = np.full((len(found) + 1, length), np.nan)
                values = _numbers([summary[part].get(name, none) for summary in some])
                columns[part, name][rows] = values.reshape(-1, length)
    names = {}
    for part, ranks in kinds.items():
        ranked = sorted(ranks, key=ranks.__getitem__)
        names[part] = list(dict.fromkeys(name for kind in ranked for name in kind))
    return columns, names


def _numbers(values: Sequence[object]) -> np.ndarray:
    """Numbers or lists of them as floats; None is NaN."""
    return np.array(values, float)
