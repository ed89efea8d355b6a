"""Neurons over time: which memorise, which are periodic, and when one kind turns into the other."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from grokscope.analysis.label_audit import PERIODIC
from grokscope.analysis.neurons import wave_table
from grokscope.errors import ConfigError
from grokscope.measures.attribution import attribution
from grokscope.measures.pruning import layer_named
from grokscope.measures.scores import layer_ipr
from grokscope.runs.run import Run
from grokscope.runs.snapshot import kept_networks

GROUPS = ("periodic", "memorizing", "idle", "dead")
"""What a neuron is: periodic; else memorising, if it adds to wrong labels; else idle; or dead."""


def neurons_over_steps(
    run: Run, layer: str | None = None, periodic: float = PERIODIC
) -> xr.Dataset:
    """What each neuron is at every kept step.

    Args:
        run: with weights kept over time, of a network whose neurons have an IPR and add to the
            logits.
        layer: whose neurons; by default of the last with an IPR.
        periodic: the IPR from which a neuron counts as periodic; by default that by which audits
            prune, between the two modes of Coexistence.

    Returns:
        Over `step` and `neuron`: `ipr`, `frequency`, `share`, `memorizing`, `generalizing` and
        `norm`, as in `neuron_table`, and `group`, a place in `GROUPS`.

    Raises:
        ConfigError: if the run has not kept its weights over time, or its neurons have no IPR or
            do not add to the logits.

    >>> from grokscope import Experiment, train
    >>> experiment = Experiment(steps=20, modulus=7, width=16, corruption_fraction=0.3)
    >>> run = train(experiment.replace(keep_weights="log:5"))
    >>> dict(neurons_over_steps(run).sizes)
    {'step': 5, 'neuron': 16}
    """
    networks, layer = kept_networks(run), layer_named(run.network, layer)
    units, group = run.network.layers[layer], run.data.group
    adds, order = units.adds_to_logits(run.network), run.data.shift_order
    if not adds or not units.vectors or group is None or order is None:
        raise ConfigError(
            "`run` must be of a network whose neurons have waves over a cyclic group and add to "
            f"the logits, got layer {layer} of {run.experiment.model.name} on "
            f"{run.experiment.task.title}. Use two_layer, and a task of residues."
        )
    steps: list[int] = []
    tables: list[xr.Dataset] = []
    for step, network in networks:
        held = attribution(network, run.data, layer)
        waves = wave_table(network, layer, order)[["frequency", "share"]]
        of_step = {
            "ipr": layer_ipr(network, layer, group),
            "memorizing": held.memorizing,
            "generalizing": held.generalizing,
            "norm": units.outgoing_norm_of(network),
        }
        steps.append(step)
        tables.append(waves.assign(**of_step).to_xarray())
    found = xr.concat(tables, dim=xr.Variable("step", steps, run.dataset.step.attrs))
    ipr = found.ipr.values
    kinds = [np.isnan(ipr), ipr >= periodic, found.memorizing.values > 0]
    codes = [GROUPS.index(name) for name in ("dead", "periodic", "memorizing", "idle")]
    group = np.select(kinds, codes[:-1], codes[-1]).astype(np.int8)
    attrs = {
        "description": "what the neuron is",
        "flag_values": np.arange(len(GROUPS), dtype=np.int8),
        "flag_meanings": " ".join(GROUPS),
    }
    names = ["ipr", "frequency", "share", "memorizing", "generalizing", "norm"]
    return found[names].assign(group=(("step", "neuron"), group, attrs))


def movement_table(neurons: xr.Dataset) -> pd.DataFrame:
    """When each neuron became what it is.

    Args:
        neurons: of `neurons_over_steps`.

    Returns:
        Over `neuron`: `first` and `last`, its group at the first and the last kept step;
        `periodic_at`, the kept step from which on it is periodic, NaN if it is not in the end;
        `memorizing_peak`, the kept step at which it adds most to wrong labels, NaN where none is
        wrong.
    """
    group, steps = neurons.group.values, neurons.step.values
    others = group != GROUPS.index("periodic")
    stays = ~np.logical_or.accumulate(others[::-1])[::-1]
    memorizing = neurons.memorizing.values
    peak = np.where(np.isnan(memorizing), -np.inf, memorizing).argmax(axis=0)
    has_peak = ~np.isnan(memorizing).all(axis=0)
    names = np.array(GROUPS)
    return pd.DataFrame(
        {
            "first": names[group[0]],
            "last": names[group[-1]],
            "periodic_at": np.where(stays.any(axis=0), steps[stays.argmax(axis=0)], np.nan),
            "memorizing_peak": np.where(has_peak, steps[peak], np.nan),
        }
    ).rename_axis("neuron")


def flows(neurons: xr.Dataset, steps: tuple[int, int]) -> pd.DataFrame:
    """How many neurons went from each group to each between two kept steps.

    Args:
        neurons: of `neurons_over_steps`.
        steps: two kept steps.

    Returns:
        Counts; a row for each group at the first step, a column for each at the second.

    Raises:
        ConfigError: if one of the steps was not kept.
    """
    for step in steps:
        if step not in neurons.step.values:
            kept = ", ".join(map(str, neurons.step.values.tolist()))
            raise ConfigError(f"`steps` must be two of the kept ones, {kept}, got {step!r}.")
    names = np.array(GROUPS)
    before, after = (pd.Categorical(names[neurons.group.sel(step=s)], GROUPS) for s in steps)
    return pd.crosstab(before, after, rownames=["before"], colnames=["after"], dropna=False)
