"""Sweeps: a grid of experiments trained into a store, in full or refined, and its state."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from grokscope.data.dataset import complete, complete_grid
from grokscope.errors import ConfigError, WorkerError, meant, require_kind, require_whole
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.grid import Grid
from grokscope.experiment.own_code import allow_code
from grokscope.measures.checks import require_meaning, require_measurable
from grokscope.progress import progress_bar, work_bar
from grokscope.runs.files import require_writable
from grokscope.runs.run import Run, open_run
from grokscope.runs.store import Store
from grokscope.runs.trackers import checked_target
from grokscope.sweeps.diagram import (
    FAILED,
    collect,
    grid_of,
    has_plane,
    phase_codes,
    require_free_axes,
)
from grokscope.sweeps.estimate import untrained
from grokscope.sweeps.executors import Workers, open_workers
from grokscope.sweeps.refine import UNKNOWN, follow_boundaries
from grokscope.sweeps.scheduler import Scheduler, Show, train_all
from grokscope.sweeps.task import Train, train_cells
from grokscope.training.compile import require_environment
from grokscope.training.cost import work
from grokscope.training.networks import model_shapes


def train_missing(
    experiments: Sequence[Experiment],
    store: str | Path | Store,
    workers: int | None = None,
    progress: bool = True,
) -> list[Run]:
    """The runs of all experiments, with weights, in their order; missing ones are trained.

    Args:
        experiments: what is wanted; equal ones are trained once.
        store: a folder of runs.
        workers: as of `sweep`.
        progress: whether to show progress.

    Raises:
        ConfigError: if the store cannot be written, there are less than one workers, or a measure
            has a meaning for none of those that ask for it.
        WorkerError: if one of them could not be trained; the others are in the store.
    """
    require_kind("experiments", experiments, Sequence, "Use a list of them.")
    _require_counts({"workers": workers})
    allow_code(Path.cwd())
    store, experiments = Store.of(store), list(map(complete, experiments))
    runs = {experiment: store.find(experiment) for experiment in dict.fromkeys(experiments)}
    missing = [e for e, run in runs.items() if run is None or not run.has_weights]
    if missing:
        require_environment()
        require_writable(store.path, "store")
        require_meaning(missing)
        with work_bar(progress) as show, open_workers(len(missing), workers) as opened:
            failed = train_all(Scheduler(missing, store, opened, final_weights=True, show=show))
        if failed:
            name, reason = next(iter(failed.items()))
            raise WorkerError(
                f"{len(failed)} of {len(missing)} networks could not be trained, the first of them "
                f"{name[:12]} ({reason}). The others are stored; ask again to try once more."
            )
    runs |= {experiment: open_run(store.path_of(experiment)) for experiment in missing}
    return [run for experiment in experiments if (run := runs[experiment])]


Value = int | float | str | bool | None
"""A value of a setting."""


def sweep(
    grid: Grid | str | Path,
    store: str | Path | Store,
    *,
    refine: bool = False,
    always: Mapping[str, Value] | None = None,
    final_weights: bool = False,
    limit: int | None = None,
    time_limit: int | float | None = None,
    retry_failed: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    log: str | None = None,
    checkpoint_every: int | None = None,
) -> xr.Dataset:
    """Train the cells of a grid that a store lacks, and return them all as one dataset.

    Args:
        grid: a `Grid` or a TOML file.
        store: a folder of runs; what is there is not trained again.
        refine: train only what decides where phases meet, along the last two axes; cells enclosed
            by one phase are inferred in `phase_diagram`.
        always: axis values of cells that refining trains in any case, such as train_fraction=0.8.
        final_weights: store final weights too, by default 1.4 MB for 60 kB.
        limit: train at most so many cells now.
        time_limit: seconds after which to end: no cell is begun that would not end in time, cells
            that still run are given up, and a warning says how many are left.
        retry_failed: train again what failed; else it is left out, recorded with its reason.
        workers: training processes; by default `executors.processes_for` the cells.
        executor: any `concurrent.futures.Executor` instead, that sees the store by the same path.
        progress: whether to show progress.
        log: a tracker of which each trained cell is a run, as KIND:DIR; see `train`.
        checkpoint_every: steps between checkpoints of a cell, removed when its run is stored.

    Returns:
        The dataset of `collect`.

    Raises:
        ConfigError: if the grid is impossible, or the store or the tracker cannot be written.
        OSError, WorkerError: if a file cannot be written, or executor or tracker cannot go on.

    >>> from tempfile import TemporaryDirectory
    >>> grid = Grid(Experiment(steps=20, modulus=7, width=16), axes={"weight_decay": [0, 5]})
    >>> with TemporaryDirectory() as folder:
    ...     data = sweep(grid, folder, workers=1)
    >>> data.train_accuracy.dims, int((data.status == 1).sum())
    (('weight_decay', 'seed'), 2)
    """
    grid, store, train = _read(grid), Store.of(store), _training(log, checkpoint_every)
    counts = {"limit": limit, "workers": workers, "checkpoint_every": checkpoint_every}
    _require_possible(grid, store, refine, always or {}, counts, time_limit)
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    store.record_grid(grid)
    data = open_sweep(grid, store, progress)
    wanted = _Wanted(refine, always or {}, final_weights, limit, retry_failed, deadline, train)
    with work_bar(progress) as show, open_workers(grid.size, workers, executor) as opened:
        data, n_left = _train_rounds(grid, store, data, wanted, opened, show)
    _warn_of_time(n_left, refine)
    return data


def _training(log: str | None, checkpoint_every: int | None) -> Train:
    """What trains the cells of a task."""
    log = None if log is None else checked_target(log)
    return partial(train_cells, log=log, checkpoint_every=checkpoint_every)


def _warn_of_time(n_left: int, refine: bool) -> None:
    if not n_left:
        return
    more = "at least " if refine else ""
    warnings.warn(
        f"the time limit ended the sweep; {more}{n_left:,} of its networks are left. "
        "Ask for the same sweep again to go on.",
        stacklevel=3,
    )


def _read(grid: Grid | str | Path) -> Grid:
    """The grid itself, or that of a TOML file, with what a user's data say of themselves."""
    allow_code(Path.cwd())
    require_kind("grid", grid, (Grid, str, Path), 'Use Grid(axes={"weight_decay": [0, 5]}).')
    return complete_grid(grid if isinstance(grid, Grid) else Grid.from_toml(Path(grid)))


class _Wanted(NamedTuple):
    """The arguments of `sweep` that say which cells are trained, until when and how."""

    refine: bool
    always: Mapping[str, Value]
    final_weights: bool
    limit: int | None
    retry_failed: bool
    deadline: float
    train: Train

    def of(self, data: xr.Dataset) -> np.ndarray:
        """Which runs of a sweep to train, were every cell of interest."""
        return untrained(data, self.final_weights, self.retry_failed)

    def known_phases(self, data: xr.Dataset) -> np.ndarray:
        """Codes, [seed and panel, row, column], of cells whose seeds all need no more training."""
        phases = np.moveaxis(phase_codes(data).values, -1, 0)
        phases[:, self.of(data).any(axis=-1)] = UNKNOWN
        rows, columns = (1, 1, *phases.shape[1:])[-2:]
        return phases.reshape(-1, rows, columns)

    def rounds(self, grid: Grid, codes: np.ndarray) -> Iterable[np.ndarray]:
        """Which cells to train in each round: all, or those at the boundary of any seed.

        Args:
            grid: the sweep's.
            codes: the known phases, which the caller keeps up to date from round to round.
        """
        *axes, seeds = grid.sizes.values()
        if not self.refine:
            return [np.ones(axes, bool)]
        first = [_cells_at(grid, self.always)] if self.always else []
        by_seed = (wanted.reshape(seeds, *axes) for wanted in follow_boundaries(codes))
        return chain(first, (np.logical_or.reduce(wanted) for wanted in by_seed))


def _train_rounds(
    grid: Grid, store: Store, data: xr.Dataset, wanted: _Wanted, workers: Workers, show: Show
) -> tuple[xr.Dataset, int]:
    """Train what is wanted of a sweep, round by round.

    Returns:
        The sweep as it is then, and how many cells of the last round the time limit left.
    """
    codes = wanted.known_phases(data)
    n_more, n_left, work_before = wanted.limit or grid.size, 0, 0.0
    for number, chosen in enumerate(wanted.rounds(grid, codes), start=1):
        missing = wanted.of(data)
        missing &= chosen[..., None]  # every seed of a cell
        places = np.argwhere(missing)[:n_more]
        cells = [grid.cell(tuple(index)) for index in places.tolist()]
        if not cells:
            continue
        for experiment in cells:
            store.forget_failure(experiment)
        prefix = f"round {number}, more may follow: " if wanted.refine else ""
        show_round = _after(work_before, prefix, show)
        scheduler = Scheduler(
            cells, store, workers, wanted.final_weights, show_round, wanted.train, wanted.deadline
        )
        train_all(scheduler)
        data = collect(grid, store)
        codes[:] = wanted.known_phases(data)
        work_before += math.fsum(map(work, cells))
        n_more -= len(cells)
        if scheduler.n_left:  # of a task that was given up some cells may have ended
            still_missing = untrained(data, wanted.final_weights, retry_failed=False)
            n_left = int(still_missing[tuple(places.T)].sum())
        if not n_more or n_left:
            break
    return data, n_left


def _require_possible(
    grid: Grid,
    store: Store,
    refine: bool,
    always: Mapping[str, Value],
    counts: Mapping[str, int | None],
    time_limit: int | float | None,
) -> None:
    """Refuse what cannot be swept, before anything is written.

    Raises:
        ConfigError: if a count is less than 1, the time limit is not positive, there are no axes
            to refine along, `always` names none, the network cannot be measured, or a measure has
            a meaning for no cell that asks for it.
    """
    _require_counts(counts)
    is_time = isinstance(time_limit, int | float | None)
    if not is_time or (time_limit is not None and not time_limit > 0):
        raise ConfigError(
            f"`time_limit` must be a positive number of seconds, got {time_limit!r}. Use 3600."
        )
    if unknown := [name for name in always if name not in grid.axes]:
        raise ConfigError(
            f"`always` must name axes of the grid, got {unknown[0]!r}, without which every cell "
            f"would be trained. {meant(unknown[0], grid.axes)}"
        )
    if always and not refine:
        raise ConfigError("`always` must go with refine, got it without. Leave it out, or refine.")
    for name, value in always.items():
        if value not in grid.values[name]:
            raise ConfigError(
                f"`always` must hold a value of axis {name}, got {value!r}. "
                f"Use one of {', '.join(map(str, grid.values[name]))}."
            )
    if refine and not has_plane([grid.values[name] for name in list(grid.sizes)[:-1]]):
        raise ConfigError(
            "`refine` must have two axes to refine along, the last two, of ascending numbers, got "
            f"{list(grid.axes)}. Sweep the whole grid, or put such axes last."
        )
    require_environment()
    first = grid.cell((0,) * len(grid.sizes))
    require_measurable(first, model_shapes(first))
    if first.measures or "measures" in grid.axes:
        require_meaning(cell for _, cell in grid.cells())
    require_free_axes(grid)
    require_writable(store.path, "store")


def _require_counts(counts: Mapping[str, int | None]) -> None:
    for name, number in counts.items():
        if number is not None:
            require_whole(name, number, 1, "Use 1.")


def _cells_at(grid: Grid, always: Mapping[str, Value]) -> np.ndarray:
    """Which cells have some axis values, over every dimension but the seed's."""
    where = np.ones([*grid.sizes.values()][:-1], bool)
    for axis, names in enumerate([*grid.dimensions.values()][:-1]):
        for name in set(names) & set(always):
            there = np.array([value == always[name] for value in grid.values[name]])
            where &= there.reshape([-1 if i == axis else 1 for i in range(where.ndim)])
    return where


def _after(before: float, prefix: str, show: Show) -> Show:
    """Progress of one round of several, which goes on where the one before ended."""
    return lambda words, done, total: show(f"{prefix}{words}", before + done, before + total)


def open_sweep(grid: Grid, store: str | Path | Store, progress: bool = True) -> xr.Dataset:
    """`diagram.collect` with a progress bar: the first opening reads every run."""
    with progress_bar("reading runs", grid.size, progress, unit="runs") as advance:
        return collect(grid, store, advance)


def failed_cells(data: xr.Dataset, store: str | Path | Store) -> dict[str, str]:
    """Why cells failed, by their settings in words.

    >>> data = collect(Grid(axes={"weight_decay": [0]}), "no store")
    >>> failed_cells(data, "no store")
    {}
    """
    places = list(map(tuple, np.argwhere(data.status.values == FAILED).tolist()))
    if not places:
        return {}
    grid, reasons = grid_of(data), Store.of(store).failures()
    failed = {}
    for index in places:
        settings = ", ".join(f"{name} = {v}" for name, v in grid.settings(index).items())
        failed[settings] = reasons.get(digest(grid.cell(index)), "unknown")
    return failed
