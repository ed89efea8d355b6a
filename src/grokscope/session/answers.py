"""What a run answers: pruning, extraction and neurons over time, each of which draws itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from grokscope.analysis.movement import GROUPS, flows, movement_table
from grokscope.measures import pruning
from grokscope.runs import pruning as of_runs
from grokscope.runs import run as runs
from grokscope.runs.extraction import beyond_vote

if TYPE_CHECKING:
    from grokscope.plotting.style import Picture


@dataclass(frozen=True, eq=False, repr=False)
class Pruned:
    """What a network still does as its neurons are removed.

    Attributes:
        run: the network's run.
        curve: every score over `pruned`, the number of neurons removed.
        n_random: how many random orders its `band` is of; None for what suits the layer.
        seed: of the random orders.

    >>> from grokscope import Experiment, train
    >>> pruned = train(Experiment(steps=20, modulus=7, width=16), progress=False).prune(by="norm")
    >>> dict(pruned.curve.sizes), pruned.neurons_required
    ({'pruned': 17}, None)
    """

    run: runs.Run
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

    @cached_property
    def by_ipr(self) -> xr.Dataset | None:
        """The same curve by IPR; None if this is by no more than that, or there is no IPR."""
        return of_runs.control_by_ipr(self.run, self.curve)

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
        by_ipr = {} if self.by_ipr is None else {first: self.by_ipr}
        return plot_pruning(self.run, {first: self.curve}, self.band, by_norm, by_ipr)

    def __repr__(self) -> str:
        curve, width = self.curve, int(self.curve.pruned[-1])
        required = self.neurons_required
        least = "none generalise" if required is None else f"{required} of {width} neurons needed"
        removed, best = self.best
        top = f"best test accuracy {best:.2f} with {removed} removed"
        return f"<Pruned {self.run.name} by {curve.attrs['by']}: {least}, {top}>"


@dataclass(frozen=True, eq=False, repr=False)
class Extraction:
    """What a network can do with few frequencies a unit, beside what needs no training.

    Attributes:
        run: the network's run.
        curve: every score over `kind`, the network and its controls, and `frequencies`.

    >>> from grokscope import Experiment, train
    >>> found = train(Experiment(steps=20, modulus=7, width=16), progress=False).extraction()
    >>> found.curve.kind.values.tolist()[:3]
    ['network', 'vote', 'random_phases']
    """

    run: runs.Run
    curve: xr.Dataset

    @property
    def beyond_vote(self) -> float:
        """Extracted test accuracy with the fewest frequencies, less that of the labels alone.

        NaN of other tasks than pairs, whose labels have no vote.
        """
        return float(beyond_vote(self.curve)[0])

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
        return f"<Extraction {self.run.name}, test accuracy with {of} a unit: {words}>"


@dataclass(frozen=True, eq=False, repr=False)
class Movement:
    """Neurons over time.

    Attributes:
        run: the network's run.
        neurons: what each neuron is at every kept step; `analysis.movement` explains it.

    >>> from grokscope import Experiment, train
    >>> experiment = Experiment(steps=20, modulus=7, width=16, corruption_fraction=0.3)
    >>> run = train(experiment.replace(keep_weights=[0, 10]), progress=False)
    >>> run.movement().flows(0, 20).to_numpy().sum()
    np.int64(16)
    """

    run: runs.Run
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
        return f"<Movement {self.run.name}: {words}; {turned} turned from memorizing>"
