"""The rule's part of a network's logits, for any architecture (Nanda et al., arXiv 2301.05217).

Logits over all pairs (m, n) are, for every label, a sum of waves of two frequencies. The waves in
m + n alone, in the order of residues that suits the operation, are what the rule is made of. Of
another rule that is a shift of tokens, the waves in its value take their place.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from grokscope.data.dataset import Dataset
from grokscope.measures.material import (
    Material,
    Numbers,
    answers_of,
    logits_of,
    means,
    on_host,
)
from grokscope.measures.scores import AnyArray, namespace, score_means, score_values
from grokscope.measures.spectrum import places_in
from grokscope.measures.table import Answers
from grokscope.models.network import Network
from grokscope.training.compile import compiled
from grokscope.training.losses import loss_of

KEY_POWER = 0.95
"""The share of the power of all waves in m + n that the key frequencies have together."""


class Rule(NamedTuple):
    """What of some logits is a function of m + n, or of another rule's value.

    Attributes:
        is_key: whether a frequency is one of the fewest whose waves in m + n have `KEY_POWER` of
            the power of all of these; the constant is none.
        restricted: logits of the constant and the key waves alone.
        excluded: logits without the key waves.
    """

    is_key: Bool[AnyArray, "freq"]
    restricted: Float[AnyArray, "example label"]
    excluded: Float[AnyArray, "example label"]


def rule_of(
    logits: Float[AnyArray, "example label"], values: Shaped[AnyArray, "example"], n: int
) -> Rule:
    """Split logits into what follows the rule and the rest.

    The waves in m + n of a function of all pairs are the waves of its mean over the pairs of each
    m + n, so no transform over pairs is needed; and so of any rule that has each value equally
    often.

    Args:
        logits: of all rows of the table, in any order.
        values: (m + n) mod p, or what the rule has in its place, in the order in which it is a
            shift; -1 of rows that have none, whose logits stay as they are.
        n: how many values there are.

    >>> pairs = np.stack(np.divmod(np.arange(25), 5), axis=1)
    >>> rule = rule_of(np.eye(5)[pairs.sum(axis=1) % 5], pairs.sum(axis=1) % 5, 5)
    >>> np.flatnonzero(rule.is_key).tolist(), rule.restricted.argmax(axis=1)[7].item()
    ([1, 2], 3)
    """
    xp = namespace(logits)
    is_value = np.arange(n)[:, None] == values
    mean = is_value.astype(logits.dtype) @ logits / is_value.sum(axis=1, keepdims=True)
    waves = xp.fft.rfft(mean, axis=0)  # [freq, label]
    alternates = np.arange(1, n // 2 + 1) * 2 == n  # one wave of n residues; the others are pairs
    power = (abs(waves) ** 2).sum(axis=1)[1:] * np.where(alternates, 1, 2)
    strongest = xp.argsort(-power, stable=True)
    enough = xp.cumsum(power[strongest]) >= KEY_POWER * power.sum()
    n_key = xp.where(power.sum() > 0, enough.argmax() + 1, 0)
    is_key = xp.concatenate([np.zeros(1, bool), xp.argsort(strongest) < n_key])
    of_key = xp.fft.irfft(waves * is_key[:, None], n, axis=0).astype(logits.dtype)[values]
    is_known = (values >= 0)[:, None]
    restricted = xp.where(is_known, mean.mean(axis=0) + of_key, logits)
    return Rule(is_key, restricted, xp.where(is_known, logits - of_key, logits))


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


def rule_scores(network: Network, material: Material, loss: str) -> Numbers:
    """Restricted and excluded losses, by the measures' names; none without `rule_values`."""
    if material.values is None or material.order is None:
        return {}
    rule = rule_of(logits_of(network, material), material.values, len(material.order))
    restricted, excluded = (on_host(_losses(part, material.given, loss)) for part in rule[1:])
    is_right = answers_of(rule.restricted) == material.true
    wrong = material.is_corrupted
    return {"key_frequencies": rule.is_key.sum()} | means(
        {
            "restricted_test_loss": (restricted, material.is_test),
            "restricted_test_accuracy": (is_right, material.is_test),
            "restricted_corrected_accuracy": (is_right, wrong),
            "restricted_corrupted_loss": (restricted, wrong),
            "excluded_train_loss": (excluded, material.is_train),
            "excluded_corrupted_loss": (excluded, wrong),
        }
    )


def second_rule_scores(network: Network, material: Material, loss: str) -> Numbers:
    """How often test examples are answered by the second rule; none without one."""
    if material.second is None:
        return {}
    answers = answers_of(logits_of(network, material))
    return means({"second_rule_accuracy": (answers == material.second, material.is_test)})


def losses_of(
    logits: Float[np.ndarray, "example label"], labels: Int[np.ndarray, "example"], loss: str
) -> Float[np.ndarray, "example"]:
    """Each example's loss against its label."""
    return np.asarray(_losses(jnp.asarray(logits), jnp.asarray(labels), loss))


@compiled("loss")
def _losses(
    logits: Float[AnyArray, "example label"], labels: Int[AnyArray, "example"], loss: str
) -> Float[Array, "example"]:
    """`losses_of` on the device."""
    return loss_of(loss)(jnp.asarray(logits), jnp.asarray(labels))


def scores_of(
    logits: Float[np.ndarray, "example label"],
    dataset: Dataset,
    loss: str,
    predicted: Int[AnyArray, "example"] | None = None,
) -> dict[str, float]:
    """All of `table.scores` of logits that are there already.

    Args:
        logits: of all examples.
        dataset: the examples.
        loss: of each example, as in `Experiment.loss`.
        predicted: the label of each example; by default that of the largest logit.
    """
    given, true = dataset.given_labels, dataset.true_labels
    losses = losses_of(logits, given, loss)
    predicted = answers_of(logits) if predicted is None else predicted
    answers = Answers(logits, predicted, losses, given, true)
    return score_means({value: np.asarray(value(answers)) for value in score_values()}, dataset)
