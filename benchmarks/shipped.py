"""What settling and refining save on the paper's diagrams, from the shipped runs themselves.

The cells that refining wants are found again from the finished diagram. What they took, against
every cell for all its steps: that time is estimated from the seconds a step that they took with
the same axes but corruption, so that filling the rest on another machine changes nothing here.

Of a diagram that is trained whole: how many of the phases that refining would infer are right.
And the phases shipped against those of random cells trained in full, which `settle.py` drew.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from common import report
from grokscope import enclosed, follow_boundaries, load_sweep
from grokscope.diagram import DONE, PHASES, grid_of, phase_diagram
from grokscope.refine import UNKNOWN

RESULTS = Path(__file__).parents[1] / "results"


def refined(phases):
    """Phases [panel, row, column] of the cells trained when following the boundaries."""
    codes = np.full_like(phases, UNKNOWN)
    for wanted in follow_boundaries(codes):
        codes[wanted] = phases[wanted]
    return codes


def compare(path, phases, axis):
    """Phases of a diagram with those of the random cells that lie in it, trained in full."""
    cells = pd.read_csv(Path(__file__).with_name("settle.csv"))
    other = {"weight_decay": "dropout", "dropout": "weight_decay"}[axis]
    cells = cells[cells[other] == 0]
    right = 0
    for _, cell in cells.iterrows():
        place = {name: cell[name] for name in phases.dims}
        right += str(PHASES[int(phases.sel(place, method="nearest"))]) == cell.full_phase
    print(f"{path.name}: {right} of {len(cells)} random cells trained in full have its phase")


def main():
    for path in sorted(RESULTS.glob("*.nc")):
        sweep = load_sweep(path)
        phases, data = phase_diagram(sweep).phase, sweep.isel(seed=0)
        steps = grid_of(data).base.steps
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
              f"{float(data.last_step.where(wanted).mean()):,.0f} of {steps:,} steps each, "
              f"{taken / 3600:.1f} of {in_full / 3600:.1f} core hours")  # fmt: skip
        report(f"{path.stem}: in full / settled and refined", in_full / taken, 4.5, "above")
        if done.all():
            right = (enclosed(codes) == truth)[codes == UNKNOWN]
            print(f"{path.name}: {right.sum()} of the {right.size} phases that refining infers "
                  "are those of the networks")  # fmt: skip
        if path.stem in ("figure3a", "figure3b"):
            compare(path, phases, str(data.status.dims[0]))


if __name__ == "__main__":
    main()
