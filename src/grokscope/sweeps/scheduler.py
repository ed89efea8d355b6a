"""Cells on an executor: packed into tasks, recorded as they finish, tried again if lost."""

from __future__ import annotations

import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from typing import NamedTuple

from grokscope.errors import WorkerError
from grokscope.experiment.experiment import Experiment, digest
from grokscope.experiment.own_code import allowed_folders
from grokscope.runs.store import Store
from grokscope.sweeps.executors import Report, Workers
from grokscope.sweeps.task import Outcome, Train, run_task, train_cells
from grokscope.training.cost import CELL_SECONDS, work
from grokscope.training.ensemble import ensemble_key, ensemble_size, seconds_per_work

POLL_SECONDS = 0.5

ENSEMBLES_A_TASK = 4
"""How many times the networks that train together a task has: as some end, others follow."""

MOST_IN_A_TASK = 512
"""Cells of a task at most: each is locked, with an open file, until the task ends, and many systems
let a process open 1024."""

CACHE_SECONDS = 60.0
"""How often the summaries of what has ended are cached, for those who look at a running sweep."""

CACHE_SHARE = 50.0
"""In a large store less often: the time between is at least so many times what caching takes."""


class OutOfTime(BaseException):
    """Raised in the middle of a training when the time limit of its sweep is reached.

    No `Exception`, since it is no failure of the cell that is trained.
    """


class Task(NamedTuple):
    """Cells that are trained in one go, and where the task reports what it has done."""

    cells: tuple[Experiment, ...]
    report: Report


Show = Callable[[str, float, float], None]
"""Called with a description, the work done and all the work."""


class Scheduler:
    """Trains cells on an executor, and says what became of each as it is known.

    The longest cells come first, and cells of one shape together, so that each shape compiles
    once a process. Short cells are packed into tasks of a useful length. The cells of a task that
    was lost with its process are suspects: each is tried again alone, in a local pool with no
    other task running, since there a lost process takes the others with it. A cell that is lost
    even so has failed.

    Attributes:
        waiting: cells that no task has, longest first.
        suspects: cells of lost tasks.
        elsewhere: cells that another process is training; asked for again later.
        skipped: cells that would not end before the time limit.
        running: the tasks in flight.
    """

    def __init__(
        self,
        cells: Iterable[Experiment],
        store: Store,
        workers: Workers,
        final_weights: bool = False,
        show: Show = lambda description, done, total: None,
        train: Train = train_cells,
        deadline: float = math.inf,
    ) -> None:
        """Prepare to train.

        Args:
            cells: what to train.
            store: a folder of runs.
            workers: the executor.
            final_weights: whether to store the final weights too.
            show: told of progress.
            train: what a task does.
            deadline: the `time.monotonic()` at which to end. No cell is begun that would not end
                before it, going by those that have ended; what runs then is given up.
        """
        order = sorted(cells, key=lambda cell: (-work(cell), str(ensemble_key(cell))))
        self.waiting = deque(order)
        self.suspects: deque[Experiment] = deque()
        self.elsewhere: list[Experiment] = []
        self.skipped: list[Experiment] = []
        self.running: dict[Future[tuple[list[Outcome], float]], Task] = {}
        self.store = store
        self._workers, self._final_weights = workers, final_weights
        self._show, self._train, self._deadline = show, train, deadline
        self._n_cells, self._total = len(order), sum(map(work, order))
        self._n_ended, self._ended_work = 0, 0.0
        self._suspect_runs = False
        self._timed_work, self._timed_seconds = 0.0, 0.0
        if order and not workers.is_local:  # many tasks are submitted before the first one ends
            self._timed_work, self._timed_seconds = 1.0, seconds_per_work(order[len(order) // 2])

    def run(self) -> Iterator[Outcome]:
        """Train every cell, or as many as the time limit allows.

        However this ends, what was submitted elsewhere and has not begun is cancelled.

        Yields:
            What became of each cell.

        Raises:
            OSError: if a file cannot be written.
            WorkerError: if the executor cannot go on.
        """
        try:
            while self._goes_on():
                self._submit_tasks()
                self._show_progress(sum(task.report.read() for task in self.running.values()))
                seconds = min(POLL_SECONDS, max(0.0, self._seconds_left()))
                for future in wait(self.running, seconds, FIRST_COMPLETED).done:
                    if future in self.running:  # not given up meanwhile
                        yield from self._ended(future)
        except OutOfTime:
            pass
        finally:
            if not self._workers.is_local:  # whose processes end anyway, and loky then has none
                for future in self.running:  # to set results of futures that are cancelled
                    future.cancel()

    def _goes_on(self) -> bool:
        """Whether there is something to do; waits a little where another process does it."""
        if self._seconds_left() <= 0:
            return False
        if self.elsewhere and not (self.waiting or self.suspects or self.running):
            time.sleep(POLL_SECONDS)
            self.waiting.extend(self.elsewhere)
            self.elsewhere.clear()
        return bool(self.waiting or self.suspects or self.running)

    def _submit_tasks(self) -> None:
        """Give the executor as many tasks as it takes."""
        while len(self.running) < self._workers.n_tasks and not self._must_wait():
            is_suspect = bool(self.suspects)
            if not (cells := self._next_cells()):
                return
            self._suspect_runs = self._workers.is_local and is_suspect
            task = Task(cells, self._workers.new_report(self._report_here))
            # Absolute, since a process elsewhere has another current folder.
            store, code = str(self.store.path.absolute()), allowed_folders()
            arguments = (self._train, cells, store, self._final_weights, task.report, code)
            try:
                future = self._workers.executor.submit(run_task, *arguments)
            except BrokenExecutor:
                self.suspects.extend(cells)
                self._replace_lost_processes()
            else:
                self.running[future] = task

    def _must_wait(self) -> bool:
        """Whether a task runs that a suspect must not share the machine with."""
        has_suspects = self._suspect_runs or bool(self.suspects)
        return self._workers.is_local and has_suspects and bool(self.running)

    def _next_cells(self) -> tuple[Experiment, ...]:
        """The cells of the next task: one suspect, or as many as fill a task of useful length.

        Cells that train as an ensemble fill it up in any case. Those that would not end before
        the time limit are skipped.
        """
        if self.suspects:
            return (self.suspects.popleft(),)
        cells: list[Experiment] = []
        seconds = 0.0
        while self.waiting:
            cell, left = self.waiting[0], self._seconds_left()
            is_long = bool(cells) and seconds >= self._workers.task_seconds
            if is_long and not self._joins_ensemble(cell, cells):
                break
            needed = self._estimated_seconds(cell)
            if math.isfinite(needed) and seconds + needed > left:
                if cells:
                    break
                self.skipped.append(self.waiting.popleft())
                continue
            cells.append(self.waiting.popleft())
            seconds += needed
        return tuple(cells)

    def _estimated_seconds(self, cell: Experiment) -> float:
        """What a cell takes, going by those that have ended; infinite if none has."""
        if not self._timed_seconds:
            return math.inf
        rate = self._timed_seconds / self._timed_work if self._timed_work else 0.0  # of no steps
        return CELL_SECONDS + rate * work(cell)

    def _joins_ensemble(self, cell: Experiment, cells: Sequence[Experiment]) -> bool:
        if not self._workers.is_local:  # elsewhere the device may be another
            return False
        size = ensemble_size(cell)
        is_full = size == 1 or len(cells) >= min(ENSEMBLES_A_TASK * size, MOST_IN_A_TASK)
        return not is_full and ensemble_key(cell) == ensemble_key(cells[0])

    def _ended(self, future: Future[tuple[list[Outcome], float]]) -> Iterator[Outcome]:
        """What became of the cells of a task that has ended."""
        task = self.running.pop(future)
        outcomes = self._outcomes(future, task)
        task.report.close()
        self._suspect_runs = self._suspect_runs and bool(self.running)
        for outcome in outcomes:
            if outcome.is_elsewhere:
                self.elsewhere.append(outcome.experiment)
                continue
            self._n_ended += 1
            self._ended_work += work(outcome.experiment)
            yield outcome

    def _outcomes(self, future: Future[tuple[list[Outcome], float]], task: Task) -> list[Outcome]:
        """What a task returned; nothing if it was lost and its cells are to be tried again."""
        try:
            outcomes, seconds = future.result()
        except (OSError, WorkerError):
            raise  # training never raises it: a file of the store could not be read or written
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
        except (Exception, SystemExit) as error:
            return self._lost(task, error)
        if trained := [outcome.experiment for outcome in outcomes if outcome.is_new]:
            self._timed_seconds += seconds
            self._timed_work += sum(map(work, trained))
        return outcomes

    def _lost(self, task: Task, error: BaseException) -> list[Outcome]:
        """The failure of a cell that was lost alone; the cells of other tasks become suspects."""
        outcomes = []
        if self._suspect_runs or (not self._workers.is_local and len(task.cells) == 1):
            reason = str(error).partition("\n")[0] or type(error).__name__
            if isinstance(error, BrokenExecutor):
                reason = "its process ended abruptly, as one does that runs out of memory"
            outcomes.append(Outcome(task.cells[0], failure=reason))
        else:
            self.suspects.extend(task.cells)
        if isinstance(error, BrokenExecutor):
            self._replace_lost_processes()
        return outcomes

    def _replace_lost_processes(self) -> None:
        """Suspect every task in flight, and make the executor take tasks again."""
        for task in self.running.values():
            self.suspects.extend(task.cells)
            task.report.close()
        self.running.clear()
        if self._workers.replace_lost is None:
            name = type(self._workers.executor).__name__
            raise WorkerError(
                f"the executor ({name}) lost a process and takes no more tasks. Finished runs are "
                "stored; start a new one and ask again for the rest."
            )
        self._workers.replace_lost()

    def _seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    def _report_here(self, done: float) -> None:
        """Called by a task in this process: show its progress, and end it if time is up."""
        self._show_progress(done)
        if self._seconds_left() <= 0:
            raise OutOfTime

    def _show_progress(self, running_work: float) -> None:
        description = f"{self._n_ended:,} of {self._n_cells:,} networks"
        self._show(description, self._ended_work + running_work, self._total)

    @property
    def n_left(self) -> int:
        """Cells of which nothing is known yet."""
        return self._n_cells - self._n_ended


def train_all(scheduler: Scheduler) -> dict[str, str]:
    """Train a scheduler's cells into its store, and record those that fail.

    Args:
        scheduler: which has not run yet.

    Returns:
        The reason of each failure, by digest.

    Raises:
        OSError: if a file cannot be written.
        WorkerError: if the executor cannot go on.
    """
    store = scheduler.store
    known, failed = {}, {}
    cached, spent = time.monotonic(), 0.0
    try:
        for outcome in scheduler.run():
            name = digest(outcome.experiment)
            if outcome.failure is not None:
                failed[name] = outcome.failure
                store.record_failure(outcome.experiment, outcome.failure)
            elif outcome.entry is not None:
                known[name] = outcome.entry
                store.forget_failure(outcome.experiment)
            if time.monotonic() > cached + max(CACHE_SECONDS, CACHE_SHARE * spent):
                cached = time.monotonic()
                for name in store.summaries(known, wanted=known):
                    del known[name]  # the store has it packed
                spent = time.monotonic() - cached
    finally:
        found = store.summaries(known, wanted=known)  # which keeps them for the next time
    if len(found) < len(known):
        warnings.warn(
            f"{len(known) - len(found):,} networks were trained whose runs are not in "
            f"`{store.path}`: every process must see that folder under the same path.",
            stacklevel=2,
        )
    return failed
