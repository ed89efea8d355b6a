"""What a network is like at one step: its scores, norms and IPR."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from grokscope.data.dataset import Dataset
from grokscope.data.groups import Group
from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import OwnCode, call
from grokscope.measures.spectrum import DEAD_NORM, Waves, ipr_over, neuron_ipr
from grokscope.measures.table import Answers, Subset, Value, of_network, scores
from grokscope.models.network import Layer, Network, arrays_of, named_arrays, vector_matrices
from grokscope.models.precision import in_own_precision
from grokscope.training.compile import compiled
from grokscope.training.cost import tile_size, tiled
from grokscope.training.losses import loss_of
from grokscope.training.members import How, member, over_members

A = TypeVar("A", bound=Any)  # of NumPy, of JAX, or a shape


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


class Tiles(NamedTuple):
    """Examples as tiles on the device, of one dataset or stacked."""

    inputs: Shaped[Array, "*member tile example *feature"]
    given: Int[Array, "*member tile example"]
    true: Int[Array, "*member tile example"]
    subsets: Bool[Array, "*member tile example subset"]  # of all scores, each once; no padding


class Examples:
    """A dataset as tiles on the device; made once for a run."""

    def __init__(self, dataset: Dataset, width: int) -> None:
        self.dataset = dataset
        subsets = np.stack([subset(dataset) for subset in score_subsets()], axis=1)
        arrays = dataset.inputs, dataset.given_labels, dataset.true_labels, subsets
        size = tile_size(len(dataset.inputs), width)
        self.tiles = Tiles(*(jnp.asarray(tiled(array, size)) for array in arrays))
        self.waves = None if dataset.group is None else Waves.of(dataset.group)
        self.counts = subsets.sum(axis=0)

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
        found = evaluate(model, *self.tiles[:3], loss, wanted)
        n = len(self.dataset.inputs)
        return [np.asarray(tiles).reshape(-1, *tiles.shape[2:])[:n] for tiles in found]


def score_subsets() -> tuple[Subset, ...]:
    """The subsets of the examples that scores are means over, each once."""
    return tuple(dict.fromkeys(row.subset for row in scores().values()))


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
    answers = _answering(model, loss)
    return jax.lax.map(
        lambda tile: [value(answers(*tile)) for value in wanted], (inputs, given, true)
    )


def _answering(model: Network, loss: str) -> Callable[[Array, Array, Array], Answers]:
    """What answers inputs, given their labels and the true ones; what they share is computed."""
    shared, logits_of = model.shared(), cast(Callable[..., Array], model)

    def answers(inputs: Array, given: Array, true: Array) -> Answers:
        logits = logits_of(inputs) if shared is None else logits_of(inputs, shared)
        columns = logits.T  # sums and maxima over labels then run over whole vectors
        losses = losses_of_columns(columns, given, loss)
        return Answers(logits, first_largest(columns, axis=0), losses, given, true)

    return answers


def first_largest(logits: Float[Array, "rows columns"], axis: int) -> Int[Array, "kept"]:
    """`jnp.argmax` in two passes that XLA's CPU compiler vectorises: three times as fast.

    >>> first_largest(jnp.array([[1.0, 3.0, 3.0]]), axis=1).tolist()
    [1]
    """
    index = jax.lax.broadcasted_iota(jnp.int32, logits.shape, axis)
    largest = logits == logits.max(axis=axis, keepdims=True)
    return jnp.where(largest, index, logits.shape[axis]).min(axis=axis)


def losses_of_columns(
    logits: Float[Array, "label example"], labels: Int[Array, "example"], loss: str
) -> Float[Array, "example"]:
    """Each example's loss, with labels before examples: those that the paper uses at once."""
    is_label = jnp.arange(len(logits), dtype=jnp.int32)[:, None] == labels
    if loss == "mse":
        return jnp.square(logits - is_label).mean(axis=0)
    if loss == "cross_entropy":
        return jax.nn.logsumexp(logits, axis=0) - (logits * is_label).sum(axis=0)
    return loss_of(loss)(logits.T, labels)


def matrices(arrays: Mapping[str, A]) -> dict[str, A]:
    """Those of a network's arrays that are weight matrices."""
    return {name: array for name, array in arrays.items() if array.ndim > 1}


def measured_layers(model: Network) -> dict[str, Layer]:
    """The layers whose units have vectors over tokens; the embedding first."""
    return {name: layer for name, layer in model.layers.items() if layer.vectors}


def measure(model: Network, examples: Examples, experiment: Experiment) -> Measurement:
    """Measure a network; IPR in the spectrum of the task's group, if it has one."""
    return measure_together(model, examples.tiles, {0: (examples, experiment)}, "alone")[0]


def measure_together(
    models: Network,
    tiles: Tiles,
    wanted: Mapping[int, tuple[Examples, Experiment]],
    how: How,
) -> dict[int, Measurement]:
    """Measure networks of an ensemble in one compiled call.

    Args:
        models: all its networks, stacked unless one is alone.
        tiles: of their examples, stacked in the same way.
        wanted: the examples and the experiment of those to measure, by their places; all of one
            `ensemble_key`.
        how: how they are computed.
    """
    examples, experiment = next(iter(wanted.values()))
    found = _numbers(models, tiles, examples.waves, experiment.loss, how)
    sums, norms, iprs = (
        np.asarray(array)[None] if how == "alone" else np.asarray(array) for array in found
    )
    return {
        place: Measurement(
            scores=_means(sums[place], examples.counts),
            norm=norms[place].astype(np.float32),
            ipr=iprs[place].astype(np.float32),
            asked=_asked(models, place, how, examples, experiment),
        )
        for place, (examples, experiment) in wanted.items()
    }


@compiled("loss", "how")
def _numbers(
    models: Network, tiles: Tiles, waves: Waves | None, loss: str, how: How
) -> tuple[Array, Array, Array]:
    """Of each network: sums [tile, value, subset] of what scores are means of, the Frobenius norm
    of each matrix, and the IPR of each vector.
    """

    def of_one(model: Network, tiles: Tiles) -> tuple[Array, Array, Array]:
        answers = _answering(model, loss)

        def sums(tile: Tiles) -> Array:
            of_tile = answers(tile.inputs, tile.given, tile.true)
            values = [value(of_tile)[:, None] for value in score_values()]
            return jnp.stack([jnp.where(tile.subsets, some, 0.0).sum(axis=0) for some in values])

        arrays = arrays_of(model)
        iprs = [_ipr(arrays[name], waves) for name in vector_matrices(model) if waves is not None]
        norms = [jnp.sqrt(jnp.square(array).sum()) for array in matrices(arrays).values()]
        return jax.lax.map(sums, tiles), _stack(norms, 1), _stack(iprs, 2)

    return over_members(of_one, how)(models, tiles)


def _stack(arrays: list[Array], ndim: int) -> Array:
    """The arrays as one; an empty one of none."""
    return jnp.stack(arrays) if arrays else jnp.zeros((0,) * ndim)


def _ipr(vectors: Float[Array, "token unit"], waves: Waves) -> Float[Array, "unit"]:
    """`ipr_over` on a device, in the precision of the vectors; NaN for a dead one."""
    of_group = vectors[waves.elements]
    norm = jnp.linalg.norm(of_group, axis=0)
    is_alive = norm > DEAD_NORM
    values, shares = (jnp.asarray(array, vectors.dtype) for array in waves[1:])
    power = shares @ (values.T @ (of_group / jnp.where(is_alive, norm, 1.0))) ** 2
    return jnp.where(is_alive, (power**2).sum(axis=0) / power.sum(axis=0) ** 2, jnp.nan)


def _means(
    sums: Float[np.ndarray, "tile value subset"], counts: Int[np.ndarray, "subset"]
) -> dict[str, float]:
    """All of `table.scores`; NaN for a mean over no examples."""
    with np.errstate(invalid="ignore"):
        means = sums.sum(axis=0, dtype=np.float64) / counts
    values, subsets = score_values(), score_subsets()
    return {
        name: float(means[values.index(row.value), subsets.index(row.subset)])
        for name, row in scores().items()
    }


@in_own_precision
def _asked(
    models: Network, place: int, how: How, examples: Examples, experiment: Experiment
) -> dict[str, float]:
    """What the experiment's `measures` return: built-in ones by name, and the user's own."""
    asked = experiment.measures
    if not asked:
        return {}
    model = member(models, place, how)
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
