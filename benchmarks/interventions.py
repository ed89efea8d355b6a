"""What becomes of networks whose training is changed at a step.

    python benchmarks/interventions.py

Means over seeds, and their range, from the files of `results`: at the step of the change, 100 and
300 steps later, and in the end; then after how many steps each seed first reaches .9, or falls to
.1.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from grokscope import load_sweep
from grokscope.paper.interventions import INTERVENTIONS

RESULTS = Path(__file__).parents[1] / "results"
LATER = (0, 100, 300)
NAMES = ("test_accuracy", "corrupted_accuracy", "mean_ipr")


def words(values: np.ndarray) -> str:
    """Mean and range over seeds."""
    return f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]"


def crossing(steps: np.ndarray, curves: np.ndarray) -> str:
    """The measured steps after the change at which each seed crosses .9 upwards or .1 downwards."""
    found = []
    for text, is_there in ((">= .9", curves >= 0.9), ("<= .1", curves <= 0.1)):
        if not is_there[:, 0].all() and is_there.any(axis=1).all():
            after = [int(steps[row.argmax()] - steps[0]) for row in is_there]
            found.append(f"{text} after {sorted(after)} steps")
    return "; ".join(found)


def print_cell(cell: xr.Dataset, title: str) -> None:
    """One cell's accuracies and IPR after the change."""
    cell = cell.transpose("seed", ...)
    steps = cell.run_step.values[0]
    steps = steps[np.isfinite(steps)].astype(int)
    places = [*(int(np.abs(steps - steps[0] - later).argmin()) for later in LATER), -1]
    for name in NAMES:
        curves = cell[f"run_{name}"].values[:, : len(steps)]
        if np.isfinite(curves).all():
            at = "; ".join(f"{steps[place]}: {words(curves[:, place])}" for place in places)
            print(f"  {title} {name:18} {at}  {crossing(steps, curves)}")


def main() -> None:
    """Print every sweep of interventions that is there."""
    for name in INTERVENTIONS:
        if not (file := RESULTS / f"{name}.nc").is_file():
            print(f"{name}: not there")
            continue
        data = load_sweep(file).dataset
        print(f"{name}: {data.sizes['seed']} seeds")
        axes = [str(dim) for dim in data.status.dims if dim != "seed"]
        for place in np.ndindex(*(data.sizes[axis] for axis in axes)):
            at = dict(zip(axes, place, strict=True))
            title = ", ".join(f"{axis} {data[axis].values[index]}" for axis, index in at.items())
            print_cell(data.isel(at), title)


if __name__ == "__main__":
    main()
