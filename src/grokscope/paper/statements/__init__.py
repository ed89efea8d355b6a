"""The paper's statements as checks: what each says, what is measured, and the verdict over seeds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from grokscope.analysis.statistics import (
    Interval,
    holm,
    mean_interval,
    mean_p,
    share_interval,
    share_p,
)
from grokscope.errors import ConfigError, StoreError, meant
from grokscope.experiment.experiment import Experiment
from grokscope.paper.figures import QUICK_STEPS, Scale, quick_name
from grokscope.paper.request import sweep_data
from grokscope.paper.shipped import is_shipped
from grokscope.plotting.wording import earlier_words
from grokscope.runs.run import Run
from grokscope.sweeps.diagram import DONE, grid_of
from grokscope.sweeps.sweep import train_missing

SEEDS = 4
"""Networks for a statement about one setting: the fewest whose 95 % Wilson interval lies above one
half if all of them agree."""

MORE_SEEDS = 20
"""Networks for a family of which `SEEDS` left a claim undecided. The number was set for all such
families at once, before more networks were trained."""

EXTENDED = (
    "coexistence", "partial-inversion", "minibatch-full-inversion", "batchnorm-ipr-distribution",
    "layernorm-gamma", "deep-batchnorm", "first-groks",
)  # fmt: skip
"""Those families. All their claims are judged with `MORE_SEEDS`, the decided ones too."""

LOOKS = 2
"""How often claims of such families were judged: each has that many chances to be wrong."""

FILES = "networks neurons pruning pruning_losses terms layers diagrams variants architectures"
"""Modules of this package whose `CLAIMS` are the claims."""


class Verdict(StrEnum):
    """What the evidence says of a statement."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    NOT_REPRODUCED = "not reproduced at our setting"
    ONE_SEED = "one seed"
    UNDECIDED = "not enough evidence"


class Seed(NamedTuple):
    """What a claim's statistic is of: everything that was trained with one seed.

    Attributes:
        runs: the runs of the claim's experiments, by name.
        sweeps: the datasets of its sweeps by name, whose dimension `seed` has this one alone.
    """

    runs: Mapping[str, Run]
    sweeps: Mapping[str, xr.Dataset]


Measure = Callable[[Seed], float | bool]
"""A statistic: a number, or whether something is so."""


@dataclass(frozen=True)
class Claim:
    """One statement of the paper.

    It holds if the statistic lies beyond the bound, by its interval over seeds: rows and cells of
    one seed's diagram have labels and nested training sets in common and are no sample. A statistic
    on the bound is no evidence: no difference at all does not show a growth.

    Attributes:
        section: where the paper states it.
        says: the statement, in our words.
        statistic: what is measured, in words.
        bound: the threshold, chosen before looking; for what is so or not, of the share of seeds.
        side: on which side of the bound the statement holds.
        why: why this bound.
        measure: the statistic.
        experiments: what it needs trained with several seeds, by the names that `measure` uses.
        sweeps: names of sweeps that it needs.
        all_steps: whether the quick scale keeps all of the paper's steps.
        is_size: whether the statistic may have either sign, and is judged by the distance of its
            mean from zero: the mean of its absolute values would be above zero by chance alone.
        chosen: settings that the paper does not give and that were chosen here, if any. Networks
            of such settings alone cannot contradict the paper.
        controls: statistics of the same kind by another order or without what the statement is
            about, by name: what is left of it is the difference.
        seeds: how many seeds its experiments are trained with, from 0.
        every_cell: whether a seed counts only if every cell of its sweeps is trained.
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
    is_size: bool = False
    chosen: str = ""
    controls: Mapping[str, Measure] = field(default_factory=dict)
    seeds: int = SEEDS
    every_cell: bool = False


class Finding(NamedTuple):
    """The verdict on a claim, and what it rests on.

    Attributes:
        verdict: what the evidence says.
        interval: the statistic's mean over seeds and its 95 % interval.
        n: how many seeds were counted.
        costs: seconds on one core to train what was used, by the run's digest or the sweep's name.
        missing: what would be needed, if there is no evidence at all.
        coarse: names of sweeps of the quick scale that were used, with their other settings.
        p: the probability of a mean as far from the bound if it lay on the bound; NaN if unknown.
            For claims that were judged twice it is twice that (Bonferroni).
        controls: the same of the claim's controls.
        earlier: sweeps of before a default changed that were used, with what they had instead.
    """

    verdict: Verdict
    interval: Interval
    n: int
    costs: Mapping[str, float] = {}
    missing: str = ""
    coarse: tuple[str, ...] = ()
    p: float = np.nan
    controls: Mapping[str, Interval] = {}
    earlier: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Time on one core to train what was used."""
        return math.fsum(self.costs.values())


def total_seconds(found: Mapping[str, Finding]) -> float:
    """Time on one core to train what all findings rest on, what they share counted once."""
    return math.fsum(dict(cost for one in found.values() for cost in one.costs.items()).values())


def families(claims: Mapping[str, Claim]) -> dict[str, str]:
    """The family of each claim: the name of the first one that is about the same networks."""
    first: dict[tuple[frozenset[Experiment], frozenset[str]], str] = {}
    return {
        name: first.setdefault(
            (frozenset(claim.experiments.values()), frozenset(claim.sweeps)), name
        )
        for name, claim in claims.items()
    }


def counted(claims: Mapping[str, Claim], found: Mapping[str, Finding]) -> str:
    """How many statements and families have each verdict, and what many tests leave of them.

    Args:
        claims: every statement by name.
        found: the findings, by the statement's name.
    """
    members = families({name: claims[name] for name in found})
    words = [
        f"{len(names)} {verdict} ({len({members[name] for name in names})} families)"
        for verdict in Verdict
        if (names := [name for name, finding in found.items() if finding.verdict == verdict])
    ]
    whole = f"Of {len(found)} statements in {len(set(members.values()))} families of networks: "
    left = f" Holm's method at 5 % over families leaves {remain(claims, found)} standing."
    return f"{whole}{', '.join(words)}.{left}"


def remain(claims: Mapping[str, Claim], found: Mapping[str, Finding], level: float = 0.05) -> int:
    """How many families have a verdict that many tests at once leave standing.

    A family's p is its smallest, times its claims (Bonferroni); over families Holm's method holds
    the chance of any false verdict below the level.
    """
    members = families({name: claims[name] for name in found})
    tested: dict[str, list[float]] = {}
    for name, finding in found.items():
        if np.isfinite(finding.p):
            tested.setdefault(members[name], []).append(finding.p)
    return holm([min(1.0, len(p) * min(p)) for p in tested.values()], level)


def claims() -> dict[str, Claim]:
    """All claims by name, in the paper's order."""
    files = (import_module(f"{__name__}.{name}") for name in FILES.split())
    found = {name: claim for file in files for name, claim in file.CLAIMS.items()}
    extended = [name for name, family in families(found).items() if family in EXTENDED]
    return found | {name: replace(found[name], seeds=MORE_SEEDS) for name in extended}


def chosen(only: Sequence[str]) -> dict[str, Claim]:
    """The claims of some names, or all if there are none.

    Raises:
        ConfigError: if there is no claim of a name.
    """
    known = claims()
    for name in only:
        if name not in known:
            raise ConfigError(f"`only` must name claims, got {name!r}. {meant(name, known)}")
    return {name: known[name] for name in only} if only else known


def experiments_of(claim: Claim, scale: Scale, seed: int) -> dict[str, Experiment]:
    """What a claim needs trained with one seed, by name."""
    found = {name: experiment.replace(seed=seed) for name, experiment in claim.experiments.items()}
    if scale == "paper" or claim.all_steps:
        return found
    return {name: e.replace(steps=min(e.steps, QUICK_STEPS)) for name, e in found.items()}


def judge(
    claim: Claim,
    runs: Sequence[Mapping[str, Run]] = (),
    sweeps: Mapping[str, xr.Dataset] | None = None,
    coarse: Mapping[str, str] | None = None,
) -> Finding:
    """Judge a claim by the side of the bound on which the whole 95 % interval over seeds lies.

    The interval is Wilson's for what is so or not, and Student's for numbers; the latter has no
    width if all are equal, which decides as much as a phase on which all seeds agree: from four
    seeds on. One seed has no interval. The claim is undecided if a sweep is missing or lacks what
    is compared, or if any seed has no value: dropping it would bias the sample.

    Args:
        claim: the statement.
        runs: the runs of its experiments by name, a dictionary for each seed.
        sweeps: the datasets of its sweeps by name.
        coarse: what to call those of the quick scale, by name.
    """
    there = sweeps or {}
    lacking = [name for name in claim.sweeps if name not in there]
    nothing = Interval(np.nan, np.nan, np.nan)
    if lacking:
        return Finding(Verdict.UNDECIDED, nothing, 0, missing=f"sweep {' and '.join(lacking)}")
    seeds = _seeds(claim, runs, there)
    try:
        values = [claim.measure(seed) for seed in seeds]
    except ConfigError as error:
        return Finding(Verdict.UNDECIDED, nothing, 0, missing=str(error))
    costs = {r.digest: float(r.dataset.attrs["seconds"]) for each in runs for r in each.values()}
    costs |= {name: float(there[name].seconds.sum()) for name in claim.sweeps}
    if without := sum(not np.isfinite(value) for value in values):
        needed = f"a value of every seed, which {without} of {len(values)} lack"
        return Finding(Verdict.UNDECIDED, nothing, 0, costs, needed)
    interval, p = _interval(claim, values)
    if len(values) == 1:
        interval, p = Interval(interval.estimate, np.nan, np.nan), np.nan
    if claim.seeds > SEEDS:
        p = float(np.minimum(1, LOOKS * p))
    return Finding(
        _verdict(interval, claim, len(values)),
        interval,
        len(values),
        costs,
        coarse=tuple(coarse[name] for name in claim.sweeps if coarse and name in coarse),
        earlier=tuple(filter(None, (_earlier(name, there[name]) for name in claim.sweeps))),
        p=p,
        controls={
            name: _interval(claim, [measure(seed) for seed in seeds])[0]
            for name, measure in claim.controls.items()
        },
    )


def _seeds(
    claim: Claim, runs: Sequence[Mapping[str, Run]], sweeps: Mapping[str, xr.Dataset]
) -> list[Seed]:
    """What the claim needs of each seed; of sweeps, of the seeds that all of them have."""
    if not claim.sweeps:
        return [Seed(each, {}) for each in runs]
    used = {name: sweeps[name] for name in claim.sweeps}
    first, *others = (data.seed.values.tolist() for data in used.values())
    common = [seed for seed in first if all(seed in other for other in others)]
    seeds = [{name: data.sel(seed=[seed]) for name, data in used.items()} for seed in common]
    if claim.every_cell:
        seeds = [each for each in seeds if all((d.status == DONE).all() for d in each.values())]
    return [Seed({}, each) for each in seeds]


def _interval(claim: Claim, values: Sequence[float | int | bool]) -> tuple[Interval, float]:
    """The mean of a statistic over seeds with its interval, and the p of the claim's bound."""
    if values and all(isinstance(value, bool | np.bool_) for value in values):
        hits, n = sum(map(bool, values)), len(values)
        return share_interval(hits, n), share_p(hits, n, float(claim.bound))
    numbers = np.asarray(values, float)
    interval, p = mean_interval(numbers), mean_p(numbers, float(claim.bound))
    if not claim.is_size:
        return interval, p
    low, high = sorted((abs(interval.low), abs(interval.high)))
    size = Interval(abs(interval.estimate), 0.0 if interval.low < 0 < interval.high else low, high)
    return size, max(p, mean_p(-numbers, float(claim.bound)))


def _verdict(interval: Interval, claim: Claim, n: int) -> Verdict:
    if n == 1:
        return Verdict.ONE_SEED
    if interval.low == interval.high and n < SEEDS:
        return Verdict.UNDECIDED
    sign = 1 if claim.side == "above" else -1
    ends = sorted((sign * interval.low, sign * interval.high))
    if ends[0] > sign * claim.bound:
        return Verdict.SUPPORTED
    if not ends[1] < sign * claim.bound:
        return Verdict.UNDECIDED
    return Verdict.NOT_REPRODUCED if claim.chosen else Verdict.CONTRADICTED


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
        name: [experiments_of(claim, scale, seed) for seed in range(claim.seeds)]
        for name, claim in wanted.items()
    }
    everything = dict.fromkeys(
        e for seeds in needs.values() for by_name in seeds for e in by_name.values()
    )
    runs = {run.experiment: run for run in train_missing([*everything], store, workers, progress)}
    names = dict.fromkeys(name for claim in wanted.values() for name in claim.sweeps)
    absent = [name for name in names if not is_shipped(name, results)]
    sweeps = {}
    for name in names:
        if train_sweeps and name in absent:
            show(f"{name} is not in {results}: its {scale} sweep, from {store}")
        try:
            data = sweep_data(name, scale, store, results, train_sweeps, workers, progress)
        except StoreError as error:
            warnings.warn(str(error), stacklevel=2)
            continue
        if data is not None:
            sweeps[name] = data
    coarse = {name: quick_name(name) for name in absent} if scale == "quick" else {}
    found = {}
    for name, claim in wanted.items():
        trained = [{key: runs[e] for key, e in by_name.items()} for by_name in needs[name]]
        found[name] = judge(claim, trained, sweeps, coarse)
    return found


def _earlier(name: str, data: xr.Dataset) -> str:
    """What a sweep has as before a default changed, in words; nothing if it has nothing so."""
    grid = grid_of(data)
    leaves = {axis.rpartition(".")[2] for axis in grid.axes}
    words = earlier_words(grid.base.model, leaves).values()
    return f"{name} with {' and '.join(words)}" if words else ""
