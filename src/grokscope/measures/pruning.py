"""Neurons removed one at a time in some order, and what the network can still do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError, require_kind
from grokscope.measures.scores import evaluate, first_largest, measured_layers
from grokscope.measures.table import Answers, Score, Value, scores
from grokscope.models.network import Layer, Network, arrays_of
from grokscope.training.compile import compiled
from grokscope.training.cost import tiled
from grokscope.training.loop import LOSSES

TILE = 128
"""Examples whose logits are kept in cache while neurons are removed (measured)."""


@dataclass(frozen=True)
class Units:
    """The units of one layer of a trained network, as an order of pruning sees them.

    Attributes:
        network: the trained network.
        layer: whose units.
        ipr: IPR_k of each unit, NaN for a dead one; None if the layer's units have no IPR.
        seed: of orders that draw.
    """

    network: Network
    layer: Layer
    ipr: Float[np.ndarray, "unit"] | None
    seed: int = 0


def _ipr(units: Units) -> Float[np.ndarray, "unit"]:
    """IPR_k."""
    if units.ipr is None:
        raise ConfigError(
            "`by` must not be ipr in a layer whose neurons have no IPR. Use norm or random."
        )
    return units.ipr


def _norm(units: Units) -> Float[np.ndarray, "unit"]:
    """‖W_k‖, the norm of the weights that carry the unit onwards."""
    return units.layer.outgoing_norm_of(units.network)


def _random(units: Units) -> Int[np.ndarray, "unit"]:
    """Places in a random order."""
    n_units = units.layer.outgoing_of(units.network).shape[1]
    return np.argsort(np.random.default_rng(units.seed).permutation(n_units))


ORDERS: dict[str, Callable[[Units], Num[np.ndarray, "unit"]]] = {
    "ipr": _ipr,
    "norm": _norm,
    "random": _random,
}
"""Numbers by which units are removed, by name."""

ENDS = ("lowest", "highest")
"""Which units may be removed first."""


def pruning_order(
    by: Num[np.ndarray, "neuron"], first: str = "lowest"
) -> Int[np.ndarray, "neuron"]:
    """Neurons in the order in which to remove them.

    Args:
        by: a number for each neuron, such as its IPR; NaN, as of a dead neuron, is the lowest.
        first: whether the neuron of the lowest or the highest number is removed first; "highest"
            is "lowest" reversed.

    Raises:
        ConfigError: if `first` is neither.

    >>> pruning_order(np.array([0.9, np.nan, 0.1])).tolist()
    [1, 2, 0]
    """
    if first not in ENDS:
        raise ConfigError(f"`first` must be {' or '.join(ENDS)}, got {first!r}. Use lowest.")
    numbers = np.asarray(by, float)
    lowest = np.argsort(np.where(np.isnan(numbers), -np.inf, numbers), kind="stable")
    return lowest if first == "lowest" else lowest[::-1]


def pruning_curve(
    model: Network,
    dataset: Dataset,
    order: Int[np.ndarray, "neuron"],
    loss: str,
    stride: int = 1,
    layer: str | None = None,
) -> xr.Dataset:
    """All `scores` as the neurons of an order are removed, the first, the first two, ….

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
        loss: mse or cross_entropy, as the network was trained.
        stride: neurons between two counts. The empty network always counts, and the whole.
        layer: whose neurons; by default of the last.

    Raises:
        ConfigError: if the order is not a permutation of the neurons, the loss or the layer is
            unknown, the dataset has another number of labels, or the network's `features` are not
            those of its logits.

    Returns:
        Variables over the dimension `pruned`, the number of neurons removed.
    """
    require_kind("model", model, Network, "Use run.network, or prune(run), which knows its loss.")
    require_kind("dataset", dataset, Dataset, "Use run.data, or make_dataset(experiment).")
    layer = layer_named(model, layer)
    _require_features(model, dataset, layer)
    width = model.layers[layer].outgoing_of(model).shape[1]
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
    stride, rows = min(stride, width), scores()
    found = _means(model, order[:0], order[::-1], dataset, loss, stride, layer, rows)
    kept = np.minimum(np.arange(-(-width // stride) + 1) * stride, width)
    return xr.Dataset(
        {name: ("pruned", found[name], {"description": rows[name].description}) for name in rows},
        {"pruned": ("pruned", width - kept[::-1], {"description": "neurons removed"})},
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


def _require_features(model: Network, dataset: Dataset, layer: str) -> None:
    """Refuse a network whose `features` are not those of its logits."""
    units = model.layers[layer]
    if not units.adds_to_logits(model):
        return
    inputs, width = jnp.asarray(dataset.inputs[:TILE]), units.outgoing_of(model).shape[1]
    shapes = jax.eval_shape(lambda model: (model(inputs), model.features(inputs)), model)
    fit = shapes[1].shape == (len(inputs), width)
    if not fit or _features_differ(model, inputs, units.outgoing):
        raise ConfigError(
            "`features` must give the logits when multiplied by W, transposed, got others. Mend "
            "it, or leave it out: pruning then evaluates the network at every count."
        )


@partial(jax.jit, static_argnames="readout")
def _features_differ(
    model: Network, inputs: Shaped[Array, "example *feature"], readout: str
) -> Bool[Array, ""]:
    """Whether the logits are not `features` times the matrix that reads them out."""
    logits = model(inputs)
    others = model.features(inputs) @ arrays_of(model)[readout].T
    return jnp.abs(others - logits).max() > 1e-3 * jnp.abs(logits).max()


def neurons_required(curve: xr.Dataset, generalizes: float = 0.9) -> int | None:
    """The fewest neurons on a pruning curve that still generalise; None if none do (App. Q)."""
    enough = curve.pruned.values[curve.test_accuracy.values >= generalizes]
    return int(curve.pruned[-1] - enough.max()) if enough.size else None


def best_pruned(curve: xr.Dataset) -> tuple[int, float]:
    """The highest test accuracy on a pruning curve, and the fewest neurons removed for it.

    Returns:
        Neurons removed, and the test accuracy then.
    """
    best = curve.isel(pruned=int(curve.test_accuracy.values.argmax()))
    return int(best.pruned), float(best.test_accuracy)


def fewest_neurons(
    model: Network,
    dataset: Dataset,
    order: Int[np.ndarray, "neuron"],
    curve: xr.Dataset,
    generalizes: float = 0.9,
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
        layer: whose neurons, as for the curve.

    >>> from grokscope.data.dataset import make_dataset
    >>> from grokscope.experiment.experiment import Experiment
    >>> from grokscope.models.analytic import analytic_network
    >>> data, model = make_dataset(Experiment()), analytic_network(97, 970)
    >>> order = np.arange(970)
    >>> coarse = pruning_curve(model, data, order, "mse", stride=97)
    >>> fewest = fewest_neurons(model, data, order, coarse)
    >>> fewest == neurons_required(pruning_curve(model, data, order, "mse"))
    True
    >>> fewest < neurons_required(coarse)
    True
    """
    at_most = neurons_required(curve, generalizes)
    if not at_most:
        return at_most
    counts = int(curve.pruned[-1]) - curve.pruned.values
    fewer = int(counts[counts < at_most].max())
    kept = order[::-1]
    layer = layer_named(model, layer)
    rows = {"accuracy": scores()["test_accuracy"]}  # of any loss the same
    found = _means(model, kept[:fewer], kept[fewer:at_most], dataset, "mse", 1, layer, rows)
    enough = found["accuracy"][::-1] >= generalizes  # from `fewer` neurons up
    return fewer + int(np.argmax(enough))


def _means(
    model: Network,
    base: Int[np.ndarray, "base"],
    added: Int[np.ndarray, "added"],
    dataset: Dataset,
    loss: str,
    stride: int,
    layer: str,
    rows: Mapping[str, Score],
) -> dict[str, Float[np.ndarray, "pruned"]]:
    """Scores of networks of the neurons `base` and then more and more of `added`.

    `stride` neurons are added at a time; the whole network comes first.
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
        means = np.asarray(sums, np.float64)[::-1] / masks.sum(axis=0)
    return {
        name: means[:, wanted.index(row.value), subsets.index(row.subset)]
        for name, row in rows.items()
    }


@compiled("loss", "stride", "layer", "wanted")
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
    layer: str,
    wanted: tuple[Value, ...],
) -> Float[Array, "kept value subset"]:
    """Sums over each subset of what is wanted of each example, for the base network with none of
    the neurons `added`, the first `stride` of them, ….
    """
    groups = -(-len(added) // stride)

    def grouped(terms: Array) -> Array:
        """[neuron, …] as [group, `stride`, …] in the order added; zeros fill the last group."""
        padding = ((0, groups * stride - len(added)), (0, 0))
        return jnp.pad(terms[added], padding).reshape(groups, stride, -1)

    W = model.layers[layer].outgoing_of(model)
    base, weights = W * in_base, grouped(W.T)

    def one_tile(total: Array, tile: tuple[Array, ...]) -> tuple[Array, None]:
        inputs, given, true, masks = tile

        def score(logits: Array) -> Array:
            predicted = first_largest(logits, axis=0)
            answers = Answers(logits.T, predicted, _losses(logits, given, loss), given, true)
            return jnp.stack([value(answers) for value in wanted]) @ masks

        def add_group(logits: Array, group: tuple[Array, Array]) -> tuple[Array, Array]:
            logits = logits + group[0].T @ group[1]
            return logits, score(logits)

        # Labels before examples: sums and maxima over labels then run over whole vectors.
        features = model.features(inputs).T
        logits = base @ features
        _, scores = jax.lax.scan(add_group, logits, (weights, grouped(features)))
        return total + jnp.concatenate([score(logits)[None], scores]), None

    zero = jnp.zeros((groups + 1, len(wanted), masks.shape[-1]))
    return jax.lax.scan(one_tile, zero, (inputs, given, true, masks))[0]


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
    wanted: tuple[Value, ...],
) -> Float[np.ndarray, "kept value subset"]:
    """The same of a layer that does not add to the logits: other neurons send nothing on."""
    sums = []
    for count in range(0, len(added) + stride, stride):
        kept = in_base.copy()
        kept[added[:count]] = True
        pruned = model.layers[layer].pruned(model, kept)
        found = np.stack(evaluate(pruned, inputs, given, true, loss, wanted))
        sums.append(np.einsum("ste,tex->sx", found, masks, dtype=np.float64))
    return np.stack(sums)


def _losses(
    logits: Float[Array, "label example"], labels: Int[Array, "example"], loss: str
) -> Float[Array, "example"]:
    """Each example's loss: `training.LOSSES` with labels before examples."""
    is_label = jnp.arange(len(logits), dtype=jnp.int32)[:, None] == labels
    if loss == "mse":
        return jnp.square(logits - is_label).mean(axis=0)
    return jax.nn.logsumexp(logits, axis=0) - (logits * is_label).sum(axis=0)
