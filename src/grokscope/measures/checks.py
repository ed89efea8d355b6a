"""What is refused before training: the user's own names, layers and networks that do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from grokscope.data.dataset import Dataset, make_dataset
from grokscope.errors import ConfigError, meant
from grokscope.experiment.experiment import Experiment
from grokscope.experiment.models import OwnModel
from grokscope.experiment.own_code import own_code_in, split_measures
from grokscope.measures.examples import Examples
from grokscope.measures.table import (
    MEASURES,
    RUN_NAMES,
    RUN_PREFIXES,
    is_reserved,
    network_measures,
)
from grokscope.measures.together import with_meaning
from grokscope.models.network import Network, arrays_of, vector_matrices
from grokscope.models.normalization import running_statistics
from grokscope.models.precision import in_own_precision
from grokscope.training.ensemble import ensemble_key
from grokscope.training.networks import model_shapes

Shapes = Mapping[str, tuple[int, ...]]


def require_measurable(experiment: Experiment, model: Network) -> None:
    """Refuse layers and names of the user's own that could not be measured.

    Args:
        experiment: whose measures and task are looked at.
        model: its network, or one with shapes in place of arrays.

    Raises:
        ConfigError: if `layers` name no such arrays, or arrays that are not tokens by units; or
            if a measure or an array has a name that something else in a run has.
    """
    shapes = {name: tuple(array.shape) for name, array in arrays_of(model).items()}
    _require_names(experiment, shapes)
    if not isinstance(model.layers, dict):
        raise ConfigError(
            f"`layers` must be a property, a dict of names and layers, got "
            f"{type(model.layers).__name__}. Write @property above it."
        )
    for layer in model.layers.values():
        for name in (*layer.vectors, layer.outgoing, *([layer.gamma] if layer.gamma else [])):
            if name not in shapes:
                raise ConfigError(
                    f"`layers` must name arrays of the network, got {name!r}. "
                    f"Use one of {', '.join(shapes)}."
                )
    _require_vectors(experiment, model, shapes)
    _require_outgoing(model, shapes)


def _require_names(experiment: Experiment, shapes: Shapes) -> None:
    """Refuse measures and arrays of names that something else in a run or a sweep has."""
    built_in, codes = split_measures(experiment.measures)
    _require_built_in(built_in)
    measures = [code.function for code in codes]
    taken = [*MEASURES, *RUN_NAMES, *shapes, *measures]
    settings = {
        leaf for part in experiment.model_dump().values() if isinstance(part, dict) for leaf in part
    }
    in_sweeps = {*filter(is_reserved, measures), *settings, *Experiment.model_fields}
    for kind, names in (("measures", measures), ("model", list(shapes))):
        for name in names:
            is_taken = name in in_sweeps or name.startswith(RUN_PREFIXES)
            if taken.count(name) > 1 or (kind == "measures" and is_taken):
                raise ConfigError(
                    f"`{kind}` must have names that nothing else in a run has, got {name!r}. "
                    "Give it another."
                )


def _require_built_in(names: Sequence[str]) -> None:
    """Refuse names of measures that are neither a function nor one of `network_measures`."""
    if wrong := [name for name in names if name not in network_measures()]:
        raise ConfigError(
            "`measures` must be functions as in my_measures:margin, or names of built-in ones, "
            f"got {wrong[0]!r}. {meant(wrong[0], network_measures())}"
        )


def require_meaning(experiments: Iterable[Experiment]) -> None:
    """Refuse a built-in measure that has a meaning for none of the experiments that ask for it.

    In a sweep it may have one for some cells only; the others have no number for it.

    Args:
        experiments: what is to be trained.

    Raises:
        ConfigError: naming the measure, and those that have a meaning.
    """
    asking: dict[str, Experiment] = {}
    known: set[str] = set()
    seen: set[tuple] = set()
    for experiment in experiments:
        asked = [name for name in split_measures(experiment.measures)[0] if name not in known]
        kind = *asked, ensemble_key(experiment), experiment.corruption
        if not asked or kind in seen:
            continue
        _require_built_in(asked)
        asking |= dict.fromkeys(asked, experiment)
        known |= {*_with_meaning(experiment, asked)}
        seen.add(kind)
    if missing := [name for name in asking if name not in known]:
        found = _with_meaning(asking[missing[0]], [*network_measures()])
        raise ConfigError(
            f"`measures` must have a meaning for the experiment, got {missing[0]!r}, "
            "which has none. " + (f"Use some of {', '.join(found)}." if found else "Leave it out.")
        )


def _with_meaning(experiment: Experiment, names: Sequence[str]) -> list[str]:
    """Those of some built-in measures that have a meaning for an experiment's network."""
    dataset = make_dataset(experiment)
    require_logits(experiment, dataset)
    return with_meaning(model_shapes(experiment), Examples(dataset, experiment), names)


def _require_vectors(experiment: Experiment, model: Network, shapes: Shapes) -> None:
    """Refuse vectors that are not all tokens by units."""
    vectors = list(vector_matrices(model))
    if not vectors:
        return
    if not experiment.task.has_tokens:
        raise ConfigError(
            f"`layers` must have no vectors where inputs are no tokens, got {vectors[0]}."
            " Leave them out."
        )
    n_tokens, n_units = experiment.n_inputs, shapes[vectors[0]][-1:]
    if wrong := [name for name in vectors if shapes[name] != (n_tokens, *n_units)]:
        raise ConfigError(
            f"`layers` must name matrices of one shape, {n_tokens} tokens by units, got "
            f"{wrong[0]} {list(shapes[wrong[0]])}. Store it so, or leave it out."
        )


def _require_outgoing(model: Network, shapes: Shapes) -> None:
    """Refuse layers without a matrix that has a column for each of their units."""
    for title, layer in model.layers.items():
        outgoing = list(shapes[layer.outgoing])
        units = {shapes[name][-1] for name in (*layer.vectors, layer.gamma) if name}
        if len(outgoing) != 2 or units - {outgoing[1]}:
            raise ConfigError(
                f"`layers` must have a matrix with a column for each unit to carry them onwards, "
                f"got {layer.outgoing} {outgoing} for {title}. Store it as [output, unit]."
            )


@in_own_precision
def require_logits(experiment: Experiment, dataset: Dataset) -> None:
    """Refuse a network of the user's own that gives no logits, before anything is compiled.

    Raises:
        ConfigError: if in evaluation or in training it cannot be called as `Network` says, or gives
            something else.
    """
    if not isinstance(experiment.model, OwnModel):
        return
    inputs, expected = jnp.asarray(dataset.inputs[:2]), (2, dataset.n_labels)

    def evaluated(model: Any) -> object:
        shared, alone = model.shared(), model(inputs)  # which must do without what is shared, too
        return alone if shared is None else model(inputs, shared)

    def trained(model: Network) -> object:
        return model.in_training(inputs, None, 0.0, model.shared())[0]

    def seen(model: Network) -> object:
        return model.in_training(inputs, None, 0.0, model.shared())[1]

    place, model = experiment.model.code.label, model_shapes(experiment)
    for method, logits in (("__call__", evaluated), ("in_training", trained)):
        try:
            shape = getattr(eqx.filter_eval_shape(logits, model), "shape", ())
        except Exception as error:
            if own_code_in(error):
                raise
            raise ConfigError(
                f"`{place}` must have a method {method} as in grokscope.Network, got "
                f"{type(error).__name__}: {error}. Mend the class."
            ) from None
        if shape != expected:
            raise ConfigError(
                f"`{place}` must give logits {list(expected)} of two examples by {method}, got "
                f"{list(shape)}. Mend the class."
            )
    running, found = running_statistics(model), eqx.filter_eval_shape(seen, model)
    shapes = [jax.tree.map(lambda array: array.shape, each) for each in (running, found)]
    if shapes[0] != shapes[1]:
        raise ConfigError(
            f"`{place}` must give by in_training, behind the logits, a list of what each of its "
            f"{len(running)} BatchNorm layers saw, in the order of its fields, got "
            f"{[list(a.shape) for a in jax.tree.leaves(found)]}. Mend the class."
        )
