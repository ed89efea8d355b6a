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


def has_settled(
    experiment: Experiment,
    steps: Sequence[int] | np.ndarray,
    train_accuracy: Sequence[float] | np.ndarray,
    test_accuracy: Sequence[float] | np.ndarray,
    norm: Sequence[np.ndarray] | np.ndarray,
    mean_ipr: Sequence[float] | np.ndarray,
) -> bool:
    """Whether the phase at the last of the measured steps will be the phase at the end.

    Let everything measured move on from where it is, up or down, as far in proportion to the time
    left as it ranged over in the second half of the steps so far, times `settle_caution`. The run
    has settled if even then

    - both accuracies stay in the same phase of Table 2, however they combine, and though training
      accuracy go on growing by the factor that it grew by: slow learners are ever faster;
    - the weights (geometric mean of the matrices' norms) do not change by the factor
      `settle_shrink`, and, if it has generalised, are not on their way down (`FALL`): a network
      that forgets is shrinking long before it shows, and ever faster;
    - unless it has generalised, its mean IPR does not change by the factor `settle_rise`:
      periodic neurons form long before the test accuracy rises.

    A network in Forgetting has settled: vanished weights do not come back. No run stops before
    step `settle_after`, nor before a tenth of its steps, which is more in small batches.

    Args:
        experiment: with a `settle` part; without one nothing settles.
        steps: measured so far, ascending; [step].
        train_accuracy: 0 to 1; [step].
        test_accuracy: 0 to 1; [step].
        norm: Frobenius norms; [step, matrix].
        mean_ipr: 0 to 1, NaN where no neuron is alive; [step].

    >>> experiment = Experiment(corruption_fraction=0.3, settle=True)
    >>> flat = np.ones(5)
    >>> has_settled(experiment, range(0, 250, 50), flat, 0 * flat, np.ones((5, 3)), 0.04 * flat)
    True
    >>> has_settled(experiment, range(0, 250, 50), flat, 0 * flat, np.ones((5, 3)), [0.04, 0.04,
    ... 0.04, 0.05, 0.06])
    False
    """
    rule, steps = experiment.settle, np.asarray(steps)
    last = int(steps[-1])
    if rule is None or last < max(rule.settle_after, LEAST_SHARE * experiment.steps):
        return False
    start = int(np.searchsorted(steps, last / 2))
    if start == len(steps) - 1:  # nothing was measured since
        return False
    ahead = rule.settle_caution * (experiment.steps - last) / (last - int(steps[start]))

    def reach(values: Sequence[float] | np.ndarray) -> tuple[float, np.ndarray]:
        """How far the values may move, and the least and the most that they may come to."""
        recent = np.asarray(values, float)[start:]
        move = np.ptp(recent) * ahead
        return move, recent[-1] + move * np.array([-1, 1])

    low, high = reach(train_accuracy)[1]
    recent = np.asarray(train_accuracy, float)[start:]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # of none at all
        high = np.fmax(high, recent[-1] * (recent[-1] / recent.min()) ** ahead)
    train, test = np.meshgrid([low, high], reach(test_accuracy)[1])
    peak = np.maximum(np.max(test_accuracy), test)
    phases = set(classify(train, test, peak, experiment.corruption_fraction).flat)
    if len(phases) > 1:
        return False
    (phase,) = phases
    if phase == Phase.FORGETTING:
        return True
    with np.errstate(divide="ignore", invalid="ignore"):  # of vanished weights
        weights = np.log(np.asarray(norm, float)).mean(axis=1)
        move, _ = reach(weights)
    if not move <= np.log(rule.settle_shrink):
        return False
    if phase not in (Phase.MEMORIZATION, Phase.CONFUSION):
        return bool(weights[start:].max() - weights[-1] <= FALL)
    return not reach(mean_ipr)[0] > (rule.settle_rise - 1) * mean_ipr[-1]
