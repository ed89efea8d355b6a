"""Where cells are trained: this process, a pool of local ones, or a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray, RawValue
from typing import Any

from grokscope.errors import ConfigError, WorkerError

CONNECT_SECONDS = 20
RETRIES = 3

LOCAL_TASK_SECONDS = 1.0
FOREIGN_TASK_SECONDS = 10.0
"""A cluster spends about a millisecond on a task, and more over a network: it should not count."""

FOREIGN_TASKS = 1000
"""Tasks at a time for an executor whose size is not known, and may grow."""

_done: Any = None
_watch: Callable[[], None] | None = None


def report(slot: int, done: float) -> None:
    """Called where a task runs: how much work of it is done. Not seen from other machines."""
    if _done is not None:
        _done[slot] = done
    if _watch is not None:
        _watch()


@dataclass
class Place:
    """An executor, and how to use it.

    Attributes:
        executor: what tasks are submitted to.
        tasks: how many it is given at a time.
        task_seconds: what a task should last at least.
        done: how much work each of the tasks has reported, as a list or shared array.
        is_local: whether tasks run on this machine, as many as there are workers.
    """

    executor: Executor
    tasks: int
    task_seconds: float
    done: Any
    is_local: bool = False

    def replace_lost(self) -> None:
        """Go on after the executor lost a process.

        Raises:
            WorkerError: if it cannot.
        """
        if not isinstance(self.executor, LocalPool):
            raise WorkerError(
                f"the executor ({type(self.executor).__name__}) lost a process and takes no more "
                "tasks. Finished runs are stored; start a new one and ask again for the rest."
            )
        self.executor.replace_lost()


@contextmanager
def place(
    cells: int, workers: int | None = None, executor: Executor | None = None
) -> Iterator[Place]:
    """Where to train so many cells: on the executor, if given; else on one process a core.

    A single process is this one. What is opened here is closed at the end, in-flight tasks or not.
    """
    if executor is not None:
        yield Place(executor, FOREIGN_TASKS, FOREIGN_TASK_SECONDS, [0.0] * FOREIGN_TASKS)
        return
    workers = min(workers or os.cpu_count() or 1, cells)
    if workers > 1:
        pool = LocalPool(workers, slots=2 * workers)
        opened = Place(pool, 2 * workers, LOCAL_TASK_SECONDS, pool.done, is_local=True)
    else:
        here = Here()
        opened = Place(here, 1, LOCAL_TASK_SECONDS, here.done, is_local=True)
    with opened.executor:
        yield opened


class Here(Executor):
    """Runs each task in this process as it is submitted.

    Attributes:
        done: what tasks have reported.
        watch: called at every report.
    """

    def __init__(self) -> None:
        self.done = [0.0]
        self.watch: Callable[[], None] = lambda: None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """A finished future."""
        global _done, _watch
        _done, _watch = self.done, self.watch
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        finally:
            _done, _watch = None, None
        return future


class LocalPool(Executor):
    """Single-threaded processes that end with their parent; a lost one is replaced.

    `submit` after a process was lost starts new ones; the futures in flight then have a
    `BrokenExecutor` as their exception.
    """

    def __init__(self, workers: int, slots: int) -> None:
        self.workers = workers
        self.done = RawArray("d", slots)
        self._started = RawValue("b", 0)
        self._failed_starts = 0
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """Run a task in one of the processes."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                multiprocessing.get_context("spawn"),
                _start_worker,
                (self.done, self._started),
            )
        return self._pool.submit(fn, *args, **kwargs)

    def replace_lost(self) -> None:
        """Give up the processes that are left of a broken pool.

        Raises:
            WorkerError: if no process ever started.
        """
        self._failed_starts += not self._started.value
        if self._failed_starts > 1:  # one may have been killed as it started
            raise WorkerError(
                "no training process could start: a script must make its call under "
                "`if __name__ == '__main__':`."
            )
        self.shutdown()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes, whatever they are doing."""
        if self._pool is None:
            return
        for process in list((self._pool._processes or {}).values()):
            process.terminate()
        self._pool.shutdown(wait=wait, cancel_futures=True)
        self._pool = None


def _start_worker(done: Any, started: Any) -> None:
    """Leave Ctrl-C to the parent, and end with it however it ends."""
    global _done
    _done = done
    started.value = 1
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


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
    try:
        resolve_address(address)  # a client refused for its address takes 40 s to end
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"`scheduler` must be the address of a Dask scheduler that answers, got {address!r} "
            f"({reason}). Start one with: dask scheduler."
        ) from None
    with client:
        yield client.get_executor(pure=False, retries=RETRIES)
