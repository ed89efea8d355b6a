"""Which phases weight decay leads to under different optimisers, from `results/optimizer_*.nc`.

    python benchmarks/optimizers.py [FOLDER]

For each optimiser a row for each share of the weights that decay takes in a step, and a column for
each train fraction: the phase of each seed, and the mean accuracies on test examples and on wrong
labels. At the end, for how many cells an optimiser's most frequent phase is AdamW's.
"""

import sys
from pathlib import Path

from grokscope import load_sweep
from grokscope.paper.optimizers import DECAYS_A_STEP, OPTIMIZERS
from grokscope.sweeps.diagram import PHASES, most_frequent, phase_codes
from grokscope.sweeps.refine import UNKNOWN

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Print every optimiser's diagram that is there."""
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
                cells.append(f"{letters} {means[0]:.2f} {means[1]:.2f}")
            decay = float(data.weight_decay.values[row])
            print(f"  share {share:<5g} (weight decay {decay:9.3g}): {'   '.join(cells)}")
    for name, phases in found.items():
        same = (phases == found["optimizer_adamw"]).sum() if "optimizer_adamw" in found else 0
        print(f"{name}: the phase of AdamW in {same} of {phases.size} cells")


if __name__ == "__main__":
    main()
