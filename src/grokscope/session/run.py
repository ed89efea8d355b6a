"""Runs that draw themselves, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int

from grokscope.analysis import label_audit
from grokscope.analysis.movement import GROUPS, flows, movement_table, neurons_over_steps
from grokscope.analysis.neurons import neuron_table
from grokscope.errors import require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.measures import pruning
from grokscope.runs import extraction as of_frequencies
from grokscope.runs import pruning as of_runs
from grokscope.runs import run as runs
from grokscope.runs import snapshot
from grokscope.runs import train as training
from grokscope.runs.store import Store
from grokscope.runs.trackers import OwnLog
from grokscope.session.html import as_html

if TYPE_CHECKING:
    from grokscope.plotting.style import Picture


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

    def at(self, step: int) -> Run:
        """The run as it was at one of its steps, to look at or to start from.

        See `runs.snapshot.at`; `train(experiment, start=run.at(500))` goes on from there.

        Args:
            step: from the run's first to its last.

        Raises:
            ConfigError: if the run diverged or was stored without weights, or has no such step.
        """
        return _drawable(snapshot.at(self, step))

    def over_steps(self, of: Sequence[str] | Callable[[Run], snapshot.Answer]) -> xr.Dataset:
        """What is asked of the network at every kept step, as one dataset over `step`.

        Args:
            of: names of measures as in `Experiment.measures`, or a function of the run at a step
                that returns a dataset, a table, numbers by name or one number.

        Raises:
            ConfigError: if the run has not kept its weights over time, or a measure is unknown.
        """
        if not callable(of):
            return snapshot.over_steps(self, of)
        return snapshot.over_steps(self, lambda run: of(_drawable(run)))

    def movement(self, layer: str | None = None) -> Movement:
        """Which neurons memorise and which are periodic at every kept step, and when they turn.

        Args:
            layer: whose neurons; by default of the last with an IPR.

        Raises:
            ConfigError: if the run has not kept its weights over time, or its neurons have no IPR
                or do not add to the logits.
        """
        return Movement(self, neurons_over_steps(self, layer))

    def extract(self, frequencies: int = 1, order: Int[np.ndarray, "residue"] | None = None) -> Run:
        """The run's network with nothing but the strongest frequencies of each unit.

        See `runs.extraction.extract`; `extraction` has the controls that it must stand beside.

        Args:
            frequencies: how many each unit keeps.
            order: the residues in the order in which a wave runs over them.

        Raises:
            ConfigError: if there is nothing to extract, or an argument is out of range.
        """
        return _drawable(of_frequencies.extract(self, frequencies, order))

    def extraction(self, counts: Sequence[int] | None = None, seed: int = 0) -> Extraction:
        """What the network can do with ever more frequencies a unit, and its controls.

        Args:
            counts: how many frequencies a unit keeps; by default 12 numbers from 1 to all.
            seed: of the random phases and the shuffled order.

        Raises:
            ConfigError: as `extract`.
        """
        return Extraction(self, of_frequencies.extraction_curve(self, counts, seed))

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

    def plot_neurons(self, layer: str | None = None) -> Picture:
        """Draw each neuron's frequency, phases, how it came by them, and what it holds.

        `plotting.neurons.plot_neurons` explains the panels.

        Args:
            layer: whose neurons; by default of the last with an IPR, or else of the last.

        Raises:
            ConfigError: if the run diverged or was stored without weights, or the layer's neurons
                do not add to the logits.
        """
        from grokscope.plotting.neurons import plot_neurons

        return plot_neurons(self, layer)

    def movie(self, path: str | Path, fps: int = 20, frames: int | None = None) -> int:
        """Write a movie of the network as it learns, an MP4 or a GIF, and count its frames.

        Args:
            path: the file.
            fps: frames a second.
            frames: at most so many, evenly chosen; by default one for each kept step.

        Raises:
            ConfigError: if the run has not kept its weights over time, or the movie cannot be
                written; see `plotting.movie.write_movie`.
        """
        from grokscope.plotting.movie import write_movie

        return write_movie(self, Path(path), fps, frames)

    def _repr_html_(self) -> str:
        from grokscope.plotting.run import plot_accuracies

        return as_html(self, plot_accuracies([self]))


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
class Extraction:
    """What a network can do with few frequencies a unit, beside what needs no training.

    Attributes:
        run: the network's run.
        curve: every score over `kind`, the network and its controls, and `frequencies`.
    """

    run: Run
    curve: xr.Dataset

    @property
    def beyond_vote(self) -> float:
        """Extracted test accuracy with the fewest frequencies, less that of the labels alone."""
        test = self.curve.test_accuracy.isel(frequencies=0)
        return float(test.sel(kind="network") - test.sel(kind="vote"))

    def plot(self) -> Picture:
        """Draw the accuracies over the frequencies kept, the controls, and pruning by IPR."""
        from grokscope.plotting.extraction import plot_extraction

        return plot_extraction(self.run, self.curve)

    def __repr__(self) -> str:
        fewest = self.curve.isel(frequencies=0)
        count = int(fewest.frequencies)
        words = ", ".join(
            f"{str(kind).replace('_', ' ')} {float(fewest.test_accuracy.sel(kind=kind)):.2f}"
            for kind in fewest.kind.values
        )
        of = "1 frequency" if count == 1 else f"{count} frequencies"
        return f"<Extraction {self.run.digest[:12]}, test accuracy with {of} a unit: {words}>"


@dataclass(frozen=True, eq=False, repr=False)
class Movement:
    """Neurons over time.

    Attributes:
        run: the network's run.
        neurons: what each neuron is at every kept step; `analysis.movement` explains it.
    """

    run: Run
    neurons: xr.Dataset

    @property
    def table(self) -> pd.DataFrame:
        """A row for each neuron: its group first and last, and when it turned."""
        return movement_table(self.neurons)

    def flows(self, before: int, after: int) -> pd.DataFrame:
        """How many neurons went from each group to each between two kept steps."""
        return flows(self.neurons, (before, after))

    def plot(self) -> Picture:
        """Draw the groups over time, and who turns into what."""
        from grokscope.plotting.movement import plot_movement

        return plot_movement(self.run, self.neurons)

    def __repr__(self) -> str:
        first, last = self.table["first"], self.table["last"]
        words = ", ".join(f"{(last == name).sum()} {name}" for name in GROUPS)
        turned = ((first == "memorizing") & (last == "periodic")).sum()
        return f"<Movement {self.run.digest[:12]}: {words}; {turned} turned from memorizing>"


def train(
    experiment: Experiment,
    store: str | Path | Store | None = None,
    progress: bool = True,
    log: OwnLog | str | None = None,
    start: runs.Run | None = None,
    checkpoint_every: int | None = None,
) -> Run:
    """Train a network, or return its stored run if that has its weights.

    Args:
        experiment: what to train. Code of your own may be in the current folder, or in one that
            you named (`allow_code`).
        store: a folder of runs; the run is taken from there, or trained and written there.
        progress: whether to show progress.
        log: called at every measurement with the step and the scores by name; or a tracker as
            KIND:DIR, such as "csv:logs", one of csv, tensorboard, wandb and mlflow.
        start: a run at one of its steps, `run.at(500)`, from which the experiment goes on.
        checkpoint_every: steps from one checkpoint to the next, from which training that was
            interrupted goes on; they need a store.

    Raises:
        ConfigError: if the store or the tracker cannot be written, or the start is of another kind
            of network.
        WorkerError: if the tracker fails while the network trains.

    >>> train(Experiment(steps=20, modulus=7, width=16))
    <Run 3687b8355914: confusion, train 0.83, test 0.04, 20 steps>
    """
    return _drawable(training.train(experiment, store, progress, log, start, checkpoint_every))


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
