"""The settle rule on random cells of the paper's grids: phases kept, and examples saved.

Each cell is trained in full; where the rule would have stopped it is read off its curves, since a
settled run is bit for bit the beginning of the full one (tests/test_settle.py). `--train STORE
GRID ...` trains the cells drawn from those grids (half a minute to three minutes a cell and core)
and writes the outcome of each beside this file; without, the outcomes there are summarised. So are
those of the sweeps that are shipped in full.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from grokscope import Experiment, classify, train_missing
from grokscope.measures.settle import has_settled
from grokscope.paper.grids import load_grid
from grokscope.runs.store import Store
from grokscope.sweeps.archive import archived_run, load_sweep
from grokscope.sweeps.diagram import grid_of

RESULTS = Path(__file__).parents[1] / "results"
OUTCOME = Path(__file__).with_name("settle.csv")
DRAWS = {2: 120, 3: 80}
"""Cells drawn from Figure 3, by seed of the draw."""

SEEN = 78
"""The first so many cells of Figure 3 were seen when the rule was chosen; no others were."""

EACH = 6
"""Cells drawn from every other grid, with the rule as it was chosen on Figure 3's."""

KINDS = {
    "3-layer MLP": ("figure7b", "figure14"),
    "Transformer": ("figure7a", "figure12", "figure13"),
    "N = 5000": ("figure29", "figure30a"),
    "MNIST": ("figure16a", "figure16b"),
}
"""Grids of each kind of network but the default's."""

IN_FULL = ("figure12", "figure14")
"""Sweeps in `results` whose networks were all trained for all their steps."""


def figure3_cells():
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


def cells(name):
    """Random cells of a grid, of its first seed."""
    if name == "figure3":
        return list(figure3_cells())
    grid = [experiment for index, experiment in load_grid(name).cells() if index[-1] == 0]
    drawn = np.random.default_rng(2).choice(len(grid), EACH, replace=False)
    return [grid[index] for index in drawn]


def curves_of(data):
    """What `has_settled` takes of a run: steps, and what was measured at each."""
    names = ("step", "train_accuracy", "test_accuracy", "norm", "mean_ipr")
    return [data[name].values for name in names]


def outcome(grid, number, run):
    """A row: where the rule stops a full run, and its phase there and at the end."""
    experiment, data = run.experiment.replace(settle=True), run.dataset
    steps, *curves = curves_of(data)
    ends = range(1, len(steps) + 1)
    stop = next(
        (n for n in ends if has_settled(experiment, steps[:n], *(c[:n] for c in curves))),
        len(steps),
    )
    row = {
        "grid": grid,
        "seen": int(grid == "figure3" and number < SEEN),
        "batch_size": experiment.batch_size,
        "steps": experiment.steps,
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
    # Steps cost in proportion to what they see: a batch, or the training set.
    seen = table.batch_size.where(table.batch_size.notna(), table.train_fraction * 97**2)
    factor = (seen * table.steps).sum() / (seen * table.stopped_at).sum()
    print(f"{title}: {agree.mean():.1%} of {len(table)} phases kept (≥ 98 %), "
          f"{factor:.2f} × fewer examples (≥ 2.2)")  # fmt: skip
    for _, row in table[~agree].iterrows():
        print(f"  not kept: {row.to_dict()}")


def measured(name, store):
    """The outcomes of the cells drawn from a grid, which are trained where the store lacks them."""
    chosen = cells(name)
    train_missing(chosen, store)
    return [outcome(name, number, Store(store).find(cell)) for number, cell in enumerate(chosen)]


def shipped(name):
    """The outcomes of all networks of a sweep in `results`."""
    sweep = load_sweep(RESULTS / f"{name}.nc")
    grid = grid_of(sweep)
    cells = enumerate(grid.cells())
    return [outcome(name, number, archived_run(sweep, grid, at)) for number, (at, _) in cells]


def main():
    table = pd.read_csv(OUTCOME)
    if "--train" in sys.argv:
        store, *names = sys.argv[sys.argv.index("--train") + 1 :]
        rows = pd.DataFrame([row for name in names for row in measured(name, Path(store))])
        table = pd.concat([table[~table.grid.isin(names)], rows]).astype({"batch_size": float})
        written = table.astype({"batch_size": "Int64"})  # 64, not 64.0
        written.to_csv(OUTCOME, index=False, float_format="%.6g")
    first = table.grid == "figure3"
    summarise(table[table.seen == 1], "Figure 3, cells seen when the rule was chosen")
    summarise(table[first & (table.seen == 0)], "Figure 3, cells not seen then")
    summarise(table[first], "Figure 3")
    for name, rows in table[~first].groupby("grid", sort=False):
        summarise(rows, name)
    summarise(table[~first], "all others")
    full = {name: pd.DataFrame(shipped(name)) for name in IN_FULL}
    for name, rows in full.items():
        summarise(rows, f"{name}, all networks shipped")
    everything = pd.concat([table, *full.values()])
    for kind, grids in KINDS.items():
        summarise(everything[everything.grid.isin(grids)], f"kind: {kind}")


if __name__ == "__main__":
    main()
