"""What a network is like at one step: losses, accuracies by subset, norms, IPR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment, is_reserved
from grokscope.experiment.models import OwnModel
from grokscope.experiment.own_code import MARK, call, own_code_in
from grokscope.experiment.tasks import ModularTask
from grokscope.measures.spectrum import ipr, residue_order
from grokscope.models.network import Layer, Network
from grokscope.models.normalization import running_statistics
from grokscope.training.compile import compiled
from grokscope.training.cost import tile_size, tiled
from grokscope.training.loop import LOSSES
from grokscope.training.networks import model_shapes

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
        ipr: IPR of each unit's vector in each matrix that has vectors over residues, NaN for a
            dead one (Eq. 3).
        own: what the user's own measures return, by name.
    """

    scores: dict[str, float]
    norm: Float[np.ndarray, "matrix"]
    ipr: Float[np.ndarray, "vectors unit"]
    own: dict[str, float]


def neuron_ipr(ipr: Float[np.ndarray, "*step vectors neuron"]) -> Float[np.ndarray, "*step neuron"]:
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

    def scores(self, model: Network, loss: str) -> dict[str, float]:
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


@compiled("loss")
def evaluate(
    model: Network,
    inputs: Shaped[Array, "tile example *feature"],
    labels: Int[Array, "tile example"],
    loss: str,
) -> tuple[Int[Array, "tile example"], Float[Array, "tile example"]]:
    """The predicted label and the loss of each example; ties go to the smallest label."""
    shared, logits_of = model.shared(), cast(Callable[..., Array], model)

    def one(tile: tuple[Array, Array]) -> tuple[Array, Array]:
        logits = logits_of(tile[0]) if shared is None else logits_of(tile[0], shared)
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


def array_name(path: tuple) -> str:
    """How an array of a network is named, such as U, norm_gamma or blocks_0_query."""
    return jax.tree_util.keystr(path, simple=True, separator="_")


def by_name(model: Network) -> dict[str, Any]:
    """All arrays of a network, or what stands for them, by name."""
    leaves = jax.tree_util.tree_leaves_with_path(model)
    return {array_name(path): array for path, array in leaves}


def named_arrays(model: Network) -> dict[str, np.ndarray]:
    """All arrays of a network, on the host, by name."""
    return {name: np.asarray(array) for name, array in by_name(model).items()}


def matrices(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of a network's arrays that are weight matrices."""
    return {name: array for name, array in arrays.items() if array.ndim > 1}


def measured_layers(model: Network) -> dict[str, Layer]:
    """The layers whose units have vectors over residues, and so an IPR; the embedding first."""
    return {name: layer for name, layer in model.layers.items() if layer.vectors}


DERIVED = ("norm", "mean_ipr", "dead_neurons", "ipr", "logits", "neuron_ipr", "neuron_ipr_output")
AXES = ("step", "matrix", "vectors", "layer", "neuron", "residue", "first", "pruned", "example",
        "label")  # fmt: skip
"""Beside `SCORES`, names that a run has taken: of variables, and of coordinates."""


def require_measurable(experiment: Experiment, model: Network) -> None:
    """Refuse layers and names of the user's own that could not be measured, before training.

    Args:
        experiment: whose measures and task are looked at.
        model: its network, or one with shapes in place of arrays.

    Raises:
        ConfigError: if `layers` name no such arrays, or arrays that are not residues by units; or
            if a measure or an array has a name that something else in a run has.
    """
    arrays = by_name(model)
    taken = [*SCORES, *DERIVED, *AXES, *arrays]
    measures = [own_name(code) for code in experiment.measures or ()]
    settings = [leaf for part in experiment.model_dump().values() if isinstance(part, dict)
                for leaf in part]  # fmt: skip
    in_sweeps = {*filter(is_reserved, measures), *settings, *Experiment.model_fields}
    for kind, names in (("measures", measures), ("model", list(arrays))):
        for name in names:
            if [*taken, *measures].count(name) > 1 or (kind == "measures" and name in in_sweeps):
                raise ConfigError(
                    f"`{kind}` must have names that nothing else in a run has, got {name!r}. "
                    "Give it another."
                )
    if not isinstance(model.layers, dict):
        raise ConfigError(
            f"`layers` must be a property, a dict of names and layers, got "
            f"{type(model.layers).__name__}. Write @property above it."
        )
    shapes = {}
    for layer in model.layers.values():
        for name in (*layer.vectors, layer.outgoing, *([layer.gamma] if layer.gamma else [])):
            if name not in arrays:
                raise ConfigError(
                    f"`layers` must name arrays of the network, got {name!r}. "
                    f"Use one of {', '.join(arrays)}."
                )
        shapes |= {name: tuple(arrays[name].shape) for name in layer.vectors}
    if shapes and not isinstance(experiment.task, ModularTask):
        raise ConfigError(
            f"`layers` must have no vectors where inputs are no residues, got {next(iter(shapes))}."
            " Leave them out."
        )
    n_residues, first = experiment.task.n_inputs, next(iter(shapes.values()), ())
    if wrong := [name for name, shape in shapes.items() if shape != (n_residues, *first[-1:])]:
        raise ConfigError(
            f"`layers` must name matrices of one shape, {n_residues} residues by units, got "
            f"{wrong[0]} {list(shapes[wrong[0]])}. Store it so, or leave it out."
        )
    for title, layer in model.layers.items():
        outgoing = list(arrays[layer.outgoing].shape)
        units = {arrays[name].shape[-1] for name in (*layer.vectors, layer.gamma) if name}
        if len(outgoing) != 2 or units - {outgoing[1]}:
            raise ConfigError(
                f"`layers` must have a matrix with a column for each unit to carry them onwards, "
                f"got {layer.outgoing} {outgoing} for {title}. Store it as [output, unit]."
            )


def require_logits(experiment: Experiment, dataset: Dataset) -> None:
    """Refuse a network of the user's own that gives no logits, before anything is compiled.

    Raises:
        ConfigError: if in evaluation or in training it cannot be called as `Network` says, or gives
            something else.
    """
    if not isinstance(experiment.model, OwnModel):
        return
    inputs, expected = jnp.asarray(dataset.inputs[:2]), (2, dataset.n_labels)

    def evaluated(model: Any) -> Any:
        shared, alone = model.shared(), model(inputs)  # which must do without what is shared, too
        return alone if shared is None else model(inputs, shared)

    def trained(model: Any) -> Any:
        return model.in_training(inputs, None, 0.0, model.shared())[0]

    def seen(model: Any) -> Any:
        return model.in_training(inputs, None, 0.0, model.shared())[1]

    place, model = experiment.model.code.partition(MARK)[0], model_shapes(experiment)
    for method, logits in (("__call__", evaluated), ("in_training", trained)):
        try:
            shape = getattr(eqx.filter_eval_shape(logits, model), "shape", ())
        except Exception as error:
            if own_code_in(error):
                raise
            raise ConfigError(
                f"`{place}` must have a method {method} as in grokscope.Network, got "
                f"{type(error).__name__}: {error}. Mend the class."
            ) from None
        if shape != expected:
            raise ConfigError(
                f"`{place}` must give logits {list(expected)} of two examples by {method}, got "
                f"{list(shape)}. Mend the class."
            )
    running, found = running_statistics(model), eqx.filter_eval_shape(seen, model)
    shapes = [jax.tree.map(lambda array: array.shape, each) for each in (running, found)]
    if shapes[0] != shapes[1]:
        raise ConfigError(
            f"`{place}` must give by in_training, behind the logits, a list of what each of its "
            f"{len(running)} BatchNorm layers saw, in the order of its fields, got "
            f"{[list(a.shape) for a in jax.tree.leaves(found)]}. Mend the class."
        )


def measure(model: Network, examples: Examples, experiment: Experiment) -> Measurement:
    """Measure a network; IPR in the order of residues that suits the operation."""
    task = experiment.task
    arrays = named_arrays(model)
    vectors = [name for layer in measured_layers(model).values() for name in layer.vectors]
    spectra = np.zeros((0, 0))
    if isinstance(task, ModularTask) and vectors:
        order = residue_order(task.operation, task.modulus)
        spectra = np.stack([ipr(arrays[name][order]) for name in vectors])
    return Measurement(
        scores=examples.scores(model, experiment.loss),
        norm=np.array([np.linalg.norm(matrix) for matrix in matrices(arrays).values()], np.float32),
        ipr=spectra.astype(np.float32),
        own={
            own_name(code): _own(code, model, examples.dataset)
            for code in experiment.measures or ()
        },
    )


def embedding_ipr(
    model: Network, measured: Sequence[Measurement]
) -> Float[np.ndarray, "step neuron"]:
    """IPR_k at every measurement, of the layer next to the input; no neurons if none has any."""
    layers = measured_layers(model)
    if not layers:
        return np.zeros((len(measured), 0))
    rows = len(next(iter(layers.values())).vectors)
    return neuron_ipr(np.stack([m.ipr[:rows] for m in measured]))


def own_name(code: str) -> str:
    """How a user's measure is named in a run: as its function.

    >>> own_name("my_measures:margin@0123456789abcdef")
    'margin'
    """
    return code.partition(MARK)[0].partition(":")[2]


def _own(code: str, model: Network, dataset: Dataset) -> float:
    """What a user's measure returns."""
    value = np.asarray(call(code, model, dataset))
    if value.size != 1 or value.dtype.kind not in "biuf":
        raise ConfigError(
            f"`{code.partition(MARK)[0]}` must return a number, got {value.dtype} "
            f"{list(value.shape)}. Mend the function."
        )
    return float(value.item())
