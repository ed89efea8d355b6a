"""Pruning curves of a finished run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from jaxtyping import Num

from grokscope.errors import ConfigError, require_whole
from grokscope.measures.orders import ENDS, ORDERS, Units, pruning_order
from grokscope.measures.pruning import band_of, layer_named, pruning_curve
from grokscope.measures.pruning import random_curves as curves_at_random
from grokscope.models.network import Network
from grokscope.runs.compact import COUNTS, side_by_side
from grokscope.runs.run import Run, require_finished

By = str | Num[np.ndarray, "unit"] | Callable[[Run], Num[np.ndarray, "unit"]]
"""A name in `ORDERS`, a number for each unit, or a function of the run that returns them."""

BAND = 50
"""Random orders of a band: with fewer, the ends of its central 95 % are the extreme curves."""

EVALUATED = 10
"""Points on a band wherever each takes an evaluation for every order."""


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
            "ipr_within_norm" (IPR among neurons of like norm, as `ranks_within` says),
            "memorizing" and "generalizing" (what each adds to wrong given labels, and to those of
            test examples), "steadiness" (how alike what it adds to given labels is; `attribution`
            explains the three), "random", a number for each neuron, or a function
            of the run that returns them.
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
            unknown, the order is by IPR and the layer's neurons have none, or a number is out of
            range.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20).replace(modulus=7, width=16))
    >>> prune(run, by="norm", stride=4).pruned.values.tolist()
    [0, 4, 8, 12, 16]
    """
    require_finished(run, "pruned")
    require_whole("seed", seed, 0, "Use 0.")
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


def require_band(band: int | None) -> None:
    """Refuse what is no number of random orders."""
    if band is not None:
        require_whole("band", band, 0, f"Use {BAND}, or 0 for none.")


def random_curves(
    run: Run,
    n_orders: int = BAND,
    seed: int = 0,
    stride: int | None = None,
    layer: str | None = None,
) -> xr.Dataset:
    """What the network does as its neurons are removed at random: the control of every order.

    Args:
        run: with its weights.
        n_orders: how many random orders.
        seed: of the orders.
        stride: neurons removed between two counts; by default what makes about `COUNTS` of them,
            and `EVALUATED` where the network is evaluated at every count.
        layer: whose neurons; by default of the last with an IPR, or else of the last.

    Returns:
        Every score over `order` and `pruned`.

    Raises:
        ConfigError: if the run diverged or was stored without weights, the layer is unknown, the
            seed is negative, or another number is less than 1.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20).replace(modulus=7, width=16))
    >>> dict(random_curves(run, stride=4).sizes)
    {'order': 50, 'pruned': 5}
    """
    require_finished(run, "pruned")
    network = run.network
    layer = layer_named(network, layer)
    width = network.layers[layer].outgoing_of(network).shape[1]
    adds = network.layers[layer].adds_to_logits(network)
    if stride is None:
        stride = -(-width // (COUNTS if adds else EVALUATED))
    loss = run.experiment.loss
    return curves_at_random(network, run.data, loss, n_orders, seed, stride, layer)


def control_band(
    run: Run, band: int | None = None, seed: int = 0, layer: str | None = None
) -> xr.Dataset | None:
    """The band of the network's `random_curves`, as `band_of` gives it.

    Args:
        run: with its weights.
        band: how many random orders, 0 for none; by default `BAND`, and none where the network is
            evaluated at every count, which takes minutes.
        seed: of the orders.
        layer: whose neurons; by default of the last with an IPR, or else of the last.

    Returns:
        Quantiles of every score over `pruned` and `quantile`; None for no orders.

    Raises:
        ConfigError: as of `random_curves`, or if `band` is negative.
    """
    require_finished(run, "pruned")
    require_band(band)
    if band is None:
        network = run.network
        units = network.layers[layer_named(network, layer)]
        band = BAND if units.adds_to_logits(network) else 0
    return band_of(random_curves(run, band, seed, layer=layer)) if band else None


def control_by_norm(run: Run, curve: xr.Dataset) -> xr.Dataset | None:
    """The same curve by norm alone, which knows no Fourier transform; None of one that needs none.

    Small neurons go first where memorising ones do.

    Args:
        run: with its weights.
        curve: one of its curves by `prune`, which is by norm or at random if it needs none.
    """
    if curve.attrs["by"] in ("norm", "random"):
        return None
    return _beside(run, curve, "norm")


def control_by_ipr(run: Run, curve: xr.Dataset) -> xr.Dataset | None:
    """The same curve by IPR; None of an order that is by no more than IPR, and of no IPR.

    Neurons of low IPR go first where memorising ones do.

    Args:
        run: with its weights.
        curve: one of its curves by `prune`, which is by what neurons add if it needs one.
    """
    is_added = curve.attrs["by"] in ("memorizing", "generalizing", "steadiness")
    if not is_added or curve.attrs["layer"] not in run.layer_iprs:
        return None
    return _beside(run, curve, "ipr")


def _beside(run: Run, curve: xr.Dataset, by: str) -> xr.Dataset:
    """The curve of another order, at the same counts; from the other end if by `memorizing`."""
    first = curve.attrs["first"]
    if curve.attrs["by"] == "memorizing":
        first = "lowest" if first == "highest" else "highest"
    stride = int(curve.pruned[-1] - curve.pruned[-2])
    return prune(run, by, first, 0, stride, curve.attrs["layer"])


def _numbers(run: Run, network: Network, by: By, layer: str, seed: int) -> Num[np.ndarray, "unit"]:
    """The number by which each unit of a layer is ordered."""
    if isinstance(by, str) and "ipr" in by and (reason := run.why_no_ipr):
        others = ["norm", "random"]
        if network.layers[layer].adds_to_logits(network):
            others += ["generalizing", "steadiness"]
            others += ["memorizing"] if run.data.is_wrong.any() else []
        raise ConfigError(
            f"`by` must be {', '.join(others)} here, got {by!r}: no IPR, as {reason}. Use norm."
        )
    units = Units(network, layer, run.data, run.layer_iprs.get(layer), seed)
    n_units = units.layer.outgoing_of(network).shape[1]
    found = by
    if isinstance(by, str) and by in ORDERS:
        found = ORDERS[by](units)
    elif callable(by):
        found = by(run)
    try:
        numbers = np.asarray(found)
        got = repr(by) if isinstance(by, str) else f"{numbers.dtype} {list(numbers.shape)}"
    except ValueError:
        numbers, got = np.empty(0), "lists of several lengths"
    if numbers.dtype.kind not in "biuf" or numbers.shape != (n_units,):
        raise ConfigError(
            f"`by` must be {', '.join(ORDERS)}, {n_units} numbers, or a function of the run that "
            f"returns them, got {got}. Use norm."
        )
    if not isinstance(by, str) and not np.isfinite(numbers).any():
        raise ConfigError(
            f"`by` must hold numbers that are finite, got none among {n_units}. Use norm."
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
