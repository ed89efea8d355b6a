"""What pruning the neurons that hold wrong labels does to training that goes on.

    python benchmarks/interventions.py

Means over seeds, and their range, from `results/memorizers_pruned.nc`.
"""

from pathlib import Path

import numpy as np

from grokscope import load_sweep

FILE = Path(__file__).parents[1] / "results" / "memorizers_pruned.nc"
LATER = 250


def main() -> None:
    """Print accuracies at the step of pruning, some steps later, and in the end."""
    data = load_sweep(FILE).dataset.squeeze("start_step")
    for decay in data.weight_decay.values:
        for order in data.prune_by.values:
            cell = data.sel(weight_decay=decay, prune_by=order)
            steps = cell.run_step.isel(seed=0).values.astype(int)
            later = int(np.abs(steps - steps[0] - LATER).argmin())
            for name in ("corrupted_accuracy", "test_accuracy"):
                curves = cell[f"run_{name}"].transpose("run_step", "seed").values
                words = [
                    f"{steps[place]}: {np.mean(curves[place]):.2f} "
                    f"[{np.min(curves[place]):.2f}, {np.max(curves[place]):.2f}]"
                    for place in (0, later, -1)
                ]
                print(f"wd {decay:g}, {order}, {name} at step", "; ".join(words))


if __name__ == "__main__":
    main()
