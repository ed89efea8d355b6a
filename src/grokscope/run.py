"""One experiment from start to finish: train, measure at every scheduled step, store."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from grokscope.config import Experiment
from grokscope.data import make_dataset
from grokscope.measure import (
    SCORES,
    Examples,
    Measurement,
    mean_ipr,
    measure,
    neuron_ipr,
    weights,
)
from grokscope.models.two_layer import TwoLayer
from grokscope.progress import progress_bar
from grokscope.store import Run, find, require_writable, save
from grokscope.training import train_steps


def train(experiment: Experiment, store: str | Path | None = None, progress: bool = True) -> Run:
    """Train a network, or return its stored run.

    Args:
        experiment: what to train.
        store: a folder of runs; the run is taken from there if it is there, and else put there.
        progress: whether to show a progress bar, if on a terminal.

    Raises:
        ConfigError: if the store cannot be written.

    >>> run = train(Experiment(steps=20, train_fraction=0.8).replace(modulus=7, width=16))
    >>> dict(run.dataset.sizes)
    {'step': 3, 'matrix': 3, 'neuron': 16, 'residue': 7}
    """
    if store is not None:
        if stored := find(Path(store), experiment):
            return stored
        require_writable(Path(store), "store")
    with progress_bar("training", experiment.steps, progress) as advance:
        (run,) = train_ensemble([experiment], advance)
    return run if store is None else save(run, Path(store))


def train_ensemble(
    experiments: Sequence[Experiment], advance: Callable[[int], None] = lambda steps: None
) -> list[Run]:
    """Train experiments of one static shape together; see `training.train_steps`.

    Raises:
        ConfigError: if the experiments do not share one static shape.
    """
    if not experiments:
        return []
    began = time.monotonic()
    datasets = [make_dataset(experiment) for experiment in experiments]
    examples = [
        Examples(dataset, experiment.model.width)
        for dataset, experiment in zip(datasets, experiments, strict=True)
    ]
    measured: list[list[Measurement]] = [[] for _ in experiments]
    before = 0
    networks: list[TwoLayer] = []
    failures: list[int | None] = []
    for step, networks, failures in train_steps(experiments, datasets):
        for index, failure in enumerate(failures):
            if failure is None:
                measured[index].append(
                    measure(networks[index], examples[index], experiments[index])
                )
        advance(step - before)
        before = step
        if None not in failures:
            break
    seconds = (time.monotonic() - began) / len(experiments)
    return [
        Run(experiment, _as_dataset(experiment, member, network, failure, seconds))
        for experiment, member, network, failure in zip(
            experiments, measured, networks, failures, strict=True
        )
    ]


def final_network(run: Run) -> TwoLayer:
    """The trained network.

    >>> run = train(Experiment(steps=0).replace(modulus=7, width=4))
    >>> final_network(run)(jnp.array([[1, 2]])).shape
    (1, 7)
    """
    U, V, W = (jnp.asarray(run.dataset[name].values) for name in TwoLayer.matrices)
    return TwoLayer(U, V, W, run.experiment.model.activation)


def _as_dataset(
    experiment: Experiment,
    measured: list[Measurement],
    network: TwoLayer,
    failed_at: int | None,
    seconds: float,
) -> xr.Dataset:
    """All measurements and the final weights, with units and descriptions."""
    ipr = np.stack([m.ipr for m in measured])
    per_neuron = neuron_ipr(ipr)

    def variable(dims, values, description):
        return dims, values, {"units": "1", "description": description}

    curves = {
        name: variable("step", [m.scores[name] for m in measured], description)
        for name, description in SCORES.items()
    }
    matrices = {
        name: variable(("residue", "neuron"), matrix, f"final {name}, one column a neuron")
        for name, matrix in weights(network).items()
    }
    attrs = {
        "grokscope_version": version("grokscope"),
        "environment": json.dumps(environment(), sort_keys=True),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
    }
    return xr.Dataset(
        curves
        | {
            "norm": variable(
                ("step", "matrix"), [m.norm for m in measured], "Frobenius norm of each matrix"
            ),
            "ipr": variable(
                ("step", "matrix", "neuron"),
                ipr,
                "inverse participation ratio of each neuron's weight vector (Eq. 3), real Fourier "
                "transform; missing for a dead vector",
            ),
            "mean_ipr": variable("step", mean_ipr(per_neuron), "mean of IPR_k over live neurons"),
            "dead_neurons": variable(
                "step", np.isnan(per_neuron).sum(axis=1), "neurons with a dead weight vector"
            ),
        }
        | matrices,
        coords={
            "step": variable("step", experiment.schedule[: len(measured)], "optimisation step"),
            "matrix": ("matrix", list(TwoLayer.matrices), {"description": "weight matrix"}),
            "neuron": variable("neuron", np.arange(experiment.model.width), "hidden neuron"),
            "residue": variable("residue", np.arange(experiment.task.modulus), "residue mod p"),
        },
        attrs=attrs if failed_at is None else attrs | {"failed_at": failed_at},
    )


def environment() -> dict[str, str | int]:
    """What a run's bits may depend on besides its configuration."""
    packages = ("jax", "jaxlib", "equinox", "optax", "numpy")
    return {name: version(name) for name in packages} | {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "device": jax.devices()[0].device_kind,
        "threads": os.environ.get("NPROC", "all"),
        "byte_order": sys.byteorder,
    }
