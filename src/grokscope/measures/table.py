"""Everything that is measured of a network: one row a measure, read by all that store or show it.

Runs, summaries, sweeps, exports, printed tables, the explorer's page and the reserved names follow
from `MEASURES`. Nothing here imports JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Num

from grokscope.data.dataset import Dataset
from grokscope.experiment.own_code import MARK
from grokscope.measures.spectrum import mean_ipr

Kind = Literal["loss", "accuracy", "ipr", "count", "step", "seconds", "flag"]
"""What a number is; counts, steps and flags are whole."""


PerExample = Num[Any, "example"] | Bool[Any, "example"]
"""An array of NumPy or of JAX, which is not imported here."""


class Answers(NamedTuple):
    """A network's answers to some examples, as arrays of NumPy or of JAX.

    Attributes:
        logits: in evaluation.
        predicted: the label with the largest logit; the smallest of equal ones.
        losses: each example's loss against its given label.
        given: labels as trained on.
        true: labels by the rule.
    """

    logits: Float[Any, "example label"]
    predicted: Int[Any, "example"]
    losses: Float[Any, "example"]
    given: Int[Any, "example"]
    true: Int[Any, "example"]


Value = Callable[[Answers], PerExample]
"""A number for each example; it is compiled, and so must not branch on what the arrays hold."""

Subset = Callable[[Dataset], Bool[np.ndarray, "example"]]


@runtime_checkable
class FinishedRun(Protocol):
    """What a summary is made from: a `Run`, whose class is above this module."""

    @property
    def dataset(self) -> xr.Dataset:
        """Every measurement over `step`."""
        ...

    @property
    def failed_at(self) -> int | None:
        """The first step whose loss was not finite."""
        ...

    @property
    def settled_at(self) -> int | None:
        """The step at which the run stopped early."""
        ...

    @property
    def has_weights(self) -> bool:
        """Whether the final weights are there."""
        ...

    @property
    def neurons_required(self) -> int | None:
        """The fewest neurons that generalise."""
        ...


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number that is measured of a network.

    Attributes:
        name: of its variable, wherever it is stored.
        description: in a file's attributes.
        kind: what sort of number it is.
        title: its heading in printed tables.
        has_column: whether the table of runs prints it.
        units: in a file's attributes.
    """

    name: str
    description: str
    kind: Kind
    title: str = ""
    has_column: bool = False
    units: str = "1"

    @property
    def attrs(self) -> dict[str, str]:
        """Attributes of its variable in a file."""
        return {"units": self.units, "description": self.description}

    def summary(self, run: FinishedRun) -> float | int | None:
        """What a sweep keeps of it: by default the last value; None if the run has none."""
        if self.name not in run.dataset:
            return None
        value = run.dataset[self.name].values[-1].item()
        return int(value) if self.kind == "count" else value


@dataclass(frozen=True, kw_only=True)
class Score(Measure):
    """The mean of a number over a subset of the examples, at every measured step.

    Pruning curves have it too. A mean over no examples is NaN.
    """

    value: Value
    subset: Subset


@dataclass(frozen=True, kw_only=True)
class UnitMeasure(Measure):
    """A number from the IPR_k of the units next to the input, at every measured step."""

    value: Callable[[Float[np.ndarray, "*step neuron"]], Num[np.ndarray, "*step"]]


@dataclass(frozen=True, kw_only=True)
class Summary(Measure):
    """A number from a finished run; None where it has none."""

    value: Callable[[FinishedRun], float | int | None]

    def summary(self, run: FinishedRun) -> float | int | None:
        """What a sweep keeps of it."""
        return self.value(run)


def _loss(answers: Answers) -> PerExample:
    return answers.losses


def _is_as_given(answers: Answers) -> PerExample:
    return answers.predicted == answers.given


def _is_true(answers: Answers) -> PerExample:
    return answers.predicted == answers.true


def _trained(dataset: Dataset) -> Bool[np.ndarray, "example"]:
    return dataset.is_train


def _tested(dataset: Dataset) -> Bool[np.ndarray, "example"]:
    return ~dataset.is_train


def _corrupted(dataset: Dataset) -> Bool[np.ndarray, "example"]:
    return dataset.is_corrupted


def _uncorrupted(dataset: Dataset) -> Bool[np.ndarray, "example"]:
    return dataset.is_train & ~dataset.is_corrupted


_ROWS = (
    Score(
        name="train_loss",
        description="mean loss on the training examples, against the given labels",
        kind="loss",
        title="train loss",
        value=_loss,
        subset=_trained,
    ),
    Score(
        name="test_loss",
        description="mean loss on the test examples",
        kind="loss",
        title="test loss",
        value=_loss,
        subset=_tested,
    ),
    Score(
        name="train_accuracy",
        description="share of training examples whose given label is predicted",
        kind="accuracy",
        title="train",
        has_column=True,
        value=_is_as_given,
        subset=_trained,
    ),
    Score(
        name="test_accuracy",
        description="share of test examples whose label is predicted",
        kind="accuracy",
        title="test",
        has_column=True,
        value=_is_as_given,
        subset=_tested,
    ),
    Score(
        name="corrupted_accuracy",
        description="share of corrupted training examples whose given label is predicted",
        kind="accuracy",
        title="corrupted",
        has_column=True,
        value=_is_as_given,
        subset=_corrupted,
    ),
    Score(
        name="corrected_accuracy",
        description="share of corrupted training examples whose true label is predicted",
        kind="accuracy",
        title="corrected",
        has_column=True,
        value=_is_true,
        subset=_corrupted,
    ),
    Score(
        name="uncorrupted_accuracy",
        description="share of uncorrupted training examples whose label is predicted",
        kind="accuracy",
        title="uncorrupted",
        value=_is_as_given,
        subset=_uncorrupted,
    ),
    Summary(
        name="peak_test_accuracy",
        description="highest test accuracy at any measured step",
        kind="accuracy",
        value=lambda run: float(run.dataset.test_accuracy.max()),
    ),
    UnitMeasure(
        name="mean_ipr",
        description="mean of IPR_k over live neurons",
        kind="ipr",
        title="mean IPR",
        has_column=True,
        value=mean_ipr,
    ),
    UnitMeasure(
        name="dead_neurons",
        description="neurons with a dead weight vector",
        kind="count",
        title="dead",
        has_column=True,
        value=lambda neuron_ipr: np.isnan(neuron_ipr).sum(axis=-1),
    ),
    Summary(
        name="neurons_required",
        description="fewest neurons that generalise, lowest IPR removed first; missing if the run "
        "has its weights, or none generalise",
        kind="count",
        value=lambda run: run.neurons_required,
    ),
    Summary(
        name="last_step",
        description="step of the last measurement",
        kind="step",
        value=lambda run: int(run.dataset.step[-1]),
    ),
    Summary(
        name="seconds",
        description="training and measuring",
        kind="seconds",
        units="s",
        value=lambda run: float(run.dataset.attrs["seconds"]),
    ),
    Summary(
        name="failed_at",
        description="first step whose loss was not finite; missing if there was none",
        kind="step",
        value=lambda run: run.failed_at,
    ),
    Summary(
        name="settled_at",
        description="step at which the run stopped because it had settled; missing if it did not",
        kind="step",
        value=lambda run: run.settled_at,
    ),
    Summary(
        name="has_weights",
        description="1 if the final weights are there too, 0 if not",
        kind="flag",
        value=lambda run: run.has_weights,
    ),
)

MEASURES: dict[str, Measure] = {row.name: row for row in _ROWS}
"""All that is measured, in the order in which it is stored and shown."""


def scores() -> dict[str, Score]:
    """The rows that are means over examples, at every measured step and every pruned network."""
    return {name: row for name, row in MEASURES.items() if isinstance(row, Score)}


def unit_measures() -> dict[str, UnitMeasure]:
    """The rows that come from the IPR of units, at every measured step."""
    return {name: row for name, row in MEASURES.items() if isinstance(row, UnitMeasure)}


def own_name(code: str) -> str:
    """How a user's measure is named in a run: as its function.

    >>> own_name("my_measures:margin@0123456789abcdef")
    'margin'
    """
    return code.partition(MARK)[0].partition(":")[2]


RUN_NAMES = (
    *("norm", "ipr", "logits", "neuron_ipr", "neuron_ipr_output", "step", "matrix", "vectors"),
    *("layer", "neuron", "residue", "first", "pruned", "example", "label"),
)
"""Beside `MEASURES`, what a run calls variables and coordinates of its own."""

SWEEP_NAMES = (
    *("norm", "ipr_histogram", "status", "matrix", "layer", "ipr_bin", "phase", "inferred", "runs"),
    *("frequency", "low", "high", "code", "seed"),
)
"""Beside `MEASURES`, what a sweep calls variables, coordinates and columns of its own."""

SWEEP_PREFIXES = ("run_", "norm_", "pruned_")
"""How other names of a sweep's variables and columns begin."""


def is_reserved(name: str) -> bool:
    """Whether the datasets of a sweep have something of their own by a name.

    No axis and no measure of a user may be called so.

    >>> is_reserved("train_loss"), is_reserved("norm_U"), is_reserved("width")
    (True, True, False)
    """
    return name in MEASURES or name in SWEEP_NAMES or name.startswith(SWEEP_PREFIXES)
