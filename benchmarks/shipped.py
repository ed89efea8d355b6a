"""What settling and refining save on the paper's diagrams, from the shipped runs themselves.

The cells that refining wants are found again from the finished diagram. What they took, against
every cell for all its steps: that time is estimated from the seconds a step that they took with
the same axes but corruption, so that filling the rest on another machine changes nothing here.

Of a diagram that is trained whole: how many of the phases that refining would infer are right.
How many settled runs the settle rule, which has changed since, would stop where they stopped. The
phases shipped against those of random cells trained in full, which `settle.py` drew. And what
the cells of each figure's quick scale took, which `figures.py` times from an empty store.
"""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from common import report
from grokscope.measures.settle import has_settled
from grokscope.paper.figures import SweepFigure, figures
from grokscope.sweeps.archive import archived_run, load_sweep
from grokscope.sweeps.diagram import DONE, PHASES, grid_of, phase_diagram
from grokscope.sweeps.refine import UNKNOWN, enclosed, follow_boundaries
from settle import OUTCOME, RESULTS, curves_of


def refined(phases):
    """Phases [panel, row, column] of the cells trained when following the boundaries."""
    codes = np.full_like(phases, UNKNOWN)
    for wanted in follow_boundaries(codes):
        codes[wanted] = phases[wanted]
    return codes


def compare(path, phases):
    """Phases of a diagram with those of the random cells that lie in it, trained in full."""
    cells = pd.read_csv(OUTCOME)
    if path.stem in ("figure3a", "figure3b"):
        other = {"weight_decay": "dropout", "dropout": "weight_decay"}[phases.dims[0]]
        cells = cells[(cells.grid == "figure3") & (cells[other] == 0)]
    else:
        cells = cells[cells.grid == path.stem]
    right = total = 0
    for _, cell in cells.iterrows():
        place = {name: cell[name] for name in phases.dims}
        with suppress(KeyError):  # a coarser diagram has not every cell
            code = int(phases.sel(place, method="nearest", tolerance=1e-6))
            right += code != UNKNOWN and str(PHASES[code]) == cell.full_phase
            total += 1
    if total:
        print(f"{path.name}: {right} of {total} random cells trained in full have its phase")


def stopped_rightly(sweep):
    """How many runs stopped because they had settled, and for how many the rule says so now."""
    grid = grid_of(sweep)
    settled = np.argwhere(np.isfinite(sweep.settled_at.values)).tolist()
    rightly = 0
    for index in map(tuple, settled):
        run = archived_run(sweep, grid, index)
        rightly += has_settled(run.experiment, *curves_of(run.dataset))
    return len(settled), rightly


def quick_seconds(sweep, axes):
    """What the cells of the quick scale took; infinite if one is not trained."""
    chosen = sweep.sel({name: list(axes[name]) for name in axes if name in sweep.dims})
    return float(chosen.seconds.sum()) if (chosen.status == DONE).all() else np.inf


def quick_scales():
    """What every figure's quick scale takes two cores, where its cells are among those shipped."""
    for number, figure in figures().items():
        if not isinstance(figure, SweepFigure) or figure.quick_base or not figure.quick_settle:
            continue
        paths = [RESULTS / f"{name}.nc" for name in figure.grids]
        if all(path.exists() for path in paths):
            taken = sum(quick_seconds(load_sweep(path), figure.quick_axes) for path in paths)
            if np.isfinite(taken):
                made = "of two of the cores that made its cells"
                print(f"figure {number}, quick: {taken / 2:.0f} s {made}")


def main():
    for path in [Path(name) for name in sys.argv[1:]] or sorted(RESULTS.glob("*.nc")):
        sweep = load_sweep(path)
        phases, data = phase_diagram(sweep.isel(seed=[0])).phase, sweep.isel(seed=0)
        if "corruption_fraction" not in phases.dims:
            continue
        steps = data.coords.get("steps", xr.DataArray(grid_of(data).base.steps))
        settled, rightly = stopped_rightly(sweep)
        print(f"{path.name}: {rightly} of {settled} settled runs would stop there by today's rule")
        truth = phases.values.reshape(-1, *phases.shape[-2:])
        codes = refined(truth)
        wanted = (codes != UNKNOWN).reshape(phases.shape)
        done = data.status.values == DONE
        if (wanted & ~done).any():
            print(f"{path.name}: {done.sum()} of {done.size} cells; not finished")
            continue
        rate = (data.seconds / data.last_step).where(wanted & (data.last_step > 0))
        a_step = rate.median("corruption_fraction")
        a_step = a_step.interpolate_na("train_fraction", fill_value="extrapolate")
        in_full = float((a_step * steps * xr.ones_like(data.corruption_fraction)).sum())
        taken = float(data.seconds.where(wanted).sum())
        print(f"{path.name}: {wanted.sum()} of {done.size} cells wanted, {done.sum()} trained, "
              f"{float((data.last_step / steps).where(wanted).mean()):.0%} of the steps each, "
              f"{taken / 3600:.1f} of {in_full / 3600:.1f} core hours")  # fmt: skip
        if path.stem == "figure3a":
            report(f"{path.stem}: in full / settled and refined", in_full / taken, 4.5, "above")
        if done.all():
            right = (enclosed(codes) == truth)[codes == UNKNOWN]
            print(f"{path.name}: {right.sum()} of the {right.size} phases that refining infers "
                  "are those of the networks")  # fmt: skip
        compare(path, phases)
    if not sys.argv[1:]:
        quick_scales()


if __name__ == "__main__":
    main()
