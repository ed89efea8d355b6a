"""A run as labelled arrays: from its measurements, and back to its network."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from grokscope.errors import ConfigError
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import packages_of
from grokscope.measures.scores import (
    SCORES,
    Measurement,
    array_name,
    embedding_ipr,
    matrices,
    mean_ipr,
    measured_layers,
    named_arrays,
)
from grokscope.models.network import Network
from grokscope.runs.store import Run
from grokscope.training.compile import compilation
from grokscope.training.networks import model_shapes


def described(description: str) -> dict[str, str]:
    """Attributes of a variable in a run file."""
    return {"units": "1", "description": description}


def as_dataset(
    experiment: Experiment,
    measured: Sequence[Measurement],
    network: Network,
    ends: Mapping[str, int | None],
    seconds: float,
) -> xr.Dataset:
    """All measurements and the final weights, with units and descriptions.

    Args:
        experiment: what was trained.
        measured: at the scheduled steps, as far as it came.
        network: as it is at the end.
        ends: `failed_at` and `settled_at`, each a step or None.
        seconds: what it took.
    """
    layers, arrays = measured_layers(network), named_arrays(network)
    vectors = {name: layer for layer in layers for name in layers[layer].vectors}
    ipr = np.stack([m.ipr for m in measured])
    per_neuron = embedding_ipr(network, measured)

    def variable(dims, values, description):
        return dims, values, described(description)

    curves = {
        name: variable("step", [m.scores[name] for m in measured], description)
        for name, description in SCORES.items()
    }
    own = {
        name: variable("step", [m.own[name] for m in measured], f"your own measure {name}")
        for name in measured[0].own
    }
    weights = {
        name: variable(_dimensions(name, array, vectors, ipr.shape[-1]), array, f"final {name}")
        for name, array in arrays.items()
    }
    attrs: dict[str, Any] = {
        "grokscope_version": version("grokscope"),
        "environment": json.dumps(environment(experiment.own_code), sort_keys=True),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
    }
    attrs |= {name: step for name, step in ends.items() if step is not None}
    coords = {
        "step": variable("step", experiment.schedule[: len(measured)], "optimisation step"),
        "matrix": ("matrix", list(matrices(arrays)), {"description": "weight matrix"}),
    }
    spectra = {}
    if vectors:
        spectra["ipr"] = variable(
            ("step", "vectors", "neuron"),
            ipr,
            "inverse participation ratio of each neuron's weight vector (Eq. 3), real Fourier "
            "transform; missing for a dead vector",
        )
        coords |= {
            "vectors": ("vectors", list(vectors), {"description": "matrix with the vectors"}),
            "layer": ("vectors", list(vectors.values()), {"description": "whose units they are"}),
            "neuron": variable("neuron", np.arange(ipr.shape[-1]), "neuron of a layer"),
            "residue": variable("residue", np.arange(experiment.task.n_inputs), "residue mod p"),
        }
    return xr.Dataset(
        curves
        | {
            "norm": variable(
                ("step", "matrix"), [m.norm for m in measured], "Frobenius norm of each matrix"
            ),
            "mean_ipr": variable("step", mean_ipr(per_neuron), "mean of IPR_k over live neurons"),
            "dead_neurons": variable(
                "step", np.isnan(per_neuron).sum(axis=1), "neurons with a dead weight vector"
            ),
        }
        | spectra
        | own
        | weights,
        coords=coords,
        attrs=attrs,
    )


def _dimensions(
    name: str, array: np.ndarray, vectors: Mapping[str, str], n_units: int
) -> tuple[str, ...]:
    """Names for an array's axes: those of the measured vectors, or its own."""
    if name in vectors:
        return ("residue", "neuron")
    if array.shape == (n_units,):
        return ("neuron",)
    axes = ("out", "in") if array.ndim == 2 else range(array.ndim)
    return tuple(f"{name}_{axis}" for axis in axes)


def environment(own_code: Sequence[str] = ()) -> dict[str, str | int]:
    """What a run's bits may depend on besides its configuration, and what code of the user's own
    imports.
    """
    packages = ("jax", "jaxlib", "equinox", "optax", "numpy")
    built: Any = np.show_config(mode="dicts")
    return (
        packages_of(own_code)
        | {name: version(name) for name in packages}
        | {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "machine": platform.machine(),
            "instructions": " ".join(built.get("SIMD Extensions", {}).get("found", ())),
            "device": jax.devices()[0].device_kind,
            "threads": os.environ.get("NPROC", "all"),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            "byte_order": sys.byteorder,
        }
        | compilation().notes
    )


def final_network(run: Run) -> Network:
    """The trained network.

    Raises:
        ConfigError: if the run was stored without its weights.

    >>> from grokscope import train
    >>> run = train(Experiment(steps=0).replace(modulus=7, width=4))
    >>> final_network(run)(jnp.array([[1, 2]])).shape
    (1, 7)
    """
    if not run.has_weights:
        raise ConfigError(
            f"`run` must have its weights, got {run.digest[:12]}, which a sweep stored without. "
            "Train it again with `train`."
        )
    return jax.tree_util.tree_map_with_path(
        lambda path, _: jnp.asarray(run.dataset[array_name(path)].values),
        model_shapes(run.experiment),
    )
