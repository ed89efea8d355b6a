"""How strongly each neuron behind a norm layer speaks, and whether that goes with its IPR."""

from __future__ import annotations

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.measure import measured_layers
from grokscope.store import Run
from grokscope.training import model_shapes


def contributions(run: Run, layer: str | None = None) -> xr.Dataset:
    """What a norm layer gives each live neuron, beside its IPR (Sec. 3, Fig. 5, Fig. 15).

    Args:
        run: of a network with norm layers.
        layer: whose neurons; by default of the first layer that has an IPR.

    Returns:
        Over `neuron`: `ipr`, IPR_k; `gamma`, ``|γ_k|``; `effective`, ``|γ_k| · ‖W_k‖``, by which
        a neuron's normalised activation reaches the next layer: a large γ says little if the
        weights behind it are small.

    Raises:
        ConfigError: if the network has no norm layer, or the layer no IPR.
    """
    if run.experiment.normalization is None:
        raise ConfigError(
            "`run` must have a norm layer, got one without. Train with normalization batch_norm."
        )
    layers = measured_layers(model_shapes(run.experiment))
    name = layer or next(iter(layers), None)
    ipr = run.layer_ipr(name)
    of_layer = layers[str(name)]
    if of_layer.gamma is None:
        raise ConfigError(
            f"`layer` must have a norm layer behind it, got {name!r}. Use another architecture."
        )
    if run.has_weights:
        gamma = run.dataset[of_layer.gamma].values
        norms = np.linalg.norm(run.dataset[of_layer.outgoing].values, axis=0)
    else:
        suffix = "" if name == next(iter(layers)) else f"_{name}"
        gamma = run.dataset[f"norm_gamma{suffix}"].values
        norms = run.dataset[f"output_norm{suffix}"].values
    alive = ~np.isnan(ipr)
    columns = {"ipr": ipr, "gamma": np.abs(gamma), "effective": np.abs(gamma) * norms}
    return xr.Dataset(
        {name: ("neuron", values[alive]) for name, values in columns.items()},
        {"neuron": np.flatnonzero(alive)},
    )
