"""The paper's statements as checks: what each says, what is measured, and the verdict."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from grokscope.analysis.statistics import Interval, mean_interval, share_interval
from grokscope.errors import ConfigError, StoreError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.paper.figures import QUICK_STEPS, Scale, quick_name
from grokscope.paper.request import sweep_data
from grokscope.plotting.wording import earlier_words
from grokscope.runs.run import Run
from grokscope.sweeps.diagram import grid_of
from grokscope.sweeps.sweep import train_missing

SEEDS = 4
"""Networks for a statement about one setting: the fewest whose 95 % Wilson interval lies above one
half if all of them agree."""


class Verdict(StrEnum):
    """What the evidence says of a statement."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "not enough evidence"


class Share(NamedTuple):
    """How many of how many."""

    hits: int
    trials: int


class Size(NamedTuple):
    """Values of either sign, judged by how far their mean is from zero.

    The mean of their absolute values would be above zero by chance alone.
    """

    values: Sequence[float]


class Evidence(NamedTuple):
    """What a claim is judged by.

    Attributes:
        runs: the runs of the claim's experiments by name, a dictionary for each seed.
        sweeps: the datasets of its sweeps, by name.
        coarse: what to call the sweeps that are of the quick scale, by name.
        earlier: how sweeps of before a default changed differ from today's, in words, by name.
    """

    runs: Sequence[Mapping[str, Run]]
    sweeps: Mapping[str, xr.Dataset]
    coarse: Mapping[str, str] = {}
    earlier: Mapping[str, str] = {}


Measure = Callable[[Evidence], Sequence[float] | Share | Size]
"""A statistic: a value for each network or cell, a share of them, or a size."""


@dataclass(frozen=True)
class Claim:
    """One statement of the paper.

    It holds if the statistic lies beyond the bound. A statistic on the bound is no evidence: no
    difference at all does not show a growth.

    Attributes:
        section: where the paper states it.
        says: the statement, in our words.
        statistic: what is measured, in words.
        bound: the threshold, chosen before looking.
        side: on which side of the bound the statement holds.
        why: why this bound.
        measure: the statistic.
        experiments: what it needs trained with `SEEDS` seeds, by the names that `measure` uses.
        sweeps: names of sweeps that it needs.
        all_steps: whether the quick scale keeps all of the paper's steps.
        unit: what each value, or each trial of a share, is one of.
    """

    section: str
    says: str
    statistic: str
    bound: float | int
    side: Literal["above", "below"]
    why: str
    measure: Measure
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    sweeps: tuple[str, ...] = ()
    all_steps: bool = False
    unit: str = "seeds"


class Finding(NamedTuple):
    """The verdict on a claim, and what it rests on.

    Attributes:
        verdict: what the evidence says.
        interval: the statistic and its 95 % interval.
        n: how many values or trials were counted.
        costs: seconds on one core to train what was used, by the run's digest or the sweep's name.
        missing: what would be needed, if there is no evidence at all.
        coarse: names of sweeps of the quick scale that were used, with their other settings.
        earlier: sweeps of before a default changed that were used, with what they had instead.
    """

    verdict: Verdict
    interval: Interval
    n: int
    costs: Mapping[str, float] = {}
    missing: str = ""
    coarse: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Time on one core to train what was used."""
        return math.fsum(self.costs.values())


def total_seconds(found: Mapping[str, Finding]) -> float:
    """Time on one core to train what all findings rest on, what they share counted once."""
    return math.fsum(dict(cost for one in found.values() for cost in one.costs.items()).values())


def claims() -> dict[str, Claim]:
    """All claims by name, in the paper's order."""
    from grokscope.paper.statements import analytic, architectures, diagrams, layers, networks

    files = (networks, analytic, layers, diagrams, architectures)
    return {name: claim for file in files for name, claim in file.CLAIMS.items()}


def chosen(only: Sequence[str]) -> dict[str, Claim]:
    """The claims of some names, or all if there are none.

    Raises:
        ConfigError: if there is no claim of a name.
    """
    known = claims()
    for name in only:
        if name not in known:
            raise ConfigError(
                f"`only` must name claims, got {name!r}. Use one of {', '.join(known)}."
            )
    return {name: known[name] for name in only} if only else known


def experiments_of(claim: Claim, scale: Scale, seed: int) -> dict[str, Experiment]:
    """What a claim needs trained with one seed, by name."""
    found = {name: experiment.replace(seed=seed) for name, experiment in claim.experiments.items()}
    if scale == "paper" or claim.all_steps:
        return found
    return {name: e.replace(steps=min(e.steps, QUICK_STEPS)) for name, e in found.items()}


def judge(claim: Claim, evidence: Evidence) -> Finding:
    """Judge a claim by the side of the bound on which the whole 95 % interval lies.

    The interval is Wilson's for a share and Student's for values; the latter has no width if all
    values are equal. The claim is undecided if a sweep is missing or lacks the compared values, if
    nothing can be measured, or if any trained network has no value: dropping such networks would
    bias the sample.
    """
    lacking = [name for name in claim.sweeps if name not in evidence.sweeps]
    nothing = Interval(np.nan, np.nan, np.nan)
    if lacking:
        missing = f"sweep {' and '.join(lacking)}"
        return Finding(Verdict.UNDECIDED, nothing, 0, missing=missing)
    try:
        sample = claim.measure(evidence)
    except ConfigError as error:
        return Finding(Verdict.UNDECIDED, nothing, 0, missing=str(error))
    runs = [run for each in evidence.runs for run in each.values()]
    costs = {run.digest: float(run.dataset.attrs["seconds"]) for run in runs}
    costs |= {name: float(evidence.sweeps[name].seconds.sum()) for name in claim.sweeps}
    if isinstance(sample, Share):
        interval, n = share_interval(*sample), sample.trials
    else:
        values = np.asarray(sample.values if isinstance(sample, Size) else sample, float)
        known = values[np.isfinite(values)]
        if claim.experiments and len(known) < len(values):
            without = f"{len(values) - len(known)} of {len(values)}"
            needed = f"a value of every network, which {without} lack"
            return Finding(Verdict.UNDECIDED, nothing, 0, costs, needed)
        interval, n = mean_interval(known), len(known)
        if isinstance(sample, Size):
            interval = _size(interval)
    coarse = tuple(evidence.coarse[name] for name in claim.sweeps if name in evidence.coarse)
    earlier = tuple(evidence.earlier[name] for name in claim.sweeps if name in evidence.earlier)
    return Finding(_verdict(interval, claim), interval, n, costs, coarse=coarse, earlier=earlier)


def _size(interval: Interval) -> Interval:
    """The interval of a mean's distance from zero."""
    low, high = sorted((abs(interval.low), abs(interval.high)))
    return Interval(abs(interval.estimate), 0.0 if interval.low < 0 < interval.high else low, high)


def _verdict(interval: Interval, claim: Claim) -> Verdict:
    sign = 1 if claim.side == "above" else -1
    ends = sorted((sign * interval.low, sign * interval.high))
    if ends[0] > sign * claim.bound:
        return Verdict.SUPPORTED
    return Verdict.CONTRADICTED if ends[1] < sign * claim.bound else Verdict.UNDECIDED


def verify(
    only: Sequence[str] = (),
    scale: Scale = "quick",
    store: str | Path = "runs",
    results: str | Path = "results",
    workers: int | None = None,
    progress: bool = True,
    train_sweeps: bool = True,
    show: Callable[[str], None] = lambda line: None,
) -> dict[str, Finding]:
    """Train what the claims lack, and judge each of them.

    Args:
        only: names of claims; all if there are none.
        scale: paper, or quick, with fewer steps where they decide nothing.
        store: a folder of runs.
        results: a folder of exported sweeps, `figure3a.nc` and so on.
        workers: training processes; by default one a core.
        progress: whether to show progress.
        train_sweeps: whether a sweep that is not in `results` is trained; at the quick scale a
            coarse one. Claims that lack one are undecided.
        show: called with a line about each sweep that is looked for elsewhere than in `results`.

    Warns:
        UserWarning: of a sweep that cannot be read; claims that need it are undecided.

    Raises:
        ConfigError: if a name is unknown, or the store cannot be written.
        WorkerError: if a network could not be trained.
    """
    wanted = chosen(only)
    needs = {
        name: [experiments_of(claim, scale, seed) for seed in range(SEEDS)]
        for name, claim in wanted.items()
    }
    everything = dict.fromkeys(
        e for seeds in needs.values() for by_name in seeds for e in by_name.values()
    )
    runs = {run.experiment: run for run in train_missing([*everything], store, workers, progress)}
    names = dict.fromkeys(name for claim in wanted.values() for name in claim.sweeps)
    trained = [name for name in names if not (Path(results) / f"{name}.nc").exists()]
    sweeps = {}
    for name in names:
        if train_sweeps and name in trained:
            show(f"{name} is not in {results}: its {scale} sweep, from {store}")
        try:
            data = sweep_data(name, scale, store, results, train_sweeps, workers, progress)
        except StoreError as error:
            warnings.warn(str(error), stacklevel=2)
            continue
        if data is not None:
            sweeps[name] = data
    coarse = {name: quick_name(name) for name in trained} if scale == "quick" else {}
    earlier = {
        name: f"{name} with {' and '.join(words)}"
        for name, data in sweeps.items()
        if (words := _earlier(grid_of(data)))
    }
    found = {}
    for name, claim in wanted.items():
        seeds = [{key: runs[e] for key, e in by_name.items()} for by_name in needs[name]]
        found[name] = judge(claim, Evidence(seeds, sweeps, coarse, earlier))
    return found


def _earlier(grid: Grid) -> list[str]:
    """What a sweep has as before a default changed, in words."""
    leaves = {name.rpartition(".")[2] for name in grid.axes}
    return [*earlier_words(grid.base.model, leaves).values()]
