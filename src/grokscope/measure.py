"""What a network is like at one step: losses, accuracies by subset, norms, IPR."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokscope.config import Experiment
from grokscope.data import Dataset
from grokscope.models.two_layer import TwoLayer
from grokscope.spectrum import ipr, residue_order
from grokscope.training import CPU_OPTIONS, LOSSES, tile_size, tiled

SCORES = {
    "train_loss": "mean loss on the training examples, against the given labels",
    "test_loss": "mean loss on the test examples",
    "train_accuracy": "share of training examples whose given label is predicted",
    "test_accuracy": "share of test examples whose label is predicted",
    "corrupted_accuracy": "share of corrupted training examples whose given label is predicted",
    "corrected_accuracy": "share of corrupted training examples whose true label is predicted",
    "uncorrupted_accuracy": "share of uncorrupted training examples whose label is predicted",
}
"""The seven scores of a network; an accuracy on no examples is NaN."""


@dataclass(frozen=True)
class Measurement:
    """One network at one step.

    Attributes:
        scores: by the names in `SCORES`.
        norm: Frobenius norm of each weight matrix.
        ipr: IPR of each neuron's vector in each matrix, NaN for a dead one (Eq. 3).
    """

    scores: dict[str, float]
    norm: Float[np.ndarray, "matrix"]
    ipr: Float[np.ndarray, "matrix neuron"]


def neuron_ipr(ipr: Float[np.ndarray, "*step matrix neuron"]) -> Float[np.ndarray, "*step neuron"]:
    """IPR_k, the mean over a neuron's vectors (Eq. 4); NaN for a dead neuron.

    A neuron is dead if one of its vectors is: it then adds nothing to the logits, or nothing
    that depends on both inputs.
    """
    return np.mean(ipr, axis=-2)


def mean_ipr(neuron_ipr: Float[np.ndarray, "*step neuron"]) -> Float[np.ndarray, "*step"]:
    """Mean over the live neurons (Sec. 1.1); NaN if none is alive."""
    alive = ~np.isnan(neuron_ipr)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(alive, neuron_ipr, 0).sum(axis=-1) / alive.sum(axis=-1))


class Examples:
    """A dataset as tiles on the device, and its subsets; made once for a run."""

    def __init__(self, dataset: Dataset, width: int) -> None:
        self.dataset = dataset
        self.size = tile_size(len(dataset.inputs), width)
        self.inputs = jnp.asarray(tiled(dataset.inputs, self.size))
        self.labels = jnp.asarray(tiled(dataset.given_labels, self.size))

    def scores(self, model: TwoLayer, loss: str) -> dict[str, float]:
        """All of `SCORES`."""
        predicted, losses = evaluate(model, self.inputs, self.labels, loss)
        n = len(self.dataset.inputs)
        return score(
            np.asarray(predicted).ravel()[:n], np.asarray(losses).ravel()[:n], self.dataset
        )


def score(
    predicted: Int[np.ndarray, "example"], losses: Float[np.ndarray, "example"], dataset: Dataset
) -> dict[str, float]:
    """`SCORES` from each example's prediction and loss."""
    train, corrupted = dataset.is_train, dataset.is_corrupted
    as_given = predicted == dataset.given_labels

    def mean(values: np.ndarray, subset: np.ndarray) -> float:
        return float(values[subset].mean(dtype=np.float64)) if subset.any() else float("nan")

    return {
        "train_loss": mean(losses, train),
        "test_loss": mean(losses, ~train),
        "train_accuracy": mean(as_given, train),
        "test_accuracy": mean(as_given, ~train),
        "corrupted_accuracy": mean(as_given, corrupted),
        "corrected_accuracy": mean(predicted == dataset.true_labels, corrupted),
        "uncorrupted_accuracy": mean(as_given, train & ~corrupted),
    }


@partial(jax.jit, static_argnames="loss", compiler_options=CPU_OPTIONS)
def evaluate(
    model: TwoLayer,
    inputs: Int[Array, "tile example features"],
    labels: Int[Array, "tile example"],
    loss: str,
) -> tuple[Int[Array, "tile example"], Float[Array, "tile example"]]:
    """The predicted label and the loss of each example; ties go to the smallest label."""

    def one(tile: tuple[Array, Array]) -> tuple[Array, Array]:
        logits = model(tile[0])
        return first_largest(logits, axis=1), LOSSES[loss](logits, tile[1])

    return jax.lax.map(one, (inputs, labels))


def first_largest(logits: Float[Array, "rows columns"], axis: int) -> Int[Array, "kept"]:
    """`jnp.argmax` in two passes that XLA's CPU compiler vectorises: three times as fast.

    >>> first_largest(jnp.array([[1.0, 3.0, 3.0]]), axis=1).tolist()
    [1]
    """
    index = jax.lax.broadcasted_iota(jnp.int32, logits.shape, axis)
    largest = logits == logits.max(axis=axis, keepdims=True)
    return jnp.where(largest, index, logits.shape[axis]).min(axis=axis)


def weights(model: TwoLayer) -> dict[str, Float[np.ndarray, "modulus width"]]:
    """The weight matrices by name, on the host."""
    return {name: np.asarray(getattr(model, name)) for name in model.matrices}


def measure(model: TwoLayer, examples: Examples, experiment: Experiment) -> Measurement:
    """Measure a network; IPR in the order of residues that suits the operation."""
    task = experiment.task
    order = residue_order(task.operation, task.modulus)
    matrices = weights(model).values()
    return Measurement(
        scores=examples.scores(model, experiment.loss),
        norm=np.array([np.linalg.norm(matrix) for matrix in matrices], np.float32),
        ipr=np.stack([ipr(matrix[order]) for matrix in matrices]).astype(np.float32),
    )
