"""How exported sweeps were made, as the files themselves tell it."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError, StoreError
from grokscope.experiment.own_code import label
from grokscope.sweeps.archive import exports_in, load_sweep, makers_of
from grokscope.sweeps.diagram import DONE, grid_of, is_whole, phase_diagram


class Provenance(NamedTuple):
    """What was trained for a sweep, at what cost, when, and with which versions.

    Attributes:
        axes: the values of each axis but the seed, by name; the user's own code by its label.
        together: for the first of some axes that advance together, the names of the others.
        seeds: seeds of every cell.
        networks: cells times seeds.
        trained: networks that were trained.
        settled: trained networks that stopped early, as their phase could no longer change.
        diverged: trained networks that diverged.
        inferred: networks whose phase is inferred, as trained cells of one phase enclose them.
        core_hours: training time of all networks, summed over cores.
        first, last: days on which the first and the last network were trained; empty in a file
            without runs.
        versions: of grokscope and JAX, and the kinds of device, a line for each that differs.
    """

    axes: dict[str, list[object]]
    together: dict[str, list[str]]
    seeds: int
    networks: int
    trained: int
    settled: int
    diverged: int
    inferred: int
    core_hours: float
    first: str
    last: str
    versions: list[str]


def provenance(data: xr.Dataset) -> Provenance:
    """The provenance of a sweep's dataset, which `load_sweep` or a sweep returns.

    Raises:
        ConfigError: if it is no dataset of a sweep.
    """
    grid = grid_of(data)
    days = []
    if not is_whole(data):
        raise ConfigError(
            "`sweep` must hold its whole grid, got a selection of it. Export the whole sweep."
        )
    if "run_created" in data:
        created = data.run_created.values[np.isfinite(data.run_created.values)]
        ends = (created.min(), created.max()) if created.size else ()
        days = [f"{datetime.fromtimestamp(float(end), UTC):%Y-%m-%d}" for end in ends]
    first, last = days or ("", "")
    return Provenance(
        axes={n: [*map(label, values)] for n, values in grid.values.items() if n != "seed"},
        together={first: rest for first, *rest in grid.dimensions.values() if rest},
        seeds=data.sizes["seed"],
        networks=data.status.size,
        trained=int((data.status == DONE).sum()),
        **outcomes(data),
        core_hours=float(data.seconds.sum()) / 3600,
        first=first,
        last=last,
        versions=_versions(data),
    )


def outcomes(data: xr.Dataset) -> dict[str, int]:
    """How many networks of a sweep diverged, settled early, and are inferred."""
    return {
        "diverged": int(data.failed_at.notnull().sum()),
        "settled": int(data.settled_at.notnull().sum()),
        "inferred": int(phase_diagram(data).inferred.sum()) * data.sizes["seed"],
    }


def _versions(data: xr.Dataset) -> list[str]:
    """Versions and device of each maker, those that are alike once."""
    found = []
    for maker in makers_of(data) if "makers" in data.attrs else []:
        made = json.loads(maker["attrs"]["environment"])
        grokscope = maker["attrs"]["grokscope_version"]
        found.append(
            f"grokscope {grokscope}, JAX {made['jax']}, {made['device']} {made['machine']}"
        )
    return [*dict.fromkeys(found)]


def provenance_of(folder: str | Path) -> dict[str, Provenance]:
    """The provenance of every sweep exported to a folder, by the name of its file.

    Files that cannot be read are warned of, and left out.

    Raises:
        ConfigError: if there is no such folder, no file in it, or none that is a sweep.
        StoreError: if all files are damaged.
    """
    paths = exports_in(folder)
    if not paths:
        got = "without one" if Path(folder).is_dir() else "which is no folder"
        raise ConfigError(
            f"`folder` must be a folder of exported sweeps (.nc), got {str(folder)!r}, {got}. "
            "Export one with `grokscope phases STORE --export FOLDER/NAME.nc --details`."
        )
    found, errors = {}, []
    for path in paths:
        try:
            found[path.name] = provenance(load_sweep(path))
        except (ConfigError, StoreError, OSError) as error:
            errors.append(error)
    if not found:
        raise errors[0]
    for error in errors:
        warnings.warn(f"a file is left out: {error}", stacklevel=2)
    return found
