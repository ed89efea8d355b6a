"""What a notebook works with: runs and sweeps that draw themselves.

The functions are those of the rooms below; what they return has `plot` and the like besides.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from html import escape
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from grokscope.analysis import label_audit
from grokscope.analysis.neurons import neuron_table
from grokscope.errors import require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.measures import pruning
from grokscope.runs import pruning as of_runs
from grokscope.runs import run as runs
from grokscope.runs import train as training
from grokscope.runs.store import Store
from grokscope.sweeps import archive, diagram
from grokscope.sweeps import sweep as sweeps

if TYPE_CHECKING:
    from grokscope.plotting.style import Picture

SMALL_DPI = 80
"""Of the picture that a notebook shows beside a run's line."""


class Run(runs.Run):
    """A finished run, which a notebook shows as a line and a small picture.

    >>> run = train(Experiment(steps=20, modulus=7, width=16))
    >>> run.prune(by="norm", first="highest").curve.sizes["pruned"]
    17
    """

    def plot(self, neurons: Sequence[int] | None = None) -> Picture:
        """Draw curves, the histogram of IPR, spectra and logits.

        Args:
            neurons: whose spectra to draw; by default a memorising and a generalising one.

        Returns:
            A Matplotlib figure, which a notebook shows and `savefig` saves.

        Raises:
            ConfigError: if the run was stored without weights, or a neuron does not exist.
        """
        from grokscope.plotting.run import plot_run

        return plot_run(self, neurons)

    def prune(
        self,
        by: of_runs.By = "ipr",
        first: str = "lowest",
        seed: int = 0,
        stride: int | None = None,
        layer: str | None = None,
        band: int | None = None,
    ) -> Pruned:
        """Remove neurons one at a time, beside the same by norm and at random.

        Args:
            by: what orders the neurons, as in `runs.pruning.prune`.
            first: which are removed first, "lowest" or "highest".
            seed: of random orders.
            stride: neurons removed between two counts.
            layer: whose neurons.
            band: how many random orders its `band` is of, 0 for none; by default 50, and none
                where the network is evaluated at every count, which takes minutes.

        Raises:
            ConfigError: as `runs.pruning.prune`, or if `band` is negative.
        """
        of_runs.require_band(band)
        return Pruned(self, of_runs.prune(self, by, first, seed, stride, layer), band, seed)

    def audit(self, folds: int | None = None, progress: bool = True) -> xr.Dataset:
        """Evidence that labels are wrong; see `label_audit.audit`.

        Args:
            folds: how many networks are trained, each to judge the examples that it was not given;
                1 for this run's network, on its training examples. By default 5 for data of your
                own, and 1 for other tasks.
            progress: whether to show the progress of training.

        Raises:
            ConfigError: if the run diverged, was stored without weights, or cannot be cross-fitted.
        """
        return label_audit.audit(self, folds, progress)

    def neurons(self, layer: str | None = None) -> pd.DataFrame:
        """IPR, frequency, norm and group of each neuron, and what removing it alone does.

        `analysis.neurons.neuron_table` explains the columns.

        Args:
            layer: whose neurons; by default of the last with an IPR, or else of the last.

        Raises:
            ConfigError: if the run diverged or was stored without weights, or has no such layer.
        """
        return neuron_table(self, layer)

    def _repr_html_(self) -> str:
        from grokscope.plotting.run import plot_accuracies

        return _html(self, plot_accuracies([self]))


@dataclass(frozen=True, eq=False, repr=False)
class Pruned:
    """What a network still does as its neurons are removed.

    Attributes:
        run: the network's run.
        curve: every score over `pruned`, the number of neurons removed.
        n_random: how many random orders its `band` is of; None for what suits the layer.
        seed: of the random orders.
    """

    run: Run
    curve: xr.Dataset
    n_random: int | None = None
    seed: int = 0

    @cached_property
    def band(self) -> xr.Dataset | None:
        """The control by chance: every score over `pruned` and `quantile`, of random orders.

        It is computed when it is first asked for. None without random orders.
        """
        layer = self.curve.attrs["layer"]
        return of_runs.control_band(self.run, self.n_random, self.seed, layer=layer)

    @cached_property
    def by_norm(self) -> xr.Dataset | None:
        """The control by size: the same curve by norm; None if this is by norm or at random."""
        return of_runs.control_by_norm(self.run, self.curve)

    @property
    def neurons_required(self) -> int | None:
        """The fewest neurons that still generalise; None if none do."""
        return pruning.neurons_required(self.curve)

    @property
    def best(self) -> tuple[int, float]:
        """The highest test accuracy on the curve, after the fewest neurons that reach it.

        Returns:
            Neurons removed, and the test accuracy then.
        """
        return pruning.best_pruned(self.curve)

    def plot(self) -> Picture:
        """Draw the accuracies over the fraction of neurons removed, before their controls."""
        from grokscope.plotting.pruning import plot_pruning

        first = self.curve.attrs["first"]
        by_norm = {} if self.by_norm is None else {first: self.by_norm}
        return plot_pruning(self.run, {first: self.curve}, self.band, by_norm)

    def __repr__(self) -> str:
        curve, width = self.curve, int(self.curve.pruned[-1])
        required = self.neurons_required
        least = "none generalise" if required is None else f"{required} of {width} neurons needed"
        removed, best = self.best
        top = f"best test accuracy {best:.2f} with {removed} removed"
        return f"<Pruned {self.run.digest[:12]} by {curve.attrs['by']}: {least}, {top}>"


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """A sweep as it was when it was asked for.

    Attributes:
        dataset: what every cell ended with, a dimension for each axis and the seed last.
        source: the store or the export that it is from.
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

    def boundaries(self, confidence: float = 0.95, **thresholds: float) -> list[diagram.Boundary]:
        """Where phases meet, row by row; see `sweeps.diagram.boundaries`."""
        return diagram.boundaries(self.dataset, confidence, **thresholds)

    def table(self, **thresholds: float) -> pd.DataFrame:
        """A row for each cell and seed."""
        return diagram.as_table(self.dataset, **thresholds)

    def plot(self, with_accuracies: bool = False) -> Picture:
        """Draw the phase diagram.

        Args:
            with_accuracies: whether train and test accuracy stand above it.

        Raises:
            ConfigError: if there are not two axes for rows and columns.
        """
        from grokscope.plotting.diagram import plot_phases

        return plot_phases(self.dataset, with_accuracies)

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
        has_plane = len(self.grid.axes) > 1 and bool((self.dataset.status == diagram.DONE).any())
        return _html(self, self.plot() if has_plane else None)


def _html(shown: object, picture: Picture | None) -> str:
    """An object's line, and a small picture below it, as a notebook shows them."""
    words = f"<div>{escape(repr(shown)[1:-1])}</div>"
    if picture is None:
        return words
    content = BytesIO()
    picture.savefig(content, format="png", dpi=SMALL_DPI)
    encoded = base64.b64encode(content.getvalue()).decode()
    return f'{words}<img alt="picture" src="data:image/png;base64,{encoded}">'


def train(
    experiment: Experiment,
    store: str | Path | Store | None = None,
    progress: bool = True,
    log: Callable[[int, dict[str, float]], None] = lambda step, scores: None,
) -> Run:
    """Train a network, or return its stored run if that has its weights.

    Args:
        experiment: what to train. Code of your own may be in the current folder, or in one that
            you named (`allow_code`).
        store: a folder of runs; the run is taken from there, or trained and written there.
        progress: whether to show progress.
        log: called at every measurement with the step and the scores by name.

    Raises:
        ConfigError: if the store cannot be written.

    >>> train(Experiment(steps=20, modulus=7, width=16))
    <Run 3687b8355914: confusion, train 0.83, test 0.04, 20 steps>
    """
    return _drawable(training.train(experiment, store, progress, log))


def open_run(name: str | Path, store: str | Path | Store = "runs") -> Run:
    """Read a run into memory and check that its file is whole. Nothing that it names is run.

    Args:
        name: its file, or the beginning of its digest in the store, as on the command line.
        store: a folder of runs.

    Raises:
        StoreError: if it is missing, truncated, altered, of another version, or not ours, or
            several runs have such a digest.
    """
    require_kind("name", name, (str, Path), "Use a run's file, or the beginning of its digest.")
    return _drawable(Store.of(store).open_named(name))


def _drawable(run: runs.Run) -> Run:
    return Run(run.experiment, run.dataset, run.path)


def sweep(
    grid: Grid | str | Path,
    store: str | Path | Store,
    *,
    refine: bool = False,
    always: Mapping[str, sweeps.Value] | None = None,
    keep_weights: bool = False,
    limit: int | None = None,
    time_limit: float | int | None = None,
    retry_failed: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> Sweep:
    """Train the cells of a grid that a store lacks; `sweeps.sweep` explains the arguments.

    Raises:
        ConfigError: if the grid is impossible or the store cannot be written.
        OSError: if a file cannot be written; what is written is whole.
        WorkerError: if the executor cannot go on.
    """
    dataset = sweeps.sweep(
        grid, store, refine=refine, always=always, keep_weights=keep_weights, limit=limit,
        time_limit=time_limit, retry_failed=retry_failed, workers=workers, executor=executor,
        progress=progress,
    )  # fmt: skip
    return Sweep(dataset, Store.of(store).path)


def load_sweep(path: str | Path) -> Sweep:
    """A sweep from the netCDF file that `export` wrote. Nothing that it names is run.

    Raises:
        StoreError: if the file is missing, damaged, or not ours.
        ConfigError: if it is no sweep.
    """
    dataset = archive.load_sweep(path)
    return Sweep(dataset, Path(path))
