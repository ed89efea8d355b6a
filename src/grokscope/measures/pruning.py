"""Neurons removed one at a time in some order, and what the network can still do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Bool, Float, Int, Num, Shaped

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError, require_kind
from grokscope.measures.nested import TILE, nested_means
from grokscope.measures.scores import measured_layers
from grokscope.measures.table import scores
from grokscope.models.network import Layer, Network, arrays_of
from grokscope.training.loop import LOSSES

STRATA = 10
"""Groups of neurons of like norm: in the default network of fifty neurons each."""

QUANTILES = (0.025, 0.5, 0.975)
"""Of the curves of random orders: the ends of their central 95 %, and their median."""


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
            "`by` must not use IPR in a layer whose neurons have none. Use norm or random."
        )
    return units.ipr


def _norm(units: Units) -> Float[np.ndarray, "unit"]:
    """‖W_k‖, the norm of the weights that carry the unit onwards."""
    return units.layer.outgoing_norm_of(units.network)


def _random(units: Units) -> Int[np.ndarray, "unit"]:
    """Places in a random order."""
    n_units = units.layer.outgoing_of(units.network).shape[1]
    return np.argsort(np.random.default_rng(units.seed).permutation(n_units))


def _ipr_within_norm(units: Units) -> Float[np.ndarray, "unit"]:
    """IPR_k's rank among neurons of like ‖W_k‖."""
    return ranks_within(_ipr(units), _norm(units))


ORDERS: dict[str, Callable[[Units], Num[np.ndarray, "unit"]]] = {
    "ipr": _ipr,
    "ipr_within_norm": _ipr_within_norm,
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


def ranks_within(
    numbers: Num[np.ndarray, "neuron"], like: Num[np.ndarray, "neuron"], strata: int = STRATA
) -> Float[np.ndarray, "neuron"]:
    """Each neuron's rank by one number among the neurons that are alike in another.

    The neurons are sorted by `like` and cut into strata of equal size, but for one neuron. The
    neuron of the r-th lowest number of the n in its stratum, r from 0, has the rank (r + ½)/n.
    Removed by these ranks, from either end, all strata lose neurons at the same rate: the share
    removed from one differs from that of another by at most one neuron. So whatever `like` is,
    what is removed is a fair sample of it, and only the order within strata is by `numbers`. What
    the two still share within a stratum remains.

    Args:
        numbers: what orders the neurons of a stratum; NaN is the lowest, and ties keep the
            neurons' order.
        like: what the neurons of a stratum have nearly in common.
        strata: how many of them.

    Returns:
        Ranks between 0 and 1.

    >>> ranks_within(np.array([4.0, 3, 2, 1]), np.array([0.1, 0.2, 7, 8]), strata=2).tolist()
    [0.75, 0.25, 0.75, 0.25]
    """
    ranks = np.empty(len(numbers))
    for stratum in np.array_split(pruning_order(like), strata):
        lowest = stratum[pruning_order(numbers[stratum])]
        ranks[lowest] = np.arange(0.5, len(lowest)) / len(lowest)
    return ranks


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
    layer, width = _require_prunable(model, dataset, loss, layer)
    order = np.asarray(order)
    if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(width)):
        raise ConfigError(
            f"`order` must name each of the {width} neurons once, got {order.size} entries. "
            "Use `pruning_order`."
        )
    return _curves(model, dataset, loss, order[None, ::-1], stride, layer).isel(order=0)


def random_curves(
    model: Network,
    dataset: Dataset,
    loss: str,
    n_orders: int = 50,
    seed: int = 0,
    stride: int = 1,
    layer: str | None = None,
) -> xr.Dataset:
    """The pruning curves of random orders, from which an order must differ to matter.

    Args:
        model: the network.
        dataset: what it is scored on.
        loss: mse or cross_entropy, as the network was trained.
        n_orders: how many orders are drawn.
        seed: of the orders; the same seed draws the same.
        stride: neurons between two counts. The empty network always counts, and the whole.
        layer: whose neurons; by default of the last.

    Raises:
        ConfigError: as of `pruning_curve`, or if `n_orders` is less than 1.

    Returns:
        The scores over `order` and `pruned`; the attribute `seed` says which orders.

    >>> from grokscope.data.dataset import make_dataset
    >>> from grokscope.experiment.experiment import Experiment
    >>> from grokscope.models.analytic import analytic_network
    >>> data, model = make_dataset(Experiment().replace(modulus=7)), analytic_network(7, 12)
    >>> dict(random_curves(model, data, "mse", n_orders=5, stride=4).sizes)
    {'order': 5, 'pruned': 4}
    """
    layer, width = _require_prunable(model, dataset, loss, layer)
    if n_orders < 1:
        raise ConfigError(f"`n_orders` must be at least 1, got {n_orders}. Use 50.")
    rng = np.random.default_rng(seed)
    kept = rng.permuted(np.tile(np.arange(width), (n_orders, 1)), axis=1)
    return _curves(model, dataset, loss, kept, stride, layer).assign_attrs(seed=seed)


def band_of(curves: xr.Dataset) -> xr.Dataset:
    """Quantiles of curves at each count; a single curve may leave their central 95 % at some.

    Args:
        curves: as `random_curves` gives them.

    Returns:
        The scores over `pruned` and `quantile`, which are `QUANTILES`; the attributes `orders` and
        `seed` say of which curves.
    """
    quantiles = curves.quantile(QUANTILES, "order", keep_attrs=True, skipna=False)
    band = quantiles.transpose("pruned", "quantile")
    return band.assign_attrs(orders=curves.sizes["order"])


def _curves(
    model: Network,
    dataset: Dataset,
    loss: str,
    kept: Int[np.ndarray, "order neuron"],
    stride: int,
    layer: str,
) -> xr.Dataset:
    """The curve of each order, whose last neuron is removed first."""
    width, rows = kept.shape[1], scores()
    stride = min(stride, width)
    found = nested_means(model, kept[0, :0], kept, dataset, loss, stride, layer, rows)
    counts = np.minimum(np.arange(-(-width // stride) + 1) * stride, width)
    return xr.Dataset(
        {
            name: (("order", "pruned"), found[name], {"description": row.description})
            for name, row in rows.items()
        },
        {"pruned": ("pruned", width - counts[::-1], {"description": "neurons removed"})},
    )


def _require_prunable(
    model: Network, dataset: Dataset, loss: str, layer: str | None
) -> tuple[str, int]:
    """Refuse what cannot be pruned and scored; the layer's name, and the number of its neurons."""
    require_kind("model", model, Network, "Use run.network, or prune(run), which knows its loss.")
    require_kind("dataset", dataset, Dataset, "Use run.data, or make_dataset(experiment).")
    layer = layer_named(model, layer)
    _require_features(model, dataset, layer)
    n_labels = jax.eval_shape(model, jnp.asarray(dataset.inputs[:1])).shape[1]
    if loss not in LOSSES or dataset.n_labels != n_labels:
        raise ConfigError(
            f"`loss` must be one of {', '.join(LOSSES)}, and `dataset` have {n_labels} labels like "
            f"the network, got {loss!r} and {dataset.n_labels}. Use the run's own experiment."
        )
    return layer, model.layers[layer].outgoing_of(model).shape[1]


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
    added = kept[None, fewer:at_most]
    found = nested_means(model, kept[:fewer], added, dataset, "mse", 1, layer, rows)
    enough = found["accuracy"][0, ::-1] >= generalizes  # from `fewer` neurons up
    return fewer + int(np.argmax(enough))
