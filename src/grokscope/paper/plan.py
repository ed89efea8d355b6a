"""What a report will train, and how long that takes, before it is begun."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from grokscope.experiment.experiment import digest
from grokscope.paper.figures import RunFigure, Scale, figure_of, figures
from grokscope.paper.shipped import is_shipped
from grokscope.paper.statements import claims, experiments_of
from grokscope.runs.store import Store
from grokscope.sweeps.estimate import seconds_to_train


class Plan(NamedTuple):
    """What a report trains.

    Attributes:
        networks: how many, beside those of sweeps.
        sweeps: how many networks of each sweep, by its name.
        seconds: how long all of it takes about, were no run to settle early.
    """

    networks: int
    sweeps: dict[str, int]
    seconds: float


def plan(
    numbers: Collection[int | str] | None,
    scale: Scale,
    store: str | Path,
    results: str | Path,
    train_sweeps: bool = True,
    workers: int | None = None,
) -> Plan:
    """What `report` would train with the same arguments; a few steps are timed for it."""
    everything = figures()
    shown = [everything[number] for number in numbers or everything]
    stated = [] if numbers else claims().values()
    of_runs = [figure for figure in shown if isinstance(figure, RunFigure)]
    wanted = [experiment for figure in of_runs for experiment in figure.experiments_at(scale)]
    for claim in stated:
        for seed in range(claim.seeds):
            wanted += experiments_of(claim, scale, seed).values()
    names = [name for figure in shown if not isinstance(figure, RunFigure) for name in figure.grids]
    names += [name for claim in stated for name in claim.sweeps]
    there = Store(store, mend=False).summaries()
    missing = [
        experiment
        for experiment in dict.fromkeys(wanted)
        if not there.get(digest(experiment), {}).get("has_weights")
    ]
    sweeps = {}
    for name in dict.fromkeys(names):
        if train_sweeps and not is_shipped(name, results):
            grid = figure_of(name).grids_at(scale)[name]
            sweeps[name] = [cell for _, cell in grid.cells() if digest(cell) not in there]
    cells = [*missing, *(cell for cells in sweeps.values() for cell in cells)]
    counts = {name: len(cells) for name, cells in sweeps.items() if cells}
    return Plan(len(missing), counts, seconds_to_train(cells, workers))
