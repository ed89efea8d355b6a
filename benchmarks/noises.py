"""Which phases different kinds of label noise end in, from `results/noises.nc`.

    python benchmarks/noises.py [SWEEP]

A line for each cell: the phase of each seed, and means over seeds, with their range.
"""

import sys
from pathlib import Path

import numpy as np

from grokscope import load_sweep
from grokscope.sweeps.diagram import PHASES, phase_codes

FILE = Path(__file__).parents[1] / "results" / "noises.nc"
NAMES = ("test_accuracy", "corrupted_accuracy", "corrected_accuracy", "second_rule_accuracy")


def words(values: np.ndarray) -> str:
    """Mean and range over seeds."""
    return f"{values.mean():.2f} [{values.min():.2f}, {values.max():.2f}]"


def main() -> None:
    """Print every cell."""
    data = load_sweep(sys.argv[1] if len(sys.argv) > 1 else FILE).dataset
    codes = phase_codes(data)
    axes = [str(dim) for dim in codes.dims if dim != "seed"]
    for place in np.ndindex(*(data.sizes[axis] for axis in axes)):
        at = dict(zip(axes, place, strict=True))
        cell = data.isel(at)
        phases = "".join(PHASES[code].letter for code in codes.isel(at).values)
        title = ", ".join(f"{axis} {data[axis].values[index]}" for axis, index in at.items())
        found = [
            f"{name} {words(cell[name].values)}"
            for name in NAMES
            if name in cell and np.isfinite(cell[name].values).all()
        ]
        print(f"{title}: {phases}  {'; '.join(found)}")


if __name__ == "__main__":
    main()
