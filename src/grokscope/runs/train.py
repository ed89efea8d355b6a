"""Experiments from start to finish: train, measure at every scheduled step, store."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grokscope.data.dataset import Dataset, complete, make_dataset, require_repeatable
from grokscope.errors import ConfigError, require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import allow_code
from grokscope.measures.checks import require_logits, require_measurable
from grokscope.measures.scores import Examples, Measurement, embedding_ipr, matrices, measure
from grokscope.measures.settle import has_settled
from grokscope.measures.spectrum import mean_ipr
from grokscope.measures.table import unit_measures
from grokscope.models.network import Network, named_arrays
from grokscope.models.precision import in_own_precision
from grokscope.progress import progress_bar
from grokscope.runs.checkpoint import Checkpoint
from grokscope.runs.files import require_writable
from grokscope.runs.record import as_dataset
from grokscope.runs.run import Run
from grokscope.runs.start import started, starting_state
from grokscope.runs.store import Store
from grokscope.runs.trackers import OwnLog, checked_target, tracking
from grokscope.training.compile import require_environment
from grokscope.training.cost import kept_bytes, require_memory
from grokscope.training.loop import State, failed_step, train_steps
from grokscope.training.networks import model_shapes

LARGE_BYTES = 10**9
"""Kept weights above which a user is told of their size before training."""

Log = Callable[[Experiment, int, dict[str, float]], None]


def train(
    experiment: Experiment,
    store: str | Path | Store | None = None,
    progress: bool = True,
    log: OwnLog | str | None = None,
    start: Run | None = None,
    checkpoint_every: int | None = None,
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
        start: a run at one of its steps, `run.at(500)`, from which the experiment goes on. What
            differs between the two experiments becomes the start's `before`.
        checkpoint_every: steps from one checkpoint to the next, which need a store. Training that
            was interrupted goes on from the last, and so does longer training of the same kind.

    Returns:
        The run; its `path` is None without a store.

    Raises:
        ConfigError: if the store or the tracker cannot be written, or the start is of another kind
            of network.
        WorkerError: if the tracker fails while the network trains.

    >>> run = train(Experiment(steps=20, train_fraction=0.8).replace(modulus=7, width=16))
    >>> dict(run.dataset.sizes)
    {'step': 3, 'matrix': 3, 'vectors': 3, 'neuron': 16, 'residue': 7}
    """
    require_kind("experiment", experiment, Experiment, "Use Experiment(weight_decay=5).")
    if log is not None and not callable(log):
        log = checked_target(log)
    allow_code(Path.cwd())
    experiment = complete(experiment if start is None else started(experiment, start))
    store = None if store is None else Store.of(store)
    _require_checkpoints(checkpoint_every, store)
    if store is not None:
        stored = store.find(experiment)
        if stored and stored.has_weights:
            return stored
        require_writable(store.path, "store")
    require_environment()
    if (size := kept_bytes(experiment)) > LARGE_BYTES:
        words = f"{experiment.n_kept} steps take {size / 1e9:.1f} GB of memory and of disk"
        warnings.warn(f"`keep_weights` keeps much: {words}. Keep fewer.", stacklevel=2)
    with (
        progress_bar("training", experiment.steps, progress) as advance,
        tracking(log, [experiment]) as tracked,
    ):
        (run,) = train_ensemble([experiment], advance, tracked.log, store, checkpoint_every)
        run = run if store is None else store.save(run)
        tracked.end([run])
    return run


def _require_checkpoints(every: int | None, store: Store | None) -> None:
    if every is None:
        return
    if type(every) is not int or every < 1:
        raise ConfigError(
            f"`checkpoint_every` must be a number of steps, 1 or more, got {every!r}. Use 1000."
        )
    if store is None:
        raise ConfigError("`store` must be given for checkpoints, got none. Use store='runs'.")


@in_own_precision
def train_ensemble(
    experiments: Sequence[Experiment],
    advance: Callable[[int], None] = lambda steps: None,
    log: Log = lambda experiment, step, scores: None,
    store: Store | None = None,
    checkpoint_every: int | None = None,
) -> list[Run]:
    """Train experiments of one static shape together; see `training.train_steps`.

    Args:
        experiments: what to train; they may differ in numbers that leave all shapes alone.
        advance: called with the number of steps just done. A run that ends early counts its
            remaining steps as done.
        log: called at every measurement of every run with its experiment, and else as in `train`.
        store: where checkpoints are.
        checkpoint_every: as of `train`, of one experiment alone.

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
        require_memory(experiment)
    members = [_Member(experiment, make_dataset(experiment)) for experiment in experiments]
    for member in members:
        require_repeatable(member.experiment, member.dataset)
        require_logits(member.experiment, member.dataset)
    first = experiments[0]
    before = _begin(members, store if checkpoint_every else None, log)
    advance(before)
    stops = _stops(first, before, checkpoint_every)
    datasets, starts = ([getattr(m, name) for m in members] for name in ("dataset", "state"))
    for step, states in train_steps(experiments, datasets, starts, stops):
        for member, state in zip(members, states, strict=True):
            if not member.has_ended and member.take(step, state):
                log(member.experiment, step, member.logged(step))
        advance(step - before)
        before = step
        if all(member.has_ended for member in members):
            break
        if (
            checkpoint_every
            and store is not None
            and (step == first.steps or step % checkpoint_every == 0)
        ):
            seconds = time.monotonic() - began
            store.save_checkpoint(first, members[0].checkpoint(step, seconds))
    advance(first.steps - before)
    seconds = (time.monotonic() - began) / len(members)
    return [member.as_run(seconds) for member in members]


def _begin(members: Sequence[_Member], store: Store | None, log: Log) -> int:
    """Give each network of an ensemble the state that it starts from.

    Args:
        members: the networks.
        store: where a checkpoint may be, from which one that is trained alone goes on.
        log: told of what was measured before the checkpoint.

    Returns:
        The step that they start from.
    """
    (first, *others), step = members, members[0].experiment.first_step
    if store is not None and not others:
        step = first.go_on_from(store.checkpoint(first.experiment, first.dataset))
    for member in members:
        if member.state is None:
            member.state = starting_state(member.experiment, member.dataset, store)
    for measured in first.measured:
        log(first.experiment, measured, first.logged(measured))
    return step


def _stops(experiment: Experiment, first: int, checkpoint_every: int | None) -> list[int]:
    """The steps at which training stops to be looked at, from the first on."""
    every = checkpoint_every or experiment.steps + 1
    checkpoints = range(-(-first // every) * every, experiment.steps, every)
    looked_at = {*experiment.schedule, *experiment.kept_steps, *checkpoints}
    return sorted({first, *(step for step in looked_at if step > first)})


@dataclass
class _Member:
    """A network of an ensemble while it trains."""

    experiment: Experiment
    dataset: Dataset
    measured: dict[int, Measurement] = field(default_factory=dict)
    kept: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    state: State | None = None
    failed_at: int | None = None
    settled_at: int | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.examples = Examples(self.dataset, self.experiment.model.widest)
        self._scheduled = {*self.experiment.schedule}
        self._kept_steps = {*self.experiment.kept_steps}

    @property
    def has_ended(self) -> bool:
        return self.failed_at is not None or self.settled_at is not None

    @property
    def network(self) -> Network:
        assert self.state is not None
        return self.state.model

    def go_on_from(self, checkpoint: Checkpoint | None) -> int:
        """Take over what a checkpoint has, if it serves; the step from which to train."""
        experiment = self.experiment
        if checkpoint is None or not checkpoint.serves(experiment):
            return experiment.first_step
        known = {s: m for s, m in checkpoint.measured.items() if s in self._scheduled}
        for step, measurement in known.items():
            self.measured[step] = measurement
            if step < experiment.steps and self._has_settled(checkpoint.state.model):
                self.measured = {}
                return experiment.first_step
        self.kept = {s: dict(a) for s, a in checkpoint.kept.items() if s in self._kept_steps}
        self.state, self.seconds = checkpoint.state, checkpoint.seconds
        return checkpoint.step

    def checkpoint(self, step: int, seconds: float) -> Checkpoint:
        """How far training has come."""
        assert self.state is not None
        return Checkpoint(step, self.state, self.measured, self.kept, self.seconds + seconds)

    def take(self, step: int, state: State) -> bool:
        """Measure and keep the network as it is at a step, where that is scheduled.

        Returns:
            Whether it was measured.
        """
        self.state, self.failed_at = state, failed_step(state)
        if self.failed_at is not None:
            return False
        is_new = step in self._scheduled and step not in self.measured
        if is_new:
            self.measured[step] = measure(state.model, self.examples, self.experiment)
            if step < self.experiment.steps and self._has_settled(state.model):
                self.settled_at = step
        is_last = step == self.settled_at and self._kept_steps
        if (step in self._kept_steps or is_last) and step not in self.kept:
            dtype = self.experiment.kept_dtype or self.experiment.precision
            arrays = named_arrays(state.model)
            self.kept[step] = {name: array.astype(dtype) for name, array in arrays.items()}
        return is_new

    def logged(self, step: int) -> dict[str, float]:
        """A measurement as numbers by name."""
        last = self.measured[step]
        norms = zip(matrices(named_arrays(self.network)), last.norm.tolist(), strict=True)
        ipr = embedding_ipr(self.network, [last])
        of_units = {name: row.value(ipr).item() for name, row in unit_measures().items()}
        return last.scores | {f"norm_{n}": norm for n, norm in norms} | of_units | last.asked

    def as_run(self, seconds: float) -> Run:
        """The finished run."""
        ends = {"failed_at": self.failed_at, "settled_at": self.settled_at}
        dataset = as_dataset(
            self.experiment, self.examples, [*self.measured.values()], self.network, ends,
            self.seconds + seconds, self.kept,
        )  # fmt: skip
        return Run(self.experiment, dataset)

    def _has_settled(self, network: Network) -> bool:
        if self.experiment.settle is None:
            return False
        measured = [*self.measured.values()]
        return has_settled(
            self.experiment,
            [*self.measured],
            [m.scores["train_accuracy"] for m in measured],
            [m.scores["test_accuracy"] for m in measured],
            [m.norm for m in measured],
            mean_ipr(embedding_ipr(network, measured)),
        )
