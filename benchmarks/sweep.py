"""What a sweep costs besides training: a second worker, the machinery, resuming, compiling."""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from grokscope import Experiment, Grid, digest
from grokscope.runs.compact import without_weights
from grokscope.runs.store import Store
from grokscope.runs.summaries import Cached
from grokscope.runs.train import train
from grokscope.sweeps.executors import local_pool
from grokscope.sweeps.scheduler import Scheduler
from grokscope.sweeps.sweep import sweep
from grokscope.sweeps.task import Outcome, train_cells
from grokscope.training.compile import configure
from grokscope.training.cost import work
from grokscope.training.ensemble import seconds_per_work

CELLS = 10_000
TEN_SECONDS = Experiment(corruption_fraction=0.35, measure_every=50)
NOTHING = Cached([], "", {})


def nothing(experiments, store, final_weights, report):
    return [Outcome(experiment, NOTHING) for experiment in experiments]


def stored_at_once(experiments, store, final_weights, report):
    """Cells whose files are there without training: one network's measurements under every name."""
    template = without_weights(train(TINY, progress=False))
    outcomes = []
    for experiment in experiments:
        run = Store(store).save(replace(template, experiment=experiment))
        outcomes.append(Outcome(experiment, Cached.of(run)))
    return outcomes


def counted(experiments, store, final_weights, report):
    """Train, and note how often this process compiled the training loop, and what it found cached.

    JAX tells a listener of every look into its cache on disk.
    """
    import jax

    global _misses, _loops
    if _misses is None:
        _misses, _loops = [], []
        jax.monitoring.register_event_listener(
            lambda name, **_: _misses.append(name) if name.endswith("cache_misses") else None
        )
        jax.monitoring.register_event_duration_secs_listener(
            lambda name, _, fun_name="", **__: (
                _loops.append(name)
                if name.endswith("backend_compile_duration") and "train_block" in fun_name
                else None
            )
        )
    outcomes = train_cells(experiments, store, final_weights, report)
    note = f"{len(_loops)} {len(_misses)}"
    Path(store, f"compiled-{os.getpid()}").write_text(note)
    return outcomes


_misses = _loops = None
TINY = Experiment(steps=1).replace(modulus=5, width=2)


def second_worker(folder):
    """A pool of two processes against a pool of one, on the same networks of about ten seconds."""
    rate = seconds_per_work(TEN_SECONDS)
    steps = round(10 / (rate * work(TEN_SECONDS)) * TEN_SECONDS.steps)
    grid = Grid(base=TEN_SECONDS.replace(steps=steps), axes={"weight_decay": [0, 5, 15]}, seeds=4)
    cells = [cell for _, cell in grid.cells()]
    without_weights(train(grid.base.replace(steps=50), progress=False))  # which compiles
    seconds = {}
    for workers in (1, 2):
        began = time.perf_counter()
        with local_pool(workers) as pool:
            outcomes = list(Scheduler(cells, Store(folder / str(workers)), pool).run())
        seconds[workers] = time.perf_counter() - began
        each = np.mean([outcome.entry.summary["seconds"] for outcome in outcomes])
        print(f"{workers} worker(s): {seconds[workers]:.1f} s for {len(cells)} of {each:.1f} s")
    print(f"two workers against one: {seconds[1] / seconds[2]:.2f} × (≥ 1.9)")


def machinery(folder):
    """Cells that do nothing, and a store in which nothing is missing."""
    axes = {"weight_decay": np.linspace(0, 20, 100), "train_fraction": np.linspace(0.3, 0.7, 100)}
    grid = Grid(base=TINY, axes=axes)
    cells = [cell for _, cell in grid.cells()]
    with local_pool(2) as pool:
        before = memory()
        began = time.perf_counter()
        outcomes = sum(1 for _ in Scheduler(cells, Store(folder), pool, train=nothing).run())
        seconds = time.perf_counter() - began
        grown = memory() - before
    each = 1000 * seconds / outcomes
    print(f"cells that do nothing: {outcomes:,} in {seconds:.1f} s, {each:.2f} ms each (≤ 5 ms)")
    print(f"memory grew by {grown:.0f} MB")

    store = folder / "finished"
    store.mkdir()
    with local_pool(2) as pool:
        made = list(Scheduler(cells, Store(store), pool, train=stored_at_once).run())
    Store(store).summaries({digest(o.experiment): o.entry for o in made})
    began = time.perf_counter()
    data = sweep(grid, store, workers=1, progress=False)
    seconds = time.perf_counter() - began
    assert (data.status == 1).all()
    print(f"nothing missing of {CELLS:,} runs: known after {seconds:.1f} s (≤ 5 s)")


def memory():
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def compilations(folder):
    """4 weight decays × 19 corruption fractions at one train fraction, with a cache of its own."""
    axes = {"weight_decay": [0, 5, 15, 20], "corruption_fraction": np.linspace(0, 0.9, 19)}
    base = Experiment(steps=10, measure_every=10)
    configure(folder=folder / "compiled")
    for title in ("cold", "warm"):
        store = folder / title
        store.mkdir()
        cells = [cell for _, cell in Grid(base=base, axes=axes).cells()]
        with local_pool(2) as pool:
            assert all(o.entry for o in Scheduler(cells, Store(store), pool, train=counted).run())
        notes = [path.read_text().split() for path in store.glob("compiled-*")]
        loops, misses = zip(*notes, strict=True)
        print(f"{title} cache: training loops a worker {', '.join(loops)} (1); "
              f"programs compiled a worker {', '.join(misses)}"
              f"{' (0)' if title == 'warm' else ''}")  # fmt: skip


if __name__ == "__main__":
    for benchmark in (machinery, second_worker, compilations):  # the last has a cache of its own
        with tempfile.TemporaryDirectory() as folder:
            benchmark(Path(folder))
