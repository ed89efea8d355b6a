"""All pairs of residues, split into training and test, some training labels corrupted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from grokscope.config import Experiment, ModularTask, count


@dataclass(frozen=True)
class Dataset:
    """All examples in split order: the first `n_train` are for training, the rest for testing.

    Attributes:
        inputs: the pairs (m, n), each from 0 to p - 1.
        true_labels: (m ∘ n) mod p.
        given_labels: what training is told; the true labels on the test examples.
        is_corrupted: training examples whose label was drawn anew. As in the paper the draw is
            over all p labels unless the experiment says otherwise, so about 1 in p of them has
            its true label after all.
        n_train: training examples.
        n_labels: p.
    """

    inputs: Int[np.ndarray, "example 2"]
    true_labels: Int[np.ndarray, "example"]
    given_labels: Int[np.ndarray, "example"]
    is_corrupted: Bool[np.ndarray, "example"]
    n_train: int
    n_labels: int

    @property
    def is_train(self) -> Bool[np.ndarray, "example"]:
        """True for the first `n_train` examples."""
        return np.arange(len(self.true_labels)) < self.n_train


def modular_table(task: ModularTask) -> Int[np.ndarray, "modulus modulus"]:
    """Labels of all pairs: entry (m, n) is (m ∘ n) mod p.

    A composite modulus is allowed. Addition is then still a cyclic group and the paper's
    analysis holds. Multiplication is none: the labels are not equally frequent, and no order
    of the residues makes its features periodic, so its IPR is taken in the plain order and
    says little.

    >>> modular_table(ModularTask(operation="multiplication", modulus=3)).tolist()
    [[0, 0, 0], [0, 1, 2], [0, 2, 1]]
    """
    residues = np.arange(task.modulus, dtype=np.int32)
    combine = {"addition": np.add, "multiplication": np.multiply}[task.operation]
    return combine.outer(residues, residues) % task.modulus


def make_dataset(experiment: Experiment) -> Dataset:
    """The experiment's data, a function of its task, fractions and two seeds alone (Sec. 1.1).

    The order of the pairs does not depend on the fractions: a smaller training set is a prefix
    of a larger one. Exactly ⌊ξ n_train⌋ labels are corrupted, and with the same seeds and
    training set a smaller corrupted set lies in a larger one, with the same wrong labels.

    >>> data = make_dataset(Experiment(corruption_fraction=0.35))
    >>> data.inputs.shape, data.n_train, int(data.is_corrupted.sum())
    ((9409, 2), 4704, 1646)
    """
    modulus = experiment.task.modulus
    n_train = experiment.n_train
    order = np.random.default_rng(experiment.seeds.of("split")).permutation(modulus**2)
    true_labels = modular_table(experiment.task).ravel()[order]

    # Rank and label are drawn for every pair, so that neither depends on the two fractions.
    rng = np.random.default_rng(experiment.seeds.of("corruption"))
    rank = rng.permutation(modulus**2)[:n_train]
    if experiment.exclude_true_label:
        drawn = (true_labels + rng.integers(1, modulus, modulus**2)) % modulus
    else:
        drawn = rng.integers(modulus, size=modulus**2)
    is_corrupted = np.zeros(modulus**2, bool)
    is_corrupted[np.argsort(rank)[: count(experiment.corruption_fraction, n_train)]] = True

    return Dataset(
        inputs=np.stack(np.divmod(order, modulus), axis=1).astype(np.int32),
        true_labels=true_labels,
        given_labels=np.where(is_corrupted, drawn, true_labels).astype(np.int32),
        is_corrupted=is_corrupted,
        n_train=n_train,
        n_labels=modulus,
    )
