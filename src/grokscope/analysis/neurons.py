"""A network's neurons as a table: how periodic each is, and what it is good for."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.signal import find_peaks
from scipy.stats import gaussian_kde

from grokscope.experiment.tasks import ModularTask
from grokscope.measures.pruning import layer_named
from grokscope.measures.removal import removal_effects
from grokscope.measures.spectrum import power_share, residue_order
from grokscope.models.network import named_arrays
from grokscope.runs.run import Run, require_finished

GRID = np.linspace(0, 1, 201)
"""Where the density of IPR is looked at."""


def neuron_table(run: Run, layer: str | None = None) -> pd.DataFrame:
    """A row for each neuron of a layer: its periodicity, its size, and what removing it does.

    Args:
        run: with its weights.
        layer: whose neurons; by default of the last with an IPR, or else of the last.

    Returns:
        Over the index `neuron`: `ipr`, IPR_k (Eq. 4), NaN for a dead neuron; `frequency`, the
        strongest of its first vector over the residues, and `share`, of the vector's power;
        `norm`, ‖W_k‖ of the weights that carry it onwards; `group`, "low" or "high" on either side
        of `ipr_valley`, "all" if there is no valley, "dead" without IPR; `test_accuracy` and
        `corrupted_accuracy`, how much these change when this neuron alone is removed.
        Without IPR the columns are `norm` and the changes.

    Raises:
        ConfigError: if the run diverged or was stored without weights, or has no such layer.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20).replace(modulus=7, width=16))
    >>> neuron_table(run).columns.tolist()  # doctest: +NORMALIZE_WHITESPACE
    ['ipr', 'frequency', 'share', 'norm', 'group', 'test_accuracy', 'corrupted_accuracy']
    """
    require_finished(run, "looked at neuron by neuron")
    network = run.network
    layer = layer_named(network, layer)
    units = network.layers[layer]
    columns: dict[str, np.ndarray] = {}
    task = run.experiment.task
    if units.vectors and isinstance(task, ModularTask):
        vectors = named_arrays(network)[units.vectors[0]].astype(float)
        shares = power_share(vectors[residue_order(task.operation, task.modulus)])
        columns = {
            "ipr": run.layer_ipr(layer),
            "frequency": shares[1:].argmax(axis=0) + 1,
            "share": shares[1:].max(axis=0),
        }
    columns["norm"] = units.outgoing_norm_of(network)
    if "ipr" in columns:
        columns["group"] = _groups(columns["ipr"])
    columns |= removal_effects(network, run.data, layer)
    return pd.DataFrame(columns).rename_axis("neuron")


def _groups(ipr: Float[np.ndarray, "neuron"]) -> np.ndarray:
    """On which side of the valley each neuron is."""
    valley = ipr_valley(ipr)
    sides = "all" if valley is None else np.where(ipr < valley, "low", "high")
    return np.where(np.isnan(ipr), "dead", sides)


def ipr_valley(ipr: Float[np.ndarray, "neuron"]) -> float | None:
    """The IPR between the two groups of a layer's neurons; None if its histogram has one peak.

    The density is estimated with Gaussian kernels of Scott's width; the valley is its minimum
    between its two highest peaks.

    >>> ipr_valley(np.repeat([0.1, 0.12, 0.8, 0.83], 20)) is None
    False
    >>> ipr_valley(np.linspace(0.1, 0.3, 50)) is None
    True
    """
    live = ipr[np.isfinite(ipr)]
    if len(live) < 2 or live.std() == 0:
        return None
    density = gaussian_kde(live)(GRID)
    peaks, _ = find_peaks(np.pad(density, 1))
    if len(peaks) < 2:
        return None
    first, second = sorted(peaks[np.argsort(density[peaks - 1])[-2:]] - 1)
    return float(GRID[first + density[first : second + 1].argmin()])
