"""Where networks are trained: in this process, on a pool of local ones, or on any executor.

An executor that needs more than `concurrent.futures` offers is added here: a function that opens
it and says what it can do as the attributes of `Workers`.
"""

from __future__ import annotations

import logging
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing import resource_tracker
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar

from loky import ProcessPoolExecutor, cpu_count
from loky.backend import get_context

from grokscope.errors import ConfigError, WorkerError
from grokscope.interrupts import held
from grokscope.training.compile import Compilation, compilation, configure_as, n_accelerators
from grokscope.training.cost import of_slurm

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 20
RETRIES = 3

LOCAL_TASK_SECONDS = 1.0
FOREIGN_TASK_SECONDS = 10.0
"""A cluster spends about a millisecond on a task, and more over a network: it should not count."""

FOREIGN_TASKS = 1000
"""Tasks at a time for an executor whose size is not known, and may grow."""

WATCH_SECONDS = 0.5
"""How often a training process looks whether its parent is still there."""


class Report:
    """How a task tells the scheduler how much of its work is done; it travels with the task.

    This one is heard in its own process; of a task elsewhere nothing is known until it ends.
    """

    def __init__(self, watch: Callable[[float], None] | None = None) -> None:
        """Make a report.

        Args:
            watch: called with the work done at every report.
        """
        self._watch = watch
        self._done = 0.0

    def __call__(self, done: float) -> None:
        """Called where the task runs, with the work done so far."""
        self._done = done
        if self._watch is not None:
            self._watch(done)

    def read(self) -> float:
        """Called by the scheduler: the work done so far."""
        return self._done

    def close(self) -> None:
        """Called by the scheduler when the task has ended."""


class ReportFile(Report):
    """A report from another process of this machine, by a file of eight bytes."""

    def __init__(self, path: Path) -> None:
        """Make the file."""
        self._path = path
        path.write_bytes(struct.pack("d", 0.0))

    def __call__(self, done: float) -> None:
        """Write the number, if the file can be written: progress is worth no failure."""
        with suppress(OSError), open(self._path, "r+b") as file:
            file.write(struct.pack("d", done))

    def read(self) -> float:
        """The number in the file."""
        return struct.unpack("d", self._path.read_bytes())[0]

    def close(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Workers:
    """An executor, and what the scheduler must know to use it.

    Attributes:
        executor: what tasks are submitted to.
        n_tasks: how many tasks it is given at a time.
        task_seconds: what a task should last at least.
        is_local: whether tasks share this machine, and a lost process takes the others with it.
        new_report: makes the report of a task; it is given what to call at each report, which
            only an executor that runs here can.
        replace_lost: makes the executor take tasks again after it lost a process; None if it
            cannot.
    """

    executor: Executor
    n_tasks: int
    task_seconds: float
    is_local: bool = False
    new_report: Callable[[Callable[[float], None]], Report] = lambda watch: Report()
    replace_lost: Callable[[], None] | None = None


def n_cores() -> int:
    """Cores that this process may use, as affinity, containers and SLURM grant them."""
    return max(1, min(cpu_count(), of_slurm("CPUS_PER_TASK") or cpu_count()))


def default_processes() -> int:
    """Training processes where nobody says how many: one for each accelerator, or else each core.

    >>> default_processes() == (n_accelerators() or n_cores())
    True
    """
    return n_accelerators() or n_cores()


def processes_for(n_cells: int) -> int:
    """`default_processes` for so many cells; on cores, as many as cells if these are half more.

    Three networks on two cores take 1.5 times as long as one if they share the cores, and twice
    as long in two rounds, of which the second leaves a core idle.
    """
    processes = default_processes()
    shares = not n_accelerators() and processes < n_cells <= 1.5 * processes
    return n_cells if shares else min(processes, n_cells)


@contextmanager
def open_workers(
    n_cells: int, processes: int | None = None, executor: Executor | None = None
) -> Iterator[Workers]:
    """Open what trains cells: the executor, if given; otherwise processes of this machine.

    A single process is this one. Processes that are started here end with the context, whatever
    they are doing.

    Args:
        n_cells: how many cells there are to train.
        processes: training processes; by default `processes_for` the cells. Accelerators are dealt
            out among them, one to each.
        executor: an executor of the caller's, which stays open.
    """
    if executor is not None:
        yield Workers(executor, FOREIGN_TASKS, FOREIGN_TASK_SECONDS)
        return
    processes = min(processes or processes_for(n_cells), n_cells)
    if processes > 1:
        with local_pool(processes, n_accelerators()) as workers:
            yield workers
    else:
        with InThisProcess() as here:
            yield Workers(here, 1, LOCAL_TASK_SECONDS, is_local=True, new_report=Report)


@contextmanager
def local_pool(processes: int, accelerators: int = 0) -> Iterator[Workers]:
    """Training processes of this machine, which end with the context.

    Args:
        processes: how many.
        accelerators: how many there are, of which each process computes on one; 0 for the CPU.
    """
    pool = LocalPool(processes, accelerators)
    with TemporaryDirectory(prefix="grokscope-") as folder, pool:
        numbers = count()

        yield Workers(
            pool,
            2 * processes,
            LOCAL_TASK_SECONDS,
            is_local=True,
            new_report=lambda watch: ReportFile(Path(folder, str(next(numbers)))),
            replace_lost=pool.replace_lost,
        )


class InThisProcess(Executor):
    """Runs each task as it is submitted."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A finished future."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class LocalPool(Executor):
    """Processes that end with their parent, however it ends.

    After a process is lost, the futures in flight have a `BrokenExecutor` as their exception, and
    the pool must be told to `replace_lost`.
    """

    def __init__(self, processes: int, accelerators: int = 0) -> None:
        self._processes = processes
        self._accelerators = accelerators
        self._pool: ProcessPoolExecutor | None = None
        self._first: Future[int] = Future()
        self._failed_starts = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a task in one of the processes."""
        chosen = compilation()
        with _without_interrupts():
            if self._pool is None:
                self._pool = ProcessPoolExecutor(
                    self._processes,
                    initializer=_start_worker,
                    initargs=(os.getpid(), chosen, self._devices()),
                    env=ENVIRONMENT,
                )
                self._first = self._pool.submit(os.getpid)
            return self._pool.submit(fn, *args, **kwargs)

    def _devices(self) -> SimpleQueue[int] | None:
        """For each process the number of the accelerator that it takes; None if there are none."""
        if not self._accelerators:
            return None
        numbers = get_context().SimpleQueue()
        for process in range(self._processes):
            numbers.put(process % self._accelerators)
        return numbers

    def replace_lost(self) -> None:
        """End what is left of the processes; the next task starts new ones.

        Raises:
            WorkerError: if none started, for the second time: one may have been killed as it
                started.
        """
        if (error := self._first.exception()) is not None:
            self._failed_starts += 1
        if self._failed_starts > 1:
            reason = str(error).partition("\n")[0]
            raise WorkerError(f"no training process could start: {reason} Train with workers=1.")
        self.shutdown()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End the processes, whatever they are doing."""
        if self._pool is not None:
            self._pool.shutdown(wait=wait, kill_workers=True)
            self._pool = None


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started within never gets Ctrl-C, not even before it can say so itself.

    Nor is this process interrupted within, where it may have told a new one only half of its task.
    """
    with held():
        resource_tracker.ensure_running()  # which, as it starts, lets Ctrl-C through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


ENVIRONMENT = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}
"""For training processes: loky would end one that has grown by 300 MB, as wide networks do."""


def _start_worker(parent: int, chosen: Compilation, devices: SimpleQueue[int] | None) -> None:
    """Compile as the parent does, leave Ctrl-C to it, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    configure_as(chosen, None if devices is None else devices.get())


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """An executor of the Dask cluster whose scheduler is at an address.

    Raises:
        ConfigError: if Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ImportError:
        raise ConfigError(
            "`scheduler` must have Dask to talk to, got no such package. "
            "Install it with: pip install 'grokscope[dask]'."
        ) from None
    with _silent("distributed.client"):
        try:
            resolve_address(address)  # a client refused for its address takes 40 s to end
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigError(
                f"`scheduler` must be the address of a Dask scheduler that answers, got {address!r}"
                f" ({reason}). Start one with: dask scheduler."
            ) from None
        with client:
            yield client.get_executor(pure=False, retries=RETRIES)


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Without what a logger says: Dask's prints tracebacks of a lost scheduler; we say it once."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
