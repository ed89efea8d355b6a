"""The rule's part of a network's logits, for any architecture (Nanda et al., arXiv 2301.05217).

Logits over all pairs (m, n) are, for every label, a sum of waves of two frequencies. The waves in
m + n alone, in the order of residues that suits the operation, are what the rule is made of. Of
another rule that is a shift of tokens, the waves in its value take their place.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from grokscope.data.corruption import second_labels
from grokscope.data.dataset import Dataset
from grokscope.experiment.experiment import Experiment
from grokscope.measures.scores import Examples, score_means, score_values
from grokscope.measures.spectrum import places_in
from grokscope.measures.table import Answers
from grokscope.models.network import Network
from grokscope.models.precision import in_own_precision
from grokscope.training.losses import loss_of

KEY_POWER = 0.95
"""The share of the power of all waves in m + n that the key frequencies have together."""


class Rule(NamedTuple):
    """What of some logits is a function of m + n, or of another rule's value.

    Attributes:
        key_frequencies: the fewest frequencies whose waves in m + n have `KEY_POWER` of the power
            of all of these, the strongest first.
        restricted: logits of the constant and the key waves alone.
        excluded: logits without the key waves.
    """

    key_frequencies: Int[np.ndarray, "key"]
    restricted: Float[np.ndarray, "example label"]
    excluded: Float[np.ndarray, "example label"]


def rule_of(logits: Float[np.ndarray, "example label"], values: Int[np.ndarray, "example"]) -> Rule:
    """Split logits into what follows the rule and the rest.

    The waves in m + n of a function of all pairs are the waves of its mean over the pairs of each
    m + n, so no transform over pairs is needed; and so of any rule that has each value equally
    often.

    Args:
        logits: of all rows of the table, in any order.
        values: (m + n) mod p, or what the rule has in its place, in the order in which it is a
            shift; -1 of rows that have none, whose logits stay as they are.

    >>> pairs = np.stack(np.divmod(np.arange(25), 5), axis=1)
    >>> rule = rule_of(np.eye(5)[pairs.sum(axis=1) % 5], pairs.sum(axis=1) % 5)
    >>> sorted(rule.key_frequencies.tolist()), rule.restricted.argmax(axis=1)[7].item()
    ([1, 2], 3)
    """
    is_known = values >= 0
    values = values[is_known]
    n = int(values.max()) + 1
    known = logits[is_known]
    by_value = known[np.argsort(values, kind="stable")].reshape(n, len(known) // n, -1)
    waves = np.fft.rfft(by_value.mean(axis=1, dtype=np.float64), axis=0)  # [freq, label]
    power = (np.abs(waves) ** 2).sum(axis=1)[1:]
    strongest = np.argsort(-power, kind="stable")
    enough = np.cumsum(power[strongest]) >= KEY_POWER * power.sum()
    key = strongest[: int(enough.argmax()) + 1] + 1
    is_key = np.isin(np.arange(len(waves)), key)
    of_key = np.fft.irfft(waves * is_key[:, None], n, axis=0).astype(logits.dtype)[values]
    restricted, excluded = logits.copy(), logits.copy()
    restricted[is_known] = known.mean(axis=0) + of_key
    excluded[is_known] = known - of_key
    return Rule(key, restricted, excluded)


def rule_values(dataset: Dataset) -> Int[np.ndarray, "example"] | None:
    """The value of the rule for each example, in the order in which the operation is a shift.

    Returns:
        -1 of an example whose tokens or whose label are left out of that order; None if the tokens
        are no cyclic group, or not all values are equally frequent.
    """
    order = dataset.shift_order
    if order is None or len(order) < 2 or dataset.inputs.shape[1] < 2:
        return None
    n_tokens = 1 + int(max(dataset.inputs.max(), dataset.true_labels.max()))
    places = places_in(order, n_tokens)
    values = places[dataset.true_labels]
    is_known = (places[dataset.inputs] >= 0).all(axis=1) & (values >= 0)
    counts = np.bincount(values[is_known], minlength=len(order))
    is_even = counts.min() == counts.max() > 0 and len(counts) == len(order)
    return np.where(is_known, values, -1) if is_even else None


@in_own_precision
def rule_scores(network: Network, examples: Examples, experiment: Experiment) -> dict[str, float]:
    """Restricted and excluded losses, by the measures' names; none without `rule_values`."""
    dataset, loss = examples.dataset, experiment.loss
    values = rule_values(dataset)
    if values is None:
        return {}
    rule = rule_of(logits_of_all(network, examples), values)
    restricted, excluded = (losses_of(part, dataset.given_labels, loss) for part in rule[1:])
    test, train, wrong = ~dataset.is_train, dataset.is_train, dataset.is_corrupted
    is_right = rule.restricted.argmax(axis=1) == dataset.true_labels
    return {
        "key_frequencies": float(len(rule.key_frequencies)),
        "restricted_test_loss": float(restricted[test].mean()),
        "restricted_test_accuracy": float(is_right[test].mean()),
        "restricted_corrected_accuracy": _mean(is_right[wrong]),
        "restricted_corrupted_loss": _mean(restricted[wrong]),
        "excluded_train_loss": float(excluded[train].mean()),
        "excluded_corrupted_loss": _mean(excluded[wrong]),
    }


def second_rule_scores(
    network: Network, examples: Examples, experiment: Experiment
) -> dict[str, float]:
    """How often test examples are answered by the second rule; none without one."""
    dataset = examples.dataset
    if experiment.corruption != "second_rule":
        return {}
    test = ~dataset.is_train
    answers = logits_of_all(network, examples)[test].argmax(axis=1)
    second = second_labels(experiment, dataset.inputs[test])
    return {"second_rule_accuracy": float((answers == second).mean())}


def _mean(values: np.ndarray) -> float:
    """The mean; NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")


def losses_of(
    logits: Float[np.ndarray, "example label"], labels: Int[np.ndarray, "example"], loss: str
) -> Float[np.ndarray, "example"]:
    """Each example's loss against its label."""
    return np.asarray(loss_of(loss)(jnp.asarray(logits), jnp.asarray(labels)))


def scores_of(
    logits: Float[np.ndarray, "example label"], dataset: Dataset, loss: str
) -> dict[str, float]:
    """All of `table.scores` of logits that are there already."""
    given, true = dataset.given_labels, dataset.true_labels
    losses = losses_of(logits, given, loss)
    answers = Answers(logits, logits.argmax(axis=1), losses, given, true)
    return score_means({value: np.asarray(value(answers)) for value in score_values()}, dataset)


def logits_of_all(network: Network, examples: Examples) -> Float[np.ndarray, "example label"]:
    """A network's logits of all examples of a dataset, in its order."""
    return examples.values(network, "mse", (_logits,))[0]


def _logits(answers: Answers) -> Float[Any, "example label"]:
    return answers.logits
