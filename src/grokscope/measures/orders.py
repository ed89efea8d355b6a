"""In which order units are removed: numbers by which they are sorted, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Num

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError
from grokscope.measures.attribution import attribution
from grokscope.models.network import Layer, Network

STRATA = 10
"""Groups of neurons of like norm: in the default network of fifty neurons each."""


@dataclass(frozen=True)
class Units:
    """The units of one layer of a trained network, as an order of pruning sees them.

    Attributes:
        network: the trained network.
        name: of the layer whose units they are.
        dataset: what the network was trained and tested on.
        ipr: IPR_k of each unit, NaN for a dead one; None if the layer's units have no IPR.
        seed: of orders that draw.
    """

    network: Network
    name: str
    dataset: Dataset
    ipr: Float[np.ndarray, "unit"] | None
    seed: int = 0

    @property
    def layer(self) -> Layer:
        """The layer of that name."""
        return self.network.layers[self.name]


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


def _memorizing(units: Units) -> Float[np.ndarray, "unit"]:
    """What each unit adds to wrong given labels over the true ones."""
    memorizing = attribution(units.network, units.dataset, units.name).memorizing
    if np.isnan(memorizing).any():
        raise ConfigError(
            "`by` must not be memorizing where no given label is wrong. Use generalizing or norm."
        )
    return memorizing


def _generalizing(units: Units) -> Float[np.ndarray, "unit"]:
    """What each unit adds to the label of test examples over all others."""
    return attribution(units.network, units.dataset, units.name).generalizing


def _steadiness(units: Units) -> Float[np.ndarray, "unit"]:
    """How alike what each unit adds to the given labels is over all training examples."""
    return attribution(units.network, units.dataset, units.name).steadiness


ORDERS: dict[str, Callable[[Units], Num[np.ndarray, "unit"]]] = {
    "ipr": _ipr,
    "ipr_within_norm": _ipr_within_norm,
    "memorizing": _memorizing,
    "generalizing": _generalizing,
    "steadiness": _steadiness,
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
