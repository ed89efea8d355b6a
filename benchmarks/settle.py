"""The settle rule on random cells of Figure 3: how often it keeps the phase, what it saves.

Each cell is trained in full; where the rule would have stopped it is read off its curves, since a
settled run is bit for bit the beginning of the full one (tests/test_settle.py). `--train STORE`
trains what the store lacks (about a minute a cell and core) and writes the outcome of every cell
in it beside this file; without, the outcome there is summarised.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from grokscope import Experiment, classify, has_settled, load_grid, train_missing
from grokscope.store import find

OUTCOME = Path(__file__).with_name("settle.csv")
DRAWS = {2: 120, 3: 80}
"""Cells drawn, by seed of the draw."""

SEEN = 78
"""The first so many cells were seen when the rule was chosen. The others were not."""


def cells():
    """Random cells of Figure 3, in full; the panel without regularisation counts once."""
    panels = [("weight_decay", value) for value in (0, 5, 15, 20)]
    panels += [("dropout", value) for value in (0.3, 0.6, 0.9)]
    axes = load_grid("figure3a").axes
    fractions = axes["train_fraction"], axes["corruption_fraction"]
    grid = list(itertools.product(panels, *fractions))
    draws = [
        np.random.default_rng(seed).choice(len(grid), number, replace=False).tolist()
        for seed, number in DRAWS.items()
    ]
    for index in dict.fromkeys(itertools.chain(*draws)):
        (name, value), train, corruption = grid[index]
        experiment = Experiment(
            measure_every=50, train_fraction=train, corruption_fraction=corruption
        )
        yield experiment.replace(**{name: value})


def outcome(number, run):
    """A row: where the rule stops a full run, and its phase there and at the end."""
    experiment, data = run.experiment.replace(settle=True), run.dataset
    curves = [data[name].values for name in ("train_accuracy", "test_accuracy", "norm", "mean_ipr")]
    steps = data.step.values
    ends = range(1, len(steps) + 1)
    stop = next(
        (n for n in ends if has_settled(experiment, steps[:n], *(c[:n] for c in curves))),
        len(steps),
    )
    row = {
        "seen": int(number < SEEN),
        "weight_decay": experiment.optimizer.weight_decay,
        "dropout": experiment.model.dropout,
        "train_fraction": experiment.train_fraction,
        "corruption_fraction": experiment.corruption_fraction,
        "stopped_at": int(steps[stop - 1]),
    }
    for name, n in (("settled", stop), ("full", len(steps))):
        train, test = curves[0][:n], curves[1][:n]
        phase = classify(train[-1], test[-1], test.max(), experiment.corruption_fraction).item()
        row |= {f"{name}_phase": str(phase), f"{name}_train_accuracy": train[-1]}
        row |= {f"{name}_test_accuracy": test[-1]}
    return row


def summarise(table, title):
    if not len(table):
        return
    agree = table.settled_phase == table.full_phase
    # Steps cost in proportion to the training set.
    factor = 2000 * table.train_fraction.sum() / (table.stopped_at * table.train_fraction).sum()
    print(f"{title}: {agree.mean():.1%} of {len(table)} phases kept (≥ 98 %), "
          f"{factor:.2f} × fewer examples (≥ 2.2)")  # fmt: skip
    for _, row in table[~agree].iterrows():
        print(f"  not kept: {row.to_dict()}")


def main():
    if "--train" in sys.argv:
        store, chosen = Path(sys.argv[-1]), list(cells())
        if "--only-stored" not in sys.argv:
            train_missing(chosen, store)
        found = ((number, find(store, cell)) for number, cell in enumerate(chosen))
        rows = [outcome(number, run) for number, run in found if run is not None]
        pd.DataFrame(rows).to_csv(OUTCOME, index=False, float_format="%.6g")
    table = pd.read_csv(OUTCOME)
    summarise(table[table.seen == 1], "cells seen when the rule was chosen")
    summarise(table[table.seen == 0], "cells not seen then")
    summarise(table, "all cells")


if __name__ == "__main__":
    main()
