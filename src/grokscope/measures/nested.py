"""Scores of nested networks: of more and more of one layer's neurons, in one order or in many."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from grokscope.data.dataset import Dataset
from grokscope.measures.scores import evaluate, first_largest, losses_of_columns
from grokscope.measures.table import Answers, Score, Value
from grokscope.models.network import Network, with_offset
from grokscope.training.compile import compiled
from grokscope.training.cost import tiled

TILE = 128
"""Examples whose logits are kept in cache while neurons are removed (measured)."""


def nested_means(
    model: Network,
    base: Int[np.ndarray, "base"],
    added: Int[np.ndarray, "order added"],
    dataset: Dataset,
    loss: str,
    stride: int,
    layer: str,
    rows: Mapping[str, Score],
) -> dict[str, Float[np.ndarray, "order pruned"]]:
    """Scores of networks of the neurons `base` and then more and more of those added.

    `stride` neurons are added at a time; the whole network comes first. What all orders share is
    computed once.

    Args:
        model: the network.
        base: neurons that every network has.
        added: for each order, the other neurons, the first to be added first.
        dataset: what the networks are scored on.
        loss: of each example, as in `Experiment.loss`.
        stride: neurons between two counts.
        layer: whose neurons, a name in `model.layers`.
        rows: what to score, by name.
    """
    wanted = tuple(dict.fromkeys(row.value for row in rows.values()))
    subsets = list(dict.fromkeys(row.subset for row in rows.values()))
    masks = np.stack([subset(dataset) for subset in subsets], axis=1).astype(np.float32)
    inputs, given = tiled(dataset.inputs, TILE), tiled(dataset.given_labels, TILE)
    true, of_tiles = tiled(dataset.true_labels, TILE), tiled(masks, TILE)
    units = model.layers[layer]
    in_base = np.isin(np.arange(units.outgoing_of(model).shape[1]), base)
    sums_of = _sums if units.adds_to_logits(model) else _sums_without
    sums = sums_of(
        model, in_base, added, inputs, given, true, of_tiles, loss, stride, layer, wanted
    )
    with np.errstate(invalid="ignore"):
        means = np.asarray(sums, np.float64)[:, ::-1] / masks.sum(axis=0)
    return {
        name: means[:, :, wanted.index(row.value), subsets.index(row.subset)]
        for name, row in rows.items()
    }


@compiled("loss", "stride", "layer", "wanted")
def _sums(
    model: Network,
    in_base: Bool[Array, "width"],
    added: Int[Array, "order added"],
    inputs: Shaped[Array, "tile example *feature"],
    given: Int[Array, "tile example"],
    true: Int[Array, "tile example"],
    masks: Float[Array, "tile example subset"],
    loss: str,
    stride: int,
    layer: str,
    wanted: tuple[Value, ...],
) -> Float[Array, "order kept value subset"]:
    """Sums over each subset of what is wanted of each example, for the base network with none of
    the neurons `added`, the first `stride` of them, ….
    """
    n_orders, n_added = added.shape
    groups = -(-n_added // stride)

    def grouped(terms: Array, some: Array) -> Array:
        """[neuron, …] as [group, `stride`, …] in the order added; zeros fill the last group."""
        padding = ((0, groups * stride - n_added), (0, 0))
        return jnp.pad(terms[some], padding).reshape(groups, stride, -1)

    W = model.layers[layer].outgoing_of(model)

    def one_tile(total: Array, tile: tuple[Array, ...]) -> tuple[Array, None]:
        inputs, given, true, masks = tile

        def score(logits: Array) -> Array:
            predicted = first_largest(logits, axis=0)
            answers = Answers(
                logits.T, predicted, losses_of_columns(logits, given, loss), given, true
            )
            return jnp.stack([value(answers) for value in wanted]) @ masks

        def add_group(logits: Array, group: tuple[Array, Array]) -> tuple[Array, Array]:
            logits = logits + group[0].T @ group[1]
            return logits, score(logits)

        def one_order(some: Array) -> Array:
            return jax.lax.scan(add_group, logits, (grouped(W.T, some), grouped(features, some)))[1]

        # Labels before examples: sums and maxima over labels then run over whole vectors.
        features = model.features(inputs).T
        logits = with_offset((W * in_base) @ features, model, inputs)
        first = jnp.broadcast_to(score(logits), (n_orders, 1, *total.shape[2:]))
        scores = jnp.concatenate([first, jax.lax.map(one_order, added)], axis=1)
        return total + scores, None

    zero = jnp.zeros((n_orders, groups + 1, len(wanted), masks.shape[-1]))
    return jax.lax.scan(one_tile, zero, (inputs, given, true, masks))[0]


def _sums_without(
    model: Network,
    in_base: Bool[np.ndarray, "width"],
    added: Int[np.ndarray, "order added"],
    inputs: Shaped[np.ndarray, "tile example *feature"],
    given: Int[np.ndarray, "tile example"],
    true: Int[np.ndarray, "tile example"],
    masks: Float[np.ndarray, "tile example subset"],
    loss: str,
    stride: int,
    layer: str,
    wanted: tuple[Value, ...],
) -> Float[np.ndarray, "order kept value subset"]:
    """The same of a layer that does not add to the logits: other neurons send nothing on."""

    def sums(some: Int[np.ndarray, "kept"]) -> Float[np.ndarray, "value subset"]:
        kept = in_base.copy()
        kept[some] = True
        pruned = model.layers[layer].pruned(model, kept)
        found = np.stack(evaluate(pruned, inputs, given, true, loss, wanted))
        return np.einsum("ste,tex->sx", found, masks, dtype=np.float64)

    counts = range(0, added.shape[1] + stride, stride)
    return np.stack([np.stack([sums(order[:count]) for count in counts]) for order in added])
