"""Which phases weight decay leads to under different optimisers, from `results/optimizer_*.nc`.

    python benchmarks/optimizers.py [FOLDER]
    python benchmarks/optimizers.py --whole

For each optimiser a row for each share of the weights that decay takes in a step, and a column for
each train fraction: the phase of each seed, the mean accuracies on test examples and on wrong
labels, and the mean norm of W. At the end, in how many cells an optimiser's most frequent phase is
AdamW's. With `--whole` some cells are trained for all steps, in four minutes: the settle rule was
made for AdamW.
"""

import sys
from pathlib import Path

from grokscope import load_sweep, train
from grokscope.paper.optimizers import DECAYS_A_STEP, OPTIMIZERS
from grokscope.sweeps.diagram import PHASES, most_frequent, phase_codes
from grokscope.sweeps.refine import UNKNOWN

RESULTS = Path(__file__).parents[1] / "results"


WHOLE = (
    ("lion", 0.5, 0, 0, 2000), ("lion", 0.5, 0, 0, 6000), ("lion", 0.5, 2, 2, 2000),
    ("lion", 0.3, 2, 1, 2000), ("muon", 0.5, 3, 0, 2000), ("muon", 0.3, 2, 1, 2000),
    ("sgd", 0.3, 3, 1, 2000),
)  # fmt: skip
"""Optimiser, train fraction, place of the share, seed and steps of cells that are trained whole."""


def train_whole() -> None:
    """Print the phases of cells that do not stop when settled."""
    for name, fraction, row, seed, steps in WHOLE:
        grid = OPTIMIZERS[f"optimizer_{name}"]()
        cell = grid.base.replace(
            train_fraction=fraction, weight_decay=grid.axes["weight_decay"][row], seed=seed,
            steps=steps, measure_every=50,
        )  # fmt: skip
        run = train(cell, progress=False)
        what = f"{name}, α = {fraction}, share {DECAYS_A_STEP[row]:g}, seed {seed}, {steps} steps"
        print(f"{what}: {run.phase().title}, test accuracy {float(run.final.test_accuracy):.2f}")


def main() -> None:
    """Print every optimiser's diagram that is there."""
    if sys.argv[1:] == ["--whole"]:
        train_whole()
        return
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else RESULTS
    found = {}
    for name in OPTIMIZERS:
        if not (path := folder / f"{name}.nc").is_file():
            print(f"{name}: not trained")
            continue
        data = load_sweep(path).dataset
        codes = phase_codes(data).transpose("weight_decay", "train_fraction", "seed")
        found[name] = most_frequent(codes.values)
        print(f"{name}: columns α = {', '.join(f'{a:g}' for a in data.train_fraction.values)}")
        for row, share in enumerate(DECAYS_A_STEP):
            cells = []
            for column in range(data.sizes["train_fraction"]):
                cell = data.isel(weight_decay=row, train_fraction=column)
                letters = "".join("?" if code == UNKNOWN else PHASES[code].letter
                                  for code in codes.values[row, column])  # fmt: skip
                means = [float(cell[n].mean()) for n in ("test_accuracy", "corrupted_accuracy")]
                norm = float(cell.norm.sel(matrix="W").mean())
                cells.append(f"{letters} {means[0]:.2f} {means[1]:.2f} {norm:4.1f}")
            decay = float(data.weight_decay.values[row])
            print(f"  share {share:<5g} (weight decay {decay:9.3g}): {'   '.join(cells)}")
    for name, phases in found.items():
        same = (phases == found["optimizer_adamw"]).sum() if "optimizer_adamw" in found else 0
        print(f"{name}: the phase of AdamW in {same} of {phases.size} cells")


if __name__ == "__main__":
    main()
