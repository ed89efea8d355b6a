"""What an accelerator makes of the paper's sweeps, in nine minutes: checks, throughput, figures.

    python benchmarks/accelerator.py [OUT] [--minutes 9]

First checks: the phases of 20 shipped cells, trained again, and scores against the CPU's. Then how
many networks a minute, at which share of the device's best product of matrices, and what all of
Figure 3 would take. Then it trains the paper's larger diagrams at their own resolution for as long
as time allows, and leaves an export of each in OUT, of at most 16 MB, beside a store to go on from.
On a CPU it does the same, in small.
"""

import argparse
import time
from itertools import groupby
from pathlib import Path

import jax
import numpy as np

from grokscope.data.dataset import make_dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.examples import Examples
from grokscope.measures.together import measure
from grokscope.models.network import arrays_of
from grokscope.paper.grids import grid
from grokscope.runs.train import train_each
from grokscope.sweeps.archive import archive, archived_run, export, load_sweep
from grokscope.sweeps.diagram import DONE, grid_of
from grokscope.sweeps.sweep import sweep
from grokscope.training.compile import device_kinds
from grokscope.training.cost import work
from grokscope.training.ensemble import Ensemble, best_how, ensemble_key, ensemble_size
from grokscope.training.networks import init_model, model_shapes
from grokscope.training.speed import measure_speed, operations_of_step

RESULTS = Path(__file__).parent.parent / "results"
FIGURES = ("figure29", "figure7b", "figure30a", "figure7a", "figure14", "figure13")
MEASURED = ("figure3a", "figure7a", "figure7b", "figure29")
MOST_BYTES = 16 * 2**20
RESERVE = 60
"""Seconds for what follows training: what is in flight, and the exports."""

H200_RATE = 60e12
"""Operations a second in float32 of the accelerator that predictions are made for."""

STEPS = 10
"""Steps that are timed, after as many that compile."""


def trained(cells):
    """The runs of cells of any shapes, those of one shape together."""
    for _, alike in groupby(sorted(cells, key=lambda c: str(ensemble_key(c))), ensemble_key):
        alike = [*alike]
        for ended in train_each(alike, size=ensemble_size(alike[0])):
            yield from (run for _, run in ended)


def check_phases(n_cells):
    """How many of some shipped cells of Figure 3(a) have the same phase when trained again."""
    data = load_sweep(RESULTS / "figure3a.nc")
    cells_of, places = grid_of(data), np.argwhere(data.status.values == DONE)
    chosen = places[np.linspace(0, len(places) - 1, n_cells).astype(int)].tolist()
    shipped = {cells_of.cell(tuple(p)): archived_run(data, cells_of, tuple(p)) for p in chosen}
    return sum(run.phase() == shipped[run.experiment].phase() for run in trained(shipped))


def check_scores():
    """The largest relative difference of a network's scores between this device and the CPU."""
    experiment = Experiment(corruption_fraction=0.35)
    data = make_dataset(experiment)
    found = []
    for device in (jax.devices()[0], jax.devices("cpu")[0]):
        with jax.default_device(device):
            examples = Examples(data, experiment)
            found.append(measure(init_model(experiment), examples).scores)
    return max(abs(a / b - 1) for a, b in zip(*(f.values() for f in found), strict=True) if b)


def seconds_a_step(cell, size):
    """Seconds of a step of so many networks like a cell, together."""
    cells = [cell.replace(seed=seed) for seed in range(size)]
    data = [make_dataset(cell) for cell in cells]
    ensemble = Ensemble(cells, data, [None] * size, [0] * size, best_how(size))
    times = []
    for _ in range(2):  # the first compiles
        began = time.perf_counter()
        ensemble.advance(STEPS)
        jax.block_until_ready(ensemble.models)
        times.append(time.perf_counter() - began)
    return times[1] / STEPS


def throughput(name, rate):
    """Print how many networks of a sweep are trained in a minute, and how long all would take."""
    cells = [cell for _, cell in grid(name).cells()]
    cell = sorted(cells, key=work)[len(cells) // 2]
    size = ensemble_size(cell)
    seconds = seconds_a_step(cell, size)
    network = model_shapes(cell)
    multiplied = sum(
        array.size for name, array in arrays_of(network).items() if name not in network.operands
    )  # rows of those are looked up
    products = 6 * multiplied * (cell.batch_size or cell.n_train) * size
    minutes = seconds / size / work(cell) * cell.steps * sum(map(work, cells)) / 60
    print(f"{name}: {size} networks together, {60 * size / (seconds * cell.steps):.1f} a minute; "
          f"all {len(cells):,} without settling, inference and measurements: {minutes:.1f} min; "
          f"products at {products / seconds / rate:.0%} of the best rate")  # fmt: skip


def predict(name):
    """Print how long the products of a sweep of two-layer networks take at an H200's rate."""
    cells = [cell for _, cell in grid(name).cells()]
    operations = sum(cell.steps * operations_of_step(cell) for cell in cells)
    minutes = operations / H200_RATE / 60
    print(f"{name}: {operations / 1e12:,.0f} TFLOP of products, {minutes:.1f} min at 60 TFLOP/s")


def train_figure(name, out, seconds):
    """Train as much of a figure as some seconds allow, and leave an export."""
    sweep(grid(name), out / name, time_limit=seconds, workers=1, progress=False)
    data = archive(grid(name), out / name)
    path = out / f"{name}.nc"
    export(data, path)
    print(f"{name}: {int((data.status == DONE).sum()):,} of {data.status.size:,} networks, "
          f"{path.stat().st_size / 2**20:.1f} MB")  # fmt: skip
    if path.stat().st_size > MOST_BYTES:
        path.unlink()
        print(f"  too large: use `grokscope phases {name} --store {out / name} --export FILE`")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, nargs="?", help="folder for exports and stores")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--cells", type=int, default=20, help="shipped cells to train again")
    parser.add_argument(
        "--sweeps", nargs="*", default=MEASURED, help="whose throughput is measured"
    )
    chosen = parser.parse_args()
    deadline = time.monotonic() + 60 * chosen.minutes - RESERVE
    print(f"device {device_kinds()[0]}, JAX {jax.__version__}")
    print(f"scores differ from the CPU's by {check_scores():.1e}")
    began = time.monotonic()
    print(f"{check_phases(chosen.cells)} of {chosen.cells} shipped cells have the same phase, "
          f"in {time.monotonic() - began:.0f} s")  # fmt: skip
    rate = measure_speed().operations
    print(f"best product of matrices: {rate / 1e12:.2f} TFLOP/s")
    for name in ("figure3a", "figure3b"):
        predict(name)
    for name in chosen.sweeps:
        throughput(name, rate)
    for name in FIGURES if chosen.out else ():
        if (left := deadline - time.monotonic()) > RESERVE:
            train_figure(name, chosen.out, left)


if __name__ == "__main__":
    main()
