"""Sweeps that draw themselves."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.experiment.grid import Grid
from grokscope.runs.store import Store
from grokscope.session.html import as_html
from grokscope.sweeps import archive, diagram
from grokscope.sweeps import sweep as sweeps
from grokscope.sweeps.boundary import Boundary, boundaries

if TYPE_CHECKING:
    from grokscope.plotting.style import Picture


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """A sweep as it was when it was asked for; its curves and the explorer show the store as it is.

    Attributes:
        dataset: what every cell ended with, a dimension for each axis and the seed last.
        source: the store or the export that it is from.

    >>> from tempfile import mkdtemp
    >>> from grokscope import Experiment
    >>> base = Experiment(steps=20, modulus=7, width=16)
    >>> grid = Grid(base, axes={"train_fraction": [0.5, 0.7]})
    >>> sweep(grid, mkdtemp(), workers=1, progress=False).table().status.tolist()
    ['done', 'done']
    """

    dataset: xr.Dataset
    source: Path

    @cached_property
    def grid(self) -> Grid:
        """The experiments of the sweep."""
        return diagram.grid_of(self.dataset)

    def phases(self, confidence: float = 0.95, **thresholds: float) -> xr.Dataset:
        """Each cell's most frequent phase over its seeds; see `sweeps.diagram.phase_diagram`."""
        return diagram.phase_diagram(self.dataset, confidence, **thresholds)

    def boundaries(self, confidence: float = 0.95, **thresholds: float) -> list[Boundary]:
        """Where phases meet, row by row; see `sweeps.boundary.boundaries`."""
        return boundaries(self.dataset, confidence, **thresholds)

    def table(self, **thresholds: float) -> pd.DataFrame:
        """A row for each cell and seed."""
        return diagram.as_table(self.dataset, **thresholds)

    def plot(self, with_accuracies: bool = False, **thresholds: float) -> Picture:
        """Draw the phase diagram.

        Args:
            with_accuracies: whether train and test accuracy stand above it.
            thresholds: `generalizes`, `memorizes` and `slack`, as in `classify`.

        Raises:
            ConfigError: if there are not two axes for rows and columns, or a threshold is unknown
                or out of range.
        """
        from grokscope.plotting.diagram import plot_phases

        return plot_phases(self.dataset, with_accuracies, **thresholds)  # type: ignore[arg-type]

    def plot_courses(self, lines: str) -> Picture:
        """Draw accuracies and IPR over steps, a line for each value of an axis.

        Args:
            lines: the axis, such as start_step of branches.

        Raises:
            ConfigError: if there is no such axis, if the sweep was exported without details, or if
                the other axes have more cells than there is room for.
        """
        from grokscope.plotting.courses import plot_courses

        has_curves = "run_step" in self.dataset.variables or not self.source.is_dir()
        data = self.dataset if has_curves else archive.archive(self.grid, self.source)
        return plot_courses(data, lines)

    def explore(self, host: str = "127.0.0.1", port: int = 0, browser: bool = True) -> str:
        """Serve the page that shows the sweep and the network behind every cell.

        It is served until this process ends.

        Args:
            host: address to serve at.
            port: 0 for a free one.
            browser: whether to open the page.

        Returns:
            The page's address.

        Raises:
            ConfigError: if nothing can be served there.
        """
        from grokscope.explorer.serve import listen, show
        from grokscope.explorer.source import open_source

        grid = self.grid if self.source.is_dir() else None
        server = listen(open_source(self.source, grid), host, port)
        Thread(target=server.serve_forever, daemon=True).start()
        return show(server, host, browser)

    def __repr__(self) -> str:
        axes = " × ".join(f"{name} {size}" for name, size in self.grid.sizes.items())
        status = self.dataset.status.values
        counts = ", ".join(
            f"{int((status == code).sum()):,} {word}" for code, word in enumerate(diagram.STATUS)
        )
        return f"<Sweep {axes}: {counts}>"

    def _repr_html_(self) -> str:
        has_plane = len(self.grid.sizes) > 2 and bool((self.dataset.status == diagram.DONE).any())
        return as_html(self, self.plot() if has_plane else None)


def sweep(
    grid: Grid | str | Path,
    store: str | Path | Store,
    *,
    refine: bool = False,
    always: Mapping[str, sweeps.Value] | None = None,
    final_weights: bool = False,
    limit: int | None = None,
    time_limit: float | int | None = None,
    retry_failed: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    log: str | None = None,
    checkpoint_every: int | None = None,
) -> Sweep:
    """Train the cells of a grid that a store lacks; `sweeps.sweep` explains the arguments.

    Raises:
        ConfigError: if the grid is impossible, or the store or the tracker cannot be written.
        OSError: if a file cannot be written; what is written is whole.
        WorkerError: if the executor or the tracker cannot go on.
    """
    dataset = sweeps.sweep(
        grid, store, refine=refine, always=always, final_weights=final_weights, limit=limit,
        time_limit=time_limit, retry_failed=retry_failed, workers=workers, executor=executor,
        progress=progress, log=log, checkpoint_every=checkpoint_every,
    )  # fmt: skip
    return Sweep(dataset, Store.of(store).path)


def load_sweep(path: str | Path) -> Sweep:
    """A sweep from the netCDF file that `export` wrote. Nothing that it names is run.

    Raises:
        StoreError: if the file is missing, damaged, or not ours.
        ConfigError: if it is no sweep, or a folder.

    >>> from tempfile import mkdtemp
    >>> grid, folder = Grid(axes={"weight_decay": [0, 5]}), Path(mkdtemp())
    >>> archive.export(diagram.collect(grid, folder), folder / "map.nc")
    >>> load_sweep(folder / "map.nc")
    <Sweep weight_decay 2 × seed 1: 2 missing, 0 done, 0 failed>
    """
    if isinstance(path, str | Path) and Path(path).is_dir():
        raise ConfigError(
            f"`path` must be a sweep's netCDF file, got the folder {str(path)!r}. Use "
            "sweep(grid, store) for a folder of runs."
        )
    dataset = archive.load_sweep(path)
    return Sweep(dataset, Path(path))
