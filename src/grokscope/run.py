"""One experiment from start to finish: train, measure at every scheduled step, store."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from grokscope.config import Experiment
from grokscope.data import Dataset, make_dataset
from grokscope.errors import ConfigError
from grokscope.measure import (
    SCORES,
    Examples,
    Measurement,
    mean_ipr,
    measure,
    neuron_ipr,
)
from grokscope.models.two_layer import TwoLayer
from grokscope.progress import progress_bar
from grokscope.prune import fewest_neurons, pruning_curve, pruning_order
from grokscope.settle import has_settled
from grokscope.store import Run, find, require_writable, save
from grokscope.training import init_model, train_steps

EXAMPLES = 4
"""Corrupted training examples whose logits are kept when weights are not (Figure 23 shows four)."""

COUNTS = 50
"""Points on a pruning curve that is kept when weights are not."""


def train(experiment: Experiment, store: str | Path | None = None, progress: bool = True) -> Run:
    """Train a network, or return its stored run if that has its weights.

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
        stored = find(Path(store), experiment)
        if stored and stored.has_weights:
            return stored
        require_writable(Path(store), "store")
    with progress_bar("training", experiment.steps, progress) as advance:
        (run,) = train_ensemble([experiment], advance)
    return run if store is None else save(run, Path(store))


@dataclass
class _Member:
    """A network of an ensemble while it trains."""

    experiment: Experiment
    dataset: Dataset
    measured: list[Measurement] = field(default_factory=list)
    network: TwoLayer | None = None
    failed_at: int | None = None
    settled_at: int | None = None

    def __post_init__(self) -> None:
        self.examples = Examples(self.dataset, self.experiment.model.width)

    @property
    def has_ended(self) -> bool:
        return self.failed_at is not None or self.settled_at is not None

    def take(self, step: int, network: TwoLayer, failed_at: int | None) -> None:
        """Measure the network as it is at a scheduled step."""
        self.network, self.failed_at = network, failed_at
        if failed_at is not None:
            return
        self.measured.append(measure(network, self.examples, self.experiment))
        if step < self.experiment.steps and self._has_settled():
            self.settled_at = step

    def _has_settled(self) -> bool:
        if self.experiment.settle is None:
            return False
        return has_settled(
            self.experiment,
            self.experiment.schedule[: len(self.measured)],
            [m.scores["train_accuracy"] for m in self.measured],
            [m.scores["test_accuracy"] for m in self.measured],
            [m.norm for m in self.measured],
            mean_ipr(neuron_ipr(np.stack([m.ipr for m in self.measured]))),
        )


def train_ensemble(
    experiments: Sequence[Experiment], advance: Callable[[int], None] = lambda steps: None
) -> list[Run]:
    """Train experiments of one static shape together; see `training.train_steps`.

    `advance` is called with the steps just done; a run that ends early counts the rest as done.

    Raises:
        ConfigError: if the experiments do not share one static shape.
    """
    if not experiments:
        return []
    began = time.monotonic()
    members = [_Member(experiment, make_dataset(experiment)) for experiment in experiments]
    before = 0
    for step, networks, failures in train_steps(experiments, [m.dataset for m in members]):
        for member, network, failed_at in zip(members, networks, failures, strict=True):
            if not member.has_ended:
                member.take(step, network, failed_at)
        advance(step - before)
        before = step
        if all(member.has_ended for member in members):
            break
    advance(experiments[0].steps - before)
    seconds = (time.monotonic() - began) / len(members)
    return [Run(member.experiment, _as_dataset(member, seconds)) for member in members]


def final_network(run: Run) -> TwoLayer:
    """The trained network.

    Raises:
        ConfigError: if the run was stored without its weights.

    >>> run = train(Experiment(steps=0).replace(modulus=7, width=4))
    >>> final_network(run)(jnp.array([[1, 2]])).shape
    (1, 7)
    """
    if not run.has_weights:
        raise ConfigError(
            f"`run` must have its weights, got {run.digest[:12]}, which a sweep stored without. "
            "Train it again with `train`."
        )
    shapes = eqx.filter_eval_shape(init_model, run.experiment)
    return jax.tree_util.tree_map_with_path(
        lambda path, _: jnp.asarray(run.dataset[_array_name(path)].values), shapes
    )


def _array_name(path: tuple) -> str:
    """The name in a run file of an array of a network, such as U or norm_gamma."""
    return jax.tree_util.keystr(path, simple=True, separator="_")


def _named_arrays(network: TwoLayer) -> dict[str, np.ndarray]:
    """All arrays of a network, on the host, by their names in a run file."""
    leaves = jax.tree_util.tree_leaves_with_path(network)
    return {_array_name(path): np.asarray(array) for path, array in leaves}


def pruning_curves(
    run: Run, first: Sequence[str] = ("lowest", "highest"), seed: int = 0, stride: int = 1
) -> xr.Dataset:
    """`pruning_curve` of a run in each order of removal, along the dimension `first`.

    Raises:
        ConfigError: if the run diverged, was stored without weights, or an order is unknown.

    >>> run = train(Experiment(steps=20).replace(modulus=7, width=16))
    >>> dict(pruning_curves(run, stride=4).sizes)
    {'first': 2, 'pruned': 5}
    """
    if run.failed_at is not None:
        raise ConfigError(
            f"`run` must have finished to be pruned, got one that diverged at step "
            f"{run.failed_at}. Use a smaller learning rate."
        )
    orders = [pruning_order(run.neuron_ipr, order, seed) for order in first]
    network, dataset = final_network(run), make_dataset(run.experiment)
    curves = [
        pruning_curve(network, dataset, order, run.experiment.loss, stride) for order in orders
    ]
    return _side_by_side(curves, first)


def _side_by_side(curves: Sequence[xr.Dataset], first: Sequence[str]) -> xr.Dataset:
    axis = xr.Variable("first", list(first), {"description": "which IPR is removed first"})
    return xr.concat(curves, dim=axis, combine_attrs="override")


def without_weights(run: Run) -> Run:
    """The run as a sweep stores it: in place of weights, what later views need of them.

    That is: IPR per neuron at the end only, pruning curves at about `COUNTS` counts, the fewest
    neurons that generalise in either order, and the logits of the first `EXAMPLES` training
    examples whose given label is wrong; all but the first are NaN if the run diverged. Behind a
    norm layer also each neuron's γ and the norm of its outgoing weights. All but the curves have
    half precision, three digits, so that many runs together compress well.
    """
    if not run.has_weights:
        return run
    network = final_network(run)
    dataset = run.dataset.drop_vars([*_named_arrays(network), "residue", "ipr"])
    ipr = _half(neuron_ipr(run.final.ipr.values))
    dataset["neuron_ipr"] = "neuron", ipr, described("IPR_k (Eq. 4); missing for a dead neuron")
    if "norm_gamma" in run.dataset:
        gamma = _half(run.dataset.norm_gamma.values)
        dataset["norm_gamma"] = "neuron", gamma, described("final γ of the norm layer")
        norms = _half(np.linalg.norm(run.dataset.W.values, axis=0))
        dataset["output_norm"] = "neuron", norms, described("norm of each neuron's column of W")
    exists = np.float32(1 if run.failed_at is None else np.nan)
    examples, loss = make_dataset(run.experiment), run.experiment.loss
    stride = -(-run.experiment.model.width // COUNTS)
    ends = ("lowest", "highest")
    orders = [pruning_order(run.neuron_ipr, first) for first in ends]
    curves = [pruning_curve(network, examples, order, loss, stride) for order in orders]
    for name, curve in _side_by_side(curves, ends).items():
        attrs = described(f"under pruning: {curve.attrs['description']}")
        dataset[f"pruned_{name}"] = (curve.astype(np.float32) * exists).assign_attrs(attrs)
    fewest = [
        fewest_neurons(network, examples, order, curve, loss=loss)
        for order, curve in zip(orders, curves, strict=True)
    ]
    required = exists * np.array([np.nan if n is None else n for n in fewest], np.float32)
    attrs = described("fewest neurons left that generalise; missing if none do")
    dataset["neurons_required"] = "first", required, attrs
    wrong = np.flatnonzero(examples.given_labels != examples.true_labels)[:EXAMPLES]
    logits = _half(np.asarray(network(jnp.asarray(examples.inputs[wrong])))) * exists
    dataset["logits"] = ("example", "label"), logits, described("of the first corrupted examples")
    dataset = dataset.assign_coords(
        example=("example", wrong, {"description": "index in `make_dataset`"}),
        label=("label", np.arange(examples.n_labels), {"description": "label, 0 to p - 1"}),
    )
    return Run(run.experiment, dataset)


def _half(values: np.ndarray) -> np.ndarray:
    """Float32 with the digits of half precision: the bits that would not compress are zero."""
    return values.astype(np.float16).astype(np.float32)


def described(description: str) -> dict[str, str]:
    """Attributes of a variable in a run file."""
    return {"units": "1", "description": description}


def _as_dataset(member: _Member, seconds: float) -> xr.Dataset:
    """All measurements and the final weights, with units and descriptions."""
    experiment, measured, network = member.experiment, member.measured, member.network
    assert network is not None
    ipr = np.stack([m.ipr for m in measured])
    per_neuron = neuron_ipr(ipr)

    def variable(dims, values, description):
        return dims, values, described(description)

    curves = {
        name: variable("step", [m.scores[name] for m in measured], description)
        for name, description in SCORES.items()
    }
    arrays = {
        name: variable(("residue", "neuron")[-array.ndim :], array, f"final {name}")
        for name, array in _named_arrays(network).items()
    }
    attrs: dict[str, Any] = {
        "grokscope_version": version("grokscope"),
        "environment": json.dumps(environment(), sort_keys=True),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
    }
    ends = {"failed_at": member.failed_at, "settled_at": member.settled_at}
    attrs |= {name: step for name, step in ends.items() if step is not None}
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
        | arrays,
        coords={
            "step": variable("step", experiment.schedule[: len(measured)], "optimisation step"),
            "matrix": ("matrix", list(TwoLayer.matrices), {"description": "weight matrix"}),
            "neuron": variable("neuron", np.arange(experiment.model.width), "hidden neuron"),
            "residue": variable("residue", np.arange(experiment.task.modulus), "residue mod p"),
        },
        attrs=attrs,
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
