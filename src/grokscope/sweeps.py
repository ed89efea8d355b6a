"""Many runs on the local cores: what a store lacks is trained, one process a core."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from grokscope.config import Experiment
from grokscope.errors import WorkerError
from grokscope.progress import progress_bar
from grokscope.run import train_ensemble
from grokscope.store import Run, find, open_run, require_writable, run_path, save

_steps_done: Callable[[int], None]


def train_missing(
    experiments: Sequence[Experiment],
    store: str | Path,
    workers: int | None = None,
    progress: bool = True,
) -> list[Run]:
    """The runs of all experiments, in their order; those not in the store are trained into it.

    In a script, call it under `if __name__ == "__main__":`, since each training process imports
    the script anew.

    Args:
        experiments: what is wanted; equal ones are trained once.
        store: a folder of runs.
        workers: training processes; by default one a core.
        progress: whether to show a progress bar, if on a terminal.

    Raises:
        ConfigError: if the store cannot be written.
        WorkerError: if a training process is killed.
    """
    store = Path(store)
    runs = {experiment: find(store, experiment) for experiment in dict.fromkeys(experiments)}
    missing = [experiment for experiment, run in runs.items() if run is None]
    if missing:
        require_writable(store, "store")
    workers = min(workers or os.cpu_count() or 1, len(missing))
    total = sum(experiment.steps for experiment in missing)
    description = f"training {len(missing)} of {len(runs)} networks"
    with progress_bar(description, total, show=progress and bool(missing)) as advance:
        if workers > 1:
            _train_in_pool(missing, store, workers, advance)
        else:
            for experiment in missing:
                _train_one(experiment, store, advance)
    for experiment in missing:
        runs[experiment] = open_run(run_path(store, experiment))
    return [run for experiment in experiments if (run := runs[experiment])]


def _train_in_pool(
    experiments: list[Experiment], store: Path, workers: int, advance: Callable[[int], None]
) -> None:
    context = multiprocessing.get_context("spawn")
    steps = context.SimpleQueue()

    def forward() -> None:
        while (done := steps.get()) is not None:
            advance(done)

    listener = threading.Thread(target=forward, daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(workers, context, _start_worker, (steps.put,))
    try:
        for future in as_completed([pool.submit(_train_in_worker, e, store) for e in experiments]):
            future.result()
    except BrokenProcessPool:
        raise WorkerError(
            "a training process ended early: killed, out of memory, or started by a script whose "
            "call is not under `if __name__ == '__main__':`. Finished runs are stored; "
            "ask again to train the rest."
        ) from None
    except BaseException:
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        steps.put(None)
        listener.join()


def _start_worker(steps_done: Callable[[int], None]) -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    global _steps_done
    _steps_done = steps_done
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _train_in_worker(experiment: Experiment, store: Path) -> None:
    _train_one(experiment, store, _steps_done)


def _train_one(experiment: Experiment, store: Path, advance: Callable[[int], None]) -> None:
    (run,) = train_ensemble([experiment], advance)
    save(run, store)
