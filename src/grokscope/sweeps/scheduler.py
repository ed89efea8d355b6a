"""Cells on an executor: packed into tasks, recorded as they finish, lost ones tried again."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from grokscope.errors import WorkerError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.runs.compact import without_weights
from grokscope.runs.store import Run, claim, find, forget_failure, record_failure, save
from grokscope.runs.summaries import Signature, Summary, signature, summaries, summarize
from grokscope.runs.train import train_ensemble
from grokscope.sweeps.executors import Here, Place, report
from grokscope.training.cost import CELL_SECONDS, work
from grokscope.training.loop import ensemble_key, ensemble_size, seconds_per_work

POLL_SECONDS = 0.5


class Outcome(NamedTuple):
    """What became of a cell: its run's summary and its file's signature; or why it failed; or
    neither, if another process is at it.
    """

    experiment: Experiment
    summary: Summary | None = None
    mark: Signature | None = None
    failure: str | None = None


class Task(NamedTuple):
    """Cells that are trained in one go, and where the task reports what it has done."""

    cells: tuple[Experiment, ...]
    slot: int


Show = Callable[[str, float, float], None]
Train = Callable[[Sequence[Experiment], str, bool, int], list[Outcome]]


def train_cells(
    experiments: Sequence[Experiment], store: str, keep_weights: bool, slot: int
) -> list[Outcome]:
    """Train cells into a store, where a task runs; alike ones as ensembles where that pays."""
    outcomes: list[Outcome] = []
    done = 0.0

    def advance(part: float) -> None:
        nonlocal done
        done += part
        report(slot, done)

    for _, alike in groupby(experiments, ensemble_key):
        members = list(alike)
        for start in range(0, len(members), ensemble_size()):
            batch = members[start : start + ensemble_size()]
            outcomes += _train_batch(batch, Path(store), keep_weights, advance)
    return outcomes


def _train_batch(
    experiments: list[Experiment], store: Path, keep_weights: bool, advance: Callable[[float], None]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    missing: list[Experiment] = []
    with ExitStack() as claims:
        for experiment in experiments:
            if not claims.enter_context(claim(store, experiment)):
                outcomes.append(Outcome(experiment))
                continue
            run = find(store, experiment)  # another process may just have finished it
            if run is None or (keep_weights and not run.has_weights):
                missing.append(experiment)
            else:
                outcomes.append(_finished(run))
        per_step = sum(map(work, missing)) / max(experiments[0].steps, 1)
        try:
            runs = train_ensemble(missing, lambda steps: advance(steps * per_step))
            runs = runs if keep_weights else [without_weights(run) for run in runs]
        except OSError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in reason:
                reason = "out of memory"
            return outcomes + [Outcome(experiment, failure=reason) for experiment in missing]
        return outcomes + [_finished(_save(run, store)) for run in runs]


def _save(run: Run, store: Path) -> Run:
    """Save a run, unless it has no weights and somebody has meanwhile stored it with them."""
    there = None if run.has_weights else find(store, run.experiment)
    return there if there is not None and there.has_weights else save(run, store)


def _finished(run: Run) -> Outcome:
    assert run.path is not None
    return Outcome(run.experiment, summarize(run), signature(run.path))


def run_task(
    train: Train, cells: Sequence[Experiment], store: str, keep_weights: bool, slot: int
) -> tuple[list[Outcome], float]:
    """What an executor is given: outcomes, and how many seconds they took where they ran."""
    began = time.perf_counter()
    return train(cells, store, keep_weights, slot), time.perf_counter() - began


def run_cells(
    cells: Iterable[Experiment],
    store: Path,
    place: Place,
    keep_weights: bool = False,
    show: Show = lambda description, done, total: None,
    train: Train = train_cells,
) -> Iterator[Outcome]:
    """Train every cell, and yield what became of each, as it is known.

    The longest come first, and cells of one shape together, so that each shape compiles once a
    process. Short cells are packed into tasks of a useful length. The cells of a task that was
    lost with its process are tried again one by one, in a local pool with nothing beside them,
    since there a lost process takes the others with it: a cell that is lost even so has failed.
    However this ends, what was submitted and has not begun is cancelled.

    Raises:
        OSError: if a file cannot be written.
        WorkerError: if the executor cannot go on.
    """
    running: dict[Future, Task] = {}
    try:
        yield from _run_cells(cells, store, place, keep_weights, show, train, running)
    finally:
        for future in running:
            future.cancel()


def _run_cells(
    cells: Iterable[Experiment],
    store: Path,
    place: Place,
    keep_weights: bool,
    show: Show,
    train: Train,
    running: dict[Future, Task],
) -> Iterator[Outcome]:
    queue = deque(sorted(cells, key=lambda cell: (-work(cell), str(ensemble_key(cell)))))
    n_cells, total = len(queue), sum(map(work, queue))
    suspects: deque[Experiment] = deque()
    elsewhere: list[Experiment] = []
    slots = list(range(place.tasks))
    n_ended, ended_work, alone = 0, 0.0, False
    # Asked for where tasks run in this process: elsewhere the device may be another.
    ensemble = ensemble_size() if isinstance(place.executor, Here) else 1
    timed_work, timed_seconds = 0.0, 0.0
    if queue and not place.is_local:  # where many tasks are submitted before the first one ends
        timed_work = 1.0
        timed_seconds = seconds_per_work(queue[n_cells // 2])

    def give_up_on_lost_processes() -> None:
        for task in running.values():
            suspects.extend(task.cells)
            slots.append(task.slot)
        running.clear()
        place.replace_lost()

    def is_exclusive() -> bool:
        """Whether a process may take others with it, and a suspect waits or runs."""
        return place.is_local and (alone or bool(suspects))

    def show_progress(running_work: float) -> None:
        show(f"{n_ended:,} of {n_cells:,} networks", ended_work + running_work, total)

    if isinstance(place.executor, Here):  # its tasks run while they are being submitted
        place.executor.watch = lambda: show_progress(place.done[0])

    while queue or suspects or running or elsewhere:
        if not (queue or suspects or running):
            time.sleep(POLL_SECONDS)
            queue.extend(elsewhere)
            elsewhere.clear()
        while slots and (queue or suspects) and not (running and is_exclusive()):
            alone = place.is_local and bool(suspects)
            rate = timed_seconds / timed_work if timed_work else math.inf
            cells = (suspects.popleft(),) if suspects else _pack(queue, place, rate, ensemble)
            task = Task(cells, slots.pop())
            place.done[task.slot] = 0
            arguments = (train, task.cells, str(store), keep_weights, task.slot)
            try:
                running[place.executor.submit(run_task, *arguments)] = task
            except BrokenExecutor:
                suspects.extend(task.cells)
                slots.append(task.slot)
                give_up_on_lost_processes()
        show_progress(math.fsum(place.done[task.slot] for task in running.values()))
        for future in wait(running, POLL_SECONDS, FIRST_COMPLETED).done:
            if future not in running:  # given up just now
                continue
            task = running.pop(future)
            slots.append(task.slot)
            outcomes: list[Outcome] = []
            try:
                outcomes, seconds = future.result()
                timed_seconds += seconds
                timed_work += sum(map(work, task.cells))
            except OSError:
                raise
            except CancelledError:
                raise WorkerError(
                    "the executor was closed, or lost its scheduler. Finished runs are stored; "
                    "start it again and ask for the rest."
                ) from None
            except ImportError as error:
                raise WorkerError(
                    f"every process must have grokscope and what it needs, got: {error}. "
                    "Install the same versions everywhere."
                ) from None
            except Exception as error:
                if alone or (not place.is_local and len(task.cells) == 1):
                    reason = str(error).partition("\n")[0] or type(error).__name__
                    outcomes = [Outcome(task.cells[0], failure=reason)]
                else:
                    suspects.extend(task.cells)
                if isinstance(error, BrokenExecutor):
                    give_up_on_lost_processes()
            alone = alone and bool(running)
            for outcome in outcomes:
                if outcome.summary is None and outcome.failure is None:
                    elsewhere.append(outcome.experiment)
                else:
                    yield outcome
                    n_ended += 1
                    ended_work += work(outcome.experiment)


def _pack(
    queue: deque[Experiment], place: Place, rate: float, ensemble: int
) -> tuple[Experiment, ...]:
    """The next cells: as many as fill a task of useful length at `rate` seconds per work, or an
    ensemble of so many alike.
    """
    pack = [queue.popleft()]
    seconds = CELL_SECONDS + rate * work(pack[0])
    shape = ensemble_key(pack[0]) if ensemble > 1 else None
    while queue and (
        seconds < place.task_seconds or (len(pack) < ensemble and ensemble_key(queue[0]) == shape)
    ):
        pack.append(queue.popleft())
        seconds += CELL_SECONDS + rate * work(pack[-1])
    return tuple(pack)


def complete(
    cells: Iterable[Experiment],
    store: Path,
    place: Place,
    keep_weights: bool = False,
    show: Show = lambda description, done, total: None,
) -> dict[str, str]:
    """Train every cell into the store, and record those that fail.

    Returns:
        The reason of each failure, by digest.
    """
    known, failed = {}, {}
    try:
        for outcome in run_cells(cells, store, place, keep_weights, show):
            name = digest(outcome.experiment)
            if outcome.failure is not None:
                failed[name] = outcome.failure
                record_failure(store, outcome.experiment, outcome.failure)
            elif outcome.summary is not None and outcome.mark is not None:
                known[name] = (outcome.mark, outcome.summary)
                forget_failure(store, name)
    finally:
        summaries(store, known, wanted=known.__contains__)  # which keeps them for the next time
    return failed
