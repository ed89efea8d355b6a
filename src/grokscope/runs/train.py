"""Experiments from start to finish: train, measure at every scheduled step, store."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grokscope.data.dataset import Dataset, complete, make_dataset, require_repeatable
from grokscope.errors import require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import allow_code
from grokscope.measures.checks import require_logits, require_measurable
from grokscope.measures.scores import Examples, Measurement, embedding_ipr, matrices, measure
from grokscope.measures.settle import has_settled
from grokscope.measures.spectrum import mean_ipr
from grokscope.measures.table import unit_measures
from grokscope.models.network import Network, named_arrays
from grokscope.progress import progress_bar
from grokscope.runs.files import require_writable
from grokscope.runs.record import as_dataset
from grokscope.runs.run import Run
from grokscope.runs.store import Store
from grokscope.runs.trackers import OwnLog, checked_target, tracking
from grokscope.training.compile import require_environment
from grokscope.training.loop import train_steps
from grokscope.training.networks import model_shapes

Log = Callable[[Experiment, int, dict[str, float]], None]


def train(
    experiment: Experiment,
    store: str | Path | Store | None = None,
    progress: bool = True,
    log: OwnLog | str | None = None,
) -> Run:
    """Train a network, or return its stored run if that has its weights.

    Args:
        experiment: what to train. Code of your own may be in the current folder, or in one that
            you named (`allow_code`).
        store: a folder of runs; the run is taken from there, or trained and written there.
        progress: whether to show progress.
        log: called at every measurement with the step and the scores, the norms of the weights,
            the mean IPR, the dead neurons and your own measures, by name; not for a run that is
            in the store. Or a tracker that is told the same, as KIND:DIR, such as "csv:logs":
            one of csv, tensorboard, wandb and mlflow.

    Returns:
        The run; its `path` is None without a store.

    Raises:
        ConfigError: if the store or the tracker cannot be written.
        WorkerError: if the tracker fails while the network trains.

    >>> run = train(Experiment(steps=20, train_fraction=0.8).replace(modulus=7, width=16))
    >>> dict(run.dataset.sizes)
    {'step': 3, 'matrix': 3, 'vectors': 3, 'neuron': 16, 'residue': 7}
    """
    require_kind("experiment", experiment, Experiment, "Use Experiment(weight_decay=5).")
    if log is not None and not callable(log):
        log = checked_target(log)
    allow_code(Path.cwd())
    experiment = complete(experiment)
    store = None if store is None else Store.of(store)
    if store is not None:
        stored = store.find(experiment)
        if stored and stored.has_weights:
            return stored
        require_writable(store.path, "store")
    with (
        progress_bar("training", experiment.steps, progress) as advance,
        tracking(log, [experiment]) as tracked,
    ):
        (run,) = train_ensemble([experiment], advance, tracked.log)
        run = run if store is None else store.save(run)
        tracked.end([run])
    return run


def train_ensemble(
    experiments: Sequence[Experiment],
    advance: Callable[[int], None] = lambda steps: None,
    log: Log = lambda experiment, step, scores: None,
) -> list[Run]:
    """Train experiments of one static shape together; see `training.train_steps`.

    Args:
        experiments: what to train; they may differ in numbers that leave all shapes alone.
        advance: called with the number of steps just done. A run that ends early counts its
            remaining steps as done.
        log: called at every measurement of every run with its experiment, and else as in `train`.

    Returns:
        The runs, in the order of the experiments.

    Raises:
        ConfigError: if the experiments do not share one static shape.
    """
    if not experiments:
        return []
    require_environment()
    began = time.monotonic()
    experiments = list(map(complete, experiments))
    for experiment in experiments:
        require_measurable(experiment, model_shapes(experiment))
    members = [_Member(experiment, make_dataset(experiment)) for experiment in experiments]
    for member in members:
        require_repeatable(member.experiment, member.dataset)
        require_logits(member.experiment, member.dataset)
    before = 0
    for step, networks, failures in train_steps(experiments, [m.dataset for m in members]):
        for member, network, failed_at in zip(members, networks, failures, strict=True):
            if not member.has_ended:
                member.take(step, network, failed_at)
                if failed_at is None:
                    log(member.experiment, step, member.logged(network))
        advance(step - before)
        before = step
        if all(member.has_ended for member in members):
            break
    advance(experiments[0].steps - before)
    seconds = (time.monotonic() - began) / len(members)
    return [member.as_run(seconds) for member in members]


@dataclass
class _Member:
    """A network of an ensemble while it trains."""

    experiment: Experiment
    dataset: Dataset
    measured: list[Measurement] = field(default_factory=list)
    network: Network | None = None
    failed_at: int | None = None
    settled_at: int | None = None

    def __post_init__(self) -> None:
        self.examples = Examples(self.dataset, self.experiment.model.widest)

    @property
    def has_ended(self) -> bool:
        return self.failed_at is not None or self.settled_at is not None

    def take(self, step: int, network: Network, failed_at: int | None) -> None:
        """Measure the network as it is at a scheduled step."""
        self.network, self.failed_at = network, failed_at
        if failed_at is not None:
            return
        self.measured.append(measure(network, self.examples, self.experiment))
        if step < self.experiment.steps and self._has_settled(network):
            self.settled_at = step

    def logged(self, network: Network) -> dict[str, float]:
        """The last measurement as numbers by name."""
        last = self.measured[-1]
        norms = zip(matrices(named_arrays(network)), last.norm.tolist(), strict=True)
        ipr = embedding_ipr(network, [last])
        of_units = {name: row.value(ipr).item() for name, row in unit_measures().items()}
        return last.scores | {f"norm_{n}": norm for n, norm in norms} | of_units | last.asked

    def as_run(self, seconds: float) -> Run:
        """The finished run."""
        assert self.network is not None
        ends = {"failed_at": self.failed_at, "settled_at": self.settled_at}
        dataset = as_dataset(
            self.experiment, self.examples, self.measured, self.network, ends, seconds
        )
        return Run(self.experiment, dataset)

    def _has_settled(self, network: Network) -> bool:
        if self.experiment.settle is None:
            return False
        return has_settled(
            self.experiment,
            self.experiment.schedule[: len(self.measured)],
            [m.scores["train_accuracy"] for m in self.measured],
            [m.scores["test_accuracy"] for m in self.measured],
            [m.norm for m in self.measured],
            mean_ipr(embedding_ipr(network, self.measured)),
        )
