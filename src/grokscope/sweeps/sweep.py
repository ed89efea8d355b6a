"""Sweeps: a grid of experiments trained into a store, in full or refined, and its state."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError, WorkerError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.experiment.own_code import MARK, without_hashes
from grokscope.measures.scores import require_measurable
from grokscope.progress import progress_bar, work_bar
from grokscope.runs.store import (
    Run,
    failures,
    find,
    forget_failure,
    open_run,
    require_writable,
    run_path,
)
from grokscope.runs.summaries import summaries
from grokscope.sweeps.diagram import (
    FAILED,
    MISSING,
    collect,
    grid_of,
    has_plane,
    most_frequent,
    phase_codes,
)
from grokscope.sweeps.executors import place
from grokscope.sweeps.recorded_grids import record_grid
from grokscope.sweeps.refine import UNKNOWN, follow_boundaries
from grokscope.sweeps.scheduler import Show, complete
from grokscope.training.cost import CELL_SECONDS, work
from grokscope.training.loop import seconds_per_work
from grokscope.training.networks import model_shapes, n_weights

RUN_BYTES = 60_000
"""Size of a run file without weights, at the paper's settings (measured: 40 to 70 kB)."""


def train_missing(
    experiments: Sequence[Experiment],
    store: str | Path,
    workers: int | None = None,
    progress: bool = True,
) -> list[Run]:
    """The runs of all experiments, with weights, in their order; missing ones are trained.

    In a script, call it under `if __name__ == "__main__":`, since each training process imports
    the script anew.

    Args:
        experiments: what is wanted; equal ones are trained once.
        store: a folder of runs.
        workers: training processes; by default one a core.
        progress: whether to show a progress bar, if on a terminal.

    Raises:
        ConfigError: if the store cannot be written.
        WorkerError: if one of them could not be trained; the others are in the store.
    """
    store = Path(store)
    runs = {experiment: find(store, experiment) for experiment in dict.fromkeys(experiments)}
    missing = [e for e, run in runs.items() if run is None or not run.has_weights]
    if missing:
        require_writable(store, "store")
        with work_bar(progress) as show, place(len(missing), workers) as where:
            failed = complete(missing, store, where, keep_weights=True, show=show)
        if failed:
            name, reason = next(iter(failed.items()))
            raise WorkerError(
                f"{len(failed)} of {len(missing)} networks could not be trained, the first of them "
                f"{name[:12]} ({reason}). The others are stored; ask again to try once more."
            )
    runs |= {experiment: open_run(run_path(store, experiment)) for experiment in missing}
    return [run for experiment in experiments if (run := runs[experiment])]


def sweep(
    grid: Grid | str | Path,
    store: str | Path,
    *,
    refine: bool = False,
    always: Mapping[str, Any] | None = None,
    keep_weights: bool = False,
    limit: int | None = None,
    retry_failed: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Train the cells of a grid that a store lacks, and return them all as one dataset.

    A cell that fails is recorded with its reason and left out from then on. In a script, call it
    under `if __name__ == "__main__":`, since each training process imports the script anew.

    Args:
        grid: a `Grid`, the name of one, or a TOML file.
        store: a folder of runs; what is there is not trained again.
        refine: train only what decides where phases meet, along the last two axes; cells enclosed
            by one phase are inferred in `phase_diagram`.
        always: axis values of cells that refining trains in any case, such as train_fraction=0.8.
        keep_weights: store the final weights too, 1.4 MB for 60 kB at the paper's settings.
        limit: train at most so many cells now.
        retry_failed: try again what failed before.
        workers: training processes; by default one a core.
        executor: any `concurrent.futures.Executor` in their place, whose processes see the store
            under the same path.
        progress: whether to show a progress bar, if on a terminal.

    Returns:
        The dataset of `collect`.

    Raises:
        ConfigError: if the grid is impossible or the store cannot be written.
        OSError: if a file cannot be written; what is written is whole.
        WorkerError: if the executor cannot go on.

    >>> from tempfile import TemporaryDirectory
    >>> base = Experiment(steps=20, train_fraction=0.8).replace(modulus=7, width=16)
    >>> with TemporaryDirectory() as folder:
    ...     data = sweep(Grid(base=base, axes={"weight_decay": [0, 5]}), folder, workers=1)
    >>> data.train_accuracy.dims, int((data.status == 1).sum())
    (('weight_decay', 'seed'), 2)
    """
    grid = grid if isinstance(grid, Grid) else Grid.from_toml(Path(grid))
    store = Path(store)
    for name, number in (("limit", limit), ("workers", workers)):
        if number is not None and number < 1:
            raise ConfigError(f"`{name}` must be a whole number from 1, got {number}. Use 1.")
    if refine and not has_plane([grid.values[name] for name in list(grid.sizes)[:-1]]):
        raise ConfigError(
            "`refine` must have two axes to refine along, the last two, of ascending numbers, got "
            f"{list(grid.axes)}. Sweep the whole grid, or put such axes last."
        )
    require_writable(store, "store")
    first = grid.cell((0,) * len(grid.sizes))
    require_measurable(first, model_shapes(first))
    record_grid(grid, store)
    data = open_sweep(grid, store, progress)
    left = grid.size if limit is None else limit
    with work_bar(progress) as show, place(grid.size, workers, executor) as where:
        codes = _known_phases(data, keep_weights, retry_failed)
        rounds = iter([np.ones(codes.shape, bool)])
        if refine:
            first_round = [_cells_at(grid, always).reshape(codes.shape)] if always else []
            rounds = chain(first_round, follow_boundaries(codes))
        before = 0.0
        for number, wanted in enumerate(rounds, start=1):
            missing = _untrained(data, keep_weights, retry_failed)
            missing &= wanted.reshape(*missing.shape[:-1], 1)  # every seed of a cell
            cells = [grid.cell(tuple(index)) for index in np.argwhere(missing)[:left].tolist()]
            if not cells:
                continue
            for experiment in cells:
                forget_failure(store, digest(experiment))
            said = f"round {number}, more may follow: " if refine else ""
            complete(cells, store, where, keep_weights, _after(before, said, show))
            before += math.fsum(map(work, cells))
            data = collect(grid, store)
            codes[:] = _known_phases(data, keep_weights, retry_failed)
            left -= len(cells)
            if not left:
                break
    return data


def _cells_at(grid: Grid, always: Mapping[str, Any]) -> np.ndarray:
    """Which cells have some axis values, over every dimension but the seed's."""
    where = np.ones([*grid.sizes.values()][:-1], bool)
    for axis, name in enumerate([*grid.sizes][:-1]):
        if name in always:
            there = np.array([value == always[name] for value in grid.values[name]])
            where &= there.reshape([-1 if i == axis else 1 for i in range(where.ndim)])
    return where


def _after(before: float, said: str, show: Show) -> Show:
    """Progress of one round of several, which goes on where the one before ended."""
    return lambda words, done, total: show(f"{said}{words}", before + done, before + total)


def _known_phases(data: xr.Dataset, keep_weights: bool, retry_failed: bool) -> np.ndarray:
    """Codes of the cells whose seeds all need no more training, as [panel, row, column]."""
    phases = most_frequent(phase_codes(data).values)
    phases[_untrained(data, keep_weights, retry_failed).any(axis=-1)] = UNKNOWN
    rows, columns = (1, 1, *phases.shape)[-2:]
    return phases.reshape(-1, rows, columns)


def _untrained(data: xr.Dataset, keep_weights: bool, retry_failed: bool) -> np.ndarray:
    """Which runs a sweep would train, were every cell of interest."""
    untrained = data.status.values == MISSING
    if retry_failed:
        untrained |= data.status.values == FAILED
    if keep_weights:
        untrained |= data.has_weights.values == 0
    return untrained


def open_sweep(grid: Grid, store: Path, progress: bool = True, mend: bool = True) -> xr.Dataset:
    """`diagram.collect` with a progress bar: the first opening reads every run."""
    with progress_bar("reading runs", grid.size, progress, unit="runs") as advance:
        return collect(grid, store, advance, mend)


def failed_cells(data: xr.Dataset, store: Path) -> dict[str, str]:
    """Why cells failed, by their settings in words.

    >>> data = collect(Grid(axes={"weight_decay": [0]}), "no store")
    >>> failed_cells(data, Path("no store"))
    {}
    """
    grid, reasons = grid_of(data), failures(store) if store.is_dir() else {}
    failed = {}
    for index in map(tuple, np.argwhere(data.status.values == FAILED).tolist()):
        settings = ", ".join(f"{name} = {v}" for name, v in grid.settings(index).items())
        failed[settings] = reasons.get(digest(grid.cell(index)), "unknown")
    return failed


def of_other_source(data: xr.Dataset, store: Path) -> int:
    """How many of a sweep's missing cells a store has of another source of the user's own code."""
    grid = grid_of(data)
    if MARK not in grid.to_toml():
        return 0
    stored = {without_hashes(run["experiment"]) for run in summaries(store, mend=False).values()}
    missing = np.argwhere(data.status.values == MISSING).tolist()
    documents = [grid.cell(tuple(index)).canonical_json() for index in missing]
    return sum(MARK in text and without_hashes(text) in stored for text in documents)


class Estimate(NamedTuple):
    """What a sweep would take, were no run to settle early and no cell to be inferred."""

    to_train: int
    seconds: float
    disk_bytes: int
    disk_free: int


def estimate(
    grid: Grid,
    store: Path,
    data: xr.Dataset,
    workers: int | None = None,
    keep_weights: bool = False,
    retry_failed: bool = False,
    limit: int | None = None,
) -> Estimate:
    """The cost of the cells that `sweep` would train with the same arguments, were it not to
    refine; from some steps of a middling one, timed here.
    """
    missing = np.argwhere(_untrained(data, keep_weights, retry_failed))[:limit]
    cells = [grid.cell(tuple(index)) for index in missing.tolist()]
    seconds = 0.0
    each = RUN_BYTES
    if cells and keep_weights:
        each += 4 * n_weights(cells[0]) + 12 * cells[0].model.widest * len(cells[0].schedule)
    if cells:
        cells.sort(key=work)
        processes = min(workers or os.cpu_count() or 1, len(cells))
        rate = seconds_per_work(cells[len(cells) // 2])
        seconds = (rate * sum(map(work, cells)) + CELL_SECONDS * len(cells)) / processes
    there = next(path for path in (store.absolute(), *store.absolute().parents) if path.exists())
    return Estimate(len(cells), seconds, each * len(cells), shutil.disk_usage(there).free)
