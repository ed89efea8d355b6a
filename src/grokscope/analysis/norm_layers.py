"""How strongly each neuron behind a norm layer speaks, and whether that goes with its IPR."""

from __future__ import annotations

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.scores import measured_layers
from grokscope.runs.store import Run
from grokscope.training.networks import model_shapes


def normed_layers(experiment: Experiment) -> dict[str, str]:
    """The layers with an IPR and a norm layer behind them, and the name of its γ.

    >>> normed_layers(Experiment().replace(normalization="batch_norm"))
    {'hidden': 'norm_gamma'}
    """
    layers = measured_layers(model_shapes(experiment))
    return {name: layer.gamma for name, layer in layers.items() if layer.gamma is not None}


def contributions(run: Run, layer: str | None = None) -> xr.Dataset:
    """What a norm layer gives each live neuron, beside its IPR (Sec. 3, Fig. 5, Fig. 15).

    Args:
        run: of a network with norm layers.
        layer: whose neurons; by default of the first layer with an IPR and a norm layer behind it.

    Returns:
        Over `neuron`: `ipr`, IPR_k; `gamma`, ``|γ_k|``; `effective`, ``|γ_k| · ‖W_k‖``, by which
        a neuron's normalised activation reaches the next layer: a large γ says little if the
        weights behind it are small.

    Raises:
        ConfigError: if the layer has no IPR or no norm layer behind it, or the network none such.
    """
    layers = measured_layers(model_shapes(run.experiment))
    normed = normed_layers(run.experiment)
    name = layer or next(iter(normed), None)
    if name is None:
        raise ConfigError(
            "`run` must have a norm layer behind neurons with an IPR, got one without. "
            "Train with normalization batch_norm."
        )
    ipr = run.layer_ipr(name)
    if name not in normed:
        raise ConfigError(
            f"`layer` must have a norm layer behind it, got {name!r}. "
            f"Use {' or '.join(normed) or 'another architecture'}."
        )
    of_layer, gamma_name = layers[name], normed[name]
    if run.has_weights:
        gamma = run.dataset[gamma_name].values
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
