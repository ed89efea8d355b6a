"""All runs of a sweep, without weights, in one compact file; and back into a store."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError, StoreError, require_kind
from grokscope.experiment.grid import Grid
from grokscope.runs.compact import without_weights
from grokscope.runs.files import read_dataset, require_file, write_atomically, write_dataset
from grokscope.runs.record import described
from grokscope.runs.run import Run
from grokscope.runs.store import Store
from grokscope.sweeps.diagram import DONE, MISSING, RUN, as_table, collect, grid_of, is_whole

SHARED = ("grokscope_version", "environment", "kind")
"""Attributes that many runs have in common."""


class Maker(TypedDict):
    """What runs of an archive have in common, beside their arrays.

    Attributes:
        attrs: attributes of the runs, those in `SHARED`.
        variables: the names of their variables.
        variable_attrs: attributes of variables that differ from the archive's.
        words: values of variables that are no numbers.
        scalars: variables without dimensions, which in other runs may be over steps.
    """

    attrs: dict[str, str]
    variables: list[str]
    variable_attrs: dict[str, dict[str, str]]
    words: dict[str, list[str]]
    scalars: NotRequired[list[str]]


COMPRESSION = {"zlib": True, "complevel": 6, "shuffle": True}

COMPRESSED_BYTES = 2048
"""Arrays below this are stored as they are: HDF5's index of compressed pieces would be larger."""


def archive(
    grid: Grid,
    store: str | Path | Store,
    advance: Callable[[int], None] = lambda runs: None,
    detailed_seeds: int | None = None,
) -> xr.Dataset:
    """The dataset of `diagram.collect`, and beside it everything else of each run but its weights.

    A variable of the runs has the grid's dimensions before its own and a name that begins with
    `run_`. Runs of different lengths are padded with NaN. `restore` gives the runs back, bit for
    bit.

    Args:
        grid: of the sweep.
        store: where its runs are.
        advance: called with 1 for each run.
        detailed_seeds: of the first so many seeds alone, all by default. Of the others there is
            what they ended with and when they were made.
    """
    store = Store.of(store)
    data = collect(grid, store)
    grid = grid_of(data)
    shape, dims = data.status.shape, data.status.dims
    packed: dict[str, np.ndarray] = {}
    layout: dict[str, xr.Variable] = {}
    makers: list[Maker] = []
    made, created = np.full((2, *shape), np.nan)
    for index in map(tuple, np.argwhere(data.status.values == DONE).tolist()):
        run = store.find(grid.cell(index))
        if run is None:  # found damaged only now
            cell = dict(zip(dims, index, strict=True))
            data.status[cell] = MISSING
            for of_run in data.data_vars.values():
                if set(dims) <= set(of_run.dims) and of_run.dtype.kind == "f":
                    of_run[cell] = np.nan
            continue
        created[index] = datetime.fromisoformat(run.dataset.attrs["created"]).timestamp()
        advance(1)
        if detailed_seeds is not None and index[dims.index("seed")] >= detailed_seeds:
            continue
        dataset = without_weights(run).dataset
        for name, variable in dataset.variables.items():
            if variable.ndim > layout.setdefault(str(name), variable).ndim:
                layout[str(name)] = variable
                packed[str(name)] = packed[str(name)][..., None]
            if variable.dtype.kind in "iuf":
                _put(packed, str(name), shape, index, variable.values)
        maker = _maker(dataset, layout)
        makers += [] if maker in makers else [maker]
        made[index] = makers.index(maker)
    _add_packed(data, packed, layout, makers)
    data["run_maker"] = dims, made, described("index in the attribute `makers`")
    data["run_created"] = dims, created, {"description": "when it was made", "unit": "s since 1970"}
    data["has_weights"] *= 0
    return data.assign_attrs(makers=json.dumps(makers))


def _add_packed(
    data: xr.Dataset,
    packed: dict[str, np.ndarray],
    layout: dict[str, xr.Variable],
    makers: list[Maker],
) -> None:
    """Put the runs' packed arrays, and the words that all of them share, into a sweep's dataset."""
    shape, dims = data.status.shape, data.status.dims
    room: dict[str, int] = {}  # networks may differ in width, and their arrays share dimensions
    for name, values in packed.items():
        for dim, length in zip(layout[name].dims, values.shape[len(shape) :], strict=True):
            room[str(dim)] = max(room.get(str(dim), 0), length)
    for name, like in layout.items():
        inner = [RUN + str(dim) for dim in like.dims]
        if name in packed:
            attrs = like.attrs | {"dtype": str(like.dtype)}
            lengths = tuple(room[str(dim)] for dim in like.dims)
            data[RUN + name] = (*dims, *inner), _padded(packed[name], (*shape, *lengths)), attrs
        elif all(maker["words"].get(name) == like.values.tolist() for maker in makers):
            data[RUN + name] = inner, like.values, like.attrs  # names, the same in every run


def _maker(dataset: xr.Dataset, layout: dict[str, xr.Variable]) -> Maker:
    """What a run has in common with others of the archive; those alike share one."""
    words = {
        str(name): variable.values.tolist()
        for name, variable in dataset.variables.items()
        if variable.dtype.kind not in "iuf"
    }
    return {
        "attrs": {name: dataset.attrs[name] for name in SHARED if name in dataset.attrs},
        "variables": sorted(map(str, dataset.variables)),
        "variable_attrs": {
            str(name): variable.attrs
            for name, variable in dataset.variables.items()
            if variable.attrs != layout[str(name)].attrs or name in words
        },
        "words": words,
        "scalars": sorted(str(name) for name, variable in dataset.items() if not variable.dims),
    }


def makers_of(data: xr.Dataset) -> list[Maker]:
    """The makers of an archive; in older files each is a list instead of a record."""
    found = json.loads(data.attrs["makers"])
    return [_of_list(maker) if isinstance(maker, list) else maker for maker in found]


def _of_list(maker: list[Any]) -> Maker:
    """The record of an older file: version, environment and variables, then attributes that differ
    from run to run, which older ones have not, and words, which the oldest have not.
    """
    version, environment, *rest = maker
    names = [name for name in rest if isinstance(name, str)]
    *_, variable_attrs, words = {}, {}, *rest[len(names) :]
    return {
        "attrs": {"grokscope_version": version, "environment": environment},
        "variables": names,
        "variable_attrs": variable_attrs,
        "words": words,
    }


def _put(
    packed: dict[str, np.ndarray], name: str, shape: tuple, index: tuple, values: np.ndarray
) -> None:
    """Put a run's values at its place, making room for them; the rest is NaN.

    A number stands first where other runs have one for each step.
    """
    kind = np.float32 if values.dtype == np.float32 else np.float64  # integers up to 2⁵³ fit
    if name not in packed:
        packed[name] = np.full((*shape, *(0 for _ in values.shape)), np.nan, kind)
    array = packed[name]
    inner = array.shape[len(shape) :]
    values = values.reshape(values.shape or (1,) * len(inner))
    array = _padded(array, (*shape, *map(max, inner, values.shape)))
    array[(*index, *(slice(length) for length in values.shape))] = values
    packed[name] = array


def _padded(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array with room for a larger shape; the rest is NaN."""
    room = [(0, length - there) for length, there in zip(shape, array.shape, strict=True)]
    return np.pad(array, room, constant_values=np.nan) if array.shape != shape else array


def restore(data: xr.Dataset, store: str | Path | Store) -> int:
    """Write the runs of an archive into a store, those that it has not; return how many.

    Cells of which the archive has no more than what they ended with are left out.

    Raises:
        StoreError: if that is all it has of every cell.
    """
    grid, store = grid_of(data), Store.of(store)
    if not is_whole(data):
        raise StoreError(
            "the dataset must be a whole sweep's to be restored, got a selection of it. "
            "Select from what is restored."
        )
    if "run_maker" not in data:
        raise StoreError(
            "the sweep's file must hold its runs to go on from, got one with their ends alone. "
            "Export it with --details."
        )
    store.record_grid(grid)
    restored = 0
    for index in map(tuple, np.argwhere(data.status.values == DONE).tolist()):
        if grid.cell(index) not in store and (run := archived_run(data, grid, index)):
            store.save(run)
            restored += 1
    return restored


def archived_run(data: xr.Dataset, grid: Grid, index: tuple[int, ...]) -> Run | None:
    """The run of one cell of an archive; None if it has only what that run ended with, or none."""
    if "run_maker" not in data or np.isnan(data.run_maker.values[index]):
        return None
    cell = data.isel(dict(zip(data.status.dims, index, strict=True)))
    return Run(grid.cell(index), _run_dataset(cell, makers_of(data)[int(cell.run_maker)]))


def _run_dataset(cell: xr.Dataset, maker: Maker) -> xr.Dataset:
    """What the run of one cell of an archive was saved from."""
    words, others = maker["words"], maker["variable_attrs"]
    packed = [RUN + name for name in maker["variables"]]
    lengths = {
        name: int(np.isfinite(cell[name].values).sum())
        for name in packed
        if name in cell and cell[name].dims == (name,) and "dtype" in cell[name].attrs
    }
    lengths |= {RUN + name: len(values) for name, values in words.items()}
    variables = {}
    for name in packed:
        own = name.removeprefix(RUN)
        if name not in cell:  # words that differ from run to run
            variables[own] = [own], words[own], others.get(own, {})
            continue
        dims = [str(dim) for dim in cell[name].dims]
        values = cell[name].values[tuple(slice(lengths.get(dim)) for dim in dims)]
        if own in maker.get("scalars", ()):
            dims, values = [], values.ravel()[0]
        attrs = dict(cell[name].attrs)
        if kind := attrs.pop("dtype", None):
            values = values.astype(kind)
        attrs = others.get(own, attrs)
        variables[own] = [dim.removeprefix(RUN) for dim in dims], values, attrs
    created = datetime.fromtimestamp(float(cell.run_created), UTC)
    ends = ("failed_at", "settled_at")
    attrs = maker["attrs"] | {
        "created": created.isoformat(timespec="seconds"),
        "seconds": float(cell.seconds),
        **{end: int(cell[end]) for end in ends if np.isfinite(cell[end])},
    }
    return xr.Dataset(variables, attrs=attrs)


FORMATS = (".nc", ".csv", ".parquet")


def export(data: xr.Dataset, path: str | Path) -> None:
    """Write a sweep's dataset as netCDF (.nc), or as a table with a row a run (.csv, .parquet).

    Raises:
        ConfigError: if the path ends in something else, or its folder cannot be written.
        OSError: if it cannot be written; no part of it is left behind.

    >>> from tempfile import mkdtemp
    >>> data, path = collect(Grid(axes={"weight_decay": [0, 5]}), "no store"), Path(mkdtemp())
    >>> export(data, path / "map.csv")
    >>> (path / "map.csv").read_text().splitlines()[1][:4]
    '0,0,'
    """
    require_kind("data", data, xr.Dataset, "Use sweep.dataset.")
    path = Path(path)
    require_file(path, "export", FORMATS)
    if path.suffix.lower() == ".nc":
        arrays = data.variables.items()
        large = [n for n, v in arrays if v.dtype.kind in "iuf" and v.nbytes >= COMPRESSED_BYTES]
        plain = data.drop_encoding()  # of the file that it was read from
        write_dataset(path, plain, encoding=dict.fromkeys(large, COMPRESSION))
        return
    table = as_table(data)
    if path.suffix.lower() == ".csv":
        write_atomically(path, table.to_csv(index=False).encode())
    else:
        write_atomically(path, table.to_parquet(index=False))


def exports_in(folder: str | Path) -> list[Path]:
    """The netCDF files of a folder, by name; it may hold the exports of several sweeps."""
    return sorted(Path(folder).glob("*.nc"))


def load_sweep(path: str | Path) -> xr.Dataset:
    """A sweep's dataset from the netCDF file that `export` wrote.

    Raises:
        StoreError: if it is missing, damaged, or no file of grokscope.
        ConfigError: if it is no sweep.
    """
    require_kind("path", path, (str, Path), "Use the file that `export` wrote.")
    if not Path(path).is_file():
        raise StoreError(
            f"`{path}` must be a folder of runs or a sweep's netCDF file, got neither. "
            "Train a sweep first."
        )
    data = read_dataset(Path(path))
    if "experiment" in data.attrs:
        raise ConfigError(
            f"`{path}` must be an exported sweep, got a single run. Use `grokscope show`, or "
            "export a sweep with `grokscope phases STORE --export FILE.nc`."
        )
    grid_of(data)
    return data
