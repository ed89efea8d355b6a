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
from grokscope.experiment.tasks import Counted
from grokscope.measures.examples import Examples
from grokscope.measures.scores import matrices
from grokscope.measures.table import network_measures, scores, unit_measures
from grokscope.measures.together import Measurement, embedding_ipr, of_networks
from grokscope.models.network import Network, named_arrays, vector_matrices
from grokscope.models.precision import matrix_products
from grokscope.training.compile import compilation

WHOLE, COMPACT = "whole", "compact"
"""Values of a run's attribute `kind`: with its weights, or without them."""

KEPT = "kept_"
"""How variables of kept weights begin; the rest is the array's name."""

Kept = Mapping[int, Mapping[str, np.ndarray]]
"""A network's arrays by name, at some steps."""

Variable = tuple[str | tuple[str, ...], ArrayLike, Mapping[str, object]]
"""Dimensions, values and attributes."""


def described(description: str) -> dict[str, str]:
    """Attributes of a variable in a run file."""
    return {"units": "1", "description": description}


def measured_at_end(
    networks: Sequence[Network], examples: Sequence[Examples]
) -> list[dict[str, float]]:
    """What is measured of finished networks, but for what was measured at every step.

    Args:
        networks: of one shape.
        examples: of each; all of one `ensemble_key`.
    """
    if not examples:
        return []
    asked = examples[0].experiment.measures or ()
    return of_networks(networks, examples, [n for n in network_measures() if n not in asked])


def as_dataset(
    examples: Examples,
    measured: Sequence[Measurement],
    network: Network,
    at_end: Mapping[str, float],
    ends: Mapping[str, int | None] | None = None,
    seconds: float = 0.0,
    kept: Kept | None = None,
) -> xr.Dataset:
    """All measurements and the final weights, with units and descriptions.

    Args:
        examples: what it was trained and tested on.
        measured: at the scheduled steps, as far as it came.
        network: as it is at the end.
        at_end: of `measured_at_end`; nothing of a network that diverged.
        ends: `failed_at` and `settled_at`, each a step or None.
        seconds: what it took.
        kept: the network's arrays at the experiment's `kept_steps`, as far as it came.
    """
    experiment = examples.experiment
    attrs = provenance(experiment) | {"seconds": seconds, "kind": WHOLE}
    attrs |= {name: step for name, step in (ends or {}).items() if step is not None}
    labels: dict[str, Variable] = {}
    if experiment.has_own_data:
        attrs["data_sha256"] = examples.dataset.sha256
        labels = _labels(examples.dataset)
        if isinstance(experiment.task, Counted) and experiment.task.has_tokens:
            labels |= _tokens(examples.dataset)
    rows = network_measures()
    found: dict[str, Variable] = {n: ((), value, rows[n].attrs) for n, value in at_end.items()}
    weights = _weights(measured, network) | kept_weights(kept or {}, measured, network)
    dataset = history(experiment, measured, network)
    return dataset.assign(found | weights | labels).assign_attrs(attrs)


def provenance(experiment: Experiment) -> dict[str, str]:
    """Attributes that say where, when and with what a file was made."""
    return {
        "grokscope_version": version("grokscope"),
        "environment": json.dumps(environment(experiment.own_code), sort_keys=True),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def history(
    experiment: Experiment, measured: Sequence[Measurement], network: Network
) -> xr.Dataset:
    """All measurements at the scheduled steps, as far as they came; `measurements` reads them."""
    steps = experiment.schedule[: len(measured)]
    coords = {
        "step": ("step", steps, described("optimisation step")),
        "matrix": (
            "matrix",
            list(matrices(named_arrays(network))),
            {"description": "weight matrix"},
        ),
    }
    spectra, of_units = _spectra(experiment, measured, network)
    return xr.Dataset(_curves(measured, network) | spectra, coords | of_units)


def measurements(dataset: xr.Dataset) -> dict[int, Measurement]:
    """What `history` holds, by step: those that it was made from."""
    known = {*scores(), *unit_measures(), "norm", "ipr"}
    asked = [
        n for n in map(str, dataset.data_vars) if dataset[n].dims == ("step",) and n not in known
    ]
    n_vectors = np.zeros((0, 0), np.float32)
    return {
        int(step): Measurement(
            scores={name: float(dataset[name].values[place]) for name in scores()},
            norm=dataset.norm.values[place],
            ipr=dataset.ipr.values[place] if "ipr" in dataset else n_vectors,
            asked={name: float(dataset[name].values[place]) for name in asked},
        )
        for place, step in enumerate(dataset.step.values)
    }


def kept_weights(
    kept: Kept, measured: Sequence[Measurement], network: Network
) -> dict[str, Variable]:
    """The arrays of the network at kept steps, and these steps; nothing if none are kept."""
    if not kept:
        return {}
    final = _weights(measured, network)
    words = described("optimisation step whose weights are kept")
    steps: dict[str, Variable] = {"kept_step": ("kept_step", [*kept], words)}
    return steps | {
        KEPT + name: (
            ("kept_step", *dimensions),
            np.stack([arrays[name] for arrays in kept.values()]),
            described(f"{name} at kept steps"),
        )
        for name, (dimensions, _, _) in final.items()
    }


def kept_arrays(dataset: xr.Dataset) -> Kept:
    """What `kept_weights` holds."""
    if "kept_step" not in dataset:
        return {}
    names = [name for name in map(str, dataset.data_vars) if name.startswith(KEPT)]
    return {
        int(step): {name.removeprefix(KEPT): dataset[name].values[place] for name in names}
        for place, step in enumerate(dataset.kept_step.values)
    }


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


def with_bits(dataset: xr.Dataset) -> xr.Dataset:
    """Float16 as the whole numbers of the same bits, since netCDF-4 has no such floats."""
    halves = {n: v for n, v in dataset.data_vars.items() if v.dtype == np.float16}
    return dataset.assign({
        name: variable.copy(data=variable.values.view(np.uint16)).assign_attrs(bits_of="float16")
        for name, variable in halves.items()
    })  # fmt: skip


def with_floats(dataset: xr.Dataset) -> xr.Dataset:
    """A dataset as before `with_bits`."""
    halves = {n: v for n, v in dataset.data_vars.items() if v.attrs.get("bits_of") == "float16"}
    return dataset.assign({
        name: variable.copy(data=variable.values.view(np.float16)).drop_attrs()
        .assign_attrs({k: v for k, v in variable.attrs.items() if k != "bits_of"})
        for name, variable in halves.items()
    })  # fmt: skip


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


def _tokens(data: Dataset) -> dict[str, Variable]:
    """The tokens of all examples, in split order."""
    return {"inputs": (("data", "operand"), data.inputs, described("tokens of an example"))}


def _spectra(
    experiment: Experiment, measured: Sequence[Measurement], network: Network
) -> tuple[dict[str, Variable], dict[str, Variable]]:
    """IPR of every vector at every step, and its coordinates; nothing if no unit has a vector."""
    layer_of = vector_matrices(network)
    if not layer_of or not measured[0].ipr.size:
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
            "device": next(iter(jax.numpy.zeros(()).devices())).device_kind,
            "matrix_products": matrix_products(),
            "threads": os.environ.get("NPROC", "all"),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            "byte_order": sys.byteorder,
        }
        | compilation().notes
    )
