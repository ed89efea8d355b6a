"""A sweep as the page sees it: what every cell ended with, and the run behind each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from grokscope.archives import archived_run, load_sweep
from grokscope.diagram import DONE, collect, grid_in, grid_of
from grokscope.grid import Grid
from grokscope.store import Run, find
from grokscope.sweeps import open_sweep


class Source(NamedTuple):
    """`dataset` gives the sweep as it is now; `run` the run of a cell by its place, or None."""

    dataset: Callable[[], xr.Dataset]
    run: Callable[[int], Run | None]


def open_source(source: Path, grid: Grid | None = None) -> Source:
    """A store (a folder), or the netCDF file of a sweep, whose runs are there if it has details.

    Raises:
        ConfigError: if the store has no sweep, or several.
        StoreError: if the file is missing, damaged, or no file of grokscope.
    """
    if source.is_dir():
        return _of_store(source, grid_in(source) if grid is None else grid)
    data = load_sweep(source)
    found = grid_of(data)

    def archived(cell: int) -> Run | None:
        index = _index(data, cell)
        if index is None or data.status.values[index] != DONE or "run_maker" not in data:
            return None
        return archived_run(data, found, index)

    return Source(lambda: data, archived)


def _of_store(store: Path, grid: Grid) -> Source:
    data = open_sweep(grid, store)

    def stored(cell: int) -> Run | None:
        index = _index(data, cell)
        return None if index is None else find(store, grid.cell(index))

    return Source(lambda: collect(grid, store), stored)


def _index(data: xr.Dataset, cell: int) -> tuple[int, ...] | None:
    """A cell's position along every dimension; None if there is no such cell."""
    if cell >= data.status.size:
        return None
    return tuple(int(place) for place in np.unravel_index(cell, data.status.shape))
