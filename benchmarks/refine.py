"""Refinement against an exhaustive diagram: agreement, and the share of cells it trains.

The exhaustive diagram has 65 × 73 real networks, small ones, so that all of them can be trained.
Every fourth row and column of it is a diagram of 17 × 19. `--train FILE` makes it anew (about a
quarter of an hour on two cores); without, the one beside this file is used.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from grokscope import Experiment, Grid
from grokscope.sweeps.archive import export, load_sweep
from grokscope.sweeps.diagram import phase_diagram
from grokscope.sweeps.refine import UNKNOWN, enclosed, follow_boundaries
from grokscope.sweeps.sweep import sweep

BASE = Experiment(steps=800, measure_every=50, settle=True)
GRID = Grid(
    base=BASE.replace(modulus=29, width=96, weight_decay=10),
    axes={
        "train_fraction": np.linspace(0.2, 0.9, 65),
        "corruption_fraction": np.linspace(0, 0.72, 73),
    },
)
EXHAUSTIVE = Path(__file__).with_name("refine.nc")


def compare(truth):
    """What refining would train of a diagram, and how much of the whole it gets right."""
    codes = np.full_like(truth, UNKNOWN)
    rounds = 0
    for wanted in follow_boundaries(codes):
        codes[wanted] = truth[wanted]
        rounds += 1
    trained = (codes != UNKNOWN).mean()
    agreement = (enclosed(codes) == truth).mean()
    _, rows, columns = truth.shape
    print(f"{rows} × {columns}: {trained:.1%} of the cells trained in {rounds} rounds, "
          f"{agreement:.2%} of all phases right (≥ 98 %)")  # fmt: skip


def main():
    if "--train" in sys.argv:
        with tempfile.TemporaryDirectory() as store:
            export(sweep(GRID, store), Path(sys.argv[-1]))
        return
    truth = phase_diagram(load_sweep(EXHAUSTIVE)).phase.values[None]
    compare(truth[:, ::4, ::4])
    compare(truth)


if __name__ == "__main__":
    main()
