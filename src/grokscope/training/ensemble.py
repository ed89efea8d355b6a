"""Networks of one shape that train together, each from a step of its own on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from grokscope.data.dataset import Dataset, make_dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.part import Own
from grokscope.models.network import Network
from grokscope.models.precision import in_own_precision
from grokscope.training.compile import on_accelerator
from grokscope.training.cost import ACTIVATIONS_AT_ONCE, require_memory, work
from grokscope.training.loop import (
    NEVER,
    Dynamic,
    State,
    prepare,
    static_settings,
    train_block,
)
from grokscope.training.members import How, member, stacked, with_member

MOST_AT_ONCE = 512
"""Networks that train together there at most."""

TIMED_STEPS = 10
"""Steps that are timed for an estimate, after as many that warm up."""


class Ensemble:
    """Networks that train together; a single one may train alone.

    Experiments of an ensemble may differ in what leaves shapes alone: labels, seeds, the scale of
    initial weights, the optimiser's numbers, and a dropout or a label smoothing above 0.

    Attributes:
        how: how the members are computed.
        steps: how far each has come.
    """

    @in_own_precision
    def __init__(
        self,
        experiments: Sequence[Experiment],
        datasets: Sequence[Dataset],
        starts: Sequence[State | None],
        steps: Sequence[int],
        how: How,
    ) -> None:
        """Prepare to train.

        Args:
            experiments: what to train, all with one `ensemble_key`.
            datasets: the data of each.
            starts: the state of each; None for new weights.
            steps: the step at which each is in that state.
            how: how the members are computed.

        Raises:
            ConfigError: if the experiments do not share one shape, or do not fit in memory.
        """
        for experiment in experiments:
            require_memory(experiment)
        if len({ensemble_key(experiment) for experiment in experiments}) > 1:
            raise ConfigError(
                "an ensemble must share task, loss, optimizer, training-set size, batch size, "
                "schedule, precision and network shape, got experiments that differ in one. "
                "Train them one by one."
            )
        self.how: How = how
        self.steps = list(steps)
        self._static = static_settings(experiments[0])
        members = [*map(_prepared, experiments, datasets, starts)]
        self._state, self._dynamic = stacked(members, how)

    def advance(self, n_steps: int) -> None:
        """Train every member for so many steps."""
        if n_steps:
            starts = self.steps[0] if self.how == "alone" else np.array(self.steps, np.int32)
            self._state = train_block(
                self._state, self._dynamic, starts, n_steps, self._static, self.how
            )
            self.steps = [step + n_steps for step in self.steps]

    def replace(
        self, place: int, experiment: Experiment, dataset: Dataset, start: State | None, step: int
    ) -> None:
        """Let another network take the place of one, from its own step on."""
        new = _prepared(experiment, dataset, start)
        both = with_member((self._state, self._dynamic), place, new, self.how)
        self._state, self._dynamic = both
        self.steps[place] = step

    @property
    def models(self) -> Network:
        """The networks, stacked unless there is one alone."""
        return self._state.model

    def state(self, place: int) -> State:
        """The state of one member."""
        return member(self._state, place, self.how)

    def failed_steps(self) -> list[int | None]:
        """For each member, the first step whose loss was not finite, or None."""
        found = np.atleast_1d(np.asarray(self._state.failed_at)).tolist()
        return [None if step == NEVER else step for step in found]


@in_own_precision
def _prepared(
    experiment: Experiment, dataset: Dataset, start: State | None
) -> tuple[State, Dynamic]:
    """What a network's first step needs, from a state or from new weights."""
    new, dynamic = prepare(experiment, dataset)
    return new if start is None else start, dynamic


def train_steps(
    experiments: Sequence[Experiment],
    datasets: Sequence[Dataset],
    starts: Sequence[State | None] | None = None,
    stops: Sequence[int] | None = None,
    how: How | None = None,
) -> Iterator[tuple[int, list[State]]]:
    """Train one network, or several of one shape together, from one step to stop at to the next.

    Args:
        experiments: what to train, as of an `Ensemble`.
        datasets: the data of each.
        starts: the state of each at the first stop; None for new weights.
        stops: steps to stop at, ascending, from where training begins; by default the schedule.
        how: how they are computed; by default as is best for their number and this device.

    Yields:
        The step, and the state of each experiment.

    Raises:
        ConfigError: if the experiments do not share one shape, or do not fit in memory.
    """
    step, *targets = stops or experiments[0].schedule
    n = len(experiments)
    ensemble = Ensemble(experiments, datasets, starts or [None] * n, [step] * n, how or best_how(n))
    for target in (step, *targets):
        ensemble.advance(target - ensemble.steps[0])
        yield target, [ensemble.state(place) for place in range(n)]


def best_how(n_members: int) -> How:
    """How so many networks are best computed on this machine's device."""
    if n_members == 1:
        return "alone"
    return "at once" if on_accelerator() else "in turn"


def ensemble_size(experiment: Experiment) -> int:
    """How many networks of an experiment's shape this machine's device trains best at a time."""
    if not on_accelerator():
        return 1
    activations = (experiment.batch_size or experiment.n_train) * experiment.model.widest
    return min(max(ACTIVATIONS_AT_ONCE // activations, 1), MOST_AT_ONCE)


def ensemble_key(experiment: Experiment) -> tuple:
    """Experiments with equal keys share every shape and can train as one ensemble."""
    shape = experiment.model.model_dump(exclude={"dropout", "init_scale"})
    return (
        static_settings(experiment),
        (experiment.first_step, experiment.steps, experiment.measure_every, experiment.measure),
        (experiment.keep_weights, experiment.kept_dtype, experiment.precision),
        (experiment.measures, experiment.corruption == "second_rule"),
        (*shape.values(), experiment.n_inputs, experiment.n_labels, experiment.n_examples),
        experiment.task,  # and so one group
    )


def seconds_per_work(experiment: Experiment) -> float:
    """Seconds for a unit of `work` on this machine, from a few steps of the experiment, timed."""
    constant: dict[str, Any] = (
        {} if isinstance(experiment.optimizer, Own) else {"cosine_steps": None}
    )
    timed = experiment.replace(
        steps=2 * TIMED_STEPS, measure_every=TIMED_STEPS, settle=False,
        measure=None, keep_weights=None, start=None, **constant,
    )  # fmt: skip
    times = []
    for _, (state,) in train_steps([timed], [make_dataset(timed)]):
        jax.block_until_ready(state)
        times.append(time.perf_counter())
    return (times[2] - times[1]) / (work(timed) / 2)
