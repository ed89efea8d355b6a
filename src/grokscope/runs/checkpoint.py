"""Training that is not finished: its state at a step and what was measured so far, in a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PyTree

from grokscope.data.dataset import Dataset
from grokscope.errors import StoreError
from grokscope.experiment.experiment import SCHEMA, Experiment
from grokscope.measures.table import scores
from grokscope.measures.together import Measurement
from grokscope.models.precision import in_own_precision
from grokscope.runs.files import read_dataset, write_dataset
from grokscope.runs.record import (
    Kept,
    Variable,
    described,
    history,
    kept_arrays,
    kept_weights,
    measurements,
    provenance,
    with_bits,
    with_floats,
)
from grokscope.training.loop import State, prepare

LEAF = "state_"
"""How variables of the state begin; the rest is a number in the order of the state's arrays."""


class Checkpoint(NamedTuple):
    """How far training has come.

    Attributes:
        step: optimisation steps done, counted from the first of all.
        state: what the next step needs.
        measured: what was measured so far, by step.
        kept: the weights that are kept, by step.
        seconds: what it took.
    """

    step: int
    state: State
    measured: dict[int, Measurement]
    kept: Kept
    seconds: float

    def serves(self, experiment: Experiment) -> bool:
        """Whether an experiment can go on from here: all that it looks at before was looked at."""
        schedule = {step for step in experiment.schedule if step <= self.step}
        wanted = {step for step in experiment.kept_steps if step <= self.step}
        names = _asked_of(experiment)
        asked = set().union(*(m.asked for m in self.measured.values()))
        dtype = np.dtype(experiment.kept_dtype or experiment.precision)
        alike = all(a.dtype == dtype for arrays in self.kept.values() for a in arrays.values())
        return (
            self.step <= experiment.steps
            and schedule <= self.measured.keys()
            and wanted <= self.kept.keys()
            and (alike or not wanted)
            and names <= asked
        )

    def measured_for(self, experiment: Experiment) -> dict[int, Measurement]:
        """What an experiment measures too of what was measured, by step."""
        steps, names = {*experiment.schedule}, _asked_of(experiment)
        return {
            step: replace(m, asked={name: n for name, n in m.asked.items() if name in names})
            for step, m in self.measured.items()
            if step in steps
        }


def _asked_of(experiment: Experiment) -> set[str]:
    """The names of an experiment's own `measures`."""
    return {str(getattr(m, "function", m)) for m in experiment.measures or ()}


def write_checkpoint(checkpoint: Checkpoint, experiment: Experiment, path: Path) -> None:
    """Write a checkpoint to a file, whole or not at all.

    Args:
        checkpoint: of the experiment's training.
        experiment: what is trained.
        path: the file.

    Raises:
        OSError: if the file cannot be written; no part of it is left behind.
    """
    measured, network = [*checkpoint.measured.values()], checkpoint.state.model
    leaves: dict[str, Variable] = {
        f"{LEAF}{place}": (
            tuple(f"{LEAF}{place}_{axis}" for axis in range(np.ndim(leaf))),
            np.asarray(leaf),
            described("array of the training state"),
        )
        for place, leaf in enumerate(jax.tree.leaves(checkpoint.state))
    }
    dataset = history(experiment, measured, network).assign(
        leaves | kept_weights(checkpoint.kept, measured, network)
    )
    identity = {
        "kind": "checkpoint",
        "schema_version": SCHEMA,
        "trajectory": experiment.trajectory,
        "last_step": checkpoint.step,
        "seconds": checkpoint.seconds,
    }
    write_dataset(path, with_bits(dataset.assign_attrs(provenance(experiment) | identity)))


@in_own_precision
def read_checkpoint(path: Path, experiment: Experiment, data: Dataset) -> Checkpoint:
    """Read a checkpoint of an experiment's training.

    Args:
        path: the file.
        experiment: what is trained.
        data: its data.

    Raises:
        StoreError: if the file is damaged, of another training, or of another version, which
            measured something else.
        OSError: if the file cannot be read.
    """
    dataset = with_floats(read_dataset(path))
    if dataset.attrs.get("trajectory") != experiment.trajectory:
        raise StoreError(f"`{path}` must be a checkpoint of this training, got another file.")
    if dataset.attrs.get("schema_version") != SCHEMA or not scores().keys() <= dataset.keys():
        raise StoreError(f"`{path}` must be of this version of grokscope, got one of another.")
    shapes: PyTree = eqx.filter_eval_shape(lambda: prepare(experiment, data)[0])
    leaves = [dataset.get(f"{LEAF}{place}") for place in range(len(jax.tree.leaves(shapes)))]
    expected = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(shapes)]
    if [None if leaf is None else (leaf.shape, leaf.dtype) for leaf in leaves] != expected:
        raise StoreError(f"`{path}` must hold the training's state, got other arrays.")
    arrays = [jnp.asarray(leaf.values) for leaf in leaves if leaf is not None]
    return Checkpoint(
        dataset.attrs["last_step"],
        jax.tree.unflatten(jax.tree.structure(shapes), arrays),
        measurements(_curves(dataset)),
        kept_arrays(dataset),
        dataset.attrs["seconds"],
    )


def _curves(dataset: xr.Dataset) -> xr.Dataset:
    """The measurements alone."""
    return dataset.drop_vars([n for n in map(str, dataset.data_vars) if n.startswith(LEAF)])
