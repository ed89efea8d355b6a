"""Everything that is measured of a network: one row a measure, read by all that store or show it.

Runs, summaries, sweeps, exports, printed tables, the explorer's page and the reserved names follow
from `MEASURES`. Nothing here imports JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from importlib import import_module
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float, Int, Num

from grokscope.data.dataset import Dataset
from grokscope.measures.spectrum import mean_ipr

Kind = Literal[
    "loss", "accuracy", "ipr", "count", "step", "seconds", "flag", "cosine", "share", "correlation",
    "difference", "own",
]  # fmt: skip
"""What a number is; counts, steps and flags are whole, a difference is of two accuracies."""


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


@dataclass(frozen=True)
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
    _: KW_ONLY
    title: str = ""
    has_column: bool = False
    units: str = "1"

    @property
    def label(self) -> str:
        """What it is called where there is room for more than its `title`."""
        return self.name.replace("_", " ").replace("ipr", "IPR")

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number."""
        return self.kind in ("count", "step", "flag")

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


@dataclass(frozen=True)
class Score(Measure):
    """The mean of a number over a subset of the examples, at every measured step.

    Pruning curves have it too. A mean over no examples is NaN.
    """

    value: Value
    subset: Subset


@dataclass(frozen=True)
class UnitMeasure(Measure):
    """A number from the IPR_k of the units next to the input, at every measured step."""

    value: Callable[[Float[np.ndarray, "*step neuron"]], Num[np.ndarray, "*step"]]


Source = Callable[[Any, Any, str], Mapping[str, Any]]
"""Numbers by name, of a network, its `material.Material` and its loss; fewer where they have no
meaning. It is compiled, and so must not branch on what the arrays hold."""


@dataclass(frozen=True)
class NetworkMeasure(Measure):
    """A number from a network and its examples, kept of every finished run.

    It is measured at the end, and at every measured step where the experiment's `measures` name it.
    Those of one source are computed together.
    """

    source: Source

    def summary(self, run: FinishedRun) -> float | int | None:
        """The number at the end; None of old runs, and where it has no meaning."""
        if self.name not in run.dataset:
            return None
        value = run.dataset[self.name].values.ravel()[-1].item()
        return int(value) if self.is_whole and np.isfinite(value) else value


@dataclass(frozen=True)
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


def _source(module: str, function: str) -> Source:
    """A source in another file, which imports JAX and is imported when something is measured."""

    def measured(network: Any, material: Any, loss: str) -> Mapping[str, Any]:
        found = getattr(import_module(f"grokscope.measures.{module}"), function)
        return found(network, material, loss)

    return measured


_extraction = _source("extraction", "extraction_scores")
_vote = _source("vote", "vote_scores")
_rule = _source("logits", "rule_scores")
_second_rule = _source("logits", "second_rule_scores")
_symmetricity = _source("symmetricity", "symmetricities")
_attribution = _source("attribution", "attribution_summaries")

_ROWS = (
    Score("train_loss", "mean loss on the training examples, against the given labels", "loss",
          _loss, _trained, title="train loss"),
    Score("test_loss", "mean loss on the test examples", "loss",
          _loss, _tested, title="test loss"),
    Score("train_accuracy", "share of training examples whose given label is predicted", "accuracy",
          _is_as_given, _trained, title="train", has_column=True),
    Score("test_accuracy", "share of test examples whose label is predicted", "accuracy",
          _is_as_given, _tested, title="test", has_column=True),
    Score("corrupted_accuracy",
          "share of corrupted training examples whose given label is predicted", "accuracy",
          _is_as_given, _corrupted, title="corrupted", has_column=True),
    Score("corrected_accuracy",
          "share of corrupted training examples whose true label is predicted", "accuracy",
          _is_true, _corrupted, title="corrected", has_column=True),
    Score("uncorrupted_accuracy",
          "share of uncorrupted training examples whose label is predicted", "accuracy",
          _is_as_given, _uncorrupted, title="uncorrupted"),
    Summary("peak_test_accuracy", "highest test accuracy at any measured step", "accuracy",
            lambda run: float(run.dataset.test_accuracy.max())),
    UnitMeasure("mean_ipr", "mean of IPR_k over live neurons", "ipr",
                mean_ipr, title="mean IPR", has_column=True),
    UnitMeasure("dead_neurons", "neurons with a dead weight vector", "count",
                lambda neuron_ipr: np.isnan(neuron_ipr).sum(axis=-1),
                title="dead", has_column=True),
    NetworkMeasure("extracted_test_accuracy",
                   "test accuracy of the network whose units keep their strongest frequency",
                   "accuracy", _extraction, title="extracted test"),
    NetworkMeasure("extracted_corrupted_accuracy",
                   "corrupted accuracy of the network whose units keep their strongest frequency",
                   "accuracy", _extraction, title="extracted corrupted"),
    NetworkMeasure("extracted_corrected_accuracy",
                   "corrected accuracy of the network whose units keep their strongest frequency",
                   "accuracy", _extraction, title="extracted corrected"),
    NetworkMeasure("vote_test_accuracy",
                   "test accuracy of the training labels alone, projected on waves as units of one "
                   "frequency can express", "accuracy", _vote, title="vote test"),
    NetworkMeasure("vote_corrected_accuracy",
                   "corrected accuracy of the training labels alone, projected on waves",
                   "accuracy", _vote, title="vote corrected"),
    NetworkMeasure("key_frequencies",
                   "frequencies that have 95 % of the power of the logits' waves in m + n", "count",
                   _rule, title="key frequencies"),
    NetworkMeasure("restricted_test_loss",
                   "mean loss on the test examples of the logits' constant and key waves alone",
                   "loss", _rule, title="restricted test loss"),
    NetworkMeasure("restricted_test_accuracy",
                   "test accuracy of the logits' constant and key waves alone", "accuracy", _rule,
                   title="restricted test"),
    NetworkMeasure("restricted_corrected_accuracy",
                   "corrected accuracy of the logits' constant and key waves alone", "accuracy",
                   _rule, title="restricted corrected"),
    NetworkMeasure("restricted_corrupted_loss",
                   "mean loss on the corrupted examples, against the given labels, of the logits' "
                   "constant and key waves alone", "loss", _rule,
                   title="restricted corrupted loss"),
    NetworkMeasure("excluded_train_loss",
                   "mean loss on the training examples of the logits without their key waves",
                   "loss", _rule, title="excluded train loss"),
    NetworkMeasure("excluded_corrupted_loss",
                   "mean loss on the corrupted examples, against the given labels, of the logits "
                   "without their key waves", "loss", _rule, title="excluded corrupted loss"),
    NetworkMeasure("second_rule_accuracy",
                   "share of test examples for which the label of the second rule is predicted",
                   "accuracy", _second_rule, title="second rule"),
    NetworkMeasure("gradient_symmetricity",
                   "mean cosine between a logit's gradients by its two operands", "cosine",
                   _symmetricity, title="symmetricity"),
    NetworkMeasure("corrupted_symmetricity",
                   "mean cosine between a logit's gradients by its two operands, over corrupted "
                   "examples", "cosine", _symmetricity, title="corrupted symmetricity"),
    NetworkMeasure("memorizing_half",
                   "smallest share of neurons that adds half of all that is added to wrong given "
                   "labels over the true ones", "share", _attribution, title="memorizing half"),
    NetworkMeasure("memorizing_by_ipr",
                   "rank correlation over neurons of IPR_k and what each adds to wrong given "
                   "labels over the true ones", "correlation", _attribution,
                   title="memorizing by IPR"),
    NetworkMeasure("steadiness_by_ipr",
                   "rank correlation over neurons of IPR_k and of how alike what each adds to the "
                   "given labels is", "correlation", _attribution, title="steadiness by IPR"),
    Summary("neurons_required",
            "fewest neurons that generalise, lowest IPR removed first; missing where none do, and "
            "of runs that are stored with their weights", "count",
            lambda run: run.neurons_required),
    Summary("last_step", "step of the last measurement", "step",
            lambda run: int(run.dataset.step[-1])),
    Summary("seconds", "training and measuring", "seconds",
            lambda run: float(run.dataset.attrs["seconds"]), units="s"),
    Summary("failed_at", "first step whose loss was not finite; missing if there was none", "step",
            lambda run: run.failed_at),
    Summary("settled_at",
            "step at which the run stopped because it had settled; missing if it did not", "step",
            lambda run: run.settled_at),
    Summary("has_weights", "1 if the final weights are there too, 0 if not", "flag",
            lambda run: run.has_weights),
)  # fmt: skip

MEASURES: dict[str, Measure] = {row.name: row for row in _ROWS}
"""All that is measured, in the order in which it is stored and shown."""


def scores() -> dict[str, Score]:
    """The rows that are means over examples, at every measured step and every pruned network."""
    return {name: row for name, row in MEASURES.items() if isinstance(row, Score)}


def unit_measures() -> dict[str, UnitMeasure]:
    """The rows that come from the IPR of units, at every measured step."""
    return {name: row for name, row in MEASURES.items() if isinstance(row, UnitMeasure)}


def network_measures() -> dict[str, NetworkMeasure]:
    """The rows that come from the whole network and its examples."""
    return {name: row for name, row in MEASURES.items() if isinstance(row, NetworkMeasure)}


RUN_NAMES = (
    *("norm", "ipr", "logits", "neuron_ipr", "neuron_ipr_output", "step", "matrix", "vectors"),
    *("layer", "neuron", "residue", "first", "pruned", "example", "label", "data"),
    *("true_labels", "given_labels", "is_corrupted", "inputs", "operand", "kept_step"),
)
"""Beside `MEASURES`, what a run calls variables and coordinates of its own."""

RUN_PREFIXES = ("kept_", "neuron_ipr_", "output_norm")
"""How other names of a run's variables begin: weights over time, and units of a layer."""

SWEEP_NAMES = (
    *("norm", "ipr_histogram", "status", "matrix", "layer", "ipr_bin", "phase", "inferred", "runs"),
    *("frequency", "low", "high", "code", "seed", "extracted_minus_vote"),
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
