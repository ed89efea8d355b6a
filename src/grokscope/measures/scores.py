"""How a network answers examples, and how localised its units are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, NamedTuple, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from grokscope.data.dataset import Dataset
from grokscope.data.groups import Group
from grokscope.measures.spectrum import DEAD_NORM, Waves, ipr_over, neuron_ipr
from grokscope.measures.table import Answers, Subset, Value, scores
from grokscope.models.network import Layer, Network, named_arrays
from grokscope.training.compile import compiled
from grokscope.training.losses import loss_of

AnyArray = Array | np.ndarray

A = TypeVar("A", bound=Any)  # of NumPy, of JAX, or a shape


class Tiles(NamedTuple):
    """Examples as tiles on the device, of one dataset or stacked."""

    inputs: Shaped[Array, "*member tile example *feature"]
    given: Int[Array, "*member tile example"]
    true: Int[Array, "*member tile example"]
    subsets: Bool[Array, "*member tile example subset"]  # of all scores, each once; no padding


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
    answers = answering(model, loss)
    return jax.lax.map(
        lambda tile: [value(answers(*tile)) for value in wanted], (inputs, given, true)
    )


def answering(model: Network, loss: str) -> Callable[[Array, Array, Array], Answers]:
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


def namespace(array: Shaped[AnyArray, "*of"]) -> ModuleType:
    """NumPy or jax.numpy, whichever an array is of.

    Measures of a whole network are compiled into one program for an accelerator; on a CPU only what
    evaluates the network is, and the rest is NumPy's, which need not be compiled for each shape.
    """
    return jnp if isinstance(array, jax.Array) else np


def vectors_ipr(vectors: Float[AnyArray, "token unit"], waves: Waves) -> Float[AnyArray, "unit"]:
    """`ipr_over` as products of matrices, in the precision of the vectors; NaN for a dead one."""
    xp = namespace(vectors)
    of_group = vectors[waves.elements]
    norm = xp.linalg.norm(of_group, axis=0)
    is_alive = norm > DEAD_NORM
    values, shares = (xp.asarray(array, vectors.dtype) for array in waves[1:])
    power = shares @ (values.T @ (of_group / xp.where(is_alive, norm, 1.0))) ** 2
    return xp.where(is_alive, (power**2).sum(axis=0) / power.sum(axis=0) ** 2, xp.nan)


def ipr_of(layer: Layer, arrays: Mapping[str, Any], waves: Waves) -> Float[AnyArray, "unit"]:
    """`layer_ipr` of arrays of NumPy or of JAX."""
    iprs = [vectors_ipr(arrays[name], waves) for name in layer.vectors]
    return sum(iprs[1:], start=iprs[0]) / len(iprs)


def layer_ipr(network: Network, layer: str, group: Group) -> Float[np.ndarray, "unit"]:
    """IPR_k of a layer that has vectors (Eq. 4); NaN for a dead unit."""
    arrays = named_arrays(network)
    vectors = network.layers[layer].vectors
    return neuron_ipr(np.stack([ipr_over(arrays[name], group) for name in vectors]))
