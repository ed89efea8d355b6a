"""Scores of nested networks: of more and more of one layer's neurons, in one order or in many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped

from grokscope.data.dataset import Dataset
from grokscope.measures.scores import answering, first_largest, losses_of_columns
from grokscope.measures.table import Answers, Score, Value
from grokscope.models.network import Network, with_offset
from grokscope.training.compile import compiled, on_accelerator
from grokscope.training.cost import tiled
from grokscope.training.members import How, filled, over_members, stacked

TILE = 128
"""Examples whose logits are kept in a CPU's cache while neurons are removed (measured)."""


Scored = Callable[[Answers, Array], Array]
"""Sums [value, subset] of what is wanted of some answers, over the subsets of their masks."""


class _Tiles(NamedTuple):
    """Examples as tiles."""

    inputs: Shaped[Array, "*of example *feature"]
    given: Int[Array, "*of example"]
    true: Int[Array, "*of example"]
    masks: Float[Array, "*of example subset"]


def nested_means(
    networks: Sequence[Network],
    datasets: Sequence[Dataset],
    bases: Sequence[Int[np.ndarray, "_"]],
    added: Int[np.ndarray, "network order added"],
    loss: str,
    stride: int,
    layer: str,
    rows: Mapping[str, Score],
    how: How | None = None,
) -> dict[str, Float[np.ndarray, "network order pruned"]]:
    """Scores of networks of the neurons of a base and then more and more of those added.

    `stride` neurons are added at a time; the whole network comes first. What all orders share is
    computed once.

    Args:
        networks: of one shape.
        datasets: what each is scored on, of one shape.
        bases: for each network, neurons that are always there.
        added: for each network and order, the other neurons, the first to be added first.
        loss: of each example, as in `Experiment.loss`.
        stride: neurons between two counts.
        layer: whose neurons, a name in `networks[0].layers`.
        rows: what to score, by name.
        how: how the networks are computed; by default as is best on this machine's device.
    """
    wanted = tuple(dict.fromkeys(row.value for row in rows.values()))
    subsets = list(dict.fromkeys(row.subset for row in rows.values()))
    width = networks[0].layers[layer].outgoing_of(networks[0]).shape[1]
    masks = [np.stack([subset(data) for subset in subsets], axis=1) for data in datasets]
    work = [
        (network, np.isin(np.arange(width), base), orders, _tiles(data, mask))
        for network, base, orders, data, mask in zip(
            networks, bases, added, datasets, masks, strict=True
        )
    ]
    static = loss, stride, layer, wanted
    if how is None and not on_accelerator():
        sums = np.stack([np.asarray(_sums(*one, *static, "alone")) for one in work])
    else:
        how = how or "at once"
        sums = np.asarray(_sums(*stacked(filled(work), how), *static, how))[: len(work)]
    counts = np.array([mask.sum(axis=0) for mask in masks])[:, None, None, None]
    with np.errstate(invalid="ignore"):
        means = sums[:, :, ::-1].astype(np.float64) / counts
    return {
        name: means[..., wanted.index(row.value), subsets.index(row.subset)]
        for name, row in rows.items()
    }


def _tiles(dataset: Dataset, masks: Bool[np.ndarray, "example subset"]) -> _Tiles:
    """A dataset in tiles; an accelerator takes all examples at once."""
    size = len(dataset.inputs) if on_accelerator() else TILE
    arrays = dataset.inputs, dataset.given_labels, dataset.true_labels
    inputs, given, true = (jnp.asarray(tiled(array, size)) for array in arrays)
    return _Tiles(
        inputs, given, true, jnp.asarray(tiled(masks.astype(np.float32), size, "constant"))
    )


@compiled("loss", "stride", "layer", "wanted", "how")
def _sums(
    networks: Network,
    in_base: Bool[Array, "*network width"],
    added: Int[Array, "*network order added"],
    tiles: _Tiles,
    loss: str,
    stride: int,
    layer: str,
    wanted: tuple[Value, ...],
    how: How,
) -> Float[Array, "*network order kept value subset"]:
    """Sums over each subset of what is wanted of each example, for the base network with none of
    the neurons `added`, the first `stride` of them, ….
    """

    def score(answers: Answers, masks: Array) -> Array:
        return jnp.stack([value(answers) for value in wanted]) @ masks

    def of_one(network: Network, in_base: Array, added: Array, tiles: _Tiles) -> Array:
        units = network.layers[layer]
        sums = _sums_of_terms if units.adds_to_logits(network) else _sums_without
        return sums(network, in_base, added, tiles, loss, stride, layer, score)

    return over_members(of_one, how)(networks, in_base, added, tiles)


def _sums_of_terms(
    network: Network,
    in_base: Bool[Array, "width"],
    added: Int[Array, "order added"],
    tiles: _Tiles,
    loss: str,
    stride: int,
    layer: str,
    score: Scored,
) -> Float[Array, "order kept value subset"]:
    """Of a layer whose neurons add to the logits: their terms are added, group by group."""
    n_orders, n_added = added.shape
    groups = -(-n_added // stride)

    def grouped(terms: Array, some: Array) -> Array:
        """[neuron, …] as [group, `stride`, …] in the order added; zeros fill the last group."""
        padding = ((0, groups * stride - n_added), (0, 0))
        return jnp.pad(terms[some], padding).reshape(groups, stride, -1)

    W = network.layers[layer].outgoing_of(network)

    def of_tile(tile: _Tiles) -> Array:
        def scored(logits: Array) -> Array:
            predicted = first_largest(logits, axis=0)
            losses = losses_of_columns(logits, tile.given, loss)
            return score(Answers(logits.T, predicted, losses, tile.given, tile.true), tile.masks)

        def add_group(logits: Array, group: tuple[Array, Array]) -> tuple[Array, Array]:
            logits = logits + group[0].T @ group[1]
            return logits, scored(logits)

        def one_order(some: Array) -> Array:
            return jax.lax.scan(add_group, logits, (grouped(W.T, some), grouped(features, some)))[1]

        # Labels before examples: sums and maxima over labels then run over whole vectors.
        features = network.features(tile.inputs).T
        logits = with_offset((W * in_base) @ features, network, tile.inputs)
        first = scored(logits)
        first = jnp.broadcast_to(first, (n_orders, 1, *first.shape))
        return jnp.concatenate([first, jax.lax.map(one_order, added)], axis=1)

    return _sum_over(of_tile, tiles)


def _sums_without(
    network: Network,
    in_base: Bool[Array, "width"],
    added: Int[Array, "order added"],
    tiles: _Tiles,
    loss: str,
    stride: int,
    layer: str,
    score: Scored,
) -> Float[Array, "order kept value subset"]:
    """Of a layer that does not add to the logits: other neurons send nothing on."""
    n_added = added.shape[1]
    counts = jnp.arange(-(-n_added // stride) + 1) * stride

    def of_order(some: Array) -> Array:
        place = jnp.full(len(in_base), n_added).at[some].set(jnp.arange(n_added))

        def of_count(count: Array) -> Array:
            is_kept = in_base | (place < jnp.minimum(count, n_added))
            answers = answering(network.layers[layer].pruned(network, is_kept), loss)
            return _sum_over(lambda tile: score(answers(*tile[:3]), tile.masks), tiles)

        return jax.lax.map(of_count, counts)

    return jax.lax.map(of_order, added)


def _sum_over(function: Callable[[_Tiles], Array], tiles: _Tiles) -> Array:
    """The sum of a function over tiles, one after the other."""
    zero = jax.tree.map(lambda tile: tile[0], tiles)
    total = jnp.zeros_like(jax.eval_shape(function, zero))
    return jax.lax.scan(lambda total, tile: (total + function(tile), None), total, tiles)[0]
