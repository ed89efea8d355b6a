"""Runs of networks that were trained elsewhere: their arrays, their data, and what calls them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from grokscope.data.dataset import Dataset, complete, make_dataset
from grokscope.errors import ConfigError, require_kind
from grokscope.experiment.experiment import Experiment
from grokscope.measures.attribution import features_fit
from grokscope.measures.checks import require_measurable
from grokscope.models.network import Layer, Network, arrays_of, with_arrays
from grokscope.models.outside import Forward, Outside
from grokscope.runs.run import Elsewhere, Run
from grokscope.runs.snapshot import measured_once
from grokscope.training.networks import model_shapes


def run_of(
    weights: Mapping[str, object],
    experiment: Experiment,
    forward: Forward | None = None,
    layers: Mapping[str, Layer] | None = None,
    given_labels: object = None,
    is_train: object = None,
) -> Run:
    """A run of a network that was trained elsewhere; `session.elsewhere` explains the arguments.

    Raises:
        ConfigError: if arrays, layers or labels do not fit, or the logits are none.
    """
    require_kind("weights", weights, Mapping, "Use a dict of arrays by name.")
    require_kind("experiment", experiment, Experiment, "Use Experiment(modulus=97).")
    arrays = {str(name): _array(str(name), array) for name, array in weights.items()}
    experiment, data = _with_data(complete(experiment), given_labels, is_train)
    if forward is None:
        if layers is not None:
            raise ConfigError(
                "`layers` must be given with `forward`, got them alone. Leave them out for a "
                "built-in network, or give what computes the logits."
            )
        network = _built_in(arrays, experiment)
    else:
        named = tuple((layers or {}).items())
        network = Outside(arrays, forward, data.n_labels, named)
        _require_logits(network, data)
        network = _with_readout(network, data)
    require_measurable(experiment, network)
    dataset = measured_once(experiment, network, data)
    return Run(experiment, dataset, elsewhere=Elsewhere(network, data))


def _array(name: str, value: object) -> Any:
    """An array of float32.

    Raises:
        ConfigError: if it is none, or not finite.
    """
    try:
        array = np.asarray(value)
        with np.errstate(over="ignore"):  # infinity is refused below
            found = array.astype(np.float32) if array.dtype.kind in "fiu" else None
    except Exception as error:  # of any kind: the array may be of any library
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"`{name}` must be an array, got: {reason}. Make it NumPy's.") from None
    if found is None or not np.isfinite(found).all():
        got = f"an array of {array.dtype}" if found is None else "numbers that are not finite"
        raise ConfigError(f"`{name}` must hold finite numbers, got {got}. Look at its training.")
    return jnp.asarray(found)


def _built_in(arrays: Mapping[str, Any], experiment: Experiment) -> Network:
    """The experiment's network with these arrays.

    Raises:
        ConfigError: if names or shapes are others.
    """
    network = model_shapes(experiment)
    shapes = {name: list(array.shape) for name, array in arrays_of(network).items()}
    model = f"a {experiment.model.name} of these settings"
    if missing := [name for name in shapes if name not in arrays]:
        raise ConfigError(
            f"`weights` must have the arrays of {model}, {', '.join(shapes)}, got none named "
            f"{missing[0]}. Rename yours, set the experiment's model, or give `layers` and what "
            "computes the logits."
        )
    if unknown := [name for name in arrays if name not in shapes]:
        raise ConfigError(
            f"`weights` must have no arrays but those of {model}, {', '.join(shapes)}, got "
            f"{unknown[0]}. Leave it out, or set the experiment's model, depth or normalization."
        )
    for name, shape in shapes.items():
        if list(arrays[name].shape) != shape:
            raise ConfigError(
                f"`{name}` must be of shape {shape} in {model}, got {list(arrays[name].shape)}. "
                "Set the experiment's modulus and width to yours, or transpose it."
            )
    return with_arrays(network, arrays)


def _require_logits(network: Outside, data: Dataset) -> None:
    """Refuse what gives no logits, before it is called by compiled code."""
    arrays, inputs = {k: np.asarray(v) for k, v in network.outside.items()}, data.inputs[:2]
    try:
        logits = np.asarray(network.forward(arrays, inputs))
    except Exception as error:  # of any kind: it is the user's code
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"`forward` must take inputs {inputs.dtype} {list(inputs.shape)}, got "
            f"{type(error).__name__}: {reason}. Mend it."
        ) from None
    if logits.shape != (2, data.n_labels) or logits.dtype.kind != "f":
        raise ConfigError(
            f"`forward` must give logits {[2, data.n_labels]} of two examples, got {logits.dtype} "
            f"{list(logits.shape)}. Mend it."
        )
    if not np.isfinite(logits).all():
        raise ConfigError(
            "`forward` must give finite logits, got some that are not. Look at its training."
        )


def _with_readout(network: Outside, data: Dataset) -> Outside:
    """The network, which knows its read-out if its last layer's units add to the logits."""
    if not network.layers:
        return network
    name, last = list(network.layers.items())[-1]
    found = network.outside.get(last.outgoing)
    if found is None or found.ndim != 2 or len(found) != data.n_labels:
        return network
    reading = replace(network, read_by=last.outgoing)
    is_sound = np.isfinite(reading.features(jnp.asarray(data.inputs[:2]))).all()
    return reading if is_sound and features_fit(reading, data, name) else network


def _with_data(
    experiment: Experiment, given_labels: object, is_train: object
) -> tuple[Experiment, Dataset]:
    """The experiment and its data, with labels and split of the user's own if there are any."""
    data = make_dataset(experiment)
    if given_labels is None and is_train is None:
        return experiment, data
    if experiment.n_operands is None:
        name = "given_labels" if given_labels is not None else "is_train"
        raise ConfigError(
            f"`{name}` must be left out where inputs are no tokens, got it for "
            f"{experiment.task.title}. Let the function of the task return your labels and split."
        )
    shape, true = (experiment.n_inputs,) * experiment.n_operands, data.true_labels
    trained, given = data.is_train, true
    if is_train is not None:
        trained = _of_rows("is_train", is_train, shape, "b")[data.rows]
    if given_labels is not None:
        labels = _of_rows("given_labels", given_labels, shape, "iu")[data.rows]
        given = np.where(trained, labels, true).astype(true.dtype)
    n_train, n_labels = int(trained.sum()), data.n_labels
    if not 0 < n_train < len(true):
        raise ConfigError(
            f"`is_train` must leave examples for training and for testing, got {n_train} of "
            f"{len(true)} for training. Mark those that the network was trained on."
        )
    if given.min() < 0 or given.max() >= n_labels:
        raise ConfigError(
            f"`given_labels` must lie from 0 to {n_labels - 1} where `is_train` is true, got "
            f"{given.min()} to {given.max()}. Give the labels that the network was trained on."
        )
    # A label that was drawn anew and is right nevertheless cannot be told from one that was kept.
    order, wrong = np.argsort(~trained, kind="stable"), given != true
    arrays = {"true_labels": true, "given_labels": given, "is_corrupted": wrong}
    arrays |= {"inputs": data.inputs, "rows": data.rows}
    data = replace(data, n_train=n_train, **{name: one[order] for name, one in arrays.items()})
    share = n_train / len(true)
    experiment = experiment.replace(
        train_fraction=share, corruption_fraction=wrong.sum() / n_train, corruption=None,
        label_scores=None, batch_size=None,
    )  # fmt: skip
    return experiment, data


def _of_rows(name: str, values: object, shape: tuple[int, ...], kinds: str) -> np.ndarray:
    """What is given for every row of a table, as an array over `Dataset.rows`."""
    array, n_rows = np.asarray(values), math.prod(shape)
    if array.shape not in (shape, (n_rows,)) or array.dtype.kind not in kinds:
        words = "True or False" if kinds == "b" else "a whole number"
        raise ConfigError(
            f"`{name}` must hold {words} for each row, as [m, n] or at m·p + n of pairs, {n_rows} "
            f"in all, got {array.dtype} {list(array.shape)}. Fill a table of all rows."
        )
    return array.ravel()
