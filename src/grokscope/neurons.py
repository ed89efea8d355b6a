"""How strongly each neuron behind a norm layer speaks, and whether that goes with its IPR."""

from __future__ import annotations

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.store import Run


def contributions(run: Run) -> xr.Dataset:
    """What a norm layer gives each live neuron, beside its IPR (Sec. 3, Fig. 5).

    Returns:
        Over `neuron`: `ipr`, IPR_k; `gamma`, ``|γ_k|``; `effective`, ``|γ_k| · ‖W_k‖``, by which
        a neuron's normalised activation reaches the logits: a large γ says little if the weights
        behind it are small.

    Raises:
        ConfigError: if the network has no norm layer.
    """
    if "norm_gamma" not in run.dataset:
        raise ConfigError(
            "`run` must have a norm layer, got one without. Train with normalization batch_norm."
        )
    alive = ~np.isnan(run.neuron_ipr)
    gamma = np.abs(run.dataset.norm_gamma.values)
    if run.has_weights:
        norms = np.linalg.norm(run.dataset.W.values, axis=0)
    else:
        norms = run.dataset.output_norm.values
    columns = {"ipr": run.neuron_ipr, "gamma": gamma, "effective": gamma * norms}
    return xr.Dataset(
        {name: ("neuron", values[alive]) for name, values in columns.items()},
        {"neuron": np.flatnonzero(alive)},
    )
