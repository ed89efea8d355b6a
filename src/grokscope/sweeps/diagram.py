"""A grid's runs as one labelled dataset, and the phases in it (NumPy and xarray only)."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from grokscope.errors import ConfigError
from grokscope.experiment.grid import Grid
from grokscope.experiment.own_code import label
from grokscope.measures.differences import with_differences
from grokscope.measures.phases import Phase, classify
from grokscope.measures.table import MEASURES, is_reserved
from grokscope.runs.cache import Summaries
from grokscope.runs.store import Store
from grokscope.runs.summaries import Summary
from grokscope.sweeps.columns import measured
from grokscope.sweeps.refine import UNKNOWN, enclosed

PHASES = tuple(Phase)
"""Phases in the order of their codes."""

MISSING, DONE, FAILED = range(3)
STATUS = ("missing", "done", "failed")

RUN = "run_"
"""What the names of the runs' own variables begin with in an archive."""

GRIDS_KEPT = 16
_grids: dict[str, Grid] = {}


def collect(
    grid: Grid,
    store: str | Path | Store,
    advance: Callable[[int], None] = lambda runs: None,
) -> xr.Dataset:
    """What a store has of a grid's cells, with a dimension for each axis and for the seed.

    Variables: those of `MEASURES`, `norm` of each matrix, and `status` (0 missing, 1 done,
    2 failed). Numbers that are not there are NaN. Axes that advance together are coordinates of one
    dimension. The grid itself is the attribute `grid`, as TOML.

    >>> collect(Grid(axes={"weight_decay": [0, 5]}), "no store").status.values.tolist()
    [[0], [0]]
    """
    return as_dataset(*look(grid, Store.of(store), advance))


class Look(NamedTuple):
    """What a store has of a grid's cells: their summaries, and why some failed, by digest."""

    grid: Grid
    found: Summaries
    failed: Mapping[str, str]

    def is_as(self, other: Look) -> bool:
        """Whether nothing has changed, which is quicker to tell than to make a dataset."""
        is_alike = (self.grid, self.failed) == (other.grid, other.failed)
        return is_alike and self.found.is_as(other.found)


def look(grid: Grid, store: Store, advance: Callable[[int], None] = lambda runs: None) -> Look:
    """What `collect` makes a dataset of."""
    grid = store.counted(grid)
    found = store.summaries(wanted=set(grid.digests), advance=advance)
    return Look(grid, found, store.failures())


def as_dataset(grid: Grid, found: Mapping[str, Summary], failed: Container[str]) -> xr.Dataset:
    """A dataset of the summaries of a grid's cells, and of those that failed; see `collect`.

    Args:
        grid: the sweep's.
        found: summaries by digest.
        failed: digests.

    Raises:
        ConfigError: if an axis has a name that something else in the dataset has.
    """
    require_free_axes(grid)
    shape, dimensions = tuple(grid.sizes.values()), tuple(grid.sizes)
    rows = {name: row for row, name in enumerate(found)}
    places = np.array([rows.get(name, -1) for name in grid.digests]).reshape(shape)
    lost = np.array([name in failed for name in grid.digests]).reshape(shape)
    status = np.where(places >= 0, DONE, np.where(lost, FAILED, MISSING)).astype(np.int8)
    variables, coordinates = measured(found, places, dimensions)
    variables["status"] = dimensions, status, flags(STATUS)
    for dimension, names in grid.dimensions.items():
        for name in names:
            coordinates[name] = (dimension, _coordinate(grid.values[name]), {"description": name})
    document = grid.to_toml()
    _remember(document, grid)
    attrs = {
        "grid": document,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "grokscope_version": version("grokscope"),
    }
    return xr.Dataset(variables, coordinates, attrs)


def flags(names: Sequence[str]) -> dict[str, object]:
    """Attributes that name the codes of a variable from 0 on, by the CF conventions (3.5)."""
    return {
        "description": ", ".join(f"{code}: {name}" for code, name in enumerate(names)),
        "flag_values": np.arange(len(names), dtype=np.int8),
        "flag_meanings": " ".join(names),
    }


def require_free_axes(grid: Grid) -> None:
    """Refuse axes of names that something else in a sweep has.

    Raises:
        ConfigError: naming the axis.
    """
    for name in grid.axes:
        if is_reserved(leaf := name.rpartition(".")[2]):
            raise ConfigError(
                f"axis `{leaf}` must have a name that nothing else in a sweep has. Rename that "
                "argument of your code."
            )


def _coordinate(values: Sequence[object]) -> np.ndarray:
    """Axis values as netCDF can hold them: "none" for None beside words, NaN beside numbers.

    The user's code is named without the hash of its source, which the grid holds, if that is plain.
    """
    plain = list(map(label, values))
    values = plain if len(set(plain)) == len(values) else values
    if any(isinstance(value, str | bool) for value in values):
        return np.array([str(value).lower() if value is None else str(value) for value in values])
    return np.array([np.nan if value is None else value for value in values])


def has_plane(axes: Sequence[Sequence[object] | np.ndarray]) -> bool:
    """Whether the last two of some axes are of ascending numbers, so that cells lie between others.

    >>> has_plane([["adamw", "sgd"], [0.1, 0.2], [0, 5]]), has_plane([[0.1, 0.2], [5, 0]])
    (True, False)
    """
    last = [np.asarray(values) for values in axes[-2:]]
    return len(last) == 2 and all(map(ascends, last))


def ascends(values: np.ndarray) -> bool:
    """Whether axis values are ascending numbers."""
    return values.dtype.kind in "iuf" and bool((np.diff(values) > 0).all())


def is_whole(dataset: xr.Dataset) -> bool:
    """Whether a sweep's dataset has all cells of its grid, in the grid's order."""
    grid = grid_of(dataset)
    return dataset.status.dims == tuple(grid.sizes) and all(
        np.array_equal(dataset[name].values.astype(str), _coordinate(values).astype(str))
        for name, values in grid.values.items()
    )


def grid_of(dataset: xr.Dataset) -> Grid:
    """The grid that a dataset is of.

    Raises:
        ConfigError: if it is no dataset of a sweep.
    """
    if "grid" not in dataset.attrs or "status" not in dataset:
        raise ConfigError(
            "`dataset` must be what a sweep returns or exports, got one without a grid. "
            "Use `grokscope phases STORE --export FILE.nc` to make one."
        )
    return _grid_in(dataset.attrs["grid"])


def _grid_in(document: str) -> Grid:
    """The grid of a document; all cells are checked, which of 100,000 takes seconds."""
    if document not in _grids:
        _remember(document, Grid.from_record(document))
    return _grids[document]


def _remember(document: str, grid: Grid) -> None:
    """Keep a grid for `grid_of`, and the last few others."""
    _grids[document] = grid
    while len(_grids) > GRIDS_KEPT:
        _grids.pop(next(iter(_grids)), None)


def corruption_of(dataset: xr.Dataset) -> xr.DataArray:
    """The corruption fraction of every cell, of the dimensions that it depends on.

    Raises:
        ConfigError: if it varies, and a selection has lost it.
    """
    grid, name = grid_of(dataset), "corruption_fraction"
    if name in grid.values and name not in dataset.coords:
        raise ConfigError(
            f"`dataset` must say the {name} of its cells, got a selection without. "
            "Select with drop=False."
        )
    return xr.DataArray(dataset.coords.get(name, grid.base.corruption_fraction))


def phase_codes(dataset: xr.Dataset, **thresholds: float) -> xr.DataArray:
    """The code in `PHASES` of every run, `UNKNOWN` where there is none; thresholds of `classify`.

    The seed's dimension is there and the last, also of a selection of one seed.

    >>> phase_codes(collect(Grid(axes={"weight_decay": [0, 5]}), "no store")).values.tolist()
    [[-1], [-1]]
    """
    dataset = _by_seed(dataset)
    arrays = xr.broadcast(
        dataset.train_accuracy, dataset.test_accuracy, dataset.peak_test_accuracy,
        corruption_of(dataset), dataset.get("second_rule_accuracy", xr.DataArray(np.nan)),
    )  # fmt: skip
    like = dataset.status
    train, test, peak, xi, second = (array.transpose(*like.dims).values for array in arrays)
    phases = classify(train, test, peak, xi, second, **thresholds)
    codes = np.full(like.shape, UNKNOWN)
    for code, phase in enumerate(PHASES):
        codes[phases == phase] = code
    codes[np.isfinite(dataset.failed_at.values)] = PHASES.index(Phase.DIVERGED)
    return like.copy(data=codes).rename("phase")


def _by_seed(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with the seed as the last dimension of what has a value for each run."""
    seeds = dataset if "seed" in dataset.dims else dataset.expand_dims("seed")
    last = [name for name, v in seeds.data_vars.items() if set(v.dims) == set(seeds.status.dims)]
    return seeds.assign({name: seeds[name].transpose(..., "seed") for name in last})


def most_frequent(codes: np.ndarray) -> np.ndarray:
    """The most frequent known code along the last axis; the first of equally frequent ones."""
    counts = np.stack([(codes == code).sum(axis=-1) for code in range(len(PHASES))], axis=-1)
    return np.where(counts.any(axis=-1), counts.argmax(axis=-1), UNKNOWN)


def phase_diagram(dataset: xr.Dataset, confidence: float = 0.95, **thresholds: float) -> xr.Dataset:
    """Over all seeds: each cell's most frequent phase, how sure that is, and what was inferred.

    Args:
        dataset: of a sweep, or a selection of it.
        confidence: the share of intervals that hold the truth.
        thresholds: `generalizes`, `memorizes` and `slack`, as in `classify`.

    Returns:
        `phase`: codes in `PHASES`, `UNKNOWN` where nothing is known; `inferred`: True for a cell
        that was not trained and is enclosed by cells of one phase, along the last two axes if
        these are of ascending numbers and their coarse lattice was trained; `runs`: seeds
        that ended; `frequency`, `low`, `high`: share of seeds in each phase and its Wilson score
        interval, over the dimension `code`.

    Raises:
        ConfigError: if the confidence does not lie between 0 and 1.

    >>> diagram = phase_diagram(collect(Grid(axes={"weight_decay": [0, 5]}), "no store"))
    >>> diagram.phase.values.tolist(), diagram.frequency.dims
    ([-1, -1], ('weight_decay', 'code'))
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"`confidence` must lie between 0 and 1, got {confidence}. Use 0.95.")
    dataset = _by_seed(dataset)
    codes = phase_codes(dataset, **thresholds)
    counts = np.stack([(codes.values == code).sum(axis=-1) for code in range(len(PHASES))], axis=-1)
    runs = counts.sum(axis=-1)
    trained = most_frequent(codes.values)
    phase = trained
    if has_plane([dataset[dim].values for dim in codes.dims[:-1]]):
        phase = enclosed(trained.reshape(-1, *trained.shape[-2:])).reshape(trained.shape)
        failed = (dataset.status.values == FAILED).any(axis=-1) & (trained == UNKNOWN)
        phase = np.where(failed, UNKNOWN, phase)
    low, high = _wilson(counts, runs[..., None], confidence)
    dims = codes.dims[:-1]
    with np.errstate(invalid="ignore"):
        frequency = counts / runs[..., None]
    variables = {
        "phase": (dims, phase.astype(np.int8), flags(PHASES)),
        "inferred": (dims, (phase != UNKNOWN) & (trained == UNKNOWN)),
        "runs": (dims, runs),
        "frequency": ((*dims, "code"), frequency),
        "low": ((*dims, "code"), low),
        "high": ((*dims, "code"), high),
    }
    coordinates = {name: c for name, c in dataset.coords.items() if set(c.dims) <= set(dims)}
    return xr.Dataset(variables, coordinates, {"confidence": confidence})


def as_table(dataset: xr.Dataset, **thresholds: float) -> pd.DataFrame:
    """A row for each cell and seed: its axes, what it ended with, its phase, whether inferred.

    Differences of measures that are worth looking at have columns too.

    >>> as_table(collect(Grid(axes={"weight_decay": [0, 5]}), "no store")).status.tolist()
    ['missing', 'missing']
    """
    dataset = _by_seed(dataset)
    diagram = phase_diagram(dataset, **thresholds)
    codes = phase_codes(dataset, **thresholds)
    codes = codes.where(~diagram.inferred, diagram.phase).transpose(*codes.dims)
    own = [str(name) for name in dataset.data_vars if not str(name).startswith(RUN)]
    ordered = sorted(own, key=[*MEASURES, *own].index)  # a file that was read has them by name
    cells = dataset[[name for name in ordered if set(dataset[name].dims) <= set(codes.dims)]]
    matrices = dataset.matrix.values.tolist()
    cells = cells.assign({f"norm_{m}": dataset.norm.sel(matrix=m, drop=True) for m in matrices})
    table = cells.assign(phase=codes, inferred=diagram.inferred.broadcast_like(codes))
    frame = table.transpose(*codes.dims).to_dataframe().reset_index()
    words = {code: str(phase) for code, phase in enumerate(PHASES)}
    frame["phase"] = frame.phase.map({**words, UNKNOWN: None}).astype(object)
    frame["status"] = frame.status.map(dict(enumerate(STATUS)))
    whole = [row.name for row in MEASURES.values() if row.is_whole and row.name in frame]
    frame[whole] = frame[whole].astype("Int64")  # which can be missing
    return with_differences(frame)


def _wilson(
    counts: np.ndarray, runs: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """The Wilson score interval of counts / runs, each of counts' shape; NaN for no runs."""
    most = int(runs.max(initial=0)) + 1
    unique, inverse = np.unique(counts * most + runs, return_inverse=True)  # as one number each
    intervals = np.array(
        [
            stats.binomtest(int(k), int(n)).proportion_ci(confidence, method="wilson")
            if n
            else (np.nan, np.nan)
            for k, n in zip(*np.divmod(unique, most), strict=True)
        ]
    )
    low, high = intervals[inverse.ravel()].T
    return low.reshape(counts.shape), high.reshape(counts.shape)
