"""What a norm layer gives each neuron, beside the neuron's IPR."""

from __future__ import annotations

import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.measures.scores import measured_layers
from grokscope.runs.compact import norm_layer
from grokscope.runs.run import Run
from grokscope.training.networks import model_shapes


def normed_layers(experiment: Experiment) -> list[str]:
    """The layers that have an IPR, and a norm layer behind them.

    >>> normed_layers(Experiment().replace(normalization="batch_norm"))
    ['hidden']
    """
    layers = measured_layers(model_shapes(experiment))
    return [name for name, layer in layers.items() if layer.gamma is not None]


def contributions(run: Run, layer: str | None = None) -> xr.Dataset:
    """What a norm layer gives each live neuron, beside its IPR (Sec. 3, App. G.4).

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
    if run.has_weights:
        network = run.network
        units = network.layers[name]
        gamma, norms = np.asarray(units.gamma_of(network)), units.outgoing_norm_of(network)
    else:
        gamma, norms = norm_layer(run.dataset, name)
    alive = ~np.isnan(ipr)
    columns = {"ipr": ipr, "gamma": np.abs(gamma), "effective": np.abs(gamma) * norms}
    return xr.Dataset(
        {name: ("neuron", values[alive]) for name, values in columns.items()},
        {"neuron": np.flatnonzero(alive)},
    )
