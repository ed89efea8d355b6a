"""A network's neurons as a table: how periodic each is, and what it is good for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.signal import find_peaks
from scipy.stats import gaussian_kde

from grokscope.errors import ConfigError
from grokscope.measures.attribution import attribution, attribution_map
from grokscope.measures.pruning import layer_named
from grokscope.measures.removal import removal_effects
from grokscope.measures.scores import measured_layers
from grokscope.measures.spectrum import shares_of
from grokscope.models.network import Network, named_arrays
from grokscope.runs.run import Run, require_finished, require_trained_here
from grokscope.runs.start import root_of
from grokscope.training.networks import init_model

EXAMPLES = 60
"""Wrongly labelled examples in the map of example and neuron."""

GRID = np.linspace(0, 1, 201)
"""Where the density of IPR is looked at."""


def neuron_table(run: Run, layer: str | None = None) -> pd.DataFrame:
    """A row for each neuron of a layer: its periodicity, its size, and what removing it does.

    Args:
        run: with its weights.
        layer: whose neurons; by default of the last with an IPR, or else of the last.

    Returns:
        Over the index `neuron`: `ipr`, IPR_k (Eq. 4), NaN for a dead neuron; of a cyclic group
        the columns of `wave_table`; `norm`, ‖W_k‖ of the weights that carry it onwards; `group`,
        "low" or "high" on either side of `ipr_valley`, "all" if there is no valley, "dead" without
        IPR;
        `memorizing`, `generalizing` and `steadiness`, as in `attribution`, of a layer that adds to
        the logits, and `part`, "unsteady" or "steady" on either side of the valley of steadiness;
        `test_accuracy` and `corrupted_accuracy`, how much these change when this neuron alone is
        removed.
        Without IPR the columns are `norm` and those from there on.

    Raises:
        ConfigError: if the run diverged or was stored without weights, or has no such layer.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20).replace(modulus=7, width=16))
    >>> neuron_table(run).columns.tolist()  # doctest: +NORMALIZE_WHITESPACE
    ['ipr', 'frequency', 'share', 'phase_U', 'phase_V', 'phase_W', 'mismatch', 'norm', 'group',
     'memorizing', 'generalizing', 'steadiness', 'part', 'test_accuracy', 'corrupted_accuracy']
    """
    require_finished(run, "looked at neuron by neuron")
    network = run.network
    layer = layer_named(network, layer)
    return held_table(run, layer).assign(**removal_effects(network, run.data, layer))


def held_table(run: Run, layer: str) -> pd.DataFrame:
    """The columns of `neuron_table` that take no removal, which is the slow part.

    Args:
        run: with its weights.
        layer: whose neurons.
    """
    network, group = run.network, run.data.group
    units = network.layers[layer]
    columns: dict[str, np.ndarray] = {}
    if units.vectors and group is not None:
        columns = {"ipr": run.layer_ipr(layer)}
    if units.vectors and run.data.shift_order is not None:
        waves = wave_table(network, layer, run.data.shift_order, takes_inverse(run))
        columns |= {str(name): values.to_numpy() for name, values in waves.items()}
    columns["norm"] = units.outgoing_norm_of(network)
    if "ipr" in columns:
        columns["group"] = _groups(columns["ipr"])
    if units.adds_to_logits(network):
        columns |= attribution(network, run.data, layer)._asdict()
        columns["part"] = _parts(columns["steadiness"])
    return pd.DataFrame(columns).rename_axis("neuron")


def takes_inverse(run: Run) -> bool:
    """Whether a run's operation takes the inverse of n: aligned neurons have -φ_V for φ_V then."""
    return getattr(run.experiment.task, "operation", None) in ("subtraction", "division")


def wave_table(
    network: Network, layer: str, order: Int[np.ndarray, "residue"], inverse: bool = False
) -> pd.DataFrame:
    """The strongest wave in the vectors of each neuron of a layer.

    Args:
        network: the network.
        layer: whose neurons; they have vectors over the residues.
        order: the residues in the order in which the operation is a shift.
        inverse: whether it shifts by the inverse of its second operand, as subtraction does.

    Returns:
        Over the index `neuron`: `frequency`, from 1, whose share of power, summed over the neuron's
        vectors, is the largest; `share`, the mean of that share; `phase_U` and the like, the phase
        φ of the wave cos(2π f i/p + φ) in each vector, from -π to π; if labels have vectors too,
        `mismatch`, φ_U + φ_V - φ_W from -π to π, which is 0 in the analytic network; with -φ_V
        for φ_V if the operation takes the inverse.

    Raises:
        ConfigError: if the layer's neurons have no vectors, or these no waves.

    >>> from grokscope.models.analytic import analytic_network
    >>> table = wave_table(analytic_network(7, 6), "hidden", np.arange(7))
    >>> sorted(table.frequency), bool((table.mismatch.abs() < 1e-5).all())
    ([1, 1, 2, 2, 3, 3], True)
    """
    fitting = measured_layers(network)
    if layer not in [*fitting]:
        raise ConfigError(
            f"`layer` must be one whose neurons have vectors over the residues, got {layer!r}. "
            f"Use {' or '.join(fitting) or 'another network: this one has none'}."
        )
    if len(order) < 2:
        raise ConfigError(
            f"`order` must have two residues at least to have waves over them, got {len(order)}. "
            "Use a larger modulus."
        )
    names = fitting[layer].vectors
    arrays = named_arrays(network)
    waves = {name: np.fft.rfft(arrays[name][order].astype(float), axis=0) for name in names}
    shares = np.stack([shares_of(of_one)[1:] for of_one in waves.values()])
    frequency = shares.sum(axis=0).argmax(axis=0) + 1
    units = np.arange(len(frequency))
    phases = {f"phase_{name}": np.angle(of_one[frequency, units]) for name, of_one in waves.items()}
    columns = {"frequency": frequency, "share": shares.mean(axis=0)[frequency - 1, units]} | phases
    if len(names) > len(network.operands) > 0:
        first, *others, of_label = phases.values()
        operands = first + (-1 if inverse else 1) * sum(others)
        columns["mismatch"] = np.angle(np.exp(1j * (operands - of_label)))
    return pd.DataFrame(columns).rename_axis("neuron")


class LabelMap(NamedTuple):
    """Which neuron holds which wrong label.

    Attributes:
        examples: indices of wrongly labelled examples, the one with the largest sum over neurons
            first: the network's margin there, but for its offset.
        neurons: all of the layer, the most memorising first.
        added: what each neuron adds to the given label over the true one.
    """

    examples: Int[np.ndarray, "example"]
    neurons: Int[np.ndarray, "neuron"]
    added: Float[np.ndarray, "example neuron"]


def label_map(run: Run, layer: str, memorizing: Float[np.ndarray, "neuron"]) -> LabelMap:
    """What each neuron adds to wrong labels, for `EXAMPLES` examples, evenly spaced among all.

    Args:
        run: with its weights.
        layer: whose neurons; they add to the logits.
        memorizing: of `attribution`.
    """
    examples = spaced(np.flatnonzero(run.data.is_wrong), EXAMPLES)
    neurons = np.argsort(-memorizing, kind="stable")
    added = attribution_map(run.network, run.data, layer, examples)[:, neurons]
    by_margin = np.argsort(-added.sum(axis=1), kind="stable")
    return LabelMap(examples[by_margin], neurons, added[by_margin])


def spaced(items: np.ndarray, at_most: int) -> np.ndarray:
    """Some of many items, evenly spaced, the first and the last among them.

    >>> spaced(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    places = np.linspace(0, max(len(items) - 1, 0), min(at_most, len(items)))
    return items[places.astype(int)]


class Lottery(NamedTuple):
    """Where each neuron's final frequency stood before training (arXiv 2602.16849).

    Attributes:
        rank: of its amplitude, the product over the neuron's vectors, among all frequencies from 1;
            1 is the largest.
        mismatch: |φ_U + φ_V - φ_W| of that frequency, from 0 to π; of subtraction and division
            with -φ_V.
        n_frequencies: how many took part.
    """

    rank: Int[np.ndarray, "neuron"]
    mismatch: Float[np.ndarray, "neuron"]
    n_frequencies: int


def lottery(run: Run) -> Lottery:
    """Which frequency of each neuron's initial weights became its strongest.

    Without a lottery ranks and mismatches are uniform.

    Args:
        run: with its weights, of a network whose neurons have a vector over the residues for each
            operand and for labels.

    Raises:
        ConfigError: if the run diverged or was stored without weights, its neurons have not, or
            the network was trained elsewhere.

    >>> from grokscope import Experiment, train
    >>> lottery(train(Experiment(steps=0, modulus=7, width=16))).n_frequencies
    3
    """
    require_finished(run, "looked at neuron by neuron")
    require_trained_here(run, "compared with its initial weights")
    network, order = run.network, run.data.shift_order
    layer = layer_named(network, None)
    names = network.layers[layer].vectors
    if order is None or not len(names) > len(network.operands) > 0:
        raise ConfigError(
            "`run` must be of a network whose neurons have vectors over residues for each operand "
            f"and for labels, got {run.experiment.model.name}. Use a two_layer network."
        )
    frequency = wave_table(network, layer, order).frequency.to_numpy()
    arrays = named_arrays(init_model(root_of(run.experiment)))
    first, *others, of_label = (np.fft.rfft(arrays[name][order], axis=0)[1:] for name in names)
    operands = np.prod(others, axis=0)
    together = first * (operands.conj() if takes_inverse(run) else operands) * of_label.conj()
    amplitude = np.abs(together)
    units = np.arange(len(frequency))
    rank = 1 + (amplitude > amplitude[frequency - 1, units]).sum(axis=0)
    mismatch = np.abs(np.angle(together))[frequency - 1, units]
    return Lottery(rank, mismatch, len(amplitude))


def _groups(ipr: Float[np.ndarray, "neuron"]) -> np.ndarray:
    """On which side of the valley each neuron is."""
    valley = ipr_valley(ipr)
    sides = "all" if valley is None else np.where(ipr < valley, "low", "high")
    return np.where(np.isnan(ipr), "dead", sides)


def _parts(steadiness: Float[np.ndarray, "neuron"]) -> np.ndarray:
    """Two groups of neurons that need no knowledge of the task (after arXiv 2605.18022)."""
    live = steadiness[np.isfinite(steadiness)]
    places = np.linspace(live.min(initial=0), live.max(initial=0), GRID.size)
    split = _valley(live, places)
    sides = "all" if split is None else np.where(steadiness < split, "unsteady", "steady")
    return np.where(np.isnan(steadiness), "dead", sides)


def ipr_valley(ipr: Float[np.ndarray, "neuron"]) -> float | None:
    """The IPR between the two groups of a layer's neurons; None if its histogram has one peak.

    The density is estimated with Gaussian kernels of Scott's width; the valley is its minimum
    between its two highest peaks.

    >>> ipr_valley(np.repeat([0.1, 0.12, 0.8, 0.83], 20)) is None
    False
    >>> ipr_valley(np.linspace(0.1, 0.3, 50)) is None
    True
    """
    return _valley(ipr[np.isfinite(ipr)], GRID)


def _valley(live: Float[np.ndarray, "neuron"], at: Float[np.ndarray, "place"]) -> float | None:
    """The lowest density between its two highest peaks, among some places."""
    if len(live) < 2 or np.ptp(live) == 0:
        return None
    density = gaussian_kde(live)(at)
    peaks, _ = find_peaks(np.pad(density, 1))
    if len(peaks) < 2:
        return None
    first, second = sorted(peaks[np.argsort(density[peaks - 1])[-2:]] - 1)
    return float(at[first + density[first : second + 1].argmin()])
