"""Runs in other programs' files while they train: CSV, TensorBoard, Weights & Biases, MLflow.

A target is a text, KIND:DIR. Another kind is a function below that opens a run in that tracker,
and a row of `TRACKERS`. Nothing here reaches a network.
"""

from __future__ import annotations

import csv
import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from grokscope.errors import ConfigError, WorkerError, require_kind
from grokscope.experiment.experiment import Experiment, digest
from grokscope.measures.table import scores
from grokscope.runs.files import require_writable
from grokscope.runs.run import Run

DIGITS = 12
"""Of a digest in the name of a tracker's run, as wherever else a run is named briefly."""

PROJECT = "grokscope"
"""What trackers that sort runs by project put them under."""

FINISH_SECONDS = 30
"""How long Weights & Biases may take to write the end of a run; on busy cores it took 0.1 s."""

OwnLog = Callable[[int, dict[str, float]], None]
"""Called at every measurement with the step and the scores by name."""


class Entry(NamedTuple):
    """A run in a tracker.

    Attributes:
        log: takes a measurement.
        end: takes what became of the run: its phase, and where it settled or diverged. A run
            that is closed without has failed.
    """

    log: OwnLog
    end: Callable[[dict[str, str | int]], None]


class Tracker(NamedTuple):
    """A kind of tracker.

    Attributes:
        open: opens a run: given the folder, which exists, the run's name and the experiment.
        packages: what it imports; the extra of the kind's name installs them.
    """

    open: Callable[[Path, str, Experiment], AbstractContextManager[Entry]]
    packages: tuple[str, ...] = ()


class Tracking(NamedTuple):
    """Runs that are tracked while they train together.

    Attributes:
        log: called at every measurement of every run with its experiment, the step and the scores.
        end: takes each finished run.
    """

    log: Callable[[Experiment, int, dict[str, float]], None]
    end: Callable[[Run], None]


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """Every setting that is not absent by its path, as plain values.

    >>> settings_of(Experiment(width=64))["model.width"]
    64
    """
    return dict(_leaves(experiment.model_dump(mode="json", exclude_none=True)))


def _leaves(document: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield path + name, json.dumps(value) if isinstance(value, list) else value


@contextmanager
def _csv(folder: Path, name: str, experiment: Experiment) -> Iterator[Entry]:
    """A table with a row a measurement, and the settings beside it as TOML."""
    about = folder / f"{name}.toml"
    about.write_text(experiment.to_toml(), "utf-8")
    with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")

        def log(step: int, measured: dict[str, float]) -> None:
            if not file.tell():
                table.writerow(["step", *measured])
            table.writerow([step, *measured.values()])
            file.flush()  # whole lines, for those who follow the file

        def end(outcome: dict[str, str | int]) -> None:
            with about.open("a", encoding="utf-8") as more:
                more.writelines(f"# {key} = {json.dumps(v)}\n" for key, v in outcome.items())

        yield Entry(log, end)


@contextmanager
def _tensorboard(folder: Path, name: str, experiment: Experiment) -> Iterator[Entry]:
    """An event file, which hides those of an earlier training of the run.

    It is written by tensorboardX's synchronous writer: `SummaryWriter` hands events to a thread,
    which may not have written them yet when it is flushed.
    """
    summary = import_module("tensorboardX.summary")
    writers = import_module("tensorboardX.event_file_writer")
    events = import_module("tensorboardX.proto.event_pb2")
    (folder / name).mkdir(exist_ok=True)
    writer = writers.EventsWriter(str(folder / name / "events"))

    def write(step: int, *contents: Any) -> None:
        for content in contents:
            writer.write_event(events.Event(wall_time=time.time(), step=step, summary=content))
        writer.flush()

    def log(step: int, measured: dict[str, float]) -> None:
        there = ((key, value) for key, value in measured.items() if not math.isnan(value))
        write(step, *(summary.scalar(key, value) for key, value in there))

    def end(outcome: dict[str, str | int]) -> None:
        write(0, *(summary.text(key, str(value)) for key, value in outcome.items()), finished)

    try:
        restart = events.SessionLog(status=events.SessionLog.START)
        writer.write_event(events.Event(wall_time=time.time(), session_log=restart))
        columns, settings, finished = summary.hparams(settings_of(experiment), scores())
        write(0, columns, settings)
        yield Entry(log, end)
    finally:
        writer.close()


@contextmanager
def _wandb(folder: Path, name: str, experiment: Experiment) -> Iterator[Entry]:
    """An offline run of Weights & Biases, which `wandb sync` uploads if the user wants that."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # else it reports offline runs too
    wandb = import_module("wandb")
    run = wandb.init(
        project=PROJECT, name=name, dir=str(folder), mode="offline", reinit="create_new",
        config=experiment.model_dump(mode="json", exclude_none=True),
        settings=wandb.Settings(silent=True, console="off", disable_git=True),
    )  # fmt: skip
    file, failed = Path(run.settings.sync_file), True

    def log(step: int, measured: dict[str, float]) -> None:
        run.log(measured, step=step, commit=True)

    def end(outcome: dict[str, str | int]) -> None:
        nonlocal failed
        run.summary.update(outcome)
        failed = False

    try:
        yield Entry(log, end)
    finally:
        before = file.stat().st_size
        run.finish(exit_code=int(failed))
        _wait(lambda: file.stat().st_size > before)  # its process writes on, and may be ended now


def _wait(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + FINISH_SECONDS
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"nothing was written in {FINISH_SECONDS} s")
        time.sleep(0.01)


@contextmanager
def _mlflow(folder: Path, name: str, experiment: Experiment) -> Iterator[Entry]:
    """A run in MLflow's SQLite file; its store of plain files is no longer maintained."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # which it sends when imported
    mlflow = import_module("mlflow")
    entities = import_module("mlflow.entities")
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # it tells of its tables
    with FileLock(folder / "mlflow.lock"):  # of two processes that make them only one succeeds
        client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
        found = client.get_experiment_by_name(PROJECT)
        project = found.experiment_id if found else client.create_experiment(PROJECT)
    run = client.create_run(project, run_name=name).info.run_id
    status = "FAILED"

    def log(step: int, measured: dict[str, float]) -> None:
        now = int(1000 * time.time())
        metrics = [entities.Metric(key, value, now, step) for key, value in measured.items()]
        client.log_batch(run, metrics)

    def end(outcome: dict[str, str | int]) -> None:
        nonlocal status
        for key, value in outcome.items():
            client.set_tag(run, key, value)
        status = "FINISHED"

    try:
        settings = settings_of(experiment).items()
        client.log_batch(run, params=[entities.Param(key, str(value)) for key, value in settings])
        yield Entry(log, end)
    finally:
        client.set_terminated(run, status)


TRACKERS = {
    "csv": Tracker(_csv),
    "tensorboard": Tracker(_tensorboard, ("tensorboardX",)),
    "wandb": Tracker(_wandb, ("wandb",)),
    "mlflow": Tracker(_mlflow, ("mlflow", "sqlalchemy", "alembic")),
}
"""The kinds, by the first word of a target."""


def checked_target(log: str) -> str:
    """A target that can be written, with its folder absolute: it goes to other processes.

    The folder is not made: `tracking` does that.

    Raises:
        ConfigError: if the text is no KIND:DIR, the tracker is not installed, or the folder cannot
            be written.
    """
    require_kind("log", log, str, "Use csv:logs.")
    kind, _, folder = log.partition(":")
    if kind not in TRACKERS or not folder:
        raise ConfigError(
            f"`log` must be KIND:DIR, where the kind is one of {', '.join(TRACKERS)}, got {log!r}. "
            "Use csv:logs."
        )
    if missing := [name for name in TRACKERS[kind].packages if find_spec(name) is None]:
        raise ConfigError(
            f"`log` must name a tracker that is installed, got {log!r} without {missing[0]}. "
            f"Use pip install 'grokscope[{kind}]'."
        )
    require_writable(Path(folder), "log")
    return f"{kind}:{Path(folder).absolute()}"


@contextmanager
def tracking(log: OwnLog | str | None, experiments: Sequence[Experiment]) -> Iterator[Tracking]:
    """Open a run of a tracker for each experiment, and close them however training ends.

    Args:
        log: a target as `checked_target` returns it; a function, which is told the step and the
            scores; or None.
        experiments: what is trained together, complete and each once.

    Raises:
        WorkerError: if the tracker fails, at any time. It is no failure of the run.
    """
    if not isinstance(log, str):
        own = log or (lambda step, measured: None)
        yield Tracking(lambda _, step, measured: own(step, measured), lambda run: None)
        return
    kind, _, folder = log.partition(":")
    entries: dict[Experiment, Entry] = {}

    def tell(experiment: Experiment, step: int, measured: dict[str, float]) -> None:
        with _explained(log):
            entries[experiment].log(step, measured)

    def end(run: Run) -> None:
        with _explained(log):
            entries[run.experiment].end(_outcome(run))

    opened = ExitStack()
    try:
        with _explained(log):
            Path(folder).mkdir(parents=True, exist_ok=True)
            for each in experiments:
                entry = TRACKERS[kind].open(Path(folder), digest(each)[:DIGITS], each)
                entries[each] = opened.enter_context(entry)
        yield Tracking(tell, end)
    except BaseException:
        with suppress(Exception):  # what training raised says more
            opened.close()
        raise
    with _explained(log):
        opened.close()


def _outcome(run: Run) -> dict[str, str | int]:
    """What became of a run; steps that it did not reach are left out."""
    steps = {"settled_at": run.settled_at, "failed_at": run.failed_at}
    return {"phase": str(run.phase())} | {k: step for k, step in steps.items() if step is not None}


@contextmanager
def _explained(target: str) -> Iterator[None]:
    """What a tracker raises, in one line that tells it from a failure of training."""
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise WorkerError(
            f"`log` must be written while networks train, got {target!r}, which failed ({reason}). "
            "Finished runs are stored; mend it or leave it out, and ask again for the rest."
        ) from error
