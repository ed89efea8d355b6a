"""A figure of the paper, made as it is asked for: trained or read, then drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from grokscope.errors import ConfigError
from grokscope.paper.figures import RunFigure, Scale, SweepFigure, figure_of, load
from grokscope.paper.grids import SHOWN
from grokscope.paper.shipped import require_shipped, shipped
from grokscope.plotting.style import Picture
from grokscope.runs.run import Run
from grokscope.sweeps.archive import load_sweep
from grokscope.sweeps.sweep import sweep, train_missing


class Made(NamedTuple):
    """A figure, and the runs or the sweeps that it shows."""

    picture: Picture
    runs: Sequence[Run] = ()
    sweeps: Sequence[xr.Dataset] = ()


@dataclass(frozen=True)
class Request:
    """A figure of the paper as it is asked for; see `figure`.

    Raises:
        ConfigError: if there is no such figure, or the options do not go together.
    """

    number: int | str
    scale: Scale = "paper"
    seed: int = 0
    results: str | Path | None = None
    settle: bool = False
    refine: bool = False

    def __post_init__(self) -> None:
        of_sweeps = isinstance(self.entry, SweepFigure)
        if (self.settle or self.refine or self.results) and not of_sweeps:
            raise ConfigError(
                "`settle`, `refine` and `from` must go with a figure of sweeps, got figure "
                f"{self.number}. Use figure 3."
            )
        if self.results and (self.settle or self.refine or self.scale == "quick" or self.seed):
            raise ConfigError(
                "`from` must go without `settle`, `refine`, `seed` and the quick scale: an export "
                "is drawn as it is. Leave them out."
            )

    @property
    def entry(self) -> RunFigure | SweepFigure:
        """The figure as the paper has it."""
        return load(self.number)

    def make(self, store: str | Path, workers: int | None, progress: bool = True) -> Made:
        """Train what the store lacks, or read the exports, and draw."""
        figure = self.entry
        if isinstance(figure, SweepFigure):
            sweeps = self._sweeps(figure, store, workers, progress)
            return Made(figure.plot(sweeps, note=figure.note(self.scale, sweeps)), sweeps=sweeps)
        wanted = figure.experiments_at(self.scale, self.seed)
        runs = train_missing(wanted, store, workers, progress)
        return Made(figure.plot(runs, figure.note(self.scale)), runs=runs)

    def _sweeps(
        self, figure: SweepFigure, store: str | Path, workers: int | None, progress: bool
    ) -> list[xr.Dataset]:
        if self.results:
            return [load_sweep(require_shipped(name, self.results)) for name in figure.grids]
        return [
            sweep(
                grid.with_base(settle=True) if self.settle else grid,
                store,
                refine=self.refine,
                always=SHOWN.get(name) if self.refine else None,
                workers=workers,
                progress=progress,
            )
            for name, grid in figure.grids_at(self.scale, self.seed).items()
        ]


def figure(
    number: int | str,
    scale: Scale = "paper",
    seed: int = 0,
    store: str | Path = "runs",
    results: str | Path | None = None,
    settle: bool = False,
    refine: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> Picture:
    """Draw a figure of the paper, training only what the store lacks.

    Args:
        number: the figure's number in the paper, "forgetting", "harmonics" or "notebook".
        scale: "paper" for the paper's settings; "quick" for fewer steps and coarser sweeps.
        seed: root seed of every network.
        store: a folder of runs.
        results: a folder of exported sweeps; if given, nothing is trained.
        settle: whether runs of a sweep stop once their phase has settled.
        refine: whether a sweep trains only along the boundaries between phases.
        workers: training processes; by default one a core.
        progress: whether to show progress.

    Returns:
        A Matplotlib figure. A notebook shows it; `savefig` saves it.

    Raises:
        ConfigError: if there is no such figure, or the options do not go together.
        StoreError: if an export is missing or damaged.
        WorkerError: if a network could not be trained.
    """
    request = Request(number, scale, seed, results, settle, refine)
    return request.make(store, workers, progress).picture


def sweep_data(
    name: str,
    scale: Scale,
    store: str | Path,
    results: str | Path,
    train: bool = True,
    workers: int | None = None,
    progress: bool = True,
) -> xr.Dataset | None:
    """A sweep of the paper by name: as exported to `results`, or else trained into `store`.

    At the quick scale what is trained is the coarse sweep of the first figure that shows it.

    Returns:
        The sweep's dataset; None if there is no export and nothing is to be trained.

    Raises:
        ConfigError: if the store cannot be written.
        StoreError: if the export is damaged.
        WorkerError: if a network could not be trained.
    """
    if (exported := shipped(name, results)) is not None:
        return load_sweep(exported)
    if not train:
        return None
    grid = figure_of(name).grids_at(scale)[name]
    return sweep(grid, store, workers=workers, progress=progress)
