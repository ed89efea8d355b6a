"""Neurons removed one at a time in some order, and what the network can still do."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Int

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError, require_kind, require_whole
from grokscope.experiment.own_code import OwnCode
from grokscope.measures.attribution import require_features
from grokscope.measures.nested import nested_means
from grokscope.measures.orders import pruning_order as pruning_order  # public here too
from grokscope.measures.orders import ranks_within as ranks_within
from grokscope.measures.scores import measured_layers
from grokscope.measures.table import scores
from grokscope.models.network import Network
from grokscope.training.losses import LOSSES
from grokscope.training.members import How

QUANTILES = (0.025, 0.5, 0.975)
"""Of the curves of random orders: the ends of their central 95 %, and their median."""


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
        loss: the name of the one that the network was trained by.
        stride: neurons between two counts. The empty network always counts, and the whole.
        layer: whose neurons; by default of the last.

    Raises:
        ConfigError: if the order is not a permutation of the neurons, the stride is less than 1,
            the loss or the layer is unknown, the dataset has another number of labels, or the
            network's `features` are not those of its logits.

    Returns:
        Variables over the dimension `pruned`, the number of neurons removed.
    """
    require_whole("stride", stride, 1, "Leave it out.")
    layer, width = require_prunable(model, dataset, loss, layer)
    order = np.asarray(order)
    if order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(width)):
        raise ConfigError(
            f"`order` must name each of the {width} neurons once, got {order.size} entries. "
            "Use `pruning_order`."
        )
    return curves_of([model], [dataset], loss, order[None, None], stride, layer)[0].isel(order=0)


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
        loss: the name of the one that the network was trained by.
        n_orders: how many orders are drawn.
        seed: of the orders; the same seed draws the same.
        stride: neurons between two counts. The empty network always counts, and the whole.
        layer: whose neurons; by default of the last.

    Raises:
        ConfigError: as of `pruning_curve`, or if `n_orders` is less than 1 or the seed negative.

    Returns:
        The scores over `order` and `pruned`; the attribute `seed` says which orders.

    >>> from grokscope.data.dataset import make_dataset
    >>> from grokscope.experiment.experiment import Experiment
    >>> from grokscope.models.analytic import analytic_network
    >>> data, model = make_dataset(Experiment().replace(modulus=7)), analytic_network(7, 12)
    >>> dict(random_curves(model, data, "mse", n_orders=5, stride=4).sizes)
    {'order': 5, 'pruned': 4}
    """
    require_whole("n_orders", n_orders, 1, "Use 50.")
    require_whole("seed", seed, 0, "Use 0.")
    require_whole("stride", stride, 1, "Leave it out.")
    layer, width = require_prunable(model, dataset, loss, layer)
    rng = np.random.default_rng(seed)
    kept = rng.permuted(np.tile(np.arange(width), (n_orders, 1)), axis=1)
    orders = kept[None, :, ::-1]
    return curves_of([model], [dataset], loss, orders, stride, layer)[0].assign_attrs(seed=seed)


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


def curves_of(
    networks: Sequence[Network],
    datasets: Sequence[Dataset],
    loss: str,
    orders: Int[np.ndarray, "network order neuron"],
    stride: int,
    layer: str,
    how: How | None = None,
) -> list[xr.Dataset]:
    """The pruning curves of networks of one shape, on an accelerator in one compiled call.

    Args:
        networks: which can be pruned, as `pruning_curve` asks.
        datasets: what each is scored on.
        loss: as the networks were trained.
        orders: of each network, the neuron that is removed first comes first.
        stride: neurons between two counts.
        layer: whose neurons.
        how: how they are computed; by default as is best on this machine's device.

    Returns:
        Of each network, the scores over `order` and `pruned`.
    """
    width, rows = orders.shape[-1], scores()
    stride = min(stride, width)
    added, none = orders[..., ::-1], [orders[0, 0, :0]] * len(networks)
    found = nested_means(networks, datasets, none, added, loss, stride, layer, rows, how)
    counts = np.minimum(np.arange(-(-width // stride) + 1) * stride, width)
    pruned = "pruned", width - counts[::-1], {"description": "neurons removed"}
    return [
        xr.Dataset(
            {
                name: (("order", "pruned"), found[name][place], {"description": row.description})
                for name, row in rows.items()
            },
            {"pruned": pruned},
        )
        for place in range(len(networks))
    ]


def require_prunable(
    model: Network, dataset: Dataset, loss: str, layer: str | None
) -> tuple[str, int]:
    """Refuse what cannot be pruned and scored; the layer's name, and the number of its neurons."""
    require_kind("model", model, Network, "Use run.network, or prune(run), which knows its loss.")
    require_kind("dataset", dataset, Dataset, "Use run.data, or make_dataset(experiment).")
    layer = layer_named(model, layer)
    if model.layers[layer].adds_to_logits(model):
        require_features(model, dataset, layer)
    n_labels = jax.eval_shape(model, jnp.asarray(dataset.inputs[:1])).shape[1]
    is_known = loss in LOSSES or isinstance(loss, OwnCode)
    if not is_known or dataset.n_labels != n_labels:
        raise ConfigError(
            f"`loss` must be one of {', '.join(LOSSES)} or your own function, and `dataset` have "
            f"{n_labels} labels like the network, got {loss!r} and {dataset.n_labels}. "
            "Use the run's own experiment."
        )
    return layer, model.layers[layer].outgoing_of(model).shape[1]


def layer_named(model: Network, layer: str | None) -> str:
    """The layer of a name, or the last one that has an IPR, or else the last.

    Raises:
        ConfigError: if the network has no such layer.
    """
    if isinstance(layer, str) and layer in model.layers:
        return layer
    if not model.layers:
        raise ConfigError(
            "`layer` must be one of the network's, got a network without any. Name its units with "
            "from_arrays(…, layers=…), or by a property `layers` of your own class."
        )
    if layer is not None:
        known = ", ".join(model.layers)
        raise ConfigError(f"`layer` must be one of the network's ({known}), got {layer!r}.")
    return list(measured_layers(model) or model.layers)[-1]


def neurons_required(curve: xr.Dataset, generalizes: float = 0.9) -> int | None:
    """The fewest neurons on a pruning curve that still generalise; None if none do (App. Q).

    >>> accuracy = "pruned", [0.95, 1, 0.93, 0.2]
    >>> neurons_required(xr.Dataset({"test_accuracy": accuracy}, {"pruned": [0, 1, 2, 3]}))
    1
    """
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
    return fewest_of([model], [dataset], [order], [curve], layer_named(model, layer), generalizes)[
        0
    ]


def fewest_of(
    networks: Sequence[Network],
    datasets: Sequence[Dataset],
    orders: Sequence[Int[np.ndarray, "neuron"]],
    curves: Sequence[xr.Dataset],
    layer: str,
    generalizes: float = 0.9,
    how: How | None = None,
) -> list[int | None]:
    """`fewest_neurons` of each of some networks of one shape, by an order and a curve of its own.

    On an accelerator they are found in one compiled call.
    """
    found = [neurons_required(curve, generalizes) for curve in curves]
    at_most = {place: count for place, count in enumerate(found) if count}
    if not at_most:
        return found
    stride = int(curves[0].pruned[-1] - curves[0].pruned[-2])
    kept = [orders[place][::-1] for place in at_most]
    begins = [count - stride for count in at_most.values()]
    bases = [some[:begin] for some, begin in zip(kept, begins, strict=True)]
    added = np.array(
        [[some[begin : begin + stride]] for some, begin in zip(kept, begins, strict=True)]
    )
    rows = {"accuracy": scores()["test_accuracy"]}  # of any loss the same
    chosen = [networks[place] for place in at_most], [datasets[place] for place in at_most]
    means = nested_means(*chosen, bases, added, "mse", 1, layer, rows, how)["accuracy"]
    for place, begin, accuracy in zip(at_most, begins, means[:, 0, ::-1], strict=True):
        counts = int(curves[place].pruned[-1]) - curves[place].pruned.values
        enough = accuracy >= generalizes  # from `begin` neurons up
        enough[: counts[counts < at_most[place]].max() + 1 - begin] = False  # as the curve says,
        enough[-1] = True  # whose rounding may be another
        found[place] = begin + int(np.argmax(enough))
    return found
