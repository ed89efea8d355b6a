"""Where the page's data come from: a store that may grow, or the export of a sweep."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError, StoreError
from grokscope.experiment.grid import Grid
from grokscope.progress import progress_bar
from grokscope.runs.files import read_dataset
from grokscope.runs.run import Run
from grokscope.runs.store import Store
from grokscope.sweeps.archive import archived_run, load_sweep
from grokscope.sweeps.diagram import as_dataset, grid_of, look

NEEDED = ("train_accuracy", "test_accuracy", "peak_test_accuracy", "failed_at")
"""Numbers that the page needs of every cell."""


DIGEST = re.compile("[0-9a-f]{2,64}")
"""What the beginning of a digest looks like."""


class RunOf(Protocol):
    """Gives the run of a cell."""

    def __call__(self, cell: int, sweep: str | None = None) -> Run | None:
        """The run at a place in the grid, if `sweep` names the grid that is shown now; or None."""
        ...


class Source(NamedTuple):
    """A sweep that is read but never changed.

    Attributes:
        dataset: gives the sweep as it is now.
        run: gives the run of a cell by its place in the grid; None if there is none.
    """

    dataset: Callable[[], xr.Dataset]
    run: RunOf


def sweep_id(data: xr.Dataset) -> str:
    """A name of the sweep, which is another when its grid has grown."""
    return hashlib.sha256(data.attrs["grid"].encode()).hexdigest()[:16]


def is_run(source: Path) -> bool:
    """Whether this is a run's file, or may be the beginning of a run's digest.

    Raises:
        StoreError: if it is a file that is damaged or not of grokscope.
    """
    if source.is_file():
        return "experiment" in read_dataset(source).attrs
    return not source.exists() and DIGEST.fullmatch(str(source)) is not None


def open_source(source: Path, grid: Grid | None = None) -> Source:
    """Open a store, or the export of a sweep, which has runs if it was made with details.

    Args:
        source: the store's folder or the export's file.
        grid: the sweep of the store; by default the one recorded there.

    Raises:
        ConfigError: if the store has no sweep, or several, or one without an axis.
        StoreError: if the file is missing, damaged, or no file of grokscope.
    """
    if source.is_dir():
        return _of_store(source, grid)
    data = load_sweep(source)
    if lacking := [name for name in NEEDED if name not in data]:
        raise StoreError(
            f"`{source}` must hold {lacking[0]} of every cell, got none. Export it anew."
        )
    found = _with_axis(grid_of(data))

    def archived(cell: int, sweep: str | None = None) -> Run | None:
        index = _index(data, cell, sweep)
        return None if index is None else archived_run(data, found, index)

    return Source(lambda: data, archived)


def _of_store(folder: Path, given: Grid | None) -> Source:
    """A store that may grow; if no grid is given, a larger one may be recorded in it meanwhile."""
    store = Store(folder, mend=False)
    grid = _with_axis(store.grid() if given is None else given)

    with progress_bar("reading runs", grid.size, True, unit="runs") as advance:
        looked = look(grid, store, advance)
    seen = looked, as_dataset(*looked)  # replaced at once: cells are read meanwhile

    def now() -> xr.Dataset:
        nonlocal seen
        looked = look(store.grid() if given is None else given, store)
        if not looked.is_as(seen[0]):
            seen = looked, as_dataset(*looked)
        return seen[1]

    def stored(cell: int, sweep: str | None = None) -> Run | None:
        looked, data = seen
        index = _index(data, cell, sweep)
        return None if index is None else store.find(looked.grid.cell(index))

    return Source(now, stored)


def _with_axis(grid: Grid) -> Grid:
    if not grid.axes:
        raise ConfigError(
            "`source` must hold a sweep, got networks that differ in nothing but seeds. "
            "Use grokscope show for a single one."
        )
    return grid


def _index(data: xr.Dataset, cell: int, sweep: str | None) -> tuple[int, ...] | None:
    """A cell's position along every dimension; None if there is no such cell in that sweep."""
    if cell >= data.status.size or sweep not in (None, sweep_id(data)):
        return None
    return tuple(int(place) for place in np.unravel_index(cell, data.status.shape))
