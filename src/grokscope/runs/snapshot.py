"""A run at one of its steps, and what is asked of all its kept steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from grokscope.data.dataset import Dataset
from grokscope.errors import ConfigError, meant, require_whole
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.own_code import split_measures
from grokscope.measures.examples import Examples
from grokscope.measures.table import network_measures, scores, unit_measures
from grokscope.measures.together import (
    embedding_ipr,
    measure,
    of_networks,
    own_measure,
    with_meaning,
)
from grokscope.models.network import Network, with_arrays
from grokscope.models.precision import in_own_precision
from grokscope.runs.record import Kept, as_dataset, kept_arrays, measured_at_end
from grokscope.runs.run import Run, require_finished, require_trained_here
from grokscope.runs.start import AT_STEP, require_as_trained, state_at
from grokscope.runs.store import Store

Number = float | None
Answer = xr.Dataset | xr.DataArray | pd.DataFrame | pd.Series | Mapping[str, Number] | Number
"""What may be found at a step; None is NaN beside numbers."""


def at(run: Run, step: int) -> Run:
    """The run as it was at one of its steps.

    Where the run has kept the weights of the step they are taken, in float16 if they were kept so.
    Else the network is trained again up to there, which gives the same weights on the same machine.

    Args:
        run: with its weights.
        step: from the run's first to its last.

    Returns:
        A run that ends at the step. It can be pruned, extracted, audited and drawn, and training
        can start from it, but it cannot be stored.

    Raises:
        ConfigError: if the run diverged, was stored without weights, holds another network than it
            trained, or has no such step.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20, modulus=7, width=16))
    >>> at(run, 10)
    <Run 3687b8355914 with its weights of step 10: confusion, train 0.46, test 0.04, 10 steps>
    """
    require_step(run, step)
    if step == run.dataset.step[-1]:
        return run
    if not run.has_weights:
        raise ConfigError(
            f"`run` must have its weights to be looked at while it trained, got {run.name}, which "
            "a sweep stored without. Train it again with `train`, or sweep with keep_weights "
            "log:40, which stores weights."
        )
    kept = kept_arrays(run.dataset).get(int(step))
    if kept is None:
        store = None if run.path is None else Store(run.path.parent, mend=False)
        network = state_at(run.experiment, int(step), store).model
    else:
        network = with_arrays(run.network, kept)
    return with_network(run, network, f"{AT_STEP} {step}", int(step))


def require_step(run: Run, step: int) -> None:
    """Refuse a run that cannot be looked at while it trained, and a step that it did not take.

    Raises:
        ConfigError: if the run diverged, holds another network than it trained, or has no such
            step.
    """
    require_finished(run, "looked at while it trained")
    require_trained_here(run, "looked at while it trained")
    require_as_trained(run, "looked at while it trained")
    first, last = run.experiment.first_step, int(run.dataset.step[-1])
    require_whole("step", step, first, f"Use {last}.", last)


def over_steps(run: Run, of: str | Sequence[str] | Callable[[Run], Answer]) -> xr.Dataset:
    """What is asked of the network at every kept step, as one dataset over `step`.

    Args:
        run: with weights kept over time.
        of: one name or several of scores and measures as a run's dataset has them, or a function of
            the run at a step that returns a dataset, a table, numbers by name or one number; None
            becomes NaN.

    Raises:
        ConfigError: if the run has not kept its weights over time, or a measure is unknown or has
            no meaning for it.

    >>> from grokscope import Experiment, train
    >>> run = train(Experiment(steps=20, modulus=7, width=16, keep_weights="log:5"))
    >>> over_steps(run, lambda run: run.dataset.test_loss.values[-1]).sizes["step"]
    5
    """
    steps = [*_require_kept(run)]
    if callable(of):
        found = [_as_dataset(of(at(run, step))) for step in steps]
        if "step" in found[0].dims:
            raise ConfigError(
                "`of` must return what is of one step, got numbers over steps. Use their last, as "
                "in run.final."
            )
    else:
        names = [of] if isinstance(of, str) else of
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
            raise ConfigError(
                f"`of` must be a name, a list of names or a function of the run, got {of!r}. "
                "Use test_loss."
            )
        found = [xr.Dataset(values) for values in _measured(run, names)]
    axis = xr.Variable("step", steps, run.dataset.step.attrs)
    return xr.concat(found, dim=axis, combine_attrs="drop_conflicts")


def kept_networks(run: Run) -> Iterator[tuple[int, Network]]:
    """Each kept step and the network at it, as `at` has it, without measuring it.

    Args:
        run: with weights kept over time.

    Raises:
        ConfigError: if the run diverged or has not kept its weights over time.
    """
    kept, last = _require_kept(run), int(run.dataset.step[-1])
    return (
        (step, run.network if step == last else with_arrays(run.network, arrays))
        for step, arrays in kept.items()
    )


def _require_kept(run: Run) -> Kept:
    """The arrays at kept steps.

    Raises:
        ConfigError: if the run diverged or has not kept its weights over time.
    """
    require_finished(run, "looked at while it trained")
    require_trained_here(run, "looked at while it trained")
    if not (kept := kept_arrays(run.dataset)):
        raise ConfigError(
            "`run` must have kept its weights over time, got a run with the last alone, or none. "
            "Train another with keep_weights log:40, as in `--keep-weights log:40`."
        )
    return kept


def _measured(run: Run, names: Sequence[str]) -> list[dict[str, float]]:
    """Some of `table.scores`, `network_measures` and the run's own measures at each kept step."""
    of_whole = network_measures()
    examples = Examples(run.data, run.experiment.replace(measures=None))
    own = {code.function: code for code in split_measures(run.experiment.measures)[1]}
    asked = [name for name in names if name in of_whole]
    of_units = unit_measures() if run.layer_iprs else {}
    known = (*scores(), *of_units, *own, *with_meaning(run.network, examples, asked))
    if wrong := [name for name in names if name not in known]:
        known = (*scores(), *of_units, *own, *with_meaning(run.network, examples, of_whole))
        raise ConfigError(
            f"`of` must name scores and measures that the run has, got {wrong[0]!r}. "
            + meant(wrong[0], known)
        )
    networks = [network for _, network in kept_networks(run)]
    found = of_networks(networks, [examples] * len(networks), asked)
    for values, network in zip(found, networks, strict=True):
        if not (scores().keys() | of_units).isdisjoint(names):
            measured = measure(network, examples)
            ipr = embedding_ipr(network, [measured])
            values |= measured.scores | {n: row.value(ipr).item() for n, row in of_units.items()}
        values |= {n: own_measure(own[n], network, run.data) for n in names if n in own}
    return [{name: values[name] for name in names} for values in found]


def _as_dataset(answer: Any) -> xr.Dataset:
    if isinstance(answer, xr.Dataset):
        return answer
    if isinstance(answer, xr.DataArray):
        return answer.to_dataset(name=answer.name or "value")
    if isinstance(answer, pd.Series):
        answer = answer.to_frame(str(answer.name or "value"))
    if isinstance(answer, pd.DataFrame):
        return answer.to_xarray()
    numbers = answer if isinstance(answer, Mapping) else {"value": answer}
    if wrong := [name for name, value in numbers.items() if value is not None and np.ndim(value)]:
        raise ConfigError(
            f"`of` must return a dataset, a table, numbers by name or one number, got an array as "
            f"{wrong[0]!r}. Use xarray.DataArray(array, dims=...)."
        )
    return xr.Dataset({name: np.nan if n is None else n for name, n in numbers.items()})


@in_own_precision
def with_network(run: Run, network: Network, words: str, step: int | None = None) -> Run:
    """A run whose network is another, measured on the run's data.

    Args:
        run: with its weights.
        network: of the same arrays.
        words: how the network was made from the trained one.
        step: the step it is of, and up to which the run's measurements are taken over; by default
            the last, without the measurements before.
    """
    dataset = measured_once(run.experiment, network, run.data)
    if step is None:
        dataset = dataset.assign_coords(step=run.dataset.step[-1:])
    else:
        dataset = dataset.assign_coords(step=("step", [step], run.dataset.step.attrs))
        curves = [name for name in dataset.data_vars if "step" in dataset[name].dims]
        before = run.dataset[curves].sel(step=run.dataset.step < step)
        joined = xr.concat([before, dataset[curves]], "step", combine_attrs="drop_conflicts")
        dataset = dataset.drop_dims("step").assign(joined.variables)
    elsewhere = run.elsewhere and run.elsewhere._replace(network=network)
    return Run(run.experiment, dataset.assign_attrs(derived=words), elsewhere=elsewhere)


def measured_once(experiment: Experiment, network: Network, data: Dataset) -> xr.Dataset:
    """What a run's dataset holds of a network, measured at the experiment's first step alone."""
    experiment = experiment.replace(measures=None, keep_weights=None, kept_dtype=None)
    examples = Examples(data, experiment)
    (at_end,) = measured_at_end([network], [examples])
    return as_dataset(examples, [measure(network, examples)], network, at_end)
