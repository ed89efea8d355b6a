"""What training takes, in time and on the disk, before it begins."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.runs.disk import nearest_existing
from grokscope.sweeps.diagram import FAILED, MISSING
from grokscope.sweeps.executors import default_processes
from grokscope.training.cost import CELL_SECONDS, kept_bytes, number_bytes, work
from grokscope.training.ensemble import seconds_per_work
from grokscope.training.networks import n_weights

RUN_BYTES = 60_000
"""Size of a run file without weights, at the paper's settings (measured: 40 to 70 kB)."""


def untrained(data: xr.Dataset, final_weights: bool, retry_failed: bool) -> np.ndarray:
    """Which runs a sweep would train, were every cell of interest."""
    wanted = data.status.values == MISSING
    if retry_failed:
        wanted |= data.status.values == FAILED
    if final_weights:
        wanted |= data.has_weights.values == 0
    return wanted


class Estimate(NamedTuple):
    """What a sweep takes if no run settles early and no cell is inferred.

    Attributes:
        to_train: networks.
        seconds: how long it takes.
        disk_bytes: size of the new files.
        disk_free: bytes that are free where the store is.
    """

    to_train: int
    seconds: float
    disk_bytes: int
    disk_free: int


def estimate(
    grid: Grid,
    store: Path,
    data: xr.Dataset,
    workers: int | None = None,
    final_weights: bool = False,
    retry_failed: bool = False,
    limit: int | None = None,
) -> Estimate:
    """The cost of the cells that `sweep` would train with the same arguments, without refining.

    Args:
        grid: the sweep's grid.
        store: a folder of runs, which need not exist.
        data: the sweep as `open_sweep` gives it.
        workers: training processes; by default one for each accelerator, or else for each core.
        final_weights: whether the final weights are stored too.
        retry_failed: whether failed cells are tried again.
        limit: how many cells are trained at most.
    """
    missing = np.argwhere(untrained(data, final_weights, retry_failed))[:limit]
    cells = [grid.cell(tuple(index)) for index in missing.tolist()]
    disk = sum(run_bytes(cell, final_weights) for cell in cells)
    seconds = seconds_to_train(cells, workers)
    free = shutil.disk_usage(nearest_existing(store)).free
    return Estimate(len(cells), seconds, disk, free)


def run_bytes(experiment: Experiment, final_weights: bool = True) -> int:
    """About how large the file of a run is.

    Args:
        experiment: what is trained.
        final_weights: whether the final weights are stored even if the experiment keeps none.
    """
    if not final_weights and experiment.keep_weights is None:
        return RUN_BYTES
    of_units = 12 * experiment.model.widest * experiment.n_measured
    of_weights = number_bytes(experiment) * n_weights(experiment)
    return RUN_BYTES + of_weights + of_units + kept_bytes(experiment)


def seconds_to_train(cells: Sequence[Experiment], workers: int | None = None) -> float:
    """How long networks take if none settles early, by a few steps of one of middling length.

    Args:
        cells: their experiments.
        workers: training processes; by default one for each accelerator, or else for each core.
    """
    if not cells:
        return 0.0
    middle = sorted(cells, key=work)[len(cells) // 2]
    alone = seconds_per_work(middle) * sum(map(work, cells)) + CELL_SECONDS * len(cells)
    return alone / min(workers or default_processes(), len(cells))
