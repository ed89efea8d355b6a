"""A network while it trains: where it is looked at, and what was found so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from grokscope.data.dataset import make_dataset, require_repeatable
from grokscope.experiment.experiment import Experiment
from grokscope.measures.checks import require_logits
from grokscope.measures.examples import Examples
from grokscope.measures.scores import matrices
from grokscope.measures.settle import has_settled
from grokscope.measures.spectrum import mean_ipr
from grokscope.measures.table import unit_measures
from grokscope.measures.together import Measurement, embedding_ipr
from grokscope.models.network import Network, arrays_of, named_arrays
from grokscope.runs.checkpoint import Checkpoint
from grokscope.runs.record import as_dataset
from grokscope.runs.run import Run
from grokscope.runs.start import starting_state
from grokscope.runs.store import Store
from grokscope.training.loop import State
from grokscope.training.networks import model_shapes


@dataclass
class Member:
    """A network of an ensemble.

    Attributes:
        experiment: what is trained.
        place: among the experiments that are trained.
        step: how far it has come.
        stops: steps at which it is still to be looked at, ascending.
    """

    experiment: Experiment
    place: int = 0
    step: int = 0
    stops: deque[int] = field(default_factory=deque)
    measured: dict[int, Measurement] = field(default_factory=dict)
    kept: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    failed_at: int | None = None
    settled_at: int | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.dataset = make_dataset(self.experiment)
        require_repeatable(self.experiment, self.dataset)
        require_logits(self.experiment, self.dataset)
        self._scheduled = {*self.experiment.schedule}
        self._kept_steps = {*self.experiment.kept_steps}

    @cached_property
    def examples(self) -> Examples:
        """Its data as tiles on the device."""
        return Examples(self.dataset, self.experiment)

    @cached_property
    def _shapes(self) -> Network:
        return model_shapes(self.experiment)

    @property
    def is_cut_short(self) -> bool:
        """Whether it diverged, or settled."""
        return self.failed_at is not None or self.settled_at is not None

    @property
    def has_ended(self) -> bool:
        """Whether it trains no further."""
        return self.is_cut_short or not self.stops

    @property
    def is_measured_here(self) -> bool:
        """Whether it is to be measured at this step, and was not."""
        return self.step in self._scheduled and self.step not in self.measured

    def begin(self, store: Store | None, checkpoint_every: int | None) -> State | None:
        """Prepare to train.

        Args:
            store: where a checkpoint may be, from which to go on.
            checkpoint_every: steps between two checkpoints.

        Returns:
            The state that it starts from; None for new weights.
        """
        experiment, state = self.experiment, None
        self.step = experiment.first_step
        if store is not None:
            state = self._go_on_from(store.checkpoint(experiment, self.dataset))
        every = checkpoint_every or experiment.steps + 1
        checkpoints = range(-(-self.step // every) * every, experiment.steps, every)
        looked_at = {self.step, *experiment.schedule, *experiment.kept_steps, *checkpoints}
        self.stops = deque(sorted(step for step in looked_at if step >= self.step))
        return starting_state(experiment, self.dataset, store) if state is None else state

    def _go_on_from(self, checkpoint: Checkpoint | None) -> State | None:
        """Take over what a checkpoint has, if it serves."""
        if checkpoint is None or not checkpoint.serves(self.experiment):
            return None
        for step, measurement in checkpoint.measured_for(self.experiment).items():
            self.measured[step] = measurement
            if step < self.experiment.steps and self._has_settled():
                self.measured = {}
                return None
        self.kept = {s: dict(a) for s, a in checkpoint.kept.items() if s in self._kept_steps}
        self.step, self.seconds = checkpoint.step, checkpoint.seconds
        return checkpoint.state

    def checkpoint(self, state: State) -> Checkpoint:
        """How far training has come."""
        return Checkpoint(self.step, state, self.measured, self.kept, self.seconds)

    def take(self, measurement: Measurement | None, state: Callable[[], State]) -> None:
        """Note what was found at this step, and keep the weights if that is due.

        Args:
            measurement: if it was measured.
            state: gives its state.
        """
        while self.stops and self.stops[0] <= self.step:
            self.stops.popleft()
        if measurement is not None:
            self.measured[self.step] = measurement
            if self.step < self.experiment.steps and self._has_settled():
                self.settled_at = self.step
        is_last = self.settled_at is not None and self._kept_steps
        if (self.step in self._kept_steps or is_last) and self.step not in self.kept:
            dtype = self.experiment.kept_dtype or self.experiment.precision
            arrays = named_arrays(state().model)
            self.kept[self.step] = {name: array.astype(dtype) for name, array in arrays.items()}

    def logged(self, step: int) -> dict[str, float]:
        """A measurement as numbers by name."""
        last = self.measured[step]
        norms = zip(matrices(arrays_of(self._shapes)), last.norm.tolist(), strict=True)
        ipr = embedding_ipr(self._shapes, [last])
        of_units = {name: row.value(ipr).item() for name, row in unit_measures().items()}
        return last.scores | {f"norm_{n}": norm for n, norm in norms} | of_units | last.asked

    def finished(self, network: Network, at_end: Mapping[str, float]) -> Run:
        """The run.

        Args:
            network: as it is at the end.
            at_end: of `measured_at_end`; nothing if it diverged.
        """
        ends = {"failed_at": self.failed_at, "settled_at": self.settled_at}
        measured = [*self.measured.values()]
        dataset = as_dataset(
            self.examples, measured, network, at_end, ends, self.seconds, self.kept
        )
        return Run(self.experiment, dataset)

    def _has_settled(self) -> bool:
        if self.experiment.settle is None:
            return False
        measured = [*self.measured.values()]
        return has_settled(
            self.experiment,
            [*self.measured],
            [m.scores["train_accuracy"] for m in measured],
            [m.scores["test_accuracy"] for m in measured],
            [m.norm for m in measured],
            mean_ipr(embedding_ipr(self._shapes, measured)),
        )
