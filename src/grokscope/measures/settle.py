"""Whether a run's phase can still change: the rule by which a run may stop early (NumPy only)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from grokscope.experiment.experiment import Experiment
from grokscope.measures.phases import Phase, classify

LEAST_SHARE = 0.1
"""Of its steps, that every run takes: 200 of 2000, with which the rule was tested."""

FALL = 0.07
"""How far, in log, the weights of a network that will not forget may be below their highest in the
second half. Of those that were to forget, all were at least .09 below (docs/decisions.md)."""


Values = Sequence[float] | np.ndarray


def has_settled(
    experiment: Experiment,
    steps: Sequence[int] | np.ndarray,
    train_accuracy: Values,
    test_accuracy: Values,
    norm: Sequence[np.ndarray] | np.ndarray,
    mean_ipr: Values,
) -> bool:
    """Whether the phase at the last measured step will be the phase at the end.

    Every measured quantity may still move, up or down, by its range over the second half of the
    steps so far, in proportion to the time left and times `settle_caution`. It has settled if then

    - both accuracies stay in the same phase of Table 2, in every combination, also if training
      accuracy keeps growing by the factor by which it grew: slow learners grow ever faster;
    - the weights (geometric mean of the matrices' norms) do not change by the factor
      `settle_shrink`, and, if it has generalised, are not falling by more than `FALL`: a network
      that forgets shrinks long before its accuracy falls, and ever faster;
    - unless it has generalised, its mean IPR does not change by the factor `settle_rise`:
      periodic neurons form long before the test accuracy rises.

    A network in Forgetting has settled, since vanished weights do not come back. No run stops
    before step `settle_after` or a tenth of its steps, counted from where it starts, nor if wrong
    labels follow a second rule, whose accuracy is not measured on the way.

    Args:
        experiment: with a `settle` part; without one nothing settles.
        steps: measured so far, ascending; [step].
        train_accuracy: 0 to 1; [step].
        test_accuracy: 0 to 1; [step].
        norm: Frobenius norms; [step, matrix].
        mean_ipr: 0 to 1, NaN where no neuron is alive; [step].

    >>> experiment, flat = Experiment(corruption_fraction=0.3, settle=True), np.ones(5)
    >>> has_settled(experiment, range(0, 250, 50), flat, 0 * flat, np.ones((5, 3)), 0.04 * flat)
    True
    """
    rule, steps = experiment.settle, np.asarray(steps) - experiment.first_step
    last, whole = int(steps[-1]), experiment.steps - experiment.first_step
    if rule is None or experiment.corruption == "second_rule":
        return False
    if last < max(rule.settle_after, LEAST_SHARE * whole):
        return False
    start = int(np.searchsorted(steps, last / 2))
    if start == len(steps) - 1:  # nothing was measured since
        return False
    ahead = rule.settle_caution * (whole - last) / (last - int(steps[start]))
    phase, *others = _phases_ahead(experiment, train_accuracy, test_accuracy, start, ahead)
    if others:
        return False
    if phase == Phase.FORGETTING:
        return True
    with np.errstate(divide="ignore", invalid="ignore"):  # of vanished weights
        weights = np.log(np.asarray(norm, float)).mean(axis=1)
        move = _move(weights, start, ahead)
    if not move <= np.log(rule.settle_shrink):
        return False
    if phase not in (Phase.MEMORIZATION, Phase.CONFUSION):
        return bool(weights[start:].max() - weights[-1] <= FALL)
    return not _move(mean_ipr, start, ahead) > (rule.settle_rise - 1) * mean_ipr[-1]


def _move(values: Values, start: int, ahead: float) -> float:
    """How far values may yet move, going by their range since the index `start`."""
    return np.ptp(np.asarray(values, float)[start:]) * ahead


def _phases_ahead(
    experiment: Experiment, train: Values, test: Values, start: int, ahead: float
) -> set[object]:
    """The phases that the accuracies may yet come to."""
    last, best = float(train[-1]), float(np.max(test))
    low, high = last + _move(train, start, ahead) * np.array([-1, 1])
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # of none at all
        high = np.fmax(high, last * (last / np.min(train[start:])) ** ahead)
    ends = float(test[-1]) + _move(test, start, ahead) * np.array([-1, 1])
    trains, tests = np.meshgrid([low, high], ends)
    peaks = np.maximum(best, tests)
    return set(classify(trains, tests, peaks, experiment.corruption_fraction).flat)
