"""Pruning curves of a finished run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Num

from grokscope.errors import ConfigError
from grokscope.measures.pruning import (
    ENDS,
    ORDERS,
    Units,
    layer_named,
    pruning_curve,
    pruning_order,
)
from grokscope.measures.scores import measured_layers
from grokscope.models.network import Network
from grokscope.runs.compact import COUNTS, side_by_side
from grokscope.runs.run import Run, require_finished

By = str | Num[np.ndarray, "unit"] | Callable[[Run], Num[np.ndarray, "unit"]]
"""A name in `ORDERS`, a number for each unit, or a function of the run that returns them."""


def prune(
    run: Run,
    by: By = "ipr",
    first: str = "lowest",
    seed: int = 0,
    stride: int | None = None,
    layer: str | None = None,
) -> xr.Dataset:
    """What a trained network can still do as its neurons are removed one at a time.

    Args:
        run: with its weights.
        by: what orders the neurons: "ipr", "norm" (of the weights that carry a neuron onwards),
            "random", a number for each neuron, or a function of the run that returns them.
        first: which neurons are removed first, "lowest" or "highest".
        seed: of the random order.
        stride: neurons removed between two counts; by default 1, and where the network is
            evaluated at every count, what makes about `COUNTS` of them.
        layer: whose neurons; by default of the last with an IPR, or else of the last.

    Returns:
        The `pruning_curve` by the run's own loss, over `pruned`; the attributes `by`, `first`,
        `layer` and `loss` say how it was made.

    Raises:
        ConfigError: if the run diverged or was stored without weights, the layer or the order is
            unknown, or the order is by IPR and the layer's neurons have none.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20).replace(modulus=7, width=16))
    >>> prune(run, by="norm", stride=4).pruned.values.tolist()
    [0, 4, 8, 12, 16]
    """
    require_finished(run, "pruned")
    if stride is not None and stride < 1:
        raise ConfigError(f"`stride` must be at least 1, got {stride}. Leave it out.")
    network, dataset = run.network, run.data
    layer = layer_named(network, layer)
    order = pruning_order(_numbers(run, network, by, layer, seed), first)
    if stride is None:
        adds = network.layers[layer].adds_to_logits(network)
        stride = 1 if adds else -(-len(order) // COUNTS)
    loss = run.experiment.loss
    curve = pruning_curve(network, dataset, order, loss, stride, layer)
    words = by if isinstance(by, str) else getattr(by, "__name__", "array")
    return curve.assign_attrs(by=words, first=first, layer=layer, loss=loss)


def _numbers(run: Run, network: Network, by: By, layer: str, seed: int) -> Num[np.ndarray, "unit"]:
    """The number by which each unit of a layer is ordered."""
    ipr = run.layer_ipr(layer) if layer in measured_layers(network) else None
    units = Units(network, network.layers[layer], ipr, seed)
    n_units = units.layer.outgoing_of(network).shape[1]
    found = by
    if isinstance(by, str) and by in ORDERS:
        found = ORDERS[by](units)
    elif callable(by):
        found = by(run)
    numbers = np.asarray(found)
    if numbers.dtype.kind not in "biuf" or numbers.shape != (n_units,):
        got = repr(by) if isinstance(by, str) else f"{numbers.dtype} {list(numbers.shape)}"
        raise ConfigError(
            f"`by` must be {', '.join(ORDERS)}, {n_units} numbers, or a function of the run that "
            f"returns them, got {got}. Use ipr."
        )
    return numbers


def pruning_curves(
    run: Run,
    first: str | Sequence[str] = ENDS,
    by: By = "ipr",
    seed: int = 0,
    stride: int | None = None,
    layer: str | None = None,
) -> xr.Dataset:
    """`prune` from one or both ends of an order, along the dimension `first`.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20).replace(modulus=7, width=16))
    >>> dict(pruning_curves(run, stride=4).sizes)
    {'first': 2, 'pruned': 5}
    """
    ends = (first,) if isinstance(first, str) else first
    return side_by_side([prune(run, by, end, seed, stride, layer) for end in ends], ends)
