"""Neurons removed one at a time in order of their IPR, and what the network can still do."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Int, Shaped

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError
from grokscope.measures.scores import (
    SCORES,
    array_name,
    by_name,
    evaluate,
    first_largest,
    measured_layers,
)
from grokscope.models.network import Network
from grokscope.training.compile import compiled
from grokscope.training.cost import tiled
from grokscope.training.loop import LOSSES

ORDERS = ("lowest", "highest", "random")
TILE = 128
"""Examples whose logits are kept in cache while neurons are removed (measured)."""


def pruning_order(
    neuron_ipr: Float[np.ndarray, "neuron"], first: str = "lowest", seed: int = 0
) -> Int[np.ndarray, "neuron"]:
    """Neurons in the order in which to remove them: the lowest or highest IPR first, or at random.

    Dead neurons, which have no IPR, count as the lowest. "highest" is "lowest" reversed.

    Raises:
        ConfigError: if `first` is none of "lowest", "highest", "random".

    >>> pruning_order(np.array([0.9, np.nan, 0.1])).tolist()
    [1, 2, 0]
    """
    if first not in ORDERS:
        raise ConfigError(f"`first` must be one of {', '.join(ORDERS)}, got {first!r}. Use lowest.")
    if first == "random":
        return np.random.default_rng(seed).permutation(len(neuron_ipr))
    lowest = np.argsort(np.nan_to_num(neuron_ipr, nan=-1.0), kind="stable")
    return lowest if first == "lowest" else lowest[::-1]


def pruning_curve(
    model: Network,
    dataset: Dataset,
    order: Int[np.ndarray, "neuron"],
    loss: str = "mse",
    stride: int = 1,
    layer: str | None = None,
) -> xr.Dataset:
    """All seven `SCORES` as the neurons of an order are removed, the first, the first two, ….

    Terms of neurons are added to the logits, from the empty network up: no network is
    evaluated twice, and rounding stays small beside the logits, which subtracting from the full
    network down to nothing does not achieve. Ties go to the smallest label. A neuron's term is all
    that it adds behind a norm layer, its γ and β included; what LayerNorm averages over stays the
    whole network. In a layer that does not add to the logits, a neuron is removed by zeroing what
    it sends on, and the network is evaluated at every count.

    Args:
        model: the network.
        dataset: what it is scored on.
        order: every neuron once, the first to be removed first.
        loss: mse or cross_entropy.
        stride: neurons between two counts. The empty network always counts, and the whole.
        layer: whose neurons; by default of the last.

    Raises:
        ConfigError: if the order is not a permutation of the neurons, the loss or the layer is
            unknown, the dataset has another number of labels, or the `features` of an own network
            are not those of its logits.

    Returns:
        Variables over the dimension `pruned`, the number of neurons removed.
    """
    layer = layer_named(model, layer)
    _require_features(model, dataset, layer)
    width = outgoing(model, layer).shape[1]
    n_labels = jax.eval_shape(model, jnp.asarray(dataset.inputs[:1])).shape[1]
    if loss not in LOSSES or dataset.n_labels != n_labels:
        raise ConfigError(
            f"`loss` must be one of {', '.join(LOSSES)}, and `dataset` have {n_labels} labels like "
            f"the network, got {loss!r} and {dataset.n_labels}. Use the run's own experiment."
        )
    order = np.asarray(order)
    if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(width)):
        raise ConfigError(
            f"`order` must name each of the {width} neurons once, got {order.size} entries. "
            "Use `pruning_order`."
        )
    stride = min(stride, width)
    given, true, losses = _means(model, order[:0], order[::-1], dataset, loss, stride, layer)
    counts = np.minimum(np.arange(len(given)) * stride, width)
    train, test, corrupted, uncorrupted = range(4)
    scores = {
        "train_loss": losses[:, train],
        "test_loss": losses[:, test],
        "train_accuracy": given[:, train],
        "test_accuracy": given[:, test],
        "corrupted_accuracy": given[:, corrupted],
        "corrected_accuracy": true[:, corrupted],
        "uncorrupted_accuracy": given[:, uncorrupted],
    }
    return xr.Dataset(
        {name: ("pruned", scores[name], {"description": SCORES[name]}) for name in SCORES},
        {"pruned": ("pruned", width - counts[::-1], {"description": "neurons removed"})},
    )


def layer_named(model: Network, layer: str | None) -> str:
    """The layer of a name, or the last one that has an IPR, or else the last.

    Raises:
        ConfigError: if the network has no such layer.
    """
    if layer in model.layers:
        return layer
    if layer is not None or not model.layers:
        known = ", ".join(model.layers) or "none: give the network `layers`"
        raise ConfigError(f"`layer` must be one of the network's ({known}), got {layer!r}.")
    return list(measured_layers(model) or model.layers)[-1]


def adds_to_logits(model: Network, layer: str) -> bool:
    """Whether the layer's units add their terms to the logits: `features` times W, transposed."""
    return hasattr(model, "features") and model.layers[layer].outgoing == "W"


def _require_features(model: Network, dataset: Dataset, layer: str) -> None:
    """Refuse a network of the user's own whose `features` are not those of its logits."""
    is_own = type(model).__module__.partition(".")[0] != __package__
    if not is_own or not adds_to_logits(model, layer):
        return
    inputs, W = jnp.asarray(dataset.inputs[:TILE]), outgoing(model, layer)
    logits, features = model(inputs), model.features(inputs)  # type: ignore[attr-defined]
    fit = (len(features), len(W)) == logits.shape and features.shape[1:] == W.shape[1:]
    if not fit or jnp.abs(features @ W.T - logits).max() > 1e-3 * jnp.abs(logits).max():
        raise ConfigError(
            "`features` must give the logits when multiplied by W, transposed, got others. Mend "
            "it, or leave it out: pruning then evaluates the network at every count."
        )


def outgoing(model: Network, layer: str) -> Array:
    """The matrix whose column k carries the layer's unit k onwards."""
    return by_name(model)[model.layers[layer].outgoing]


def neurons_required(curve: xr.Dataset, generalizes: float = 0.9) -> int | None:
    """The fewest neurons on a pruning curve that still generalise; None if none do (App. Q)."""
    enough = curve.pruned.values[curve.test_accuracy.values >= generalizes]
    return int(curve.pruned[-1] - enough.max()) if enough.size else None


def fewest_neurons(
    model: Network,
    dataset: Dataset,
    order: Int[np.ndarray, "neuron"],
    curve: xr.Dataset,
    generalizes: float = 0.9,
    loss: str = "mse",
    layer: str | None = None,
) -> int | None:
    """`neurons_required` to the neuron from a curve of any stride.

    Neurons are removed one at a time only between the last count of the curve at which the network
    generalises and the next. A whole curve finds the same number, unless its test accuracy falls
    below `generalizes` and rises again between two later counts.

    Args:
        model: the network.
        dataset: what it is scored on.
        order: every neuron once, the first to be removed first.
        curve: its `pruning_curve` in that order, of any stride.
        generalizes: the test accuracy that is enough.
        loss: mse or cross_entropy.
        layer: whose neurons, as for the curve.

    >>> from grokscope.data.dataset import make_dataset
    >>> from grokscope.experiment.experiment import Experiment
    >>> from grokscope.models.analytic import analytic_network
    >>> data, model = make_dataset(Experiment()), analytic_network(97, 970)
    >>> order = np.arange(970)
    >>> coarse = pruning_curve(model, data, order, stride=97)
    >>> fewest = fewest_neurons(model, data, order, coarse)
    >>> fewest == neurons_required(pruning_curve(model, data, order)) < neurons_required(coarse)
    True
    """
    at_most = neurons_required(curve, generalizes)
    if not at_most:
        return at_most
    counts = int(curve.pruned[-1]) - curve.pruned.values
    fewer = int(counts[counts < at_most].max())
    kept = order[::-1]
    layer = layer_named(model, layer)
    given, _, _ = _means(model, kept[:fewer], kept[fewer:at_most], dataset, loss, 1, layer)
    enough = given[::-1, 1] >= generalizes  # from `fewer` neurons up
    return fewer + int(np.argmax(enough))


def _means(
    model: Network,
    base: Int[np.ndarray, "base"],
    added: Int[np.ndarray, "added"],
    dataset: Dataset,
    loss: str,
    stride: int,
    layer: str,
) -> Float[np.ndarray, "score pruned subset"]:
    """Means over each subset of [hit on the given label, hit on the true one, loss].

    Of networks of the neurons `base` and then more and more of `added`, `stride` at a time; the
    whole first. The subsets: training, test, corrupted and uncorrupted training examples.
    """
    subsets = [
        dataset.is_train,
        ~dataset.is_train,
        dataset.is_corrupted,
        dataset.is_train & ~dataset.is_corrupted,
    ]
    masks = np.stack(subsets, axis=1).astype(np.float32)
    arrays = dataset.inputs, dataset.given_labels, dataset.true_labels, masks
    tiles = [tiled(array, TILE) for array in arrays]
    in_base = np.isin(np.arange(outgoing(model, layer).shape[1]), base)
    count = _sums if adds_to_logits(model, layer) else partial(_sums_without, layer=layer)
    sums: Any = count(model, in_base, added, *tiles, loss, stride)  # type: ignore[call-arg]
    with np.errstate(invalid="ignore"):
        return np.moveaxis(np.asarray(sums, np.float64)[::-1] / masks.sum(axis=0), 1, 0)


@compiled("loss", "stride")
def _sums(
    model: Network,
    in_base: Bool[Array, "width"],
    added: Int[Array, "added"],
    inputs: Shaped[Array, "tile example *feature"],
    given: Int[Array, "tile example"],
    true: Int[Array, "tile example"],
    masks: Float[Array, "tile example subset"],
    loss: str,
    stride: int,
) -> Float[Array, "kept score subset"]:
    """Sums over each subset of [hit on the given label, hit on the true one, loss], for the
    base network with none of the neurons `added`, the first `stride` of them, ….
    """
    groups = -(-len(added) // stride)

    def grouped(terms: Array) -> Array:
        """[neuron, …] as [group, `stride`, …] in the order added; zeros fill the last group."""
        padding = ((0, groups * stride - len(added)), (0, 0))
        return jnp.pad(terms[added], padding).reshape(groups, stride, -1)

    base, weights = model.W * in_base, grouped(model.W.T)  # type: ignore[attr-defined]

    def one_tile(total: Array, tile: tuple[Array, ...]) -> tuple[Array, None]:
        inputs, given, true, masks = tile

        def score(logits: Array) -> Array:
            predicted = first_largest(logits, axis=0)
            losses = _losses(logits, given, loss)
            return jnp.stack([predicted == given, predicted == true, losses]) @ masks

        def add_group(logits: Array, group: tuple[Array, Array]) -> tuple[Array, Array]:
            logits = logits + group[0].T @ group[1]
            return logits, score(logits)

        # Labels before examples: sums and maxima over labels then run over whole vectors.
        features = model.features(inputs).T  # type: ignore[attr-defined]
        logits = base @ features
        _, scores = jax.lax.scan(add_group, logits, (weights, grouped(features)))
        return total + jnp.concatenate([score(logits)[None], scores]), None

    zero = jnp.zeros((groups + 1, 3, masks.shape[-1]))
    return jax.lax.scan(one_tile, zero, (inputs, given, true, masks))[0]


def with_units(
    model: Network, kept: Bool[np.ndarray, "width"], layer: str | None = None
) -> Network:
    """The network with some units of a layer only: the others send nothing on."""
    name = model.layers[layer_named(model, layer)].outgoing
    return jax.tree_util.tree_map_with_path(
        lambda path, array: array * kept if array_name(path) == name else array, model
    )


def _sums_without(
    model: Network,
    in_base: Bool[np.ndarray, "width"],
    added: Int[np.ndarray, "added"],
    inputs: Shaped[np.ndarray, "tile example *feature"],
    given: Int[np.ndarray, "tile example"],
    true: Int[np.ndarray, "tile example"],
    masks: Float[np.ndarray, "tile example subset"],
    loss: str,
    stride: int,
    layer: str,
) -> Float[np.ndarray, "kept score subset"]:
    """The same of a layer that does not add to the logits: other neurons send nothing on."""
    sums = []
    for count in range(0, len(added) + stride, stride):
        kept = in_base.copy()
        kept[added[:count]] = True
        pruned = with_units(model, kept, layer)
        predicted, losses = map(np.asarray, evaluate(pruned, inputs, given, loss))
        scores = np.stack([predicted == given, predicted == true, losses])
        sums.append(np.einsum("ste,tex->sx", scores, masks, dtype=np.float64))
    return np.stack(sums)


def _losses(
    logits: Float[Array, "label example"], labels: Int[Array, "example"], loss: str
) -> Float[Array, "example"]:
    """Each example's loss: `training.LOSSES` with labels before examples."""
    is_label = jnp.arange(len(logits), dtype=jnp.int32)[:, None] == labels
    if loss == "mse":
        return jnp.square(logits - is_label).mean(axis=0)
    return jax.nn.logsumexp(logits, axis=0) - (logits * is_label).sum(axis=0)
