"""A task of a sweep: cells that are trained in one go, where the executor runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import groupby
from typing import NamedTuple

from grokscope.errors import ConfigError, WorkerError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import allow_code
from grokscope.runs.compact import all_without_weights
from grokscope.runs.run import Run
from grokscope.runs.store import Store
from grokscope.runs.summaries import Cached
from grokscope.runs.trackers import tracking
from grokscope.runs.train import train_each
from grokscope.sweeps.executors import Report
from grokscope.training.compile import require_environment
from grokscope.training.cost import work
from grokscope.training.ensemble import ensemble_key, ensemble_size


class Outcome(NamedTuple):
    """What became of a cell.

    Attributes:
        experiment: the cell.
        entry: of its run in the store's cache, if there is one.
        failure: why it failed, if it did. Without this and an entry, another process is
            training the cell.
        is_new: whether it was trained just now, and not found.
    """

    experiment: Experiment
    entry: Cached | None = None
    failure: str | None = None
    is_new: bool = False

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process is training the cell."""
        return self.entry is None and self.failure is None


Train = Callable[[Sequence[Experiment], str, bool, Report], list[Outcome]]
"""Trains cells into a store, with their weights or without, and reports the work done."""


def train_cells(
    experiments: Sequence[Experiment],
    store: str,
    final_weights: bool,
    report: Report,
    log: str | None = None,
    checkpoint_every: int | None = None,
) -> list[Outcome]:
    """Train cells into a store, where a task runs; those of one shape as ensembles if that pays.

    Args:
        experiments: the cells.
        store: a folder of runs.
        final_weights: whether to store the final weights too.
        report: told of the work done so far.
        log: a tracker that each trained cell is a run of, as `trackers.checked_target` returns it.
        checkpoint_every: steps between two checkpoints of a cell, until its run is stored.

    Raises:
        OSError: if a run cannot be read or written.
        WorkerError: if the tracker fails.
    """
    outcomes: list[Outcome] = []
    done = 0.0

    def advance(part: float) -> None:
        nonlocal done
        done += part
        report(done)

    for _, same_shape in groupby(experiments, ensemble_key):
        members = list(same_shape)
        size = ensemble_size(members[0])
        at_once = 1 if size == 1 else len(members)
        for start in range(0, len(members), at_once):
            batch = members[start : start + at_once]
            outcomes += _train_batch(
                batch, Store(store), final_weights, advance, log, size, checkpoint_every
            )
    return outcomes


def _train_batch(
    experiments: list[Experiment],
    store: Store,
    final_weights: bool,
    advance: Callable[[float], None],
    log: str | None,
    size: int,
    checkpoint_every: int | None,
) -> list[Outcome]:
    """Train what no other process has trained or is training, `size` networks at a time."""
    outcomes: list[Outcome] = []
    missing: list[Experiment] = []
    with ExitStack() as locks:
        for experiment in experiments:
            if not locks.enter_context(store.training_lock(experiment)):
                outcomes.append(Outcome(experiment))
                continue
            run = store.find(experiment)  # another process may just have finished it
            if run is None or (final_weights and not run.has_weights):
                missing.append(experiment)
            else:
                outcomes.append(_finished(run))
        with tracking(log, missing) as tracked:
            train = partial(
                train_each, log=tracked.log, store=store, checkpoint_every=checkpoint_every
            )
            for ended in _each_ended(missing, size, final_weights, advance, train):
                if isinstance(ended, Outcome):
                    outcomes.append(ended)
                    continue
                outcomes.append(_finished(_save(ended, store))._replace(is_new=True))
                tracked.end(ended)
                if checkpoint_every is not None:
                    store.forget_checkpoint(ended.experiment)
        return outcomes


def _each_ended(
    cells: list[Experiment],
    size: int,
    final_weights: bool,
    advance: Callable[[float], None],
    train: Callable[..., Iterator[list[tuple[int, Run]]]],
) -> Iterator[Run | Outcome]:
    """Each run as it ends, not yet stored; or why it failed: whatever is raised is no fault of the
    store. Of several that fail together each is tried again alone, for the fault may be of one, or
    of their number.

    Raises:
        WorkerError: if the tracker does, whose fault is none of the runs'.
    """
    left = dict(enumerate(cells))
    per_step = work(cells[0]) / max(cells[0].steps, 1) if cells else 0.0
    try:
        for ended in train(cells, lambda steps: advance(steps * per_step), size=size):
            places, runs = zip(*ended, strict=True)
            if not (final_weights or _keeps(runs[0])):
                runs = all_without_weights(runs)
            for place, run in zip(places, runs, strict=True):
                del left[place]
                yield run
    except WorkerError:
        raise
    except (Exception, SystemExit) as error:
        if len(left) > 1:
            for cell in left.values():
                yield from _each_ended([cell], 1, final_weights, advance, train)
            return
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        is_memory = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in reason
        for cell in left.values():
            yield Outcome(cell, failure="out of memory" if is_memory else reason)


def _keeps(run: Run) -> bool:
    """Whether the experiment itself says that weights are kept."""
    return run.experiment.keep_weights is not None


def _save(run: Run, store: Store) -> Run:
    """Save a run, unless it has no weights and somebody has meanwhile stored it with them."""
    there = None if run.has_weights else store.find(run.experiment)
    return there if there is not None and there.has_weights else store.save(run)


def _finished(run: Run) -> Outcome:
    return Outcome(run.experiment, Cached.of(run))


def run_task(
    train: Train,
    cells: Sequence[Experiment],
    store: str,
    final_weights: bool,
    report: Report,
    code: Sequence[str],
) -> tuple[list[Outcome], float]:
    """What an executor is given: outcomes, and how many seconds they took where they ran.

    `code` are the folders from which own code may be run there.

    Raises:
        OSError: if a run cannot be read or written.
        WorkerError: if nothing can be trained there.
    """
    allow_code(*code)
    try:
        require_environment()
    except ConfigError as error:  # which is no fault of the cells, and may hold here alone
        raise WorkerError(str(error)) from None
    began = time.perf_counter()
    return train(cells, store, final_weights, report), time.perf_counter() - began
