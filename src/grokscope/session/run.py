"""Runs that draw themselves, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Int

from grokscope.analysis import label_audit
from grokscope.analysis.movement import neurons_over_steps
from grokscope.analysis.neurons import neuron_table
from grokscope.errors import ConfigError, require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.runs import extraction as of_frequencies
from grokscope.runs import pruning as of_runs
from grokscope.runs import run as runs
from grokscope.runs import snapshot
from grokscope.runs import train as training
from grokscope.runs.store import Store
from grokscope.runs.trackers import OwnLog
from grokscope.session.answers import Extraction, Movement, Pruned
from grokscope.session.html import as_html

if TYPE_CHECKING:
    from torch.nn import Module  # pyright: ignore[reportMissingImports]

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
        return drawable(snapshot.at(self, step))

    def over_steps(self, of: str | Sequence[str] | Callable[[Run], snapshot.Answer]) -> xr.Dataset:
        """What is asked of the network at every kept step, as one dataset over `step`.

        Args:
            of: one name or several of scores and measures as `run.dataset` has them, or a function
                of the run at a step that returns a dataset, a table, numbers by name or one number;
                None becomes NaN.

        Raises:
            ConfigError: if the run has not kept its weights over time, or a measure is unknown or
                has no meaning for it.
        """
        if not callable(of):
            return snapshot.over_steps(self, of)
        return snapshot.over_steps(self, lambda run: of(drawable(run)))

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
        return drawable(of_frequencies.extract(self, frequencies, order))

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
                1 for this run's network, on its training examples. By default 5 for features of
                your own, and 1 for other tasks.
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

    def to_torch(self) -> Module:
        """The network as a module of PyTorch, of a built-in architecture.

        Its parameters have the names of ours, with dots for underscores: `from_torch` reads them
        back. It is in evaluation, and gives our logits to rounding.

        Raises:
            ConfigError: if the run was stored without weights, its architecture is your own, or
                PyTorch is missing.

        >>> module = train(Experiment(steps=20, modulus=7, width=16)).to_torch()
        >>> [name for name, _ in module.named_parameters()]
        ['U', 'V', 'W']
        """
        require_torch()
        from grokscope.runs import in_torch

        return in_torch.to_torch(self.network)

    def _repr_html_(self) -> str:
        from grokscope.plotting.run import plot_accuracies

        return as_html(self, plot_accuracies([self]))


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
    return drawable(training.train(experiment, store, progress, log, start, checkpoint_every))


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
    return drawable(Store.of(store).open_named(name))


def drawable(run: runs.Run) -> Run:
    """The same run, which draws itself."""
    return Run(run.experiment, run.dataset, run.path, run.elsewhere)


def require_torch() -> None:
    """Refuse what needs PyTorch where it is not installed."""
    if find_spec("torch") is None:
        raise ConfigError(
            "`torch` must be installed, got no such package. Use pip install 'grokscope[torch]'."
        )
