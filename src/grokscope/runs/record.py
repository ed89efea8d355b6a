"""A run as labelled arrays, made from its measurements."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from grokscope.data.dataset import Dataset
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import OwnCode, packages_of
from grokscope.measures.scores import Examples, Measurement, embedding_ipr, matrices
from grokscope.measures.table import network_measures, of_network, scores, unit_measures
from grokscope.models.network import Network, named_arrays, vector_matrices
from grokscope.training.compile import compilation

WHOLE, COMPACT = "whole", "compact"
"""Values of a run's attribute `kind`: with its weights, or without them."""

Variable = tuple[str | tuple[str, ...], ArrayLike, Mapping[str, object]]
"""Dimensions, values and attributes."""


def described(description: str) -> dict[str, str]:
    """Attributes of a variable in a run file."""
    return {"units": "1", "description": description}


def as_dataset(
    experiment: Experiment,
    examples: Examples,
    measured: Sequence[Measurement],
    network: Network,
    ends: Mapping[str, int | None],
    seconds: float,
) -> xr.Dataset:
    """All measurements and the final weights, with units and descriptions.

    Args:
        experiment: what was trained.
        examples: what it was trained and tested on.
        measured: at the scheduled steps, as far as it came.
        network: as it is at the end.
        ends: `failed_at` and `settled_at`, each a step or None.
        seconds: what it took.
    """
    arrays = named_arrays(network)
    steps = experiment.schedule[: len(measured)]
    coords = {
        "step": ("step", steps, described("optimisation step")),
        "matrix": ("matrix", list(matrices(arrays)), {"description": "weight matrix"}),
    }
    attrs = {
        "grokscope_version": version("grokscope"),
        "environment": json.dumps(environment(experiment.own_code), sort_keys=True),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "kind": WHOLE,
    }
    attrs |= {name: step for name, step in ends.items() if step is not None}
    labels: dict[str, Variable] = {}
    if experiment.has_own_data:
        attrs["data_sha256"] = examples.dataset.sha256
        labels = _labels(examples.dataset)
    spectra, of_units = _spectra(experiment, measured, network)
    curves = _curves(measured, network)
    if "failed_at" not in attrs:
        rows = network_measures()
        names = [name for name in rows if name not in curves]
        at_end = of_network(network, examples, experiment, names)
        curves |= {name: ((), value, rows[name].attrs) for name, value in at_end.items()}
    return xr.Dataset(
        curves | spectra | _weights(measured, network) | labels,
        coords | of_units,
        attrs,
    )


def _curves(measured: Sequence[Measurement], network: Network) -> dict[str, Variable]:
    """What is a number, or a number for each matrix, at every measured step."""
    neuron_ipr = embedding_ipr(network, measured)
    curves: dict[str, Variable] = {
        name: ("step", [m.scores[name] for m in measured], row.attrs)
        for name, row in scores().items()
    }
    norms = [m.norm for m in measured]
    curves["norm"] = ("step", "matrix"), norms, described("Frobenius norm of each matrix")
    curves |= {
        name: ("step", row.value(neuron_ipr), row.attrs) for name, row in unit_measures().items()
    }
    built_in = network_measures()
    return curves | {
        name: (
            "step",
            [m.asked[name] for m in measured],
            built_in[name].attrs if name in built_in else described(f"your own measure {name}"),
        )
        for name in measured[0].asked
    }


LABELS = {
    "true_labels": "label that the task gives",
    "given_labels": "label that training was told",
    "is_corrupted": "1 if the label was drawn anew",
}
"""What a run says of data that code of the user's own made, so that it can be read without."""


def _labels(data: Dataset) -> dict[str, Variable]:
    """The labels of all examples, in split order."""
    return {
        name: ("data", getattr(data, name).astype(np.int32), described(words))
        for name, words in LABELS.items()
    }


def _spectra(
    experiment: Experiment, measured: Sequence[Measurement], network: Network
) -> tuple[dict[str, Variable], dict[str, Variable]]:
    """IPR of every vector at every step, and its coordinates; nothing if no unit has a vector."""
    layer_of = vector_matrices(network)
    if not layer_of:
        return {}, {}
    ipr = np.stack([m.ipr for m in measured])
    words = (
        "inverse participation ratio of each neuron's weight vector (Eq. 3), real Fourier "
        "transform; missing for a dead vector"
    )
    residues = np.arange(experiment.n_inputs)
    return {"ipr": (("step", "vectors", "neuron"), ipr, described(words))}, {
        "vectors": ("vectors", list(layer_of), {"description": "matrix with the vectors"}),
        "layer": ("vectors", list(layer_of.values()), {"description": "whose units they are"}),
        "neuron": ("neuron", np.arange(ipr.shape[-1]), described("neuron of a layer")),
        "residue": ("residue", residues, described("residue mod p")),
    }


def _weights(measured: Sequence[Measurement], network: Network) -> dict[str, Variable]:
    """The final arrays of the network, by name."""
    vectors = vector_matrices(network)
    n_units = measured[0].ipr.shape[-1]
    return {
        name: (_dimensions(name, array, vectors, n_units), array, described(f"final {name}"))
        for name, array in named_arrays(network).items()
    }


def _dimensions(
    name: str, array: np.ndarray, vectors: Collection[str], n_units: int
) -> tuple[str, ...]:
    """Names for an array's axes: those of the measured vectors, or its own."""
    if name in vectors:
        return ("residue", "neuron")
    if array.shape == (n_units,):
        return ("neuron",)
    axes = ("out", "in") if array.ndim == 2 else range(array.ndim)
    return tuple(f"{name}_{axis}" for axis in axes)


def environment(own_code: Sequence[OwnCode] = ()) -> dict[str, str | int]:
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
