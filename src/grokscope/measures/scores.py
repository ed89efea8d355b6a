"""What a network is like at one step: its scores, norms and IPR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from grokscope.data.dataset import Dataset
from grokscope.data.groups import Group
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import OwnCode, call
from grokscope.measures.spectrum import ipr_over, neuron_ipr
from grokscope.measures.table import Answers, Value, of_network, scores
from grokscope.models.network import Layer, Network, named_arrays, vector_matrices
from grokscope.models.precision import in_own_precision
from grokscope.training.compile import compiled
from grokscope.training.cost import tile_size, tiled
from grokscope.training.losses import loss_of


@dataclass(frozen=True)
class Measurement:
    """One network at one step.

    Attributes:
        scores: a number for each of `table.scores`, by name.
        norm: Frobenius norm of each weight matrix.
        ipr: IPR of each unit's vector in each matrix that has vectors over tokens, NaN for a
            dead one (Eq. 3); none if the task has no group.
        asked: what the experiment's `measures` return, by name.
    """

    scores: dict[str, float]
    norm: Float[np.ndarray, "matrix"]
    ipr: Float[np.ndarray, "vectors unit"]
    asked: dict[str, float]


class Examples:
    """A dataset as tiles on the device; made once for a run."""

    def __init__(self, dataset: Dataset, width: int) -> None:
        self.dataset = dataset
        arrays = dataset.inputs, dataset.given_labels, dataset.true_labels
        size = tile_size(len(dataset.inputs), width)
        self.tiles = tuple(jnp.asarray(tiled(array, size)) for array in arrays)

    def scores(self, model: Network, loss: str) -> dict[str, float]:
        """All of `table.scores`."""
        wanted = score_values()
        return score_means(
            dict(zip(wanted, self.values(model, loss, wanted), strict=True)), self.dataset
        )

    def values(
        self, model: Network, loss: str, wanted: tuple[Value, ...]
    ) -> list[Shaped[np.ndarray, "example *label"]]:
        """What is wanted of each example, as a network in evaluation answers it."""
        found = evaluate(model, *self.tiles, loss, wanted)
        n = len(self.dataset.inputs)
        return [np.asarray(tiles).reshape(-1, *tiles.shape[2:])[:n] for tiles in found]


def score_values() -> tuple[Value, ...]:
    """What the scores are means of, each once."""
    return tuple(dict.fromkeys(row.value for row in scores().values()))


def score_means(
    values: Mapping[Value, Num[np.ndarray, "example"] | Bool[np.ndarray, "example"]],
    dataset: Dataset,
) -> dict[str, float]:
    """All of `table.scores` from what they are means of; NaN for a mean over no examples."""

    def mean(values: np.ndarray, subset: np.ndarray) -> float:
        return float(values[subset].mean(dtype=np.float64)) if subset.any() else float("nan")

    return {name: mean(values[row.value], row.subset(dataset)) for name, row in scores().items()}


@compiled("loss", "wanted")
def evaluate(
    model: Network,
    inputs: Shaped[Array, "tile example *feature"],
    given: Int[Array, "tile example"],
    true: Int[Array, "tile example"],
    loss: str,
    wanted: tuple[Value, ...],
) -> list[Shaped[Array, "tile example *label"]]:
    """What is wanted of each example, as a network in evaluation answers it."""
    shared, logits_of = model.shared(), cast(Callable[..., Array], model)

    def one(tile: tuple[Array, Array, Array]) -> list[Array]:
        inputs, given, true = tile
        logits = logits_of(inputs) if shared is None else logits_of(inputs, shared)
        predicted = first_largest(logits, axis=1)
        answers = Answers(logits, predicted, loss_of(loss)(logits, given), given, true)
        return [value(answers) for value in wanted]

    return jax.lax.map(one, (inputs, given, true))


def first_largest(logits: Float[Array, "rows columns"], axis: int) -> Int[Array, "kept"]:
    """`jnp.argmax` in two passes that XLA's CPU compiler vectorises: three times as fast.

    >>> first_largest(jnp.array([[1.0, 3.0, 3.0]]), axis=1).tolist()
    [1]
    """
    index = jax.lax.broadcasted_iota(jnp.int32, logits.shape, axis)
    largest = logits == logits.max(axis=axis, keepdims=True)
    return jnp.where(largest, index, logits.shape[axis]).min(axis=axis)


def matrices(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of a network's arrays that are weight matrices."""
    return {name: array for name, array in arrays.items() if array.ndim > 1}


def measured_layers(model: Network) -> dict[str, Layer]:
    """The layers whose units have vectors over tokens; the embedding first."""
    return {name: layer for name, layer in model.layers.items() if layer.vectors}


@in_own_precision
def measure(model: Network, examples: Examples, experiment: Experiment) -> Measurement:
    """Measure a network; IPR in the spectrum of the task's group, if it has one."""
    group = examples.dataset.group
    arrays = named_arrays(model)
    vectors = vector_matrices(model)
    spectra = np.zeros((0, 0))
    if group is not None and vectors:
        spectra = np.stack([ipr_over(arrays[name], group) for name in vectors])
    return Measurement(
        scores=examples.scores(model, experiment.loss),
        norm=np.array([np.linalg.norm(matrix) for matrix in matrices(arrays).values()], np.float32),
        ipr=spectra.astype(np.float32),
        asked=_asked(model, examples, experiment),
    )


def _asked(model: Network, examples: Examples, experiment: Experiment) -> dict[str, float]:
    """What the experiment's `measures` return: built-in ones by name, and the user's own."""
    asked = experiment.measures or ()
    names = [name for name in asked if not isinstance(name, OwnCode)]
    codes = [code for code in asked if isinstance(code, OwnCode)]
    found = of_network(model, examples, experiment, names)
    return found | {code.function: _own(code, model, examples.dataset) for code in codes}


def layer_ipr(network: Network, layer: str, group: Group) -> Float[np.ndarray, "unit"]:
    """IPR_k of a layer that has vectors (Eq. 4); NaN for a dead unit."""
    arrays = named_arrays(network)
    vectors = network.layers[layer].vectors
    return neuron_ipr(np.stack([ipr_over(arrays[name], group) for name in vectors]))


def embedding_ipr(
    model: Network, measured: Sequence[Measurement]
) -> Float[np.ndarray, "step neuron"]:
    """IPR_k at every measurement, of the layer next to the input; no neurons if none has any."""
    layers = measured_layers(model)
    if not layers or not measured[0].ipr.size:
        return np.zeros((len(measured), 0))
    rows = len(next(iter(layers.values())).vectors)
    return neuron_ipr(np.stack([m.ipr[:rows] for m in measured]))


def _own(code: OwnCode, model: Network, dataset: Dataset) -> float:
    """What a user's measure returns."""
    value = np.asarray(call(code, model, dataset))
    if value.size != 1 or value.dtype.kind not in "biuf":
        raise ConfigError(
            f"`{code.label}` must return a number, got {value.dtype} "
            f"{list(value.shape)}. Mend the function."
        )
    return float(value.item())
