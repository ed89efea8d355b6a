"""A task's examples, split into training and test, some training labels corrupted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
from jaxtyping import Bool, Int, Shaped

from grokscope.data.corruption import corrupted
from grokscope.data.groups import Group, group_of
from grokscope.data.mnist import read_mnist
from grokscope.data.own import changes, checked, counted, hash_of, own_data
from grokscope.data.tables import Table, table_of, tokens_of
from grokscope.errors import ConfigError, require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.grid import Grid
from grokscope.experiment.own_code import OwnCode
from grokscope.experiment.tasks import MNIST, Counted, TokenTask


@dataclass(frozen=True)
class Dataset:
    """All examples in split order: the first `n_train` are for training, the rest for testing.

    Attributes:
        inputs: the tokens of each example, such as the pair (m, n); of other tasks, features.
        true_labels: (m ∘ n) mod p; of other tasks, the label that came with the features.
        given_labels: what training is told; the true labels on the test examples.
        is_corrupted: training examples whose label was drawn anew. As in the paper the draw is
            over all p labels unless the experiment says otherwise, so about 1 in p of them has
            its true label after all.
        rows: where each example stands in what the task offers: m·p + n of a pair (m, n); of other
            tasks its row in the training arrays, and of test examples in the test arrays.
        n_train: training examples.
        n_labels: p; of other tasks, the number of labels.
        group: by which the task acts on its tokens; None if there is none.
    """

    inputs: Shaped[np.ndarray, "example ..."]
    true_labels: Int[np.ndarray, "example"]
    given_labels: Int[np.ndarray, "example"]
    is_corrupted: Bool[np.ndarray, "example"]
    rows: Int[np.ndarray, "example"]
    n_train: int
    n_labels: int
    group: Group | None = None

    @property
    def shift_order(self) -> Int[np.ndarray, "element"] | None:
        """The tokens in the order in which the task's operation is a shift, as waves need it; None
        if there is none.
        """
        return None if self.group is None else self.group.shift_order

    @property
    def is_train(self) -> Bool[np.ndarray, "example"]:
        """True for the first `n_train` examples."""
        return np.arange(len(self.true_labels)) < self.n_train

    @property
    def is_wrong(self) -> Bool[np.ndarray, "example"]:
        """True where the given label is not the true one: of most corrupted examples."""
        return self.given_labels != self.true_labels

    @property
    def sha256(self) -> str:
        """Hex digits that name the arrays, in their order."""
        return hash_of((self.inputs, self.true_labels, self.given_labels, self.is_corrupted))


def require_repeatable(experiment: Experiment, dataset: Dataset) -> None:
    """Refuse own corruption that draws other labels when it is asked again.

    Labels are made again whenever a run is looked at, and would be others than it learned. Of own
    data the hash is part of the experiment, and is checked whenever they are made.

    Raises:
        ConfigError: if it does.
    """
    codes = [experiment.corruption, experiment.label_scores]
    own = [code.label for code in codes if isinstance(code, OwnCode)]
    if own and not np.array_equal(make_dataset(experiment).given_labels, dataset.given_labels):
        raise ConfigError(changes(own[0]))


def complete(experiment: Experiment) -> Experiment:
    """The experiment with its data counted and hashed, which makes data of a user's own.

    Others are returned as they are.

    Raises:
        ConfigError: if the function is not in a folder that the user named, or returns other than
            it should.

    >>> complete(Experiment()) == Experiment()
    True
    """
    require_kind("experiment", experiment, Experiment, "Use run.experiment of a run.")
    task = experiment.task
    if experiment.is_complete or not isinstance(task, Counted):
        return experiment
    return experiment.with_counts(list(counted(own_data(task)).values()))


def complete_grid(grid: Grid) -> Grid:
    """The grid with the data of all its cells counted, which makes data of a user's own.

    Raises:
        ConfigError: as `complete` does.
    """
    if "task" not in grid.axes and not isinstance(grid.base.task, Counted):
        return grid
    made: dict[str, tuple[int | str, ...]] = {}
    for _, cell in grid.cells():
        task = cell.task
        if not cell.is_complete and isinstance(task, Counted) and task.key not in made:
            made[task.key] = tuple(counted(own_data(task)).values())
    return grid.replace(counts={**grid.counts, **made})


def _split_order(experiment: Experiment) -> Int[np.ndarray, "example"]:
    """All examples in the order in which they are split."""
    rng = np.random.default_rng(experiment.seeds.of("split"))
    return rng.permutation(experiment.n_examples)


def with_labels(
    experiment: Experiment,
    true_labels: Int[np.ndarray, "example"],
    given_labels: Int[np.ndarray, "example"],
    is_corrupted: Bool[np.ndarray, "example"],
    inputs: Int[np.ndarray, "example operand"] | None = None,
) -> Dataset:
    """Data of tokens whose labels are known, so that no code has to make them.

    Args:
        experiment: of a task that has tokens.
        true_labels: in split order, as are the others.
        given_labels: what training was told.
        is_corrupted: examples whose label was drawn anew.
        inputs: the tokens; needed only of a table of the user's own.
    """
    task = cast(TokenTask, experiment.task)
    inputs = tokens_of(task)[_split_order(experiment)] if inputs is None else inputs
    return Dataset(
        inputs.astype(np.int32), true_labels, given_labels, is_corrupted, _rows(experiment, inputs),
        experiment.n_train, experiment.n_labels,
        group_of(task, Table(inputs, true_labels)),
    )  # fmt: skip


def _rows(experiment: Experiment, tokens: Int[np.ndarray, "example operand"]) -> np.ndarray:
    """Where examples stand among all rows of tokens: m·p + n of (m, n)."""
    shape = (experiment.n_inputs,) * tokens.shape[1]
    return np.asarray(np.ravel_multi_index(tuple(tokens.T), shape))


def make_dataset(experiment: Experiment) -> Dataset:
    """The experiment's data, a function of its task, fractions and two seeds alone (Sec. 1.1).

    The order of the examples does not depend on the fractions: a smaller training set is a prefix
    of a larger one. Exactly ⌊ξ n_train⌋ labels are corrupted, and with the same seeds and
    training set a smaller corrupted set lies in a larger one, with the same wrong labels. Tested
    are all other pairs; of other tasks, their test set.

    Raises:
        ConfigError: if code of the user's own is not allowed to run, or makes other data than the
            experiment says.

    >>> data = make_dataset(Experiment(corruption_fraction=0.35))
    >>> data.inputs.shape, data.n_train, int(data.is_corrupted.sum())
    ((9409, 2), 4704, 1646)
    """
    experiment = complete(experiment)
    return _make(experiment, experiment.n_train)


def all_for_training(experiment: Experiment) -> Dataset:
    """The experiment's data with every example that its train fraction is of for training.

    Its own training examples are the first, with the labels that it gives them. Of the labels of
    the others the same share is corrupted. Of pairs of residues, none is left for testing.

    Raises:
        ConfigError: as `make_dataset` does.

    >>> data = all_for_training(Experiment(corruption_fraction=0.35))
    >>> data.n_train, int(data.is_corrupted.sum()), int(data.is_corrupted[:4704].sum())
    (9409, 3292, 1646)
    """
    experiment = complete(experiment)
    return _make(experiment, experiment.n_examples)


def _make(experiment: Experiment, n_train: int) -> Dataset:
    """The data of a complete experiment, with so many examples for training."""
    task, n_labels = experiment.task, experiment.n_labels
    order, group = _split_order(experiment), None
    if not isinstance(task, MNIST) and task.has_tokens:
        table = table_of(task)
        inputs, labels = table.tokens[order], table.labels[order]
        rows, group = _rows(experiment, inputs), group_of(task, table)
        all_inputs = partial(np.asarray, inputs)
        test_inputs, test_labels, test_rows = inputs[n_train:], labels[n_train:], rows[n_train:]
    else:
        arrays = checked(task) if isinstance(task, Counted) else read_mnist()
        features, targets, test_inputs, test_labels = arrays
        inputs, labels = features[order[:n_train]], targets[order].astype(np.int32)
        all_inputs = partial(np.take, features, order, axis=0)
        rows, test_rows = order, np.arange(len(test_labels))
    given, is_corrupted = corrupted(experiment, labels, all_inputs)

    def with_test(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        return np.concatenate([train[:n_train], test]).astype(train.dtype)

    dataset = Dataset(
        inputs=np.concatenate([inputs[:n_train], test_inputs]),
        true_labels=with_test(labels, test_labels),
        given_labels=with_test(given, test_labels),
        is_corrupted=with_test(is_corrupted, np.zeros(len(test_labels), bool)),
        rows=with_test(rows, test_rows),
        n_train=n_train,
        n_labels=n_labels,
        group=group,
    )
    for array in vars(dataset).values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False  # the user's measures are given them too
    return dataset
