"""Which training labels are wrong, and what they are instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from grokscope.data.tables import labels_of
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, count
from grokscope.experiment.own_code import OwnCode, call
from grokscope.experiment.tasks import ModularTask

Inputs = Callable[[], Shaped[np.ndarray, "example *feature"]]
"""Gives the inputs of all examples, in split order."""


def corrupted(
    experiment: Experiment, labels: Int[np.ndarray, "example"], inputs: Inputs
) -> tuple[Int[np.ndarray, "example"], Bool[np.ndarray, "example"]]:
    """Labels to train on, should an example be for training, and which of them are drawn anew.

    The same share is drawn among the experiment's training examples and among the others.

    Args:
        experiment: complete.
        labels: the true ones of all examples, in split order.
        inputs: of all examples.
    """
    n_train, total = experiment.n_train, experiment.n_examples
    # Rank and label are drawn for every example, so that neither depends on the two fractions.
    rng = np.random.default_rng(experiment.seeds.of("corruption"))
    rank = rng.permutation(total)
    if experiment.corruption == "by_operand":
        first = inputs()[:, 0]  # the rows of one first token have ranks one behind another
        rank = np.argsort(np.lexsort((rank, rng.permutation(experiment.n_inputs)[first])))
    is_corrupted = np.concatenate(
        [
            np.argsort(np.argsort(part)) < count(experiment.corruption_fraction, len(part))
            for part in (rank[:n_train], rank[n_train:])
        ]
    )
    drawn = _drawn(experiment, labels, inputs, rng)
    return np.where(is_corrupted, drawn, labels).astype(np.int32), is_corrupted


def _drawn(
    experiment: Experiment,
    labels: Int[np.ndarray, "example"],
    inputs: Inputs,
    rng: np.random.Generator,
) -> Int[np.ndarray, "example"]:
    """What every example has in place of its label, should it be corrupted."""
    n_labels = experiment.n_labels
    if isinstance(experiment.corruption, OwnCode):
        return _own_labels(experiment.corruption, labels, n_labels, rng)
    if experiment.corruption == "by_instance":
        assert experiment.label_scores is not None
        return _nearest_wrong(experiment.label_scores, labels, inputs(), n_labels)
    if experiment.corruption == "second_rule":
        return second_labels(experiment, inputs())
    if experiment.corruption == "asymmetric":
        return (labels + 1) % n_labels
    if experiment.exclude_true_label:
        return (labels + rng.integers(1, n_labels, len(labels))) % n_labels
    return rng.integers(n_labels, size=len(labels))


def second_labels(
    experiment: Experiment, tokens: Int[np.ndarray, "example operand"]
) -> Int[np.ndarray, "example"]:
    """The labels of rows of residues by the experiment's `second_rule`."""
    task = experiment.task
    assert isinstance(task, ModularTask)
    second = ModularTask(
        operation=experiment.second_rule, modulus=task.modulus, operands=task.operands
    )
    return labels_of(second, tokens)


def _own_labels(
    code: OwnCode, labels: Int[np.ndarray, "example"], n_labels: int, rng: np.random.Generator
) -> Int[np.ndarray, "example"]:
    """What a user's function gives every example in place of its label, should it be corrupted."""
    drawn = np.asarray(call(code, labels.copy(), n_labels, rng))  # which it may change in place
    if (
        drawn.shape != labels.shape
        or drawn.dtype.kind not in "iu"
        or not 0 <= drawn.min() <= drawn.max() < n_labels
    ):
        raise ConfigError(
            f"`{code.label}` must return {len(labels)} labels from 0 to "
            f"{n_labels - 1}, got {drawn.dtype} {list(drawn.shape)}. Mend the function."
        )
    return drawn


def _nearest_wrong(
    code: OwnCode,
    labels: Int[np.ndarray, "example"],
    inputs: Shaped[np.ndarray, "example *feature"],
    n_labels: int,
) -> Int[np.ndarray, "example"]:
    """For every example the wrong label to which a user's function gives the highest score."""
    scores: Float[np.ndarray, "example label"] = np.array(call(code, inputs.copy(), n_labels))
    wanted = (len(labels), n_labels)
    if scores.shape != wanted or scores.dtype.kind not in "iuf" or not np.isfinite(scores).all():
        raise ConfigError(
            f"`{code.label}` must return finite scores {list(wanted)}, one for each label of each "
            f"example, got {scores.dtype} {list(scores.shape)}. Mend the function."
        )
    scores = scores.astype(float)
    scores[np.arange(len(labels)), labels] = -np.inf
    return scores.argmax(axis=1)
